"""Keras to OpenVINO by way of a SavedModel.

Inputs have TensorFlow's layout.
Documentation: https://docs.openvino.ai/2026/openvino-workflow/model-preparation/convert-model-tensorflow.html
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _keras, _openvino


class OpenVinoFromSavedModel(Exporter):
    """A folder `model` with `model.xml` and `model.bin`, whose inputs and outputs carry the signature's names."""

    name = "openvino_from_savedmodel"
    title = "SavedModel to OpenVINO"
    origin = "tensorflow"
    format = "openvino"
    route = "crossing"
    layout = "tensorflow"
    distributions: ClassVar = ("tensorflow",)
    environment = "openvino"

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Export to a SavedModel in full precision and convert; raises `Unsupported` for an unknown operator."""
        with TemporaryDirectory(dir=folder) as scratch:
            _keras.write_saved_model(origin, Path(scratch))
            return _openvino.write(Path(scratch), origin, precision, folder)


plugin = OpenVinoFromSavedModel()
