"""TFLite (LiteRT): a flat buffer of operators and constant weights for interpreters on phones and small devices.

What is lost: everything but the forward pass; operators that no TFLite kernel implements cannot be expressed.
Specification: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from exports.contract import Format


class TFLite(Format):
    """A file with the signature `serving_default`."""

    name = "tflite"
    title = "TFLite"
    path = "mobile"
    suffixes = (".tflite",)


plugin = TFLite()
