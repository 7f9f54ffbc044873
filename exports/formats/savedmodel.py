"""SavedModel: a TensorFlow function with its variables, in a folder that TensorFlow Serving loads as it is.

What is lost: the Keras layers, and with them the way to go on training; what is kept is the forward pass, as a graph,
under the signature `serving_default`.
Specification: https://www.tensorflow.org/guide/saved_model
"""

from exports.contract import Format


class SavedModel(Format):
    """A folder with one signature, whose inputs and outputs carry our signature's names."""

    name = "savedmodel"
    title = "SavedModel"
    path = "server"
    suffixes = ("",)


plugin = SavedModel()
