"""PyTorch with the channels of images last in memory, as its convolutions prefer them.

Documentation: https://docs.pytorch.org/tutorials/intermediate/memory_format_tutorial.html
"""

from typing import ClassVar

from evaluator.core.records import Signature
from scenarios.contract import TrainingVariant

_IMAGES = 4  # dimensions of a batch of images


class ChannelsLast(TrainingVariant):
    """Another memory format of weights and images."""

    name = "channels_last"
    title = "channels last"
    summary = "network and images have the memory format channels_last"
    framework = "pytorch"
    options: ClassVar = {"channels_last": True}
    effort = 0

    def applies(self, signature: Signature, *, cuda: bool) -> bool:
        """Look for images."""
        return any(len(each.shape) == _IMAGES for each in signature.inputs)


plugin = ChannelsLast()
