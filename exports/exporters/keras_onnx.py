"""Keras's own export to ONNX (`model.export(format="onnx")`), which calls tf2onnx in its own way.

Documentation: https://keras.io/api/models/model_saving_apis/export/
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _keras, _onnx


class KerasOnnx(Exporter):
    """A file `model.onnx` whose inputs and outputs carry the signature's names."""

    name = "keras_onnx"
    title = "Keras export to ONNX"
    origin = "tensorflow"
    format = "onnx"
    route = "native"
    layout = "tensorflow"
    distributions: ClassVar = ("tensorflow", "tf2onnx", "onnx")

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Export, and give the outputs the names of the signature: Keras numbers them."""
        path = folder / "model.onnx"
        origin.model.export(path, format="onnx", verbose=False, input_signature=[_keras.input_specs(origin)])
        _onnx.finish(path, origin, precision)
        return path


plugin = KerasOnnx()
