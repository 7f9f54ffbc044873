"""The reference server's REST side over a scripted model: URL grammar, both formats, the error table, bad clients."""

import gzip
import http.client
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evaluator.core.tensors import Array, Arrays
from serving.contract import HOST
from serving.ports import free_ports
from serving.reference import rest_api, rest_service
from serving.reference.status import Code, StatusError

NAN = float("nan")
NO_JSON = "The body is no JSON document: "
NO_FLOATS = "Input 'x' must be nested lists of float32, those of one level equally long"
_TIMEOUT_S = 1.0
_DTYPES = {"x": 1, "n": 9, "s": 7, "b": 10, "h": 19, "small": 4}  # numbers of types.proto
_MODELS = {"one": ("x",), "two": ("x", "n"), "text": ("s",), "truth": ("b",), "half": ("h",), "small": ("small",)}


class _Scripted:
    """Doubles `x` and gives back what else there is; a negative number is refused, 1000 takes too long."""

    name = "scripted"
    slow_begun = threading.Event()

    def __init__(self, inputs: tuple[str, ...]) -> None:
        self.signature_defs = {
            "serving_default": SimpleNamespace(inputs={name: SimpleNamespace(dtype=_DTYPES[name]) for name in inputs})
        }

    def run(self, _: str, inputs: dict[str, Array]) -> Arrays:
        if "x" not in inputs:
            name, array = next(iter(inputs.items()))
            return {"s": array, "s_bytes": array} if name == "s" else {name: array}
        if np.any(np.less(inputs["x"], 0)):
            raise StatusError(Code.RESOURCE_EXHAUSTED, "too small")
        if np.any(np.equal(inputs["x"], 1000)):
            self.slow_begun.set()
            time.sleep(2 * _TIMEOUT_S)
        outputs: Arrays = {"y": np.multiply(inputs["x"], 2, dtype=np.float32)}
        return {**outputs, "m": inputs["n"]} if "n" in inputs else outputs


class _Manager:
    @contextmanager
    def use(self, name: str, version: int | None, label: str | None) -> Iterator[_Scripted]:
        if name not in _MODELS or version not in {None, 1} or label not in {None, "stable"}:
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: Latest({name})")
        yield _Scripted(_MODELS[name])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    number = free_ports(("rest",))["rest"]
    settings = rest_service.RestSettings(
        address=HOST, port=number, threads=4, timeout_s=_TIMEOUT_S, metrics_path="/monitoring/prometheus/metrics"
    )
    server = rest_service.RestServer(_Manager(), settings)  # type: ignore[arg-type]  # a scripted manager
    server.start()
    yield number
    server.stop(1.0)


@pytest.fixture
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection(HOST, port, timeout=10)
    yield client
    client.close()


def _post(connection: http.client.HTTPConnection, path: str, body: object) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, data)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("POST", "/v1/models/m:predict", {"action": "predict", "model": "m"}),
        ("POST", "/V1/Models/M/Versions/12:predict", {"action": "predict", "model": "M", "version": 12}),
        ("POST", "/v1/models/m/labels/stable:classify", {"action": "classify", "model": "m", "label": "stable"}),
        ("POST", "/v1/models/a%20b/labels/c%2Fd:regress", {"action": "regress", "model": "a b", "label": "c/d"}),
        ("GET", "/v1/models", {"action": "", "model": ""}),
        ("GET", "/v1/models/m", {"action": "", "model": "m"}),
        ("GET", "/v1/models/m/versions/3", {"action": "", "model": "m", "version": 3}),
        ("GET", "/v1/models/m/metadata", {"action": "metadata", "model": "m"}),
        ("GET", "/v1/models/m/labels/x/metadata", {"action": "metadata", "model": "m", "label": "x"}),
    ],
)
def test_urls_that_ask_for_something(method: str, path: str, wanted: dict[str, Any]) -> None:
    assert rest_api.route(method, path) == rest_api.Route(**wanted)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models/m:predict"),
        ("POST", "/v1/models/m"),
        ("PUT", "/v1/models/m:predict"),
        ("POST", "/v1/models/m:PREDICT"),
        ("POST", "/v1/models/m/versions/x:predict"),
        ("POST", "/v1/models/m/versions/1/labels/a:predict"),
        ("POST", "/v1/models/a/b:predict"),
        ("POST", "/v1/models/:predict"),
        ("POST", "/v1/models/m:predict/"),
        ("POST", "/v1/models/m:predict?x=1"),
    ],
)
def test_urls_that_are_malformed(method: str, path: str) -> None:
    with pytest.raises(StatusError) as raised:
        rest_api.route(method, path)
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, f"Malformed request: {method} {path}")


