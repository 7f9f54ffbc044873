"""The reference server's REST side over a scripted model: URL grammar, both formats, the error table."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evaluator.core.tensors import Array, Arrays
from serving.ports import free_ports
from serving.reference import rest_service
from serving.reference.status import Code, StatusError


def _spec(dtype: str) -> Any:
    return SimpleNamespace(dtype=SimpleNamespace(as_numpy_dtype=np.dtype(dtype).type, name=dtype))


class _Doubler:
    """Doubles `x`; with two inputs, adds the integers `n` to a second output."""

    def __init__(self, *, two: bool) -> None:
        self._specs = {"x": _spec("float32"), "n": _spec("int64")} if two else {"x": _spec("float32")}
        self.signatures = {"serving_default": None}

    def inputs(self, _: str) -> dict[str, Any]:
        return self._specs

    def run(self, _: str, inputs: dict[str, Array]) -> Arrays:
        if np.any(np.less(inputs["x"], 0)):
            raise StatusError(Code.RESOURCE_EXHAUSTED, "too small")
        outputs: Arrays = {"y": np.multiply(inputs["x"], 2, dtype=np.float32)}
        return {**outputs, "m": inputs["n"]} if "n" in inputs else outputs


class _Manager:
    @contextmanager
    def use(self, name: str, version: int | None = None) -> Iterator[_Doubler]:
        if name not in {"one", "two"} or version not in {None, 1}:
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: Latest({name})")
        yield _Doubler(two=name == "two")


@pytest.fixture(scope="module")
def connection() -> Iterator[http.client.HTTPConnection]:
    port = free_ports(("rest",))["rest"]
    server = rest_service.start(_Manager(), port)  # type: ignore[arg-type]  # a scripted manager
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    yield client
    client.close()
    server.shutdown()
    server.server_close()


def _post(connection: http.client.HTTPConnection, path: str, body: object) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, data)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.mark.parametrize(
    ("method", "path", "action", "model", "version"),
    [
        ("POST", "/v1/models/m:predict", "predict", "m", None),
        ("POST", "/V1/Models/m/Versions/12:PREDICT", "predict", "m", 12),
        ("GET", "/v1/models/m", "status", "m", None),
        ("GET", "/v1/models/m/versions/3", "status", "m", 3),
        ("GET", "/v1/models/m/metadata", "metadata", "m", None),
        ("GET", "/v1/models/m/versions/3/metadata", "metadata", "m", 3),
    ],
)
def test_urls_that_ask_for_something(method: str, path: str, action: str, model: str, version: int | None) -> None:
    assert rest_service.route(method, path) == rest_service.Route(action=action, model=model, version=version)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models/m:predict"),
        ("POST", "/v1/models/m"),
        ("POST", "/v1/models/m/versions/x:predict"),
        ("POST", "/v1/models/a/b:predict"),
        ("POST", "/v1/models/:predict"),
        ("POST", "/v1/models/m:predict/"),
        ("GET", "/v2/models/m"),
        ("GET", "/"),
    ],
)
def test_urls_that_are_malformed(method: str, path: str) -> None:
    with pytest.raises(StatusError) as raised:
        rest_service.route(method, path)
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, f"Malformed request: {method} {path}")


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("/v1/models/one:predict", {"inputs": [1, 2]}, {"outputs": [2.0, 4.0]}),
        ("/v1/models/one/versions/1:predict", {"inputs": {"x": [1.5]}}, {"outputs": [3.0]}),
        ("/v1/models/one:predict", {"instances": [1, 2]}, {"predictions": [2.0, 4.0]}),
        ("/v1/models/one:predict", {"instances": [{"x": 1}, {"x": 2}]}, {"predictions": [2.0, 4.0]}),
        ("/v1/models/two:predict", {"inputs": {"x": [1], "n": [7]}}, {"outputs": {"y": [2.0], "m": [7]}}),
        (
            "/v1/models/two:predict",
            {"signature_name": "serving_default", "instances": [{"x": 1, "n": 7}, {"x": 2, "n": 8}]},
            {"predictions": [{"y": 2.0, "m": 7}, {"y": 4.0, "m": 8}]},
        ),
    ],
)
def test_row_and_column_formats(
    connection: http.client.HTTPConnection, path: str, body: dict[str, Any], answer: dict[str, Any]
) -> None:
    assert _post(connection, path, body) == (200, answer)


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/models/nope:predict", {"inputs": [1]}, 404, "Servable not found for request: Latest(nope)"),
        ("/v1/models/one/versions/9:predict", {"inputs": [1]}, 404, "Servable not found"),
        ("/v1/models/one:classify", {"inputs": [1]}, 400, "Malformed request: POST /v1/models/one:classify"),
        ("/v1/models/one:predict", b"", 400, "JSON Parse error: The document is empty"),
        ("/v1/models/one:predict", b'{"inputs": [1', 400, "JSON Parse error: "),
        ("/v1/models/one:predict", b"\xff\xfe", 400, "JSON Parse error: "),
        ("/v1/models/one:predict", b"[1]", 400, "must be an object"),
        ("/v1/models/one:predict", {"signature_name": "serving_default"}, 400, "Missing 'inputs' or 'instances' key"),
        ("/v1/models/one:predict", {"signature_name": 5, "inputs": [1]}, 400, "must be a string"),
        ("/v1/models/one:predict", {"signature_name": "zz", "inputs": [1]}, 400, '"zz" not found in signature def'),
        ("/v1/models/one:predict", {"inputs": {"z": [1]}}, 400, "Missing named input: x in 'inputs' object."),
        ("/v1/models/one:predict", {"inputs": {"x": [1], "z": [1]}}, 400, "unknown keys: z"),
        ("/v1/models/one:predict", {"inputs": ["a"]}, 400, "not of expected type: float32"),
        ("/v1/models/one:predict", {"inputs": [[1], [2, 3]]}, 400, "unexpected size"),
        ("/v1/models/one:predict", {"inputs": None}, 400, "not of expected type"),
        ("/v1/models/one:predict", {"instances": []}, 400, "non-empty list"),
        ("/v1/models/one:predict", {"instances": [{"z": 1}]}, 400, "Failed to process element: 0 of 'instances' list"),
        ("/v1/models/two:predict", {"instances": [1]}, 400, "list of objects"),
        ("/v1/models/two:predict", {"inputs": [1]}, 400, "multiple input tensors required"),
        ("/v1/models/two:predict", {"inputs": {"x": [1], "n": [0.5]}}, 400, "not of expected type: int64"),
        ("/v1/models/two:predict", {"inputs": {"x": [1], "n": [2**63]}}, 400, "out of range"),
        ("/v1/models/two:predict", {"inputs": {"x": [1], "n": [2**70]}}, 400, "not of expected type: int64"),
        ("/v1/models/one:predict", b"[" * 5000, 400, "JSON Parse error: "),
        ("/v1/models/one:predict", {"inputs": [-1]}, 429, "too small"),
    ],
)
def test_the_error_table(
    connection: http.client.HTTPConnection, path: str, body: object, status: int, words: str
) -> None:
    answered, document = _post(connection, path, body)
    assert answered == status
    assert list(document) == ["error"]
    assert words in document["error"]
    assert _post(connection, "/v1/models/one:predict", {"inputs": [1]}) == (200, {"outputs": [2.0]})


@pytest.mark.parametrize("header", [("Transfer-Encoding", "chunked"), ("Content-Length", "-1")])
def test_a_body_of_unknown_length_ends_the_connection(
    connection: http.client.HTTPConnection, header: tuple[str, str]
) -> None:
    connection.close()
    connection.putrequest("POST", "/v1/models/one:predict")
    connection.putheader(*header)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (400, {"error": "a request needs a Content-Length"})
    connection.close()


def test_it_says_what_it_is(connection: http.client.HTTPConnection) -> None:
    connection.close()
    connection.request("GET", "/v1/nothing")
    answer = connection.getresponse()
    answer.read()
    assert answer.headers["Server"] == "fweval-reference (not tensorflow_model_server)"


def test_every_code_has_an_http_status() -> None:
    assert {code.http for code in (Code.UNKNOWN, Code.INTERNAL, Code.DATA_LOSS)} == {500}
    assert [Code.NOT_FOUND.http, Code.FAILED_PRECONDITION.http, Code.UNAVAILABLE.http] == [404, 400, 503]
