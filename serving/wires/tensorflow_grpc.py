"""Predictions over TF Serving's gRPC PredictionService, with tensors as raw bytes.

Messages: https://github.com/tensorflow/serving/blob/master/tensorflow_serving/apis/predict.proto
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from serving.errors import ServerError
from serving.wires import rpc, tensorflow_protos
from serving.wires.tensor_codec import fill, read

PATH = "/tensorflow.serving.PredictionService/Predict"


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
