"""TorchScript: a PyTorch model as a graph of ATen operators plus its weights, in one zip file that needs no Python.

What is lost: tracing keeps the operators that ran on the example, so control flow that depends on the data is frozen
to the branch that was taken. Training is not meant to continue from it. It is what TorchServe and libtorch load.
Specification: https://docs.pytorch.org/docs/stable/jit.html (PyTorch itself marks TorchScript as deprecated).
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Format, Origin
from exports.formats import _pytorch


class TorchScript(Format):
    """A traced module, saved as `model.pt`; its inputs are positional, in the signature's order."""

    name = "torchscript"
    title = "TorchScript"
    path = "server"
    origins = ("pytorch",)
    distributions: ClassVar = {"pytorch": ("torch",)}

    def export(self, origin: Origin, folder: Path) -> Path:
        """Trace the module with the example and save it."""
        path = folder / "model.pt"
        _pytorch.trace(origin).save(str(path))
        return path


plugin = TorchScript()
