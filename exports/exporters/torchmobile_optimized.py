"""optimize_for_mobile: TorchMobile with the operators rewritten for XNNPACK, as its documentation tells to.

PyTorch's wheels for desktop processors are built without XNNPACK (USE_XNNPACK=0) and refuse it.
Documentation: https://docs.pytorch.org/docs/stable/mobile_optimizer.html
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _pytorch


class TorchMobileOptimized(Exporter):
    """A traced and optimised module, saved for the lite interpreter as `model.ptl`."""

    name = "torchmobile_optimized"
    title = "optimize_for_mobile"
    origin = "pytorch"
    format = "torchmobile"
    route = "native"
    layout = "pytorch"
    distributions: ClassVar = ("torch",)

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Trace, optimise, and save for the lite interpreter."""
        from torch.utils.mobile_optimizer import optimize_for_mobile

        path = folder / "model.ptl"
        optimized = optimize_for_mobile(_pytorch.trace(origin, precision))
        optimized._save_for_lite_interpreter(str(path))  # noqa: SLF001  # the only way
        return path


plugin = TorchMobileOptimized()
