"""PyTorch with a fused optimizer and the channels of images last: the two that cost a keyword each, together."""

from typing import ClassVar

from evaluator.core.records import Signature
from scenarios.contract import TrainingVariant
from scenarios.variants._inputs import has_images


class FusedChannelsLast(TrainingVariant):
    """Both keywords."""

    name = "fused_channels_last"
    title = "fused optimizer, channels last"
    summary = "the optimizer is made with fused=True, network and images have the memory format channels_last"
    framework = "pytorch"
    options: ClassVar = {"fused": True, "channels_last": True}
    effort = 0

    def applies(self, signature: Signature, *, cuda: bool) -> bool:
        """Look for images."""
        return has_images(signature)


plugin = FusedChannelsLast()
