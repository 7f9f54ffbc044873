"""Keras file: a Keras model as its author has it, layers and all, in one archive.

What is lost: nothing but the state of the optimizer. It needs Python and Keras wherever it runs.
Specification: https://keras.io/guides/serialization_and_saving/
"""

from exports.contract import Format


class KerasFile(Format):
    """A `.keras` archive: configuration as JSON, weights as HDF5."""

    name = "keras_file"
    title = "Keras file"
    path = "server"
    suffixes = (".keras",)


plugin = KerasFile()
