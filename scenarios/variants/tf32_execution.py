"""TensorFlow on a GPU with products of 32-bit floats as TensorFloat-32: its own default, which fweval switches off.

Documentation: https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_tensor_float_32_execution
"""

from typing import ClassVar

from evaluator.core.records import Signature
from scenarios.contract import TrainingVariant
from scenarios.variants._processor import without_tensor_cores


class Tf32Execution(TrainingVariant):
    """`tf.config.experimental.enable_tensor_float_32_execution(True)`."""

    name = "tf32_execution"
    title = "TensorFloat-32 execution"
    summary = "TensorFloat-32 is enabled by tf.config.experimental.enable_tensor_float_32_execution"
    framework = "tensorflow"
    options: ClassVar = {"tf32": True}
    precision = "tf32"
    effort = 0

    def applies(self, signature: Signature, *, cuda: bool) -> bool:
        """Look for a GPU."""
        return cuda

    def lacking(self, *, cuda: bool) -> tuple[str, str] | None:
        """Look for tensor cores that have it."""
        return without_tensor_cores("TensorFloat-32")


plugin = Tf32Execution()