def test_a_version_beyond_64_bits_is_refused() -> None:
    with pytest.raises(StatusError, match="Failed to convert version: 99999999999999999999 to numeric"):
        rest_api.route("GET", "/v1/models/m/versions/99999999999999999999")


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("/v1/models/one:predict", {"inputs": [1, 2]}, {"outputs": [2.0, 4.0]}),
        ("/v1/models/one/versions/1:predict", {"inputs": {"x": [1.5]}}, {"outputs": [3.0]}),
        ("/v1/models/one/labels/stable:predict", {"inputs": 1.5}, {"outputs": 3.0}),
        ("/v1/models/one:predict", {"inputs": []}, {"outputs": []}),
        ("/v1/models/one:predict", {"inputs": {"x": [1], "unknown": 5}}, {"outputs": [2.0]}),
        ("/v1/models/one:predict", b'{"inputs": [NaN, Infinity, 1e40]}', {"outputs": [NAN, np.inf, np.inf]}),
        (
            "/v1/models/one:predict",
            b'{"inputs": [Inf, Infinity, NaN, -NaN]}',
            {"outputs": [np.inf, np.inf, NAN, NAN]},
        ),
        (
            "/v1/models/text:predict",
            b'{"x": Inf, "inputs": ["Inf", "\\"NaN", "\\u0000", "\\ud83d\\ude00"]}',
            {
                "outputs": {
                    "s": ["Inf", '"NaN', "\0", "\U0001f600"],
                    "s_bytes": [{"b64": each} for each in ("SW5m", "Ik5hTg==", "AA==", "8J+YgA==")],
                }
            },
        ),
        *(
            (
                "/v1/models/text:predict",
                {"instances": [{"b64": form}]},
                {"predictions": [{"s": "hello, world", "s_bytes": {"b64": "aGVsbG8sIHdvcmxk"}}]},
            )
            for form in ("aGVsbG8sIHdvcmxk", "aGVs\nbG8s\r\nIHdv\tcmxk\n")
        ),
        *(
            (
                "/v1/models/text:predict",
                {"instances": [{"b64": form}]},
                {"predictions": [{"s": "hi", "s_bytes": {"b64": "aGk="}}]},
            )
            for form in ("aGk", "aGk=", "aGk.", " a G k = ", "aGk\n=\n")
        ),
        ("/v1/models/one:predict", {"instances": [1, 2]}, {"predictions": [2.0, 4.0]}),
        ("/v1/models/one:predict", {"instances": [[[1], [2]]]}, {"predictions": [[[2.0], [4.0]]]}),
        ("/v1/models/truth:predict", {"inputs": [True, False]}, {"outputs": [True, False]}),
        (
            "/v1/models/text:predict",
            {"instances": ["h\u00e9", {"b64": "/wA="}]},
            {
                "predictions": [
                    {"s": "h\u00e9", "s_bytes": {"b64": "aMOp"}},
                    {"s": "\ufffd\0", "s_bytes": {"b64": "/wA="}},
                ]
            },
        ),
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
    connection: http.client.HTTPConnection, path: str, body: object, answer: dict[str, Any]
) -> None:
    assert repr(_post(connection, path, body)) == repr((200, answer))  # as text: NaN is not equal to itself


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("nope:predict", {"inputs": [1]}, 404, "Servable not found for request: Latest(nope)"),
        ("one/versions/9:predict", {"inputs": [1]}, 404, "Servable not found"),
        ("one:explain", {"inputs": [1]}, 400, "Malformed request: POST /v1/models/one:explain"),
        ("one:classify", {"examples": [{"x": 1}]}, 501, "The reference server does not do Classify; TF Serving does."),
        ("one/versions/1:regress", b"", 501, "The reference server does not do Regress; TF Serving does."),
        ("one:predict", b"", 400, NO_JSON),
        ("one:predict", b"  ", 400, NO_JSON),
        ("one:predict", b'{"inputs": [1', 400, NO_JSON),
        ("one:predict", b"nonsense", 400, NO_JSON),
        ("one:predict", b"\xff\xfe", 400, NO_JSON),
        ("one:predict", b'{"inputs": ["\xff"]}', 400, NO_JSON),
        ("one:predict", b"[" * 5000, 400, NO_JSON),
        ("one:predict", b'{"inputs": [NaN, ' + b"1" * 5000 + b"]}", 400, NO_JSON),
        ("one:predict", b"[1]", 400, "The body must be a JSON object"),
        ("one:predict", {"signature_name": "serving_default"}, 400, "either 'instances' or 'inputs'"),
        ("one:predict", {"signature_name": 5, "inputs": [1]}, 400, "'signature_name' must be a string"),
        (
            "one:predict",
            {"signature_name": "zz", "inputs": [1]},
            400,
            'Serving signature name: "zz" not found in signature def',
        ),
        ("one:predict", {"inputs": [1], "instances": [1]}, 400, "either 'instances' or 'inputs'"),
        ("one:predict", {"inputs": {"z": [1]}}, 400, "'inputs' must be an object with 'x'"),
        ("one:predict", {"inputs": ["a"]}, 400, NO_FLOATS),
        ("one:predict", {"inputs": [1, True]}, 400, NO_FLOATS),
        ("one:predict", {"inputs": None}, 400, NO_FLOATS),
        ("one:predict", {"inputs": [{"b64": "AA=="}]}, 400, NO_FLOATS),
        ("one:predict", {"inputs": [[1], [2, 3]]}, 400, NO_FLOATS),
        ("one:predict", {"inputs": [1, [2]]}, 400, NO_FLOATS),
        ("one:predict", {"inputs": [[1], 2]}, 400, NO_FLOATS),
        ("one:predict", b'{"inputs": ' + b"[" * 90 + b"]" * 90 + b"}", 400, NO_FLOATS),
        ("one:predict", b'{"inputs": [NaN, ' + b"1" * 400 + b"]}", 400, NO_FLOATS),
        ("one:predict", {"instances": 1}, 400, "'instances' must be a list that is not empty"),
        ("one:predict", {"instances": []}, 400, "'instances' must be a list that is not empty"),
        ("one:predict", {"instances": [{"z": 1}]}, 400, "Element 0 of 'instances' must be an object with 'x' and"),
        ("one:predict", {"instances": [[1], [2, 3]]}, 400, NO_FLOATS),
        ("one:predict", {"instances": [[[1, 2]], [[1], [2]]]}, 400, NO_FLOATS),
        ("one:predict", {"instances": [{"x": 1}, 2]}, 400, "Element 1 of 'instances' must be an object with 'x'"),
        ("one:predict", {"instances": [1, {"x": 2}]}, 400, "Element 0 of 'instances' must be an object with 'x'"),
        ("two:predict", {"instances": [{"x": 1}]}, 400, "must be an object with 'n', 'x' and nothing else"),
        ("two:predict", {"instances": [1]}, 400, "must be an object with 'n', 'x' and nothing else"),
        ("two:predict", {"inputs": [1]}, 400, "'inputs' must be an object with 'n', 'x'"),
        ("two:predict", {"inputs": {"x": [1], "n": [0.5]}}, 400, "'n' must be nested lists of int64"),
        ("two:predict", {"inputs": {"x": [1], "n": [2**63]}}, 400, "'n' must be nested lists of int64"),
        ("two:predict", {"inputs": {"x": [1], "n": [2**70]}}, 400, "'n' must be nested lists of int64"),
        ("small:predict", {"inputs": [256]}, 400, "'small' must be nested lists of uint8"),
        ("truth:predict", {"inputs": [1]}, 400, "'b' must be nested lists of bool"),
        ("text:predict", {"inputs": [1]}, 400, "'s' must be nested lists of strings"),
        ("text:predict", {"instances": [{"b64": "!"}]}, 400, "Unable to base64 decode"),
        ("text:predict", {"instances": [{"b64": "\u00e9"}]}, 400, "Unable to base64 decode"),
        ("text:predict", {"instances": [{"b64": "_w-A"}]}, 400, "Unable to base64 decode"),
        ("text:predict", {"instances": [{"b64": "/wA=="}]}, 400, "Unable to base64 decode"),
        ("text:predict", {"instances": [{"b64": "/wAA="}]}, 400, "Unable to base64 decode"),
        ("text:predict", {"instances": [{"b64": "/"}]}, 400, "Unable to base64 decode"),
        ("text:predict", {"instances": [{"b64": "/w=A"}]}, 400, "Unable to base64 decode"),
        ("text:predict", b'{"inputs": ["caf\xe9"]}', 400, NO_JSON),
        ("one:predict", b'{"inputs": [1e400]}', 400, NO_JSON),
        ("one:predict", b'{"inputs": [NaN, -1e400]}', 400, NO_JSON),
        ("one:predict", b'{"inputs": [Infinite]}', 400, NO_JSON),
        ("one:predict", b'{"inputs": [+Inf]}', 400, NO_JSON),
        ("one:predict", b'{"inputs": [1]', 400, NO_JSON),
        ("one:predict", b"\xef\xbb\xbf", 400, NO_JSON),
        ("one:predict", b'x{"inputs": [1]}', 400, NO_JSON),
        ("one:predict", '{"inputs": [1]}'.encode("utf-16"), 400, NO_JSON),
        ("one:predict", {"signature_name": "\ud800", "inputs": [1]}, 400, "not found in signature def"),
        ("text:predict", b'{"inputs": ["\\ud800"]}', 400, "'s' must be nested lists of strings"),
        ("text:predict", {"inputs": [{"b65": ""}]}, 400, "'s' must be nested lists of strings"),
        ("half:predict", {"inputs": [1]}, 501, "'h' has a type that JSON has no values for"),
        ("one:predict", {"inputs": [-1]}, 429, "too small"),
        ("one:predict", b'{"inputs": [-Inf]}', 429, "too small"),
        ("one:predict", b'{"inputs": [-Infinity]}', 429, "too small"),
        ("one:predict", {"inputs": [1000]}, 504, "Timed out after 1 s"),
    ],
)
def test_the_error_table(
    connection: http.client.HTTPConnection, path: str, body: object, status: int, words: str
) -> None:
    answered, document = _post(connection, f"/v1/models/{path}", body)
    assert answered == status
    assert list(document) == ["error"]
    assert words in document["error"]
    assert _post(connection, "/v1/models/one:predict", {"inputs": [1]}) == (200, {"outputs": [2.0]})


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n "])
@pytest.mark.parametrize("after", [b"", b"\0", b" \r\n\0\0", b"}", b"]} and more", b'{"inputs": [2]}'])
@pytest.mark.parametrize(("value", "wanted"), [(b"1", 2.0), (b"Inf", "Infinity")])
def test_what_stands_around_a_document_does_not_count(
    connection: http.client.HTTPConnection, before: bytes, after: bytes, value: bytes, wanted: object
) -> None:
    """RapidJSON skips a byte order mark, and stops where the document ends (kParseStopWhenDoneFlag)."""
    body = before + b'{"inputs": [' + value + b"]}" + after
    connection.request("POST", "/v1/models/one:predict", body)
    answer = connection.getresponse()
    said = json.loads(answer.read(), parse_constant=str)
    assert (answer.status, said) == (200, {"outputs": [wanted]})


