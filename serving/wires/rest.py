"""Predictions over REST: `{"inputs": {name: nested lists}}` goes out, `{"outputs": …}` comes back.

It is TF Serving's column format (https://www.tensorflow.org/tfx/serving/api_rest, "Request format"), and our TorchServe
handler speaks it too, so that both servers are asked in the same way. Numbers travel as decimal text: exact for
float32, at several times the size.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from serving.errors import ServerError
from serving.wires.http import JSON, Http, from_json, to_json


class PostWire:
    """A connection that posts prepared bodies of one type to one path; what they hold is the deriving wire's business.

    `ask`, `fileno` and `take` are for whoever waits for many answers at a time (`serving.load.senders`).
    """

    content_type: ClassVar[str]

    def __init__(self, http: Http, path: str, signature: Signature) -> None:
        self._http = http
        self._path = path
        self._signature = signature

    def call(self, request: bytes) -> bytes:
        """Post a prepared body; raises `ServerError` unless it succeeded."""
        return self._http.post(self._path, request, self.content_type)

    def ask(self, request: bytes) -> None:
        """Post a prepared body without waiting; raises `ServerError` when it cannot be sent."""
        self._http.ask(self._path, request, self.content_type)

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to take."""
        return self._http.fileno()

    def take(self) -> bytes | None:
        """Read what has come of the answer; None while it is not whole. Raises `ServerError` unless it succeeded."""
        return self._http.take()


class RestWire(PostWire):
    """A connection that posts predictions as JSON."""

    content_type = JSON

    def encode(self, inputs: Mapping[str, Array]) -> bytes:
        """Write the inputs as JSON."""
        return to_json({"inputs": {name: np.ascontiguousarray(array) for name, array in inputs.items()}})

    def decode(self, answer: bytes) -> Arrays:
        """Read the outputs; TF Serving leaves out the name when there is only one."""
        specs = self._signature.outputs
        try:
            outputs = from_json(answer)["outputs"]
            named = outputs if isinstance(outputs, dict) else {specs[0].name: outputs}
            return {spec.name: np.asarray(named[spec.name], dtype=spec.dtype) for spec in specs}
        except (KeyError, TypeError, ValueError) as error:
            text = answer[:200].decode(errors="replace")
            raise ServerError("200", f"an answer that does not fit the signature ({error!r}): {text}") from error
