"""PyTorch to SavedModel by way of the weights: the same network in Keras takes them over, and Keras exports it.

There is no converter of programs that is kept up; this asks for a second definition of the network, which a scenario
has. What is lost: nothing but PyTorch. Inputs have TensorFlow's layout.
Documentation: https://keras.io/api/models/model_saving_apis/export/
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import keras_savedmodel


class SavedModelFromTorch(Exporter):
    """A folder `model`, as from Keras."""

    name = "savedmodel_from_torch"
    title = "weights to Keras"
    origin = "pytorch"
    format = "savedmodel"
    route = "crossing"
    layout = "tensorflow"
    rebuilds = True
    cannot: ClassVar = keras_savedmodel.plugin.cannot
    distributions: ClassVar = ("torch", "tensorflow")

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Build the network in Keras with the trained weights, and export that."""
        return keras_savedmodel.plugin.export(origin.counterpart(), precision, folder)


plugin = SavedModelFromTorch()
