"""TorchMobile: TorchScript compiled to the byte code of PyTorch's lite interpreter, which runs on phones.

What is lost: what TorchScript loses, and the graph itself: freezing folds the weights in as constants, so nothing can
be retrained or inspected by name. `torch.utils.mobile_optimizer.optimize_for_mobile`, which would rewrite the model for
XNNPACK, is not applied: PyTorch's wheels are built without XNNPACK and refuse it.
Specification: https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/serialization/mobile_bytecode.fbs
(PyTorch Mobile is no longer developed; ExecuTorch is its successor.)
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Format, Origin
from exports.formats import _pytorch


class TorchMobile(Format):
    """A traced and frozen module, saved for the lite interpreter as `model.ptl`."""

    name = "torchmobile"
    title = "TorchMobile"
    path = "mobile"
    origins = ("pytorch",)
    distributions: ClassVar = {"pytorch": ("torch",)}

    def export(self, origin: Origin, folder: Path) -> Path:
        """Trace, freeze, and save for the lite interpreter."""
        import torch

        path = folder / "model.ptl"
        torch.jit.freeze(_pytorch.trace(origin))._save_for_lite_interpreter(str(path))  # noqa: SLF001  # the only way
        return path


plugin = TorchMobile()
