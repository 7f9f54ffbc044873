"""PyTorch with a fused optimizer and the channels of images last: the two that cost a keyword each, together."""

from typing import ClassVar

from scenarios.variants.channels_last import ChannelsLast


class FusedChannelsLast(ChannelsLast):
    """Both keywords."""

    name = "fused_channels_last"
    title = "fused optimizer, channels last"
    summary = "the optimizer is made with fused=True, network and images have the memory format channels_last"
    options: ClassVar = {"fused": True, "channels_last": True}


plugin = FusedChannelsLast()