@pytest.mark.parametrize("path", ["http://{}/v1/models/one:predict", "HTTPS://user@[::1]:1/v1/models/one:predict"])
def test_a_target_in_absolute_form_is_taken(port: int, path: str) -> None:
    """RFC 9112, 3.2.2: a server must accept what clients send to a proxy."""
    target = path.format(f"{HOST}:{port}").encode()
    request = b"POST " + target + b' HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n{"inputs": [1]}'
    assert b'{"outputs":[2.0]}' in _raw(port, request, _LAST)


def test_large_headers_are_taken(connection: http.client.HTTPConnection) -> None:
    """libevent sets no limit to them; cookies and tokens that proxies add may be long."""
    headers = {f"X-{number}": "a" * 60_000 for number in range(9)}
    for _ in range(2):
        connection.request("POST", "/v1/models/one:predict", b'{"inputs": [1]}', headers)
        assert connection.getresponse().read() == b'{"outputs":[2.0]}'


def test_a_path_outside_the_api_is_not_found(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/v2/nothing")
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (404, {"error": "Not found: GET /v2/nothing"})
    assert answer.headers["Server"] == "fweval-reference (not tensorflow_model_server)"


def test_chunks_make_a_body(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/v1/models/one:predict", iter([b'{"inputs"', b": [1]}"]), encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (200, {"outputs": [2.0]})


def test_an_oversize_body_is_refused_before_it_is_sent(connection: http.client.HTTPConnection) -> None:
    connection.putrequest("POST", "/v1/models/one:predict")
    connection.putheader("Content-Length", str(rest_service.LARGEST_BODY_BYTES + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, list(json.loads(answer.read()))) == (413, ["error"])


def test_slow_clients_and_models_hold_up_nobody(port: int, connection: http.client.HTTPConnection) -> None:
    slow = [socket.create_connection((HOST, port)) for _ in range(50)]
    head = b"POST /v1/models/one:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"
    for client in slow:
        client.sendall(head)
    with ThreadPoolExecutor(2) as pool:
        other = http.client.HTTPConnection(HOST, port, timeout=10)
        stuck = pool.submit(_post, other, "/v1/models/one:predict", {"inputs": [1000]})
        while not stuck.running():
            time.sleep(0.01)
        assert _post(connection, "/v1/models/one:predict", {"inputs": [1]}) == (200, {"outputs": [2.0]})
        assert not stuck.done()
        assert stuck.result(10)[0] == 504
        other.close()
    with slow[0].makefile("rb") as answer:
        assert answer.readline() == b"HTTP/1.1 408 Request Timeout\r\n"
        assert b"connection: close\r\n" in answer.read()
    for client in slow:
        client.close()


def test_metrics_are_counted_by_status(connection: http.client.HTTPConnection) -> None:
    _post(connection, "/v1/models/one:predict", {"inputs": [1]})
    _post(connection, "/v1/models/counted:predict", {"inputs": [1]})
    connection.request("GET", "/monitoring/prometheus/metrics")
    answer = connection.getresponse()
    page = answer.read().decode()
    assert answer.headers["Content-Type"] == "text/plain"
    assert ':tensorflow:serving:request_count{model_name="counted",status="NOT_FOUND"} 1.0\n' in page
    assert ':tensorflow:serving:request_latency_count{API="predict",entrypoint="REST",model_name="one"}' in page
    assert ':tensorflow:serving:runtime_latency_sum{API="Predict",model_name="scripted",runtime="TF1"}' in page


def test_a_stop_lets_calls_in_flight_end() -> None:
    number = free_ports(("rest",))["rest"]
    settings = rest_service.RestSettings(address=HOST, port=number, threads=2, timeout_s=10)
    server = rest_service.RestServer(_Manager(), settings)  # type: ignore[arg-type]  # a scripted manager
    server.start()
    connection = http.client.HTTPConnection(HOST, number, timeout=10)
    _Scripted.slow_begun.clear()
    connection.request("POST", "/v1/models/one:predict", b'{"inputs": [1000]}')
    assert _Scripted.slow_begun.wait(10)
    stopping = threading.Thread(target=server.stop, args=(10.0,))
    stopping.start()
    assert connection.getresponse().status == 200
    stopping.join(10)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, number))


