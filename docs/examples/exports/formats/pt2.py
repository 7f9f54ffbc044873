"""PT2: a PyTorch model captured by torch.export, in one archive.

What is lost: control flow that depends on the data.
Specification: https://docs.pytorch.org/docs/stable/export.html
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Format, Origin
from exports.formats import _pytorch


class Pt2(Format):
    """A file `model.pt2` with a free batch dimension."""

    name = "pt2"
    title = "PT2"
    path = "server"
    origins = ("pytorch",)
    distributions: ClassVar = {"pytorch": ("torch",)}

    def export(self, origin: Origin, folder: Path) -> Path:
        """Capture the module and save it."""
        import torch

        free = tuple({0: torch.export.Dim.DYNAMIC} for _ in origin.signature.inputs)
        example = _pytorch.example_tensors(origin)
        path = folder / "model.pt2"
        torch.export.save(torch.export.export(origin.model, example, dynamic_shapes=free), path)
        return path


plugin = Pt2()
