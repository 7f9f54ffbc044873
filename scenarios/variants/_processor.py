"""What variants need of the processor or of its tools."""

import os
import shutil

from evaluator.core import machine

BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")  # x86 twice, ARM: as the kernel names what a processor has


def without_bfloat16(*, cuda: bool) -> tuple[str, str] | None:
    """Say that bfloat16 would be emulated; a GPU of fweval's frameworks has it."""
    if cuda or not machine.flags().isdisjoint(BFLOAT16):
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
