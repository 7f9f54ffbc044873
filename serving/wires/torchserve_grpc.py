"""Predictions over TorchServe's gRPC InferenceAPIsService, with tensors as safetensors bytes.

TorchServe passes opaque bytes to its handler; ours (serving/handlers/torchserve.py) takes the field `data` in the
safetensors format (https://huggingface.co/docs/safetensors) and answers in it. Protocol:
https://github.com/pytorch/serve/blob/master/frontend/server/src/main/resources/proto/inference.proto
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from serving.errors import ServerError
from serving.wires import rpc, torchserve_protos
from serving.wires.torchserve_raw import from_bytes, to_bytes

PATH = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions"
_REFUSAL = b'{"code":'  # safetensors cannot start like this: its first eight bytes are a length


class TorchserveGrpcWire:
    """A connection to InferenceAPIsService.Predictions."""

    def __init__(self, method: rpc.Method, model: str, signature: Signature, version: int | None = None) -> None:
        self._method = method
        self._name = {"model_name": model, "model_version": "" if version is None else str(version)}
        self._signature = signature
        self._request, _ = torchserve_protos.messages()

    def encode(self, inputs: Mapping[str, Array]) -> Any:
        """Make a PredictionsRequest."""
        return self._request(**self._name, input={"data": to_bytes(inputs)})

    def call(self, request: Any) -> bytes:
        """Send it; raises `ServerError` unless it succeeded.

        When a handler refuses one request of a batch, TorchServe sends that refusal with the status OK: the body tells.
        """
        prediction: bytes = self._method(request).prediction
        if prediction.startswith(_REFUSAL):
            refusal = json.loads(prediction)
            raise ServerError(str(refusal["code"]), str(refusal["message"]))
        return prediction

    def decode(self, answer: bytes) -> Arrays:
        """Read the outputs."""
        return from_bytes(answer, self._signature)


@contextmanager
def connect(port: int, model: str, signature: Signature, version: int | None = None) -> Iterator[TorchserveGrpcWire]:
    """Open a connection to the model's Predictions method."""
    with rpc.method(port, PATH, *torchserve_protos.messages()) as method:
        yield TorchserveGrpcWire(method, model, signature, version)
