"""torch.export: captures a module as one graph of ATen operators.

Quantized with torchao's PT2E flow, whose patterns are those of PyTorch's quantizer for x86.
Documentation: https://docs.pytorch.org/docs/stable/export.html
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _pytorch

_NO_QUANTIZER = "its quantizers come with torchao and ExecuTorch, whose pins clash with ours: see the ExecuTorch path"


class TorchExport(Exporter):
    """A file `model.pt2` with a free batch dimension."""

    name = "torch_export"
    title = "torch.export"
    origin = "pytorch"
    format = "pt2"
    route = "native"
    layout = "pytorch"
    cannot: ClassVar = {"int8_dynamic": _NO_QUANTIZER, "int8": _NO_QUANTIZER}
    distributions: ClassVar = ("torch",)

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Capture the module and save it."""
        import torch

        module, example = _pytorch.at_precision(origin, precision), _pytorch.example_tensors(origin)
        dynamic = torch.export.Dim.DYNAMIC  # its range is found: a text is no longer than there are positions
        free = tuple(
            {axis: each if axis == 0 else dynamic for axis, each in axes.items()}
            for axes in _pytorch.free_dimensions(origin)
        )
        path = folder / "model.pt2"
        torch.export.save(torch.export.export(module, example, dynamic_shapes=free), path)
        return path


plugin = TorchExport()
