"""PyTorch with the network compiled, and kernels chosen by trying them: it takes minutes before the first step.

Documentation: https://docs.pytorch.org/docs/stable/generated/torch.compile.html (`mode`)
"""

from typing import ClassVar

from scenarios.variants.compiled import Compiled


class CompiledAutotuned(Compiled):
    """`torch.compile(mode="max-autotune")`."""

    name = "compiled_autotuned"
    title = "torch.compile, max-autotune"
    summary = 'the network is compiled by torch.compile(mode="max-autotune")'
    options: ClassVar = {"compiled": "max-autotune"}
    effort = 2


plugin = CompiledAutotuned()
