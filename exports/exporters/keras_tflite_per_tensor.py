"""TensorFlow's TFLite converter, with dense layers quantized as a whole instead of channel by channel.

What is lost: some accuracy. What is gained: interpreters from before FULLY_CONNECTED version 12, such as tflite-runtime
2.14, load the file. The converter's option is experimental and has no documentation.
Documentation of the operator versions: https://ai.google.dev/edge/litert/models/ops_version
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import keras_tflite

_NOTHING_ELSE = "without quantization it is what the TFLite converter makes anyhow"


class KerasTFLitePerTensor(Exporter):
    """A file `model.tflite` with the signature `serving_default`."""

    name = "keras_tflite_per_tensor"
    title = "TFLite converter (dense per tensor)"
    origin = "tensorflow"
    format = "tflite"
    route = "native"
    layout = "tensorflow"
    cannot: ClassVar = {"fp32": _NOTHING_ELSE, "fp16": _NOTHING_ELSE}
    distributions: ClassVar = ("tensorflow",)

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Convert as the standard exporter does, but for one option."""
        options = {"_experimental_disable_per_channel_quantization_for_dense_layers": True}
        return keras_tflite.convert(origin, precision, folder, **options)


plugin = KerasTFLitePerTensor()
