"""What TorchServe's worker runs for every batch of requests. Packed into the .mar, so it imports nothing of fweval.

REST: a JSON body `{"inputs": {name: nested lists}}` is answered with `{"outputs": {name: nested lists}}`. gRPC: the
field `data` holds the inputs as safetensors bytes and is answered in kind. A request that does not fit the signature is
refused with 400 by itself: an exception would fail the whole batch, and with 503 at that
(https://github.com/pytorch/serve/blob/master/docs/custom_service.md, "Returning custom error codes").
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

_KINDS = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}  # kind of the signature's dtype -> kinds of JSON values it takes


class Handler:
    """The one class of this file: TorchServe finds it by that."""

    def initialize(self, context: Any) -> None:
        """Load the model and its signature from the unpacked archive."""
        folder = Path(context.system_properties["model_dir"])
        signature = json.loads((folder / "signature.json").read_text())
        self.inputs = signature["inputs"]
        self.outputs = [spec["name"] for spec in signature["outputs"]]
        self.model = torch.jit.load(str(folder / context.manifest["model"]["serializedFile"]), map_location="cpu")
        self.model.eval()

    def handle(self, rows: list[dict[str, Any]], context: Any) -> list[bytes]:
        """Answer every request of a batch, each on its own merits; requests of equal shapes are computed together."""
        answers: list[bytes] = [b""] * len(rows)
        groups: dict[tuple[Any, ...], dict[int, list[torch.Tensor]]] = {}
        for index, row in enumerate(rows):
            try:
                tensors = self._read(row)
            except (KeyError, OverflowError, SafetensorError, TypeError, ValueError) as error:
                answers[index] = _refuse(context, index, error)
            else:
                groups.setdefault(tuple(tensor.shape[1:] for tensor in tensors), {})[index] = tensors
        for group in groups.values():
            for index, outputs in self._compute(group).items():
                if isinstance(outputs, RuntimeError):
                    answers[index] = _refuse(context, index, outputs)
                else:
                    answers[index] = self._write(outputs, rows[index], context, index)
        return answers

    def _read(self, row: Mapping[str, Any]) -> list[torch.Tensor]:
        """Turn a request into tensors in the signature's order; raises what tells that it is the caller's mistake."""
        if "data" in row:
            given: Mapping[str, Any] = load(bytes(row["data"]))
        else:
            body = row.get("body")
            given = body["inputs"] if isinstance(body, dict) and isinstance(body.get("inputs"), dict) else {}
            if not given:
                message = 'the body is no JSON object with a member "inputs" (sent as application/json)'
                raise ValueError(message)
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
            merged = self._forward([torch.cat(parts) for parts in zip(*group.values(), strict=True)])
        except RuntimeError as error:
            if len(group) == 1:
                return dict.fromkeys(group, error)
            return {index: self._compute({index: tensors})[index] for index, tensors in group.items()}
        sizes = [tensors[0].shape[0] for tensors in group.values()]
        split = zip(*(output.split(sizes) for output in merged), strict=True)
        return dict(zip(group, split, strict=True))

    def _forward(self, tensors: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        with torch.inference_mode():
            outputs = self.model(*tensors)
        if isinstance(outputs, dict):
            return tuple(outputs[name] for name in self.outputs)
        return (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)

    def _write(self, outputs: tuple[torch.Tensor, ...], row: Mapping[str, Any], context: Any, index: int) -> bytes:
        named = dict(zip(self.outputs, outputs, strict=True))
        if "data" in row:
            data: bytes = save({name: tensor.contiguous() for name, tensor in named.items()})
            return data
        context.set_response_content_type(index, "application/json")
        return json.dumps({"outputs": {name: tensor.tolist() for name, tensor in named.items()}}).encode()


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
    if len(sizes) != len(shape) or any(want not in (None, size) for want, size in zip(shape, sizes, strict=True)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        message = f"input {name} has shape {list(sizes)}; the model takes [{wanted}]"
        raise ValueError(message)
    return tensor


def _refuse(context: Any, index: int, error: Exception) -> bytes:
    """Answer one request of a batch with 400; over gRPC the status stays OK, and the client looks into the body."""
    context.set_response_status(code=400, phrase="Bad Request", idx=index)
    message = f"no input {error}" if isinstance(error, KeyError) else str(error)
    return json.dumps({"code": 400, "type": "BadRequest", "message": message}, separators=(",", ":")).encode()
