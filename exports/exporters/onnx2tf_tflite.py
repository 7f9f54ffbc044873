"""PyTorch to TFLite by way of ONNX and TensorFlow: onnx2tf translates, TensorFlow's own converter writes the file.

Inputs and outputs keep PyTorch's layout; within, channels come last, and are moved there and back.
Documentation: https://github.com/PINTO0309/onnx2tf
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np

from exports.contract import Exporter, Origin
from exports.exporters import _onnx2tf, keras_tflite

_LARGEST_STEP = 1e6  # of 8 bits: no real value needs it


class Onnx2TfTFLite(Exporter):
    """A file `model.tflite` with the signature `serving_default`."""

    name = "onnx2tf_tflite"
    title = "onnx2tf + TFLite converter"
    origin = "pytorch"
    format = "tflite"
    route = "crossing"
    layout = "pytorch"
    distributions: ClassVar = ("torch", "onnx", "onnxscript", "tensorflow")
    environment = "onnx2tf"

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Translate to a SavedModel and convert that, as it is done for Keras models.

        Raises `Unsupported` when ONNX, onnx2tf or the converter has no counterpart for an operator, `ValueError` when
        onnx2tf's translation computes something else, or 8 bits cannot hold what it made.
        """
        with TemporaryDirectory(dir=folder) as scratch:
            _onnx2tf.write_saved_model(origin, Path(scratch))
            import tensorflow as tf  # not before the translation: see there

            converter = tf.lite.TFLiteConverter.from_saved_model(scratch)
            keras_tflite.lower(converter, origin, precision)
            made = keras_tflite.write(converter, Path(scratch))
            if precision == "int8":
                _refuse_huge_steps(made)
            return made.rename(folder / made.name)


def _refuse_huge_steps(path: Path) -> None:
    """Raise `ValueError` for a file with an 8-bit tensor whose step is beyond all real values.

    onnx2tf pads max pooling with the smallest float there is; the file runs, and is wrong.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes())
    graphs = [model.Subgraphs(index) for index in range(model.SubgraphsLength())]
    tensors = [graph.Tensors(index) for graph in graphs for index in range(graph.TensorsLength())]
    for tensor in tensors:
        steps = tensor.Quantization().ScaleAsNumpy() if tensor.Quantization() is not None else 0
        largest = float(np.max(steps, initial=0.0))
        if largest > _LARGEST_STEP:
            raise ValueError(
                f"8 bits cannot hold '{tensor.Name().decode()}': a step of {largest:.1g}; onnx2tf pads max pooling with"
                " the smallest float, where it cannot be told that its input is never negative"
            )


plugin = Onnx2TfTFLite()
