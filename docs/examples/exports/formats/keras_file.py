"""Keras file: a Keras model as its author has it, layers and all, in one archive.

What is lost: nothing but the state of the optimizer. It needs Python and Keras wherever it runs.
Specification: https://keras.io/guides/serialization_and_saving/
"""

import zipfile
from pathlib import Path

from evaluator.core.records import Anatomy
from exports.contract import Format

_CONFIGURATION, _WEIGHTS = "config.json", "model.weights.h5"


class KerasFile(Format):
    """A `.keras` archive: configuration as JSON, weights as HDF5."""

    name = "keras_file"
    title = "Keras file"
    path = "server"
    suffixes = (".keras",)

    def recognises(self, path: Path) -> bool:
        """Look for the configuration and the weights side by side."""
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return {_CONFIGURATION, _WEIGHTS} <= set(archive.namelist())

    def anatomy(self, artifact: Path) -> Anatomy:
        """Weigh the parts; the layers and their types are in the configuration, which this example does not read."""
        try:
            with zipfile.ZipFile(artifact) as archive:
                sizes = {info.filename: info.compress_size for info in archive.infolist()}
        except zipfile.BadZipFile as error:
            raise ValueError(f"not a whole .keras file: {error}") from error
        weights, graph = sizes.get(_WEIGHTS, 0), sizes.get(_CONFIGURATION, 0)
        return Anatomy(
            weights={"float32": weights}, graph_bytes=graph, metadata_bytes=artifact.stat().st_size - weights - graph
        )


plugin = KerasFile()
