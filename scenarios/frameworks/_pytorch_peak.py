"""What a device can do at most in PyTorch's own kernels: oneDNN or the BLAS of its build, cuBLAS and cuDNN on a GPU."""

from collections.abc import Callable
from typing import Any

from scenarios.contract import Kernel, Sizes
from scenarios.frameworks._kernels import TYPES, kernels_of
from scenarios.frameworks._pytorch_training import Place


def kernels(sizes: Sizes, precision: str, place: Place) -> tuple[Kernel, ...]:
    """Return the kernels; nothing is allocated before they are made."""
    return kernels_of(_Calls(TYPES[precision], place), sizes, precision)


class _Calls:
    """The calls, each with what it computes with."""

    def __init__(self, dtype: str, place: Place) -> None:
        self._dtype = dtype
        self._place = place

    def gemm(self, side: int) -> Callable[[], object]:
        """Multiply two matrices, into a third."""
        import torch

        one, other, product = (self._numbers(side, side) for _ in range(3))
        return self._finished(lambda: torch.mm(one, other, out=product))

    def convolution(self, images: int, side: int, channels: int) -> Callable[[], object]:
        """Convolve images in 3 by 3, in the framework's layout: channels first."""
        import torch

        given, filters = self._numbers(images, channels, side, side), self._numbers(channels, channels, 3, 3)
        return self._finished(lambda: torch.conv2d(given, filters))

    def memory(self, count: int) -> Callable[[], object]:
        """Add an array to another, in place."""
        total, other = self._numbers(count), self._numbers(count)
        return self._finished(lambda: total.add_(other))

    def _numbers(self, *shape: int) -> Any:
        import torch

        return torch.rand(*shape, device=self._place.name).to(getattr(torch, self._dtype))

    def _finished(self, call: Callable[[], object]) -> Callable[[], object]:
        def waiting() -> None:
            call()
            self._place.wait()

        return waiting
