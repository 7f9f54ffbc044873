"""What goes over the wires survives it: JSON, TensorProto, safetensors; and failures keep their code and words."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import util
from typing import Any, ClassVar

import numpy as np
import pytest

from evaluator.core.records import Signature, TensorSpec
from serving.errors import ServerError
from serving.ports import free_ports
from serving.wires import rpc, tensor_codec, tensorflow_grpc, tensorflow_protos, torchserve_grpc, torchserve_protos
from serving.wires.http import Http, from_json, said, to_json
from serving.wires.rest import RestWire

pytestmark = pytest.mark.integration
needs_tensorflow_serving = pytest.mark.skipif(
    util.find_spec("tensorflow") is None or util.find_spec("tensorflow_serving") is None,
    reason="the TF Serving API's messages are not installed",
)
needs_torchserve = pytest.mark.skipif(util.find_spec("ts") is None, reason="TorchServe is not installed")

ONE = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 2)),),
    outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 2)),),
)
TWO = Signature(inputs=ONE.inputs, outputs=(*ONE.outputs, TensorSpec(name="label", dtype="int64", shape=(None,))))
AWKWARD = np.array([[0.1, 1 / 3], [np.finfo(np.float32).max, np.finfo(np.float32).tiny]], dtype=np.float32)


class _Canned(BaseHTTPRequestHandler):
    """Answers by path: what a server might do to its client."""

    protocol_version = "HTTP/1.1"
    connections: ClassVar[set[Any]] = set()

    def do_GET(self) -> None:
        self.connections.add(self.client_address)
        status, body = {
            "/ok": (200, b"fine"),
            "/tensorflow": (404, b'{"error": "Servable not found"}'),
            "/torchserve": (503, b'{"code": 503, "type": "X", "message": "no worker"}'),
            "/text": (500, b"out of luck"),
            "/elsewhere": (302, b""),
        }.get(self.path, (200, b""))
        if self.path == "/slow":
            time.sleep(1.0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "/ok")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def canned() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _Canned)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/tensorflow", "404", "Servable not found"),
        ("/torchserve", "503", "no worker"),
        ("/text", "500", "out of luck"),
        ("/elsewhere", "302", ""),
    ],
)
def test_http_errors_keep_code_and_words(canned: int, path: str, code: str, words: str) -> None:
    with Http(canned) as http, pytest.raises(ServerError) as raised:
        http.get(path)
    assert (raised.value.code, raised.value.said) == (code, words)


def test_one_connection_is_kept_alive(canned: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # must not be asked
    _Canned.connections.clear()
    with Http(canned) as http:
        assert [http.get("/ok") for _ in range(5)] == [b"fine"] * 5
    assert len(_Canned.connections) == 1


def test_a_late_answer_is_a_timeout(canned: int) -> None:
    with Http(canned, read_timeout_s=0.1) as http, pytest.raises(ServerError) as raised:
        http.get("/slow")
    assert raised.value.code == "TIMEOUT"


def test_nobody_there_is_unreachable() -> None:
    with Http(free_ports(("rest",))["rest"]) as http, pytest.raises(ServerError) as raised:
        http.get("/ok")
    assert raised.value.code == "UNREACHABLE"


@pytest.mark.parametrize(("body", "words"), [(b"[1]", "[1]"), (b"", ""), (b"\xff", "\ufffd")])
def test_any_error_body_gives_words(body: bytes, words: str) -> None:
    assert said(body) == words


def test_float32_survives_json() -> None:
    back = np.asarray(from_json(to_json({"x": AWKWARD}))["x"], dtype=np.float32)
    assert np.array_equal(back, AWKWARD)


def test_nan_and_infinity_survive_json() -> None:
    array = np.array([np.nan, np.inf, -np.inf, 1.5], dtype=np.float32)
    text = to_json({"x": array})
    assert b"NaN" in text
    assert np.array_equal(np.asarray(from_json(text)["x"], dtype=np.float32), array, equal_nan=True)


def test_json_nested_too_deeply_is_malformed() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        from_json(b"[" * 5000 + b"]" * 5000)


def _rest(signature: Signature) -> RestWire:
    return RestWire(Http(1), "/unused", signature)


def test_rest_writes_the_column_format() -> None:
    sent = np.asarray(json.loads(_rest(ONE).encode({"x": AWKWARD.T}))["inputs"]["x"], dtype=np.float32)
    assert np.array_equal(sent, AWKWARD.T)  # also when the array is not contiguous


@pytest.mark.parametrize("answer", [{"outputs": [[1.5, 2.0]]}, {"outputs": {"y": [[1.5, 2.0]]}}])
def test_rest_reads_one_output_with_and_without_its_name(answer: dict[str, Any]) -> None:
    (array,) = _rest(ONE).decode(json.dumps(answer).encode()).values()
    assert array.dtype == np.float32
    assert array.tolist() == [[1.5, 2.0]]


def test_rest_reads_outputs_by_name_and_dtype() -> None:
    outputs = _rest(TWO).decode(b'{"outputs": {"label": [3], "y": [[1, 2]], "more": [0]}}')
    assert list(outputs) == ["y", "label"]
    assert outputs["label"].dtype == np.int64


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b"[]", b'{"outputs": {"z": [1]}}', b'{"outputs": {"y": [[1], [2, 3]]}}']
)
def test_rest_says_when_an_answer_does_not_fit(answer: bytes) -> None:
    with pytest.raises(ServerError, match="does not fit the signature"):
        _rest(ONE).decode(answer)


@needs_tensorflow_serving
@pytest.mark.parametrize(
    "dtype",
    ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"],
)
@pytest.mark.parametrize("shape", [(2, 3), (1,), ()])
def test_tensor_protos_round_trip(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    tensor = tensorflow_protos.messages().PredictRequest().inputs["x"]
    tensor_codec.fill(tensor, array)
    back = tensor_codec.read(tensor)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


@needs_tensorflow_serving
@pytest.mark.parametrize(
    ("number", "field", "values", "wanted"),
    [
        (1, "float_val", [0.5, 1.5, 2.5, 3.5], np.array([[0.5, 1.5], [2.5, 3.5]], np.float32)),
        (1, "float_val", [0.5], np.full((2, 2), 0.5, np.float32)),
        (1, "float_val", [], np.zeros((2, 2), np.float32)),
        (9, "int64_val", [1, 2], np.array([[1, 2], [2, 2]], np.int64)),
        (10, "bool_val", [True, False, False, True], np.array([[True, False], [False, True]])),
        (19, "half_val", [0x3C00], np.ones((2, 2), np.float16)),
    ],
)
def test_value_fields_are_read_as_tensor_proto_defines_them(
    number: int, field: str, values: list[Any], wanted: np.ndarray[Any, Any]
) -> None:
    tensor = tensorflow_protos.messages().PredictResponse().outputs["y"]
    tensor.dtype = number
    for size in (2, 2):
        tensor.tensor_shape.dim.add(size=size)
    getattr(tensor, field).extend(values)
    back = tensor_codec.read(tensor)
    assert back.dtype == wanted.dtype
    assert np.array_equal(back, wanted)


@needs_tensorflow_serving
def test_an_answer_without_the_output_does_not_fit() -> None:
    wire = tensorflow_grpc.TensorflowGrpcWire(lambda message: message, "model", ONE)
    with pytest.raises(ServerError, match="does not fit the signature"):
        wire.decode(tensorflow_protos.messages().PredictResponse())


@needs_tensorflow_serving
def test_the_measuring_side_imports_no_framework() -> None:
    code = (
        "import sys, numpy as np\n"
        "from serving.wires import rest, tensor_codec, tensorflow_grpc, tensorflow_protos, torchserve_grpc\n"
        "tensor_codec.fill(tensorflow_protos.messages().PredictRequest().inputs['x'], np.zeros(1))\n"
        "heavy = {'tensorflow', 'keras', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@needs_torchserve
def test_torchserve_requests_carry_safetensors() -> None:
    from safetensors.numpy import load

    sent: list[Any] = []
    wire = torchserve_grpc.TorchserveGrpcWire(sent.append, "model", ONE)
    request = wire.encode({"x": AWKWARD.T})
    assert request.model_name == "model"
    assert np.array_equal(load(request.input["data"])["x"], AWKWARD.T)


@needs_torchserve
def test_a_refusal_hidden_in_an_answer_is_raised() -> None:
    _, response = torchserve_protos.messages()
    body = b'{"code":400,"type":"BadRequest","message":"wrong shape"}'
    wire = torchserve_grpc.TorchserveGrpcWire(lambda _: response(prediction=body), "model", ONE)
    with pytest.raises(ServerError) as raised:
        wire.call(wire.encode({"x": AWKWARD}))
    assert (raised.value.code, raised.value.said) == ("400", "wrong shape")


@needs_torchserve
@pytest.mark.parametrize("answer", [b"", b"no safetensors", b"\x02\0\0\0\0\0\0\0{}"])
def test_torchserve_answers_that_do_not_fit(answer: bytes) -> None:
    wire = torchserve_grpc.TorchserveGrpcWire(lambda message: message, "model", ONE)
    with pytest.raises(ServerError, match="does not fit the signature"):
        wire.decode(answer)


@needs_torchserve
def test_grpc_errors_keep_the_name_of_their_code() -> None:
    request, response = torchserve_protos.messages()
    port = free_ports(("grpc",))["grpc"]
    with rpc.method(port, "/no.Service/Method", request, response) as call, pytest.raises(ServerError) as raised:
        call(request())
    assert raised.value.code == "UNAVAILABLE"
