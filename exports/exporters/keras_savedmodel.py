"""Keras's own export to a SavedModel.

Documentation: https://keras.io/api/models/model_saving_apis/export/
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _keras


class KerasSavedModel(Exporter):
    """A folder `model` with one signature, whose inputs and outputs carry our signature's names."""

    name = "keras_savedmodel"
    title = "Keras export"
    origin = "tensorflow"
    format = "savedmodel"
    route = "native"
    layout = "tensorflow"
    standard = True
    cannot: ClassVar = {"int8": "Keras quantizes activations as they come; it calibrates none"}
    distributions: ClassVar = ("tensorflow",)

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Trace the Keras model into a serving function and write it with its variables."""
        path = folder / "model"
        _keras.write_saved_model(_keras.at_precision(origin, precision), path)
        return path


plugin = KerasSavedModel()
