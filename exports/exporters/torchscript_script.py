"""torch.jit.script: compiles a module's Python source to TorchScript, control flow included.

What is lost: Python that TorchScript does not know. It refuses such a module; torch.jit.trace asks for less.
Documentation: https://docs.pytorch.org/docs/stable/generated/torch.jit.script.html (PyTorch marks it as deprecated)
"""

import copy
from pathlib import Path
from typing import Any, ClassVar

from evaluator.core.records import Signature
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
        if precision == "fp16":
            scripted = _half(torch.jit.script(copy.deepcopy(origin.model).half()), origin.signature)
        else:
            scripted = torch.jit.script(_pytorch.at_precision(origin, precision))
        scripted.save(str(path))
        return path


def _half(scripted: Any, signature: Signature) -> Any:
    """Put casts around a compiled half-precision module, so that floats go in and come out as 32 bits.

    The source is written for the signature: TorchScript knows no functions of as many arguments as there are.
    """
    import torch

    class Half(torch.jit.ScriptModule):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.network = scripted

    half = Half()
    names = ", ".join(spec.name for spec in signature.inputs)
    cast = ", ".join(f"{spec.name}.half()" if spec.dtype == "float32" else spec.name for spec in signature.inputs)
    gives = [spec.dtype == "float32" for spec in signature.outputs]
    full = [f"given[{index}]{'.float()' if is_float else ''}" for index, is_float in enumerate(gives)]
    back = ", ".join(full) if len(gives) > 1 else f"given{'.float()' if gives[0] else ''}"
    half.define(f"def forward(self, {names}):\n    given = self.network({cast})\n    return {back}\n")
    return half.eval()


plugin = TorchScriptScript()
