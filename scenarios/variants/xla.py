"""TensorFlow with the step compiled by XLA.

Documentation: https://www.tensorflow.org/xla/tutorials/jit_compile
"""

from typing import ClassVar

from scenarios.contract import TrainingVariant


class Xla(TrainingVariant):
    """`tf.function(jit_compile=True)`."""

    name = "xla"
    title = "XLA"
    summary = "the step is a tf.function with jit_compile=True"
    framework = "tensorflow"
    options: ClassVar = {"jit_compile": True}


plugin = Xla()
