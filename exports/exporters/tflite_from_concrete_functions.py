"""TensorFlow's TFLite converter, by way of a concrete function: the shorter way, which guides still show.

What is lost: with Keras 3, the weights, without a word. The converter writes a file that refers to variables instead of
holding them, and it loads and computes, with zeros. Here that is a failure; the standard exporter goes by way of a
SavedModel and keeps them.
Documentation: https://www.tensorflow.org/api_docs/python/tf/lite/TFLiteConverter#from_concrete_functions
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _keras, keras_tflite

_NOT_TRIED = "a converter that loses the weights has none to lower"


class TFLiteFromConcreteFunctions(Exporter):
    """A file `model.tflite` with the signature `serving_default`."""

    name = "tflite_from_concrete_functions"
    title = "TFLite converter (concrete functions)"
    origin = "tensorflow"
    format = "tflite"
    route = "native"
    layout = "tensorflow"
    cannot: ClassVar = {"fp16": _NOT_TRIED, "int8_dynamic": _NOT_TRIED, "int8": _NOT_TRIED}
    distributions: ClassVar = ("tensorflow",)

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Trace the model into a function with the signature's names, and convert that.

        Raises `Unsupported` when the converter refuses an operator, `ValueError` when it lost the weights.
        """
        import tensorflow as tf

        traced = tf.function(_keras.serving_function(origin)).get_concrete_function(_keras.input_specs(origin))
        converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], origin.model)
        return keras_tflite.write(converter, folder)


plugin = TFLiteFromConcreteFunctions()
