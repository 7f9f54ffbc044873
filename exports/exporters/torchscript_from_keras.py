"""Keras to TorchScript by way of the weights: the same network in PyTorch takes them over, and is exported from there.

There is no converter of programs that is kept up; this asks for a second definition of the network, which a scenario
has. What is lost: nothing but Keras. Inputs have PyTorch's layout.
Documentation: https://docs.pytorch.org/docs/stable/jit.html
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import torchscript_trace


class TorchScriptFromKeras(Exporter):
    """A file as `torchscript_trace` writes it."""

    name = "torchscript_from_keras"
    title = "weights to PyTorch"
    origin = "tensorflow"
    format = "torchscript"
    route = "crossing"
    layout = "pytorch"
    rebuilds = True
    cannot: ClassVar = torchscript_trace.plugin.cannot
    distributions: ClassVar = ("tensorflow", "torch")

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Build the network in PyTorch with the trained weights, and export that."""
        return torchscript_trace.plugin.export(origin.counterpart(), precision, folder)


plugin = TorchScriptFromKeras()
