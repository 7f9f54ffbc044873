"""What TorchServe's worker runs for every batch of requests. Packed into the .mar, so it imports nothing of fweval.

A request comes in one of three forms and is answered in the same:

- columns: a JSON body `{"inputs": {name: nested lists}}`, answered with `{"outputs": {name: nested lists}}`
- safetensors: bytes, in the body of a REST request (application/octet-stream) or in gRPC's field `data`
- v2: the JSON of the Open Inference Protocol (https://github.com/kserve/open-inference-protocol), over REST or gRPC

A request that does not fit the signature is refused with 400 by itself: an exception would fail the whole batch, and
with 503 at that (https://github.com/pytorch/serve/blob/master/docs/custom_service.md, "Returning custom error codes").

It runs under the Python of the image it lands in: pytorch/torchserve:0.12.0 has 3.9, and no safetensors. There the
second form is answered with 501.
"""

# ruff: noqa: B905  # zip's `strict` came with Python 3.10

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

COLUMNS, SAFETENSORS, V2 = "columns", "safetensors", "v2"
_KINDS = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}  # kind of the signature's dtype -> kinds of JSON values it takes
_V2_NAMES = {  # numpy's name of a dtype -> the protocol's
    **{f"{kind}{bits}": f"{kind.upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
    "bool": "BOOL",
}


class Handler:
    """The one class of this file: TorchServe finds it by that."""

    def initialize(self, context: Any) -> None:
        """Load the model and its signature from the unpacked archive."""
        folder = Path(context.system_properties["model_dir"])
        signature = json.loads((folder / "signature.json").read_text())
        self.inputs = signature["inputs"]
        self.outputs = [spec["name"] for spec in signature["outputs"]]
        self.manifest = context.manifest["model"]
        self.model = torch.jit.load(str(folder / self.manifest["serializedFile"]), map_location="cpu")
        self.model.eval()

    def handle(self, rows: Sequence[Mapping[str, Any]], context: Any) -> list[bytes]:
        """Answer every request of a batch, each on its own merits; requests of equal shapes are computed together."""
        bodies = [row.get("data", row.get("body")) for row in rows]
        answers: list[bytes] = [b""] * len(rows)
        groups: dict[tuple[Any, ...], dict[int, list[torch.Tensor]]] = {}
        for index, body in enumerate(bodies):
            try:
                tensors = self._tensors(_given(body, self.inputs))
            except (ImportError, KeyError, OverflowError, TypeError, ValueError) as error:
                answers[index] = self._refuse(context, index, body, error)
            else:
                groups.setdefault(tuple(tensor.shape[1:] for tensor in tensors), {})[index] = tensors
        for group in groups.values():
            for index, outputs in self._compute(group).items():
                if isinstance(outputs, RuntimeError):
                    answers[index] = self._refuse(context, index, bodies[index], outputs)
                else:
                    answers[index] = self._write(outputs, bodies[index], context, index)
        return answers

    def _tensors(self, given: Mapping[str, Any]) -> list[torch.Tensor]:
        """Return tensors in the signature's order; raises what tells that it is the caller's mistake."""
        names = [spec["name"] for spec in self.inputs]
        if sorted(given) != sorted(names):
            message = f"inputs are {', '.join(sorted(given))}; the model takes {', '.join(names)}"
            raise ValueError(message)
        tensors = [_tensor(spec, given[spec["name"]]) for spec in self.inputs]
        if len({tensor.shape[0] for tensor in tensors}) != 1:
            message = "the inputs differ in their first dimension, the batch"
            raise ValueError(message)
        return tensors

    def _compute(self, group: Mapping[int, list[torch.Tensor]]) -> dict[int, Any]:
        """Return outputs by request: computed together, or one by one when that fails, to find whose fault it is."""
        try:
            merged = self._forward([torch.cat(parts) for parts in zip(*group.values())])
        except RuntimeError as error:
            if len(group) == 1:
                return dict.fromkeys(group, error)
            return {index: self._compute({index: tensors})[index] for index, tensors in group.items()}
        sizes = [tensors[0].shape[0] for tensors in group.values()]
        return dict(zip(group, zip(*(output.split(sizes) for output in merged))))

    def _forward(self, tensors: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        with torch.inference_mode():
            outputs = self.model(*tensors)
        if isinstance(outputs, dict):
            return tuple(outputs[name] for name in self.outputs)
        return (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)

    def _write(self, outputs: tuple[torch.Tensor, ...], body: Any, context: Any, index: int) -> bytes:
        """Write the outputs in the form that the request came in."""
        named = dict(zip(self.outputs, outputs))
        form = _form(body)
        if form == SAFETENSORS:
            from safetensors.torch import save

            context.set_response_content_type(index, "application/octet-stream")
            return bytes(save({name: tensor.contiguous() for name, tensor in named.items()}))
        context.set_response_content_type(index, "application/json")
        if form == COLUMNS:
            return _json({"outputs": {name: tensor.tolist() for name, tensor in named.items()}})
        return self._v2(body, [_v2_output(name, tensor) for name, tensor in named.items()], context, index)

    def _refuse(self, context: Any, index: int, body: Any, error: Exception) -> bytes:
        """Answer one request of a batch with 400; over gRPC the status stays OK, and the client looks into the body.

        A v2 refusal is also a whole v2 answer, with one output that is called "error": TorchServe translates every
        answer to gRPC's ModelInfer, whatever its status, and ends the worker when it lacks what it looks for (GRPCJob).
        """
        code, phrase = (501, "Not Implemented") if isinstance(error, ImportError) else (400, "Bad Request")
        context.set_response_status(code=code, phrase=phrase, idx=index)
        # TorchScript's own message is a page of source lines and paths; the last line says what is wrong.
        message = f"{error} is missing" if isinstance(error, KeyError) else str(error).strip().rpartition("\n")[2]
        if _form(body) == V2:
            told = {"name": "error", "datatype": "BYTES", "shape": [1], "data": [message]}
            return self._v2(body, [told], context, index, error=message)
        return _json({"code": code, "type": phrase.replace(" ", ""), "message": message})

    def _v2(self, body: Any, outputs: list[dict[str, Any]], context: Any, index: int, **more: str) -> bytes:
        answer = {
            "id": body.get("id") or context.get_request_id(index),
            "model_name": self.manifest["modelName"],
            "model_version": self.manifest["modelVersion"],
            "outputs": outputs,
        }
        return _json({**answer, **more})


def _form(body: Any) -> str:
    """Tell the form of a request. TorchServe hands over JSON as what it says, and malformed JSON as bytes."""
    if isinstance(body, (bytes, bytearray)):
        return SAFETENSORS
    return V2 if isinstance(body, dict) and isinstance(body.get("inputs"), list) else COLUMNS


def _given(body: Any, specs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what a request gives for each name."""
    form = _form(body)
    if form == SAFETENSORS:
        return _load(bytes(body))
    if form == V2:
        wanted = {spec["name"]: _V2_NAMES[spec["dtype"]] for spec in specs}
        return {one["name"]: _v2_input(one, wanted.get(one["name"])) for one in body["inputs"]}
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, dict) or not inputs:
        message = 'the body is no JSON object with a member "inputs"'
        raise ValueError(message)
    return inputs


def _load(data: bytes) -> Mapping[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors: Mapping[str, torch.Tensor] = load(data)
    except SafetensorError as error:
        message = f"the body is neither JSON (sent as application/json) nor safetensors: {error}"
        raise ValueError(message) from error
    return tensors


def _v2_input(given: Mapping[str, Any], wanted: str | None) -> Any:
    """Give the flat or nested data of an input its shape; its type must be the one that the model takes."""
    if wanted is not None and given["datatype"] != wanted:
        message = f"input {given['name']} is {given['datatype']}; the model takes {wanted}"
        raise ValueError(message)
    return np.reshape(given["data"], given["shape"])


def _v2_output(name: str, tensor: torch.Tensor) -> dict[str, Any]:
    datatype = _V2_NAMES[str(tensor.dtype).removeprefix("torch.")]
    return {"name": name, "datatype": datatype, "shape": list(tensor.shape), "data": tensor.flatten().tolist()}


def _tensor(spec: Mapping[str, Any], given: Any) -> torch.Tensor:
    """Turn nested lists, or a tensor, into a tensor of the input's dtype and shape; `ValueError` when it is none."""
    name, dtype, shape = spec["name"], np.dtype(spec["dtype"]), spec["shape"]
    if isinstance(given, torch.Tensor):
        tensor = given
        fits = str(tensor.dtype) == f"torch.{dtype.name}"
        found = str(tensor.dtype).removeprefix("torch.")
    else:
        array = np.asarray(given)
        fits = array.dtype.kind in _KINDS[dtype.kind]
        found = array.dtype.name
        cast = array.astype(dtype) if fits else array
        fits = fits and (dtype.kind == "f" or np.array_equal(cast, array))  # an integer may be out of range
        tensor = torch.from_numpy(cast) if fits else torch.empty(0)
    if not fits:
        message = f"input {name} is {found}; the model takes {dtype.name}"
        raise ValueError(message)
    sizes = tuple(tensor.shape)
    if len(sizes) != len(shape) or any(want not in (None, size) for want, size in zip(shape, sizes)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        message = f"input {name} has shape {list(sizes)}; the model takes [{wanted}]"
        raise ValueError(message)
    return tensor


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
