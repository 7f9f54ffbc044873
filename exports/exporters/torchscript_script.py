"""torch.jit.script: compiles a module's Python source to TorchScript, control flow included.

What is lost: Python that TorchScript does not know. It refuses such a module; torch.jit.trace asks for less.
Documentation: https://docs.pytorch.org/docs/stable/generated/torch.jit.script.html (PyTorch marks it as deprecated)
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _pytorch


class TorchScriptScript(Exporter):
    """A compiled module, saved as `model.pt`; its inputs are positional, in the signature's order."""

    name = "torchscript_script"
    title = "torch.jit.script"
    origin = "pytorch"
    format = "torchscript"
    route = "native"
    layout = "pytorch"
    distributions: ClassVar = ("torch",)

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Compile the module and save it; raises torch's `NotSupportedError` or `RuntimeError` with the line."""
        import torch

        path = folder / "model.pt"
        torch.jit.script(_pytorch.at_precision(origin, precision)).save(str(path))
        return path


plugin = TorchScriptScript()
