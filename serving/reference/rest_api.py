"""What the REST API answers: URLs to actions, documents to documents. No sockets.

Grammar: tensorflow_serving/model_servers/http_rest_api_util.cc; actions and texts: http_rest_api_handler.cc;
https://www.tensorflow.org/tfx/serving/api_rest shows the formats.
"""

import json
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from serving.reference import descriptions, json_tensor, metrics
from serving.reference.manager import Manager
from serving.reference.servable import DEFAULT_SIGNATURE, Servable
from serving.reference.status import StatusError, invalid, undone

_ACTION = re.compile(r"(?i)/v1/models/([^/:]+)(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?:(classify|regress|predict)")
_DESCRIBE = re.compile(r"(?i)/v1/models(?:/([^/:]+))?(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?(?:/(metadata))?")
_HIGHEST_VERSION = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a URL asks for."""

    action: str  # "classify", "regress" or "predict"; "metadata"; empty for the status
    model: str
    version: int | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What goes back: always a JSON document."""

    status: int
    body: bytes


def route(method: str, path: str) -> Route:
    """Read a URL; `StatusError` "Malformed request" when it is none of the API's."""
    found = {"POST": _ACTION, "GET": _DESCRIBE}[method].fullmatch(path) if method in {"POST", "GET"} else None
    # The grammar ignores case, upstream's comparison with the actions that follows does not.
    if found is None or (method == "POST" and not found[4].islower()):
        raise invalid(f"Malformed request: {method} {path}")
    if found[2] and int(found[2]) > _HIGHEST_VERSION:
        raise invalid(f"Failed to convert version: {found[2]} to numeric.")
    return Route(
        action=found[4] or "",
        model=unquote(found[1] or ""),
        version=int(found[2]) if found[2] else None,
        label=unquote(found[3]) if found[3] else None,
    )


def answer(manager: Manager, method: str, path: str, body: bytes) -> Response:
    """Answer one request, whatever it is, and count it."""
    begin = time.perf_counter()
    model, action, error = "", "", None
    try:
        wanted = route(method, path)
        model, action = wanted.model, wanted.action
        reply = Response(status=200, body=_ACTIONS[action](manager, wanted, body))
    except StatusError as raised:
        error = raised.code
        reply = refusal(raised.code.http, raised.message)
    metrics.request(model, action, "REST", time.perf_counter() - begin, error)
    return reply


def refusal(status: int, message: str) -> Response:
    """Write an error as every part of this API does."""
    return Response(status=status, body=json.dumps({"error": message}, indent=4).encode())


def _predict(manager: Manager, wanted: Route, body: bytes) -> bytes:
    document = json_tensor.parse(body)
    signature = json_tensor.signature_name(document) or DEFAULT_SIGNATURE
    with manager.use(wanted.model, wanted.version, wanted.label) as servable:
        inputs, by_rows = json_tensor.inputs(document, _dtypes(servable, signature))
        with metrics.runtime(servable.name):
            outputs = servable.run(signature, inputs)
    return json_tensor.answer(outputs, by_rows=by_rows)


def _dtypes(servable: Servable, signature: str) -> dict[str, int]:
    if signature not in servable.signature_defs:
        raise invalid(f'Serving signature name: "{signature}" not found in signature def')
    inputs = servable.signature_defs[signature].inputs
    if not inputs:
        raise invalid(f"Failed to get input map for signature: {signature}")
    return {name: inputs[name].dtype for name in inputs}


def _undone(_: Manager, wanted: Route, __: bytes) -> bytes:
    raise undone(wanted.action.capitalize())


def _metadata(manager: Manager, wanted: Route, _: bytes) -> bytes:
    from tensorflow_serving.apis import get_model_metadata_pb2

    _need_model(wanted)
    with manager.use(wanted.model, wanted.version, wanted.label) as servable:
        described = descriptions.metadata(servable)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    described.metadata["signature_def"].Unpack(signatures)
    document = {
        "model_spec": json.loads(_shown(described.model_spec)),
        "metadata": {"signature_def": json.loads(_shown(signatures))},
    }
    return json.dumps(document, indent=1).encode()


def _status(manager: Manager, wanted: Route, _: bytes) -> bytes:
    _need_model(wanted)
    return _shown(descriptions.status(manager.states(wanted.model, wanted.version, wanted.label))).encode()


def _need_model(wanted: Route) -> None:
    if not wanted.model:
        raise invalid("Missing model name in request.")


def _shown(message: Any) -> str:
    """Write a message as upstream does: under its fields' own names, with those that have default values."""
    from google.protobuf import json_format

    text: str = json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return text


_ACTIONS = {"predict": _predict, "classify": _undone, "regress": _undone, "metadata": _metadata, "": _status}
