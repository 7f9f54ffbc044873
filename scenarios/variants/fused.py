"""PyTorch with the optimizer's update in one kernel, in place of several for each weight.

Documentation: https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html (`fused`)
"""

from typing import ClassVar

from scenarios.contract import TrainingVariant


class Fused(TrainingVariant):
    """One keyword of the optimizer."""

    name = "fused"
    title = "fused optimizer"
    summary = "the optimizer is made with fused=True"
    framework = "pytorch"
    options: ClassVar = {"fused": True}
    effort = 0


plugin = Fused()
