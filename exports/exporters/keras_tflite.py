"""TensorFlow's TFLite converter, by way of a SavedModel.

Operators that no TFLite kernel implements cannot be expressed (the converter says which).
Documentation: https://ai.google.dev/edge/litert/conversion/tensorflow/overview
"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from evaluator.core.errors import Unsupported
from exports.contract import Exporter, Origin
from exports.exporters import _keras


class KerasTFLite(Exporter):
    """A file `model.tflite` with the signature `serving_default`."""

    name = "keras_tflite"
    title = "TFLite converter"
    origin = "tensorflow"
    format = "tflite"
    route = "native"
    layout = "tensorflow"
    standard = True
    distributions: ClassVar = ("tensorflow",)

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Convert by way of a SavedModel: the converter's other entrances lose the weights of Keras 3 models.

        Raises `Unsupported` when the converter refuses an operator, `ValueError` when it lost the weights.
        """
        import tensorflow as tf
        from tensorflow.lite.python.convert_phase import ConverterError

        with TemporaryDirectory(dir=folder) as scratch:
            _keras.write_saved_model(origin, Path(scratch))
            try:
                content = tf.lite.TFLiteConverter.from_saved_model(scratch).convert()
            except ConverterError as error:
                raise Unsupported(f"the TFLite converter refuses the model: {_cause(str(error))}") from error
        refuse_lost_weights(content)
        path = folder / "model.tflite"
        path.write_bytes(content)
        return path


def _cause(message: str) -> str:
    """Return the operators that the converter names (its message goes on for pages), else its first line."""
    named = re.findall(r"^(?:TF Select|Custom) ops: (.+)$", message, flags=re.MULTILINE)
    return f"TFLite has no kernel for {', '.join(dict.fromkeys(named))}" if named else message.partition("\n")[0]


def refuse_lost_weights(content: bytes) -> None:
    """Raise `ValueError` when a TFLite file refers to variables instead of holding the weights.

    Such a file has VAR_HANDLE operators without data. It loads and runs, and computes with zeros: the converter calls
    that a success (`from_concrete_functions`, or `from_saved_model` on a Keras 3 model saved without its variables).
    """
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.Model.GetRootAs(content)
    codes = {model.OperatorCodes(index).BuiltinCode() for index in range(model.OperatorCodesLength())}
    if schema.BuiltinOperator.VAR_HANDLE in codes:
        raise ValueError(
            "the TFLite converter lost the weights: the file refers to variables (VAR_HANDLE) without data"
        )


plugin = KerasTFLite()
