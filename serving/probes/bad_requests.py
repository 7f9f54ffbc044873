"""Requests that are wrong, over every wire, beside callers who do everything right.

A server must say that the mistake is the caller's: 4xx over HTTP (RFC 9110, 15.5), one of gRPC's codes for it
(https://grpc.io/docs/guides/status-codes/). A 5xx alarms operators for nothing, and makes clients repeat what cannot
succeed. Left out: messages that are no protobuf, which gRPC's libraries themselves answer with INTERNAL.
"""

import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus

from evaluator.core import files, metrics
from evaluator.core.tensors import Arrays
from serving.contract import HOST, Bundle
from serving.errors import ServerError
from serving.life import Service
from serving.probes._mistakes import wrong_inputs
from serving.probes._under_load import noticed
from serving.probing import Field, Probe, Reply, failed, passed

_NO_MODEL, _NO_VERSION = "no_such_model", 987_654
_OVERSIZE_BYTES = 1 << 40
_WAIT_S = 3.0
_GRPC_CALLERS_FAULT = {
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "RESOURCE_EXHAUSTED",
    "ALREADY_EXISTS",
}
_TABLE = "bad_requests.json"
_SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One bad request; `send` raises the server's refusal."""

    wire: str
    name: str
    send: Callable[[Service], None]


class BadRequests(Probe):
    """Sends a table of bad requests, and looks after each whether the server still answers rightly."""

    name = "bad_requests"
    title = "Bad requests"
    question = "Is every bad request refused as the caller's mistake, while others are served?"
    risk = "high"
    harm = "kills"

    def ask(self, field: Field) -> Reply:
        """Send all; the table of what was answered is kept as evidence."""
        service, wrong, deaths = field.service, [], 0
        table: dict[str, str] = {}
        begin = time.perf_counter()
        with field.traffic(service, callers=1) as calls:
            for case in _cases(field):
                answered = _answered(case, service)
                if field.problem(service) is not None:
                    answered, deaths = f"{answered}; then the server was gone", deaths + 1
                    _, service = field.restart()
                table[f"{case.wire}: {case.name}"] = answered
                if not right(case.wire, answered):
                    wrong.append(f"{metrics.wire(case.wire)} {case.name}: {answered}")
        files.write_record(field.folder / _TABLE, table)
        neighbours = noticed(begin, time.perf_counter(), calls)
        figures = {
            "bad_requests": len(table),
            "refused_rightly": len(table) - len(wrong),
            "server_deaths": deaths,
            "neighbours_answered": len(neighbours.right),
            "neighbours_failed": len(neighbours.failed),
        }
        told = (
            f"{figures['refused_rightly']} of {len(table)} bad requests were refused as the caller's mistake; "
            f"beside them, {neighbours.summary()}"
        )
        if wrong or neighbours.failed:
            more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
            listed = f" ({'; '.join(wrong[:_SHOWN])}{more})" if wrong else ""
            return failed(told + listed, "check requests in a proxy in front of the server", **figures)
        return passed(told, **figures)


def right(wire: str, answered: str) -> bool:
    """Tell whether a code says that the caller is at fault, in the words of that wire."""
    if wire == "rest":
        return answered.isdecimal() and HTTPStatus(400) <= int(answered) < HTTPStatus(500)
    return answered in _GRPC_CALLERS_FAULT


def _answered(case: Case, service: Service) -> str:
    """Send a bad request; return the code of the refusal."""
    try:
        case.send(service)
    except ServerError as error:
        return error.code
    return "answered as if it were right"


def _cases(field: Field) -> Iterator[Case]:
    for wire in field.wires:
        for name, arrays in wrong_inputs(field.signature, field.inputs).items():
            yield Case(wire=wire, name=name, send=partial(_predict, field, wire, arrays))
        addresses = {
            "unknown model": partial(replace, model=_NO_MODEL),
            "unknown version": partial(replace, version=_NO_VERSION),
        }
        for name, change in addresses.items():
            yield Case(wire=wire, name=name, send=partial(_address, field, wire, change))
        yield Case(wire=wire, name="empty request", send=partial(_empty, field, wire))
    if "rest" in field.wires:
        path = field.server.predict_path(field.bundle)
        bodies = {"malformed JSON": b'{"inputs": [', "no object": b"[1, 2]", "not JSON": bytes(range(256))}
        for name, body in bodies.items():
            yield Case(wire="rest", name=name, send=partial(_post, path, body))
        yield Case(wire="rest", name="wrong URL", send=partial(_post, "/no/such/path", b"{}"))
        yield Case(wire="rest", name="wrong method", send=partial(_delete, path))
        yield Case(wire="rest", name="oversize", send=partial(_oversize, path))


def _predict(field: Field, wire: str, arrays: Arrays, service: Service) -> None:
    with field.server.connect(wire, service.bundle, service.ports) as connection:
        connection.call(connection.encode(arrays))


def _address(field: Field, wire: str, change: Callable[[Bundle], Bundle], service: Service) -> None:
    with field.server.connect(wire, change(service.bundle), service.ports) as connection:
        connection.call(connection.encode(field.inputs))


def _empty(field: Field, wire: str, service: Service) -> None:
    """Send no bytes over REST, and a message without a field over gRPC."""
    with field.server.connect(wire, service.bundle, service.ports) as connection:
        connection.call(type(connection.encode(field.inputs))())


def _post(path: str, body: bytes, service: Service) -> None:
    from serving.wires.http import Http

    with Http(service.ports["rest"]) as connection:
        connection.post(path, body)


def _delete(path: str, service: Service) -> None:
    from serving.wires.http import Http

    with Http(service.ports["rest"]) as connection:
        connection.send("DELETE", path)


def _oversize(path: str, service: Service) -> None:
    """Announce a body that no machine can hold; a server without a limit waits for it, and is let wait."""
    connection = http.client.HTTPConnection(HOST, service.ports["rest"], timeout=_WAIT_S)
    try:
        connection.putrequest("POST", path)
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(_OVERSIZE_BYTES))
        connection.endheaders(b'{"inputs": ')
        status = connection.getresponse().status
    except TimeoutError as error:
        raise ServerError("TIMEOUT", f"no answer within {_WAIT_S:.0f} s to {_OVERSIZE_BYTES} bytes") from error
    except (OSError, http.client.HTTPException) as error:
        raise ServerError("UNREACHABLE", str(error)) from error
    finally:
        connection.close()
    if status != HTTPStatus.OK:
        raise ServerError(str(status), "refused")


plugin = BadRequests()
