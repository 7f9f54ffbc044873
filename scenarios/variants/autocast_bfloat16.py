"""PyTorch in mixed precision: matrix products and convolutions in bfloat16, weights in full precision.

Documentation: https://docs.pytorch.org/docs/stable/amp.html
"""

from typing import ClassVar

from scenarios.contract import TrainingVariant
from scenarios.variants._processor import without_bfloat16


class AutocastBfloat16(TrainingVariant):
    """`torch.autocast` around the forward pass."""

    name = "autocast_bfloat16"
    title = "bfloat16 autocast"
    summary = "the forward pass runs under torch.autocast in bfloat16"
    framework = "pytorch"
    options: ClassVar = {"autocast": "bfloat16"}
    precision = "bfloat16"
    effort = 0

    def lacking(self, *, cuda: bool) -> tuple[str, str] | None:
        """Look for instructions."""
        return without_bfloat16(cuda=cuda)


plugin = AutocastBfloat16()
