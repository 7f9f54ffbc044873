"""What variants need of the processor, of its tools, or of a GPU."""

import os
import shutil

from evaluator.core import machine, nvml

BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")  # x86 twice, ARM: as the kernel names what a processor has
_AMPERE = (8, 0)  # the first compute capability with bfloat16 and TensorFloat-32


def without_tensor_cores(what: str) -> tuple[str, str] | None:
    """Say that a GPU is older than Ampere and has not `what`; one of which nothing is known is taken to have it."""
    gpu = nvml.gpu()
    found = gpu if isinstance(gpu, nvml.Unknown) else gpu.capability()
    if isinstance(found, nvml.Unknown) or found >= _AMPERE:
        return None
    number = ".".join(map(str, found))
    return f"this GPU (compute capability {number}) has no {what}", "run on one of the Ampere generation or later"


def without_bfloat16(*, cuda: bool) -> tuple[str, str] | None:
    """Say that bfloat16 would be emulated."""
    if cuda:
        return without_tensor_cores("bfloat16: it would be emulated, and the time would say nothing")
    if not machine.flags().isdisjoint(BFLOAT16):
        return None
    return (
        "this processor has no instructions for bfloat16: it would be emulated, and the time would say nothing",
        "run on a processor with AVX512-BF16, AMX or ARM's BF16, or on a GPU",
    )


def without_compiler(*, cuda: bool) -> tuple[str, str] | None:
    """Say that torch.compile has no C++ compiler; on a GPU it writes for Triton, and starts it by C all the same."""
    del cuda
    wanted = os.environ.get("CXX", "g++")
    if shutil.which(wanted) is not None or shutil.which("clang++") is not None:
        return None
    return f"torch.compile needs a C++ compiler, and there is no {wanted} here", "apt-get install g++"
