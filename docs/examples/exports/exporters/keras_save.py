"""Keras's `Model.save`: what a training script calls at its end.

Documentation: https://keras.io/api/models/model_saving_apis/model_saving_and_loading/
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin


class KerasSave(Exporter):
    """A file `model.keras`."""

    name = "keras_save"
    title = "Keras save"
    origin = "tensorflow"
    format = "keras_file"
    route = "native"
    layout = "tensorflow"
    standard = True
    cannot: ClassVar = dict.fromkeys(("fp16", "int8_dynamic", "int8"), "Keras saves a model at the precision it has")
    distributions: ClassVar = ("tensorflow",)

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Save the model."""
        path = folder / "model.keras"
        origin.model.save(path)
        return path


plugin = KerasSave()
