"""What a device can do at most in TensorFlow's own kernels: oneDNN and Eigen, cuBLAS and cuDNN on a GPU."""

from collections.abc import Callable
from typing import Any

from scenarios.contract import Kernel, Sizes
from scenarios.frameworks._kernels import TYPES, kernels_of


def kernels(sizes: Sizes, precision: str) -> tuple[Kernel, ...]:
    """Return the kernels; nothing is allocated before they are made. The device was chosen in `prepare`."""
    return kernels_of(_Calls(TYPES[precision]), sizes, precision)


class _Calls:
    """The calls, each with what it computes with."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype

    def gemm(self, side: int) -> Callable[[], object]:
        """Multiply two matrices."""
        import tensorflow as tf

        one, other = self._numbers(side, side), self._numbers(side, side)
        return self._finished(lambda: tf.matmul(one, other))

    def convolution(self, images: int, side: int, channels: int) -> Callable[[], object]:
        """Convolve images in 3 by 3, in the framework's layout: channels last."""
        import tensorflow as tf

        given, filters = self._numbers(images, side, side, channels), self._numbers(3, 3, channels, channels)
        return self._finished(lambda: tf.nn.conv2d(given, filters, strides=1, padding="VALID"))

    def memory(self, count: int) -> Callable[[], object]:
        """Add an array to another, in place."""
        import tensorflow as tf

        total, other = tf.Variable(self._numbers(count), trainable=False), self._numbers(count)
        return self._finished(lambda: total.assign_add(other))

    def _numbers(self, *shape: int) -> Any:
        import tensorflow as tf

        return tf.cast(tf.random.stateless_uniform(shape, seed=(1, len(shape))), self._dtype)

    def _finished(self, call: Callable[[], object]) -> Callable[[], object]:
        import tensorflow as tf

        def waiting() -> None:
            call()
            tf.test.experimental.sync_devices()

        return waiting
