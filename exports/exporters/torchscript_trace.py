"""torch.jit.trace: records the operators that run on an example, as TorchScript.

What is lost: control flow that depends on the data is frozen to the branch that the example took.
Documentation: https://docs.pytorch.org/docs/stable/generated/torch.jit.trace.html (PyTorch marks it as deprecated)
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _pytorch


class TorchScriptTrace(Exporter):
    """A traced module, saved as `model.pt`; its inputs are positional, in the signature's order."""

    name = "torchscript_trace"
    title = "torch.jit.trace"
    origin = "pytorch"
    format = "torchscript"
    route = "native"
    layout = "pytorch"
    standard = True
    distributions: ClassVar = ("torch",)

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Trace the module with the example and save it."""
        path = folder / "model.pt"
        _pytorch.trace(origin, precision).save(str(path))
        return path


plugin = TorchScriptTrace()
