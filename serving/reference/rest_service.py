"""The REST side: predict, status and metadata, over the standard library's threading HTTP server.

URL grammar: tensorflow_serving/model_servers/http_rest_api_util.cc. JSON: tensorflow_serving/util/json_tensor.cc, and
https://www.tensorflow.org/tfx/serving/api_rest for the row and column formats.
"""

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from evaluator.core.tensors import Array, Arrays
from serving.contract import HOST
from serving.reference.manager import Manager
from serving.reference.servable import DEFAULT_SIGNATURE, Servable
from serving.reference.status import Code, StatusError, invalid
from serving.wires.http import from_json, to_json

SERVER = "fweval-reference (not tensorflow_model_server)"

_PREDICT = re.compile(r"(?i)/v1/models/([^/:]+)(?:/versions/(\d+))?:predict")
_DESCRIBE = re.compile(r"(?i)/v1/models/([^/:]+)(?:/versions/(\d+))?(/metadata)?")
_KINDS = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}  # kind of a tensor's dtype -> kinds of JSON values it takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a URL asks for."""

    action: str  # "predict", "status" or "metadata"
    model: str
    version: int | None


def route(method: str, path: str) -> Route:
    """Read a URL; `StatusError` "Malformed request" when it is none of the API's."""
    found = (_PREDICT if method == "POST" else _DESCRIBE).fullmatch(path)
    if found is None:
        raise invalid(f"Malformed request: {method} {path}")
    version = int(found[2]) if found[2] else None
    action = "predict" if method == "POST" else "metadata" if found[3] else "status"
    return Route(action=action, model=found[1], version=version)


def answer(manager: Manager, method: str, path: str, body: bytes) -> bytes:
    """Answer one request with a JSON document; `StatusError` when it cannot be."""
    wanted = route(method, path)
    if wanted.action == "predict":
        with manager.use(wanted.model, wanted.version) as servable:
            return _predict(servable, body)
    from google.protobuf import json_format

    from serving.reference import descriptions

    if wanted.action == "status":
        document = descriptions.status(manager.states(wanted.model, wanted.version))
    else:
        with manager.use(wanted.model, wanted.version) as servable:
            document = descriptions.metadata(servable)
    # As the real server does: the protocol's own names, and defaults printed.
    text = json_format.MessageToJson(
        document, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return text.encode()


def start(manager: Manager, port: int) -> ThreadingHTTPServer:
    """Listen on the loopback port in a thread of its own; `OSError` when the port cannot be had."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections are kept alive
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body leave together

        def version_string(self) -> str:
            return SERVER

        def do_GET(self) -> None:  # the name that http.server calls
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            try:
                body = self.rfile.read(self._length())
                self._send(200, answer(manager, self.command, self.path, body))
            except StatusError as error:
                self._send(error.code.http, json.dumps({"error": error.message}, indent=4).encode())

        def _length(self) -> int:
            """Return the length of the body; a body whose end is unknown ends the connection."""
            given = self.headers.get("Content-Length", "0")
            if not given.isdecimal() or "Transfer-Encoding" in self.headers:
                self.close_connection = True
                raise invalid("a request needs a Content-Length")
            return int(given)

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Log nothing: the real server does not either."""

    server = _Server((HOST, port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _predict(servable: Servable, body: bytes) -> bytes:
    request = _parse(body)
    signature = request.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(signature, str):
        raise invalid("'signature_name' key must be a string value.")
    if signature not in servable.signatures:
        raise invalid(f'Serving signature name: "{signature}" not found in signature def')
    specs = servable.inputs(signature)
    if "instances" in request:
        return _rows(servable.run(signature, _from_rows(request["instances"], specs)))
    if "inputs" in request:
        return _columns(servable.run(signature, _from_columns(request["inputs"], specs)))
    raise invalid("Missing 'inputs' or 'instances' key")


def _parse(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise invalid("JSON Parse error: The document is empty")
    try:
        request = from_json(body)
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except UnicodeDecodeError as error:
        raise invalid(f"JSON Parse error: {error.reason} at offset: {error.start}") from error
    if not isinstance(request, dict):
        raise invalid("JSON Value found, but must be an object at the top")
    return request


def _from_columns(inputs: Any, specs: Mapping[str, Any]) -> Arrays:
    """Read the column format: one list per input, or the list alone when there is one input."""
    if not isinstance(inputs, dict):
        if len(specs) != 1:
            raise invalid("'inputs' is a plain value/list, but expecting an object as multiple input tensors required")
        inputs = dict.fromkeys(specs, inputs)
    for name in specs:
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    extra = sorted(set(inputs) - set(specs))
    if extra:
        raise invalid(f"'inputs' object has unknown keys: {', '.join(extra)}")
    return {name: _array(name, inputs[name], specs[name]) for name in specs}


def _from_rows(instances: Any, specs: Mapping[str, Any]) -> Arrays:
    """Read the row format: one object per example, or its bare value when there is one input."""
    if not isinstance(instances, list) or not instances:
        raise invalid("Expecting 'instances' value to be a non-empty list/array")
    if not isinstance(instances[0], dict):
        if len(specs) != 1:
            raise invalid("instances is a plain list, but expecting list of objects as multiple input tensors required")
        return {name: _array(name, instances, spec) for name, spec in specs.items()}
    for index, instance in enumerate(instances):
        if not isinstance(instance, dict) or set(instance) != set(specs):
            text = json.dumps(instance)[:200]
            keys = ",".join(sorted(specs))
            message = f"Failed to process element: {index} of 'instances' list. JSON object: {text}"
            raise invalid(f"{message} keys must be equal to: {keys}")
    return {name: _array(name, [row[name] for row in instances], spec) for name, spec in specs.items()}


def _array(name: str, values: Any, spec: Any) -> Array:
    """Turn nested lists into an array of the input's dtype."""
    wanted = np.dtype(spec.dtype.as_numpy_dtype)
    if wanted.kind not in _KINDS:
        raise StatusError(Code.UNIMPLEMENTED, f"the reference server takes no {spec.dtype.name} inputs: {name}")
    try:
        array = np.asarray(values)
    except ValueError as error:  # lists of different lengths
        raise invalid(f"Encountered list at unexpected size in input {name}: {error}") from error
    if array.dtype.kind not in _KINDS[wanted.kind]:
        raise invalid(f"JSON Value of input {name}: {array.dtype.name} is not of expected type: {spec.dtype.name}")
    cast = array.astype(wanted)
    if wanted.kind in "iu" and not np.array_equal(cast, array):
        raise invalid(f"JSON Value of input {name}: out of range of expected type: {spec.dtype.name}")
    return cast


def _columns(outputs: Arrays) -> bytes:
    named = {name: np.ascontiguousarray(array) for name, array in outputs.items()}
    return to_json({"outputs": next(iter(named.values())) if len(named) == 1 else named})


def _rows(outputs: Arrays) -> bytes:
    sizes = {array.shape[:1] for array in outputs.values()}
    if len(sizes) != 1 or () in sizes:
        raise StatusError(Code.FAILED_PRECONDITION, "Batch size for all output tensors must be equal")
    named = {name: np.ascontiguousarray(array) for name, array in outputs.items()}
    if len(named) == 1:
        return to_json({"predictions": next(iter(named.values()))})
    rows = [dict(zip(named, values, strict=True)) for values in zip(*named.values(), strict=True)]
    return to_json({"predictions": rows})
