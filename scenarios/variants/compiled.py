"""PyTorch with the network compiled before its first step.

Documentation: https://docs.pytorch.org/docs/stable/generated/torch.compile.html
"""

from typing import ClassVar

from scenarios.contract import TrainingVariant
from scenarios.variants._processor import without_compiler


class Compiled(TrainingVariant):
    """`torch.compile` as it is by default."""

    name = "compiled"
    title = "torch.compile"
    summary = "the network is compiled by torch.compile"
    framework = "pytorch"
    options: ClassVar = {"compiled": "default"}
    # What was compiled in an earlier process is no part of what people pay the first time.
    variables: ClassVar = {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}

    def lacking(self, *, cuda: bool) -> tuple[str, str] | None:
        """Look for a compiler."""
        return without_compiler(cuda=cuda)


plugin = Compiled()
