"""Keras to TorchMobile by way of the weights: the same network in PyTorch takes them over, and is exported from there.

There is no converter of programs that is kept up; this asks for a second definition of the network, which a scenario
has. What is lost: nothing but Keras. Inputs have PyTorch's layout.
Documentation: https://docs.pytorch.org/docs/stable/jit.html
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import torchmobile_lite


class TorchMobileFromKeras(Exporter):
    """A file as `torchmobile_lite` writes it."""

    name = "torchmobile_from_keras"
    title = "weights to PyTorch, for phones"
    origin = "tensorflow"
    format = "torchmobile"
    route = "crossing"
    layout = "pytorch"
    rebuilds = True
    cannot: ClassVar = torchmobile_lite.plugin.cannot
    distributions: ClassVar = ("tensorflow", "torch")

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Build the network in PyTorch with the trained weights, and export that."""
        return torchmobile_lite.plugin.export(origin.counterpart(), precision, folder)


plugin = TorchMobileFromKeras()
