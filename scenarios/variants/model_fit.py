"""TensorFlow by Keras' own loop, as most people train; by its default it compiles the step with XLA.

Documentation: https://keras.io/api/models/model_training_apis/ (`jit_compile="auto"`)
"""

from typing import ClassVar

from scenarios.contract import TrainingVariant


class ModelFit(TrainingVariant):
    """`model.compile` and `model.fit`."""

    name = "model_fit"
    title = "model.fit"
    summary = "Keras trains it by model.fit, which compiles with XLA unless it is told otherwise"
    framework = "tensorflow"
    options: ClassVar = {"fit": True}


plugin = ModelFit()
