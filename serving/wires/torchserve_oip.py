"""Predictions over the Open Inference Protocol (KServe v2), as far as TorchServe 0.12 has it.

https://github.com/kserve/open-inference-protocol. Tried: TorchServe routes `infer` to the handler, which must speak the
protocol itself, and answers /v2, /v2/health/live and /v2/health/ready. What it lacks over REST: metadata and readiness
of a model (404), versions (501), binary data. Over gRPC: ServerMetadata, the inputs and outputs in ModelMetadata, raw
contents, and the protocol's own name: the service is called org.pytorch.serve.grpc.openinference.GRPCInferenceService,
not inference.GRPCInferenceService, so that other servers' clients do not find it.
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
from serving.wires.http import Http, from_json, to_json

PATH = "/org.pytorch.serve.grpc.openinference.GRPCInferenceService/ModelInfer"

# numpy's name of a dtype -> the protocol's, and the field of InferTensorContents that holds such values
_DTYPES = {
    "float32": ("FP32", "fp32_contents"),
    "float64": ("FP64", "fp64_contents"),
    "int8": ("INT8", "int_contents"),
    "int16": ("INT16", "int_contents"),
    "int32": ("INT32", "int_contents"),
    "int64": ("INT64", "int64_contents"),
    "uint8": ("UINT8", "uint_contents"),
    "uint16": ("UINT16", "uint_contents"),
    "uint32": ("UINT32", "uint_contents"),
    "uint64": ("UINT64", "uint64_contents"),
    "bool": ("BOOL", "bool_contents"),
}


class OipWire:
    """A REST connection that posts inference requests to one path."""

    def __init__(self, http: Http, path: str, signature: Signature) -> None:
        self._http = http
        self._path = path
        self._signature = signature

    def encode(self, inputs: Mapping[str, Array]) -> bytes:
        """Write the inputs as JSON, their data flat."""
        return to_json(
            {
                "inputs": [
                    {
                        "name": name,
                        "shape": array.shape,
                        "datatype": _DTYPES[array.dtype.name][0],
                        "data": np.ascontiguousarray(array).reshape(-1),
                    }
                    for name, array in inputs.items()
                ]
            }
        )

    def call(self, request: bytes) -> bytes:
        """Post a prepared body; raises `ServerError` unless it succeeded."""
        return self._http.post(self._path, request)

    def decode(self, answer: bytes) -> Arrays:
        """Read the outputs."""
        try:
            given = {output["name"]: output for output in from_json(answer)["outputs"]}
            return {
                spec.name: np.asarray(given[spec.name]["data"], dtype=spec.dtype).reshape(given[spec.name]["shape"])
                for spec in self._signature.outputs
            }
        except (KeyError, TypeError, ValueError) as error:
            text = answer[:200].decode(errors="replace")
            raise ServerError("200", f"an answer that does not fit the signature ({error!r}): {text}") from error


class OipGrpcWire:
    """A connection to GRPCInferenceService.ModelInfer."""

    def __init__(self, method: rpc.Method, model: str, signature: Signature, version: int | None = None) -> None:
        self._method = method
        self._name = {"model_name": model, "model_version": "" if version is None else str(version)}
        self._signature = signature
        self._request, _ = _messages()

    def encode(self, inputs: Mapping[str, Array]) -> Any:
        """Make a ModelInferRequest with typed contents: TorchServe does not look at `raw_input_contents`."""
        request = self._request(**self._name)
        for name, array in inputs.items():
            datatype, field = _DTYPES[array.dtype.name]
            tensor = request.inputs.add(name=name, datatype=datatype, shape=array.shape)
            getattr(tensor.contents, field).extend(array.ravel().tolist())
        return request

    def call(self, request: Any) -> Any:
        """Send it; raises `ServerError` unless it succeeded.

        When our handler refuses one request of a batch, TorchServe sends that refusal with the status OK.
        """
        answer = self._method(request)
        if answer.outputs and answer.outputs[0].name == "error":
            raise ServerError("400", json.loads(answer.outputs[0].contents.bytes_contents[0]))
        return answer

    def decode(self, answer: Any) -> Arrays:
        """Read the outputs."""
        try:
            given = {output.name: output for output in answer.outputs}
            return {spec.name: _array(given[spec.name], spec.dtype) for spec in self._signature.outputs}
        except (KeyError, ValueError) as error:
            raise ServerError("OK", f"an answer that does not fit the signature: {error!r}") from error


def _array(output: Any, dtype: str) -> Array:
    return np.array(getattr(output.contents, _DTYPES[dtype][1]), dtype=dtype).reshape(tuple(output.shape))


def _messages() -> tuple[Any, Any]:
    return torchserve_protos.messages("openinference.ModelInferRequest", "openinference.ModelInferResponse")


@contextmanager
def connect(port: int, model: str, signature: Signature, version: int | None = None) -> Iterator[OipWire]:
    """Open a REST connection; TorchServe answers 501 when a version is named."""
    name = model if version is None else f"{model}/versions/{version}"
    with Http(port) as http:
        yield OipWire(http, f"/v2/models/{name}/infer", signature)


@contextmanager
def connect_grpc(port: int, model: str, signature: Signature, version: int | None = None) -> Iterator[OipGrpcWire]:
    """Open a connection to the model's ModelInfer method."""
    with rpc.method(port, PATH, *_messages()) as method:
        yield OipGrpcWire(method, model, signature, version)