def test_a_port_in_use_is_told_before_anything_is_answered(port: int) -> None:
    settings = rest_service.RestSettings(address=HOST, port=port, threads=1, timeout_s=1)
    with pytest.raises(OSError, match=f"cannot listen on {HOST}:{port}"):
        rest_service.RestServer(_Manager(), settings)  # type: ignore[arg-type]  # a scripted manager


def test_every_code_has_an_http_status() -> None:
    assert {code.http for code in (Code.UNKNOWN, Code.INTERNAL, Code.DATA_LOSS)} == {500}
    assert [Code.NOT_FOUND.http, Code.FAILED_PRECONDITION.http, Code.UNAVAILABLE.http] == [404, 400, 503]


def _raw(port: int, *requests: bytes) -> bytes:
    """Send requests over one connection; return all that comes back until the server closes it."""
    with socket.create_connection((HOST, port), timeout=10) as client:
        for request in requests:
            client.sendall(request)
        with client.makefile("rb") as answers:
            return answers.read()


_HEAD = b"POST /v1/models/one:predict HTTP/1.1\r\nHost: x\r\n"
_LAST = b"GET /v1/models/nope:x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
_H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b'Content-Length: 15\r\n\r\n{"inputs": [1]}',
        b'Transfer-Encoding: chunked\r\n\r\nf\r\n{"inputs": [1]}\r\n0\r\n\r\n',
    ],
)
@pytest.mark.parametrize("proposal", [_H2C, b"Connection: upgrade\r\nUpgrade: websocket\r\n"])
def test_a_proposed_upgrade_is_ignored_and_the_body_kept(port: int, proposal: bytes, body: bytes) -> None:
    """RFC 9110, 7.8: a server may ignore it; so does the libevent of TF Serving. The connection goes on."""
    request = _HEAD + proposal + b"Content-Type: application/json\r\n" + body
    answered = _raw(port, request, request, _LAST)
    assert answered.count(b'{"outputs":[2.0]}') == 2, answered
    assert answered.count(b"HTTP/1.1 200 OK") == 2
    assert b"HTTP/1.1 400" in answered  # the last one, which is malformed


