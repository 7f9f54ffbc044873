"""TensorFlow's TFLite converter, by way of a SavedModel.

Operators that no TFLite kernel implements cannot be expressed (the converter says which).
Documentation: https://ai.google.dev/edge/litert/conversion/tensorflow/overview
"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from evaluator.core.causes import pruned
from evaluator.core.errors import Unsupported
from evaluator.core.tensors import rows
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
        return convert(origin, precision, folder)


def convert(origin: Origin, precision: str, folder: Path, **options: bool) -> Path:
    """Convert with further options of the converter."""
    import tensorflow as tf

    with TemporaryDirectory(dir=folder) as scratch:
        _keras.write_saved_model(origin, Path(scratch))
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch)
        lower(converter, origin, precision)
        for name, value in options.items():
            setattr(converter, name, value)
        return write(converter, folder)


def write(converter: Any, folder: Path) -> Path:
    """Let a converter do its work, and write what it gives unless that has lost its weights."""
    from tensorflow.lite.python.convert_phase import ConverterError

    try:
        content = converter.convert()
    except ConverterError as error:
        raise Unsupported(f"the TFLite converter refuses the model: {_cause(str(error))}") from error
    refuse_lost_weights(content)
    path = folder / "model.tflite"
    path.write_bytes(content)
    return path


def lower(converter: Any, origin: Origin, precision: str) -> None:
    """Ask for a precision; inputs and outputs stay 32-bit floats.

    https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_quantization
    """
    import tensorflow as tf

    if precision == "fp32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]  # alone: 8-bit weights, activations quantized as they come
    if precision == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        count = len(next(iter(origin.calibration.values())))
        converter.representative_dataset = lambda: (rows(origin.calibration, i, i + 1) for i in range(count))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def _cause(message: str) -> str:
    """Return the operators that the converter names (its message goes on for pages), else the line with the cause."""
    named = re.findall(r"^(?:TF Select|Custom) ops: (.+)$", message, flags=re.MULTILINE)
    return f"TFLite has no kernel for {', '.join(dict.fromkeys(named))}" if named else pruned(message)


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
