"""The kernels that show what a device can do, and how much each of them does: the same in every framework.

A product of square matrices and a 3 by 3 convolution in the middle of a residual network are what BLAS and oneDNN are
tuned for. Memory is read and written by adding one array to another in place, as in STREAM's Add with its result on top
of an operand: three transfers an element, and no line is read that is only written (https://www.cs.virginia.edu/stream).
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from scenarios.contract import Kernel, Sizes

TYPES = {"fp32": "float32", "bfloat16": "bfloat16"}  # precision -> the type's name in both frameworks
GEMM, CONVOLUTION, MEMORY = "gemm", "convolution", "memory"
_SIDE, _CHANNELS = 28, 128  # of what a convolution makes: zeros of a border would be work that nobody does
_FLOAT_BYTES = 4


class Calls(Protocol):
    """A framework's way to compute them; each allocates, and returns the call."""

    def gemm(self, side: int) -> Callable[[], object]:
        """Multiply two square matrices."""
        ...

    def convolution(self, images: int, side: int, channels: int) -> Callable[[], object]:
        """Convolve square images in 3 by 3, with as many filters as channels, and lose the border."""
        ...

    def memory(self, count: int) -> Callable[[], object]:
        """Add one array of that many elements to another, in place."""
        ...


def kernels_of(calls: Calls, sizes: Sizes, precision: str) -> tuple[Kernel, ...]:
    """Return the kernels of a framework; memory is of no precision, and asked with full floats."""
    side, images, elements = sizes.side, sizes.images, sizes.array_bytes // _FLOAT_BYTES
    gemm = Kernel(name=GEMM, precision=precision, work=2 * side**3, make=partial(calls.gemm, side))
    convolution = Kernel(
        name=CONVOLUTION,
        precision=precision,
        work=2 * images * _SIDE**2 * _CHANNELS**2 * 3 * 3,
        make=partial(calls.convolution, images, _SIDE + 2, _CHANNELS),
    )
    if precision != "fp32":
        return gemm, convolution
    moved = 3 * elements * _FLOAT_BYTES
    memory = Kernel(name=MEMORY, precision=precision, work=moved, make=partial(calls.memory, elements))
    return gemm, convolution, memory