_GZIPPED = gzip.compress(b'{"inputs": [1]}', mtime=0)


def _packed(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, Any]:
    connection.request("POST", "/v1/models/one:predict", body, {"Content-Encoding": "gzip"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_a_compressed_body_is_unpacked(connection: http.client.HTTPConnection) -> None:
    assert _packed(connection, gzip.compress(b'{"inputs": [1, 2]}')) == (200, {"outputs": [2.0, 4.0]})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"inputs": [1]}', 400),
        (b"\x1f\x8b", 400),
        (_GZIPPED[:-9], 400),
        (b"", 400),
        (b"bomb", 413),
    ],
)
def test_what_only_claims_to_be_compressed_is_refused(
    connection: http.client.HTTPConnection, body: bytes, status: int
) -> None:
    if body == b"bomb":
        body = gzip.compress(b" " * (rest_service.LARGEST_UNPACKED_BYTES + 1), 1)
    answered, document = _packed(connection, body)
    assert (answered, list(document)) == (status, ["error"])
    assert _packed(connection, gzip.compress(b'{"inputs": [1]}'))[0] == 200


def test_a_bomb_takes_no_memory() -> None:
    bomb = gzip.compress(b" " * (rest_service.LARGEST_UNPACKED_BYTES + 1), 1)
    tracemalloc.start()
    assert rest_service._unpack_and_answer(_Manager(), "POST", "/v1/models/one:predict", bomb).status == 413  # type: ignore[arg-type]  # a scripted manager
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < rest_service.LARGEST_UNPACKED_BYTES / 10


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("OPTIONS", {"Origin": "http://localhost:3000"}, 200),
        ("OPTIONS", {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}, 200),
        ("OPTIONS", {"Origin": "null, https://example.org"}, 200),
        ("OPTIONS", {"Origin": "ftp://example.org"}, 400),
        ("OPTIONS", {}, 400),
        ("OPTIONS", {"Origin": "null"}, 400),
        *((method, {}, 400) for method in ("HEAD", "PUT", "DELETE", "PATCH", "TRACE")),
    ],
)
def test_other_methods(
    connection: http.client.HTTPConnection, method: str, headers: dict[str, str], status: int
) -> None:
    """http_server.cc answers a preflight request whatever the flag; the rest is malformed."""
    connection.request(method, "/v1/models/one:predict", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == status
    assert answer.headers["Access-Control-Allow-Origin"] is None
    assert (b"Malformed request" in body) is (status == 400 and method != "HEAD")
    assert _post(connection, "/v1/models/one:predict", {"inputs": [1]}) == (200, {"outputs": [2.0]})


@pytest.fixture(scope="module")
def open_port() -> Iterator[int]:
    number = free_ports(("rest",))["rest"]
    settings = rest_service.RestSettings(address=HOST, port=number, threads=1, timeout_s=20, cors=True)
    server = rest_service.RestServer(_Manager(), settings)  # type: ignore[arg-type]  # a scripted manager
    server.start()
    yield number
    server.stop(1.0)


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("GET", 400)])
def test_answers_allow_other_origins_where_told_to(open_port: int, method: str, status: int) -> None:
    client = http.client.HTTPConnection(HOST, open_port, timeout=10)
    client.request(method, "/v1/models/one:x", headers={"Origin": "http://localhost"})
    answer = client.getresponse()
    answer.read()
    client.close()
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")
    assert answer.headers["Access-Control-Allow-Methods"] == "POST, GET"
    assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type"


def test_one_thread_answers_all(open_port: int) -> None:
    """tensorflow/serving#1576: with one thread the REST API was seen to freeze."""

    def ask(_: int) -> int:
        client = http.client.HTTPConnection(HOST, open_port, timeout=20)
        try:
            return _post(client, "/v1/models/one:predict", {"inputs": [1]})[0]
        finally:
            client.close()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(40))) == [200] * 40
