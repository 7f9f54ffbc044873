"""Trace, freeze, and save for the lite interpreter: TorchMobile without its optimiser.

Freezing folds the weights in as constants, so nothing can be retrained or inspected by name.
Documentation: https://docs.pytorch.org/mobile/home/
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _pytorch


class TorchMobileLite(Exporter):
    """A traced and frozen module, saved for the lite interpreter as `model.ptl`."""

    name = "torchmobile_lite"
    title = "freeze + lite interpreter"
    origin = "pytorch"
    format = "torchmobile"
    route = "native"
    layout = "pytorch"
    standard = True
    distributions: ClassVar = ("torch",)

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Trace, freeze, and save for the lite interpreter."""
        import torch

        path = folder / "model.ptl"
        frozen = torch.jit.freeze(_pytorch.trace(origin, precision))
        frozen._save_for_lite_interpreter(str(path))  # noqa: SLF001  # the only way
        return path


plugin = TorchMobileLite()
