"""Predictions over TF Serving's gRPC PredictionService, with tensors as raw bytes.

Messages: https://github.com/tensorflow/serving/blob/master/tensorflow_serving/apis/predict.proto and
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/tensor.proto
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from serving.errors import ServerError
from serving.wires import rpc, tensorflow_protos

PATH = "/tensorflow.serving.PredictionService/Predict"

# numpy's name -> (number in types.proto, the TensorProto field that holds such values when they are not raw bytes)
_DTYPES = {
    "float32": (1, "float_val"),
    "float64": (2, "double_val"),
    "int32": (3, "int_val"),
    "uint8": (4, "int_val"),
    "int16": (5, "int_val"),
    "int8": (6, "int_val"),
    "int64": (9, "int64_val"),
    "bool": (10, "bool_val"),
    "uint16": (17, "int_val"),
    "float16": (19, "half_val"),
    "uint32": (22, "uint32_val"),
    "uint64": (23, "uint64_val"),
}
_NAMES = {number: name for name, (number, _) in _DTYPES.items()}


def fill(tensor: Any, array: Array) -> None:
    """Write an array into a TensorProto."""
    tensor.dtype = _DTYPES[array.dtype.name][0]
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = np.ascontiguousarray(array).tobytes()


def read(tensor: Any) -> Array:
    """Read a TensorProto: raw bytes or a field of values, the last of which stands for all that are left out."""
    name = _NAMES[tensor.dtype]
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, dtype=name).reshape(shape)
    values = np.array(getattr(tensor, _DTYPES[name][1]), dtype="uint16" if name == "float16" else name)
    if name == "float16":  # half_val holds the bits
        values = values.view("float16")
    left_out = int(np.prod(shape)) - len(values)
    return np.pad(values, (0, left_out), mode="edge" if len(values) else "constant").reshape(shape)


class TensorflowGrpcWire:
    """A connection to PredictionService.Predict, for the default signature."""

    def __init__(self, method: rpc.Method, model: str, signature: Signature, version: int | None = None) -> None:
        self._method = method
        self._model = model
        self._signature = signature
        self._version = version
        self._messages = tensorflow_protos.messages()

    def encode(self, inputs: Mapping[str, Array]) -> Any:
        """Make a PredictRequest."""
        request = self._messages.PredictRequest()
        request.model_spec.name = self._model
        if self._version is not None:
            request.model_spec.version.value = self._version
        for name, array in inputs.items():
            fill(request.inputs[name], array)
        return request

    def call(self, request: Any) -> Any:
        """Send it; raises `ServerError` unless it succeeded."""
        return self._method(request)

    def decode(self, answer: Any) -> Arrays:
        """Read the outputs."""
        try:
            return {spec.name: read(answer.outputs[spec.name]) for spec in self._signature.outputs}
        except (KeyError, ValueError) as error:
            raise ServerError("OK", f"an answer that does not fit the signature: {error!r}") from error


@contextmanager
def connect(port: int, model: str, signature: Signature, version: int | None = None) -> Iterator[TensorflowGrpcWire]:
    """Open a connection to the model's Predict method."""
    messages = tensorflow_protos.messages()
    with rpc.method(port, PATH, messages.PredictRequest, messages.PredictResponse) as method:
        yield TensorflowGrpcWire(method, model, signature, version)
