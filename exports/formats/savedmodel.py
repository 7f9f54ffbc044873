"""SavedModel: a TensorFlow function with its variables, in a folder that TensorFlow Serving loads as it is.

What is lost: the Keras layers, and with them the way to go on training; what is kept is the forward pass, as a graph,
under the signature `serving_default`.
Specification: https://www.tensorflow.org/guide/saved_model
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Format, Origin
from exports.formats import _keras


class SavedModel(Format):
    """A folder `model` with one signature, whose inputs and outputs carry our signature's names."""

    name = "savedmodel"
    title = "SavedModel"
    path = "server"
    origins = ("tensorflow",)
    distributions: ClassVar = {"tensorflow": ("tensorflow",)}

    def export(self, origin: Origin, folder: Path) -> Path:
        """Trace the Keras model into a serving function and write it with its variables."""
        path = folder / "model"
        _keras.write_saved_model(origin, path)
        return path


plugin = SavedModel()
