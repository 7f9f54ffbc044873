"""Predictions over TorchServe's gRPC InferenceAPIsService, with tensors as safetensors bytes.

TorchServe passes opaque bytes to its handler; ours (serving/handlers/torchserve.py) takes the field `data` in the
safetensors format (https://huggingface.co/docs/safetensors) and answers in it. Protocol:
https://github.com/pytorch/serve/blob/master/frontend/server/src/main/resources/proto/inference.proto
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from serving.errors import ServerError
from serving.wires import rpc, torchserve_protos

PATH = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions"
_REFUSAL = b'{"code":'  # safetensors cannot start like this: its first eight bytes are a length


class TorchserveGrpcWire:
    """A connection to InferenceAPIsService.Predictions."""

    def __init__(self, method: rpc.Method, model: str, signature: Signature, version: int | None = None) -> None:
        self._method = method
        self._model = model
        self._signature = signature
        self._version = version
        self._request, _ = torchserve_protos.messages()

    def encode(self, inputs: Mapping[str, Array]) -> Any:
        """Make a PredictionsRequest."""
        from safetensors.numpy import save

        data = save({name: np.ascontiguousarray(array) for name, array in inputs.items()})
        version = "" if self._version is None else f"{self._version}.0"
        return self._request(model_name=self._model, model_version=version, input={"data": data})

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
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(answer)
            return {spec.name: arrays[spec.name] for spec in self._signature.outputs}
        except (KeyError, SafetensorError) as error:
            raise ServerError("OK", f"an answer that does not fit the signature: {error!r}") from error


@contextmanager
def connect(port: int, model: str, signature: Signature, version: int | None = None) -> Iterator[TorchserveGrpcWire]:
    """Open a connection to the model's Predictions method."""
    with rpc.method(port, PATH, *torchserve_protos.messages()) as method:
        yield TorchserveGrpcWire(method, model, signature, version)
