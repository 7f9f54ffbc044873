"""PyTorch with the network compiled, and kernels chosen by trying them: it takes minutes before the first step.

Documentation: https://docs.pytorch.org/docs/stable/generated/torch.compile.html (`mode`)
"""

from typing import ClassVar

from scenarios.contract import TrainingVariant
from scenarios.variants._processor import without_compiler


class CompiledAutotuned(TrainingVariant):
    """`torch.compile(mode="max-autotune")`."""

    name = "compiled_autotuned"
    title = "torch.compile, max-autotune"
    summary = 'the network is compiled by torch.compile(mode="max-autotune")'
    framework = "pytorch"
    options: ClassVar = {"compiled": "max-autotune"}
    effort = 2
    variables: ClassVar = {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}

    def lacking(self, *, cuda: bool) -> tuple[str, str] | None:
        """Look for a compiler."""
        return without_compiler(cuda=cuda)


plugin = CompiledAutotuned()
