"""TensorFlow without a graph, operation by operation: what people do while they look for a mistake.

Documentation: https://www.tensorflow.org/guide/intro_to_graphs (`run_functions_eagerly`)
"""

from typing import ClassVar

from scenarios.contract import TrainingVariant


class RunEagerly(TrainingVariant):
    """No `tf.function`."""

    name = "run_eagerly"
    title = "eager"
    summary = "the step runs eagerly, without tf.function"
    framework = "tensorflow"
    options: ClassVar = {"eagerly": True}
    exact = True
    effort = 0


plugin = RunEagerly()
