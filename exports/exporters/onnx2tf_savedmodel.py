"""PyTorch to SavedModel by way of ONNX: onnx2tf translates, operator by operator.

Inputs and outputs keep PyTorch's layout; within, channels come last, and are moved there and back. Weights are
constants of the graph.
Documentation: https://github.com/PINTO0309/onnx2tf
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _onnx2tf

_ONLY_FLOATS = "onnx2tf lowers the precision of TFLite files only"


class Onnx2TfSavedModel(Exporter):
    """A folder `model` with one signature."""

    name = "onnx2tf_savedmodel"
    title = "onnx2tf"
    origin = "pytorch"
    format = "savedmodel"
    route = "crossing"
    layout = "pytorch"
    cannot: ClassVar = {"fp16": _ONLY_FLOATS, "int8_dynamic": _ONLY_FLOATS, "int8": _ONLY_FLOATS}
    distributions: ClassVar = ("torch", "onnx", "onnxscript", "tensorflow")
    environment = "onnx2tf"

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Translate and write.

        Raises `Unsupported` when ONNX or onnx2tf has no counterpart for an operator, `ValueError` when the translation
        computes something else.
        """
        path = folder / "model"
        _onnx2tf.write_saved_model(origin, path)
        return path


plugin = Onnx2TfSavedModel()
