"""Predictions over TorchServe's REST API with tensors as bytes: the safetensors format in and out.

TorchServe hands a body of type application/octet-stream to its handler as it is; ours (serving/handlers/torchserve.py)
reads and answers safetensors (https://huggingface.co/docs/safetensors). Against `rest` it shows what JSON costs.
"""

from collections.abc import Mapping

import numpy as np

from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from serving.errors import ServerError
from serving.wires.rest import PostWire

BYTES = "application/octet-stream"


def to_bytes(inputs: Mapping[str, Array]) -> bytes:
    """Write named arrays."""
    from safetensors.numpy import save

    data: bytes = save({name: np.ascontiguousarray(array) for name, array in inputs.items()})
    return data


def from_bytes(answer: bytes, signature: Signature) -> Arrays:
    """Read the signature's outputs; `ServerError` when they are not there."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(answer)
        return {spec.name: arrays[spec.name] for spec in signature.outputs}
    except (KeyError, SafetensorError) as error:
        raise ServerError("OK", f"an answer that does not fit the signature: {error!r}") from error


class RawWire(PostWire):
    """A connection that posts predictions as safetensors."""

    content_type = BYTES

    def encode(self, inputs: Mapping[str, Array]) -> bytes:
        """Write the inputs as safetensors."""
        return to_bytes(inputs)

    def decode(self, answer: bytes) -> Arrays:
        """Read the outputs."""
        return from_bytes(answer, self._signature)
