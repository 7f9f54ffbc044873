"""TensorFlow on a GPU with products of 32-bit floats as TensorFloat-32: its own default, which fweval switches off.

Documentation: https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_tensor_float_32_execution
"""

from scenarios.variants.tf32 import Tf32


class Tf32Execution(Tf32):
    """`tf.config.experimental.enable_tensor_float_32_execution(True)`."""

    name = "tf32_execution"
    title = "TensorFloat-32 execution"
    summary = "TensorFloat-32 is enabled by tf.config.experimental.enable_tensor_float_32_execution"
    framework = "tensorflow"


plugin = Tf32Execution()
