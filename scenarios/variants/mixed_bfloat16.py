"""TensorFlow in mixed precision: layers compute in bfloat16, weights are kept in full precision.

Documentation: https://www.tensorflow.org/guide/mixed_precision
"""

from typing import Any

from scenarios.contract import Model, TrainingVariant
from scenarios.variants._processor import without_bfloat16


class MixedBfloat16(TrainingVariant):
    """Keras' policy `mixed_bfloat16`."""

    name = "mixed_bfloat16"
    title = "mixed bfloat16"
    summary = "the network is built under Keras' policy mixed_bfloat16"
    framework = "tensorflow"
    precision = "bfloat16"
    effort = 0

    def lacking(self, *, cuda: bool) -> tuple[str, str] | None:
        """Look for instructions."""
        return without_bfloat16(cuda=cuda)

    def build(self, model: Model, settings: Any) -> Any:
        """Build it under the policy, which is the process' own again afterwards."""
        import keras

        usual = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            return super().build(model, settings)
        finally:
            keras.config.set_dtype_policy(usual)


plugin = MixedBfloat16()
