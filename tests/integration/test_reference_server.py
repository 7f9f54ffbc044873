"""The embedded reference server for real: parity over REST (both formats) and gRPC, the error table, a clean stop."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
import urllib3

from evaluator.core import registry
from evaluator.core.tensors import Arrays, read_arrays, rows
from serving.contract import HOST, Bundle, Server, Setup
from serving.errors import NotReady, ServerError
from serving.launchers.embedded import EmbeddedLauncher
from serving.launchers.process import LOG
from serving.life import Service, serving
from serving.ports import free_ports, in_use
from serving.wires import rpc, tensor_codec, tensorflow_grpc, tensorflow_protos
from tests import children
from tests.containers import launcher_or_skip
from tests.engine import assert_gone
from tests.integration import served_models
from tests.running import assert_memory_known

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

HERE = Path(__file__).parent
SERVER: Server = registry.load("server", "tensorflow_serving")
SIGNATURE = served_models.SIGNATURES["tensorflow"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the SavedModel in a child: this process stays free of TensorFlow."""
    launcher_or_skip("embedded", SERVER)
    folder = tmp_path_factory.mktemp("tensorflow")
    served_models.make("tensorflow", folder)
    return folder


@pytest.fixture(scope="module")
def golden(made: Path) -> Arrays:
    return read_arrays(made / "golden.npz")


def _bundle(artifact: Path, folder: Path) -> Bundle:
    (folder / "bundle").mkdir(parents=True)
    return SERVER.bundle(artifact, SIGNATURE, folder / "bundle")


@pytest.fixture(scope="module")
def service(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    bundle = _bundle(made / "model", folder)
    with serving(
        SERVER, EmbeddedLauncher(), bundle, Setup(ports=free_ports(SERVER.ports)), folder / "run", 60.0
    ) as running:
        yield running
    assert running.leftovers == ()
    log = (folder / "run" / LOG).read_text()
    assert "fweval-reference (not tensorflow_model_server)" in log
    assert log.rstrip().endswith("INFO stopped"), "it was killed instead of stopping"


def _inputs(golden: Arrays, start: int, stop: int) -> Arrays:
    return rows({"image": golden["image"], "shift": golden["shift"]}, start, stop)


def _http(service: Service, method: str, path: str, body: object = None) -> tuple[int, Any, Any]:
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    with urllib3.HTTPConnectionPool(HOST, service.ports["rest"], timeout=20.0, retries=False) as pool:
        answer = pool.urlopen(method, path, body=data)
    return answer.status, json.loads(answer.data), answer.headers


@pytest.mark.parametrize("wire", SERVER.wires)
@pytest.mark.parametrize("size", [1, 5])
def test_answers_are_those_of_the_model_in_process(service: Service, golden: Arrays, wire: str, size: int) -> None:
    with SERVER.connect(wire, service.bundle, service.ports) as connection:
        answer = connection.decode(connection.call(connection.encode(_inputs(golden, 0, size))))
    assert answer["logits"].dtype == np.float32
    assert np.allclose(answer["logits"], golden["logits"][:size], rtol=1e-6, atol=1e-6)
    assert np.array_equal(answer["label"], golden["label"][:size])


def test_the_row_format_gives_the_same(service: Service, golden: Arrays) -> None:
    instances = [{"image": golden["image"][row].tolist(), "shift": int(golden["shift"][row])} for row in range(2)]
    status, document, headers = _http(service, "POST", "/v1/models/model:predict", {"instances": instances})
    assert status == 200
    logits = np.array([row["logits"] for row in document["predictions"]], np.float32)
    assert np.allclose(logits, golden["logits"][:2], rtol=1e-6, atol=1e-6)
    assert [row["label"] for row in document["predictions"]] == golden["label"][:2].tolist()
    assert headers["Server"] == "fweval-reference (not tensorflow_model_server)"


def test_a_signature_of_one_input_takes_bare_lists(service: Service) -> None:
    path = "/v1/models/model/versions/1:predict"
    status, document, _ = _http(service, "POST", path, {"signature_name": "double", "inputs": [[1, 2.5]]})
    assert (status, document) == (200, {"outputs": [[2.0, 5.0]]})
    status, document, _ = _http(service, "POST", path, {"signature_name": "double", "instances": [[1, 2], [3, 4]]})
    assert (status, document) == (200, {"predictions": [[2.0, 4.0], [6.0, 8.0]]})


def test_status_and_metadata(service: Service) -> None:
    status, document, _ = _http(service, "GET", "/v1/models/model")
    entry = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert (status, document) == (200, {"model_version_status": [entry]})
    status, document, _ = _http(service, "GET", "/v1/models/model/metadata")
    assert status == 200
    assert document["model_spec"] == {"name": "model", "signature_name": "", "version": "1"}
    signatures = document["metadata"]["signature_def"]["signature_def"]
    assert signatures["serving_default"]["inputs"]["image"]["dtype"] == "DT_FLOAT"
    assert set(signatures["serving_default"]["outputs"]) == {"logits", "label"}
    assert "__saved_model_init_op" in signatures  # TF Serving shows it, too, and does not answer by it
    request = {"signature_name": "__saved_model_init_op", "inputs": [1]}
    status, document, _ = _http(service, "POST", "/v1/models/model:predict", request)
    assert (status, list(document)) == (400, ["error"])


def test_sizes_that_a_signature_states_are_no_bounds(service: Service) -> None:
    """TF Serving leaves it to the operations: what computes with another size answers."""
    path = "/v1/models/model:predict"
    pictures: tuple[list[list[int]], ...] = ([[1, 2, 3]], [[], []])
    for picture in pictures:
        status, document, _ = _http(service, "POST", path, {"signature_name": "double", "inputs": picture})
        assert (status, document) == (200, {"outputs": [[2.0 * each for each in row] for row in picture]})


PICTURE = np.zeros((1, 32, 32, 3)).tolist()
PREDICT = "/v1/models/model:predict"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/v1/models/nope:predict", {}, 404, "Servable not found for request: Latest(nope)"),
        ("POST", "/v1/models/model/versions/7:predict", {}, 404, "Servable not found for request: Specific(model, 7)"),
        ("GET", "/v1/models/nope", None, 404, "Could not find any versions of model nope"),
        ("GET", "/v1/models/model/versions/7", None, 404, "Could not find version 7 of model model"),
        ("GET", PREDICT, None, 400, f"Malformed request: GET {PREDICT}"),
        ("POST", PREDICT, b"", 400, "The body is no JSON document: "),
        ("POST", PREDICT, b'{"inputs": nonsense}', 400, "The body is no JSON document: "),
        ("POST", PREDICT, {"signature_name": "zz", "inputs": {}}, 400, 'name: "zz" not found in signature def'),
        ("POST", PREDICT, {"inputs": {"image": PICTURE}}, 400, "'inputs' must be an object with 'image', 'shift'"),
        ("POST", PREDICT, {"inputs": {"image": [["x"]], "shift": [0]}}, 400, "'image' must be nested lists of float32"),
        ("POST", PREDICT, {"inputs": {"image": PICTURE, "shift": [0.5]}}, 400, "'shift' must be nested lists of int32"),
        ("POST", PREDICT, {"inputs": {"image": PICTURE[0], "shift": [0]}}, 400, "to have rank 4"),
        (
            "POST",
            PREDICT,
            {"instances": [{"image": PICTURE[0]}]},
            400,
            "an object with 'image', 'shift' and nothing else",
        ),
        ("POST", "/v1/models/model:classify", {}, 501, "The reference server does not do Classify; TF Serving does."),
    ],
)
def test_rest_errors(service: Service, method: str, path: str, body: object, status: int, words: str) -> None:
    answered, document, _ = _http(service, method, path, body)
    assert (answered, list(document)) == (status, ["error"])
    assert words in document["error"]


def _request(model: str, golden: Arrays, change: Arrays, without: str = "") -> Any:
    request = tensorflow_protos.messages().PredictRequest()
    request.model_spec.name = model
    for name, array in {**_inputs(golden, 0, 1), **change}.items():
        if name != without:
            tensor_codec.fill(request.inputs[name], array)
    return request


def _call(service: Service, request: Any) -> Any:
    messages = tensorflow_protos.messages()
    with rpc.method(
        service.ports["grpc"], tensorflow_grpc.PATH, messages.PredictRequest, messages.PredictResponse
    ) as call:
        return call(request)


@pytest.mark.parametrize(
    ("model", "change", "without", "code", "words"),
    [
        ("nope", {}, "", "NOT_FOUND", "Servable not found for request: Latest(nope)"),
        ("model", {"more": np.zeros(1, np.float32)}, "", "INVALID_ARGUMENT", "Sent extra: {more}."),
        ("model", {}, "shift", "INVALID_ARGUMENT", "input size does not match signature: 1!=2"),
        ("model", {"shift": np.zeros(1, np.int64)}, "", "INVALID_ARGUMENT", "to be int32 but int64 is provided"),
        ("model", {"image": np.zeros((1, 32, 32, 2), np.float32)}, "", "INVALID_ARGUMENT", "depth"),
        ("model", {"image": np.zeros(3, np.float32)}, "", "INVALID_ARGUMENT", "to have rank 4"),
    ],
    ids=["model", "extra", "lacking", "dtype", "channels", "rank"],
)
def test_grpc_errors(  # noqa: PLR0913, PLR0917  # one row of the table
    service: Service, golden: Arrays, model: str, change: Arrays, without: str, code: str, words: str
) -> None:
    with pytest.raises(ServerError) as raised:
        _call(service, _request(model, golden, change, without))
    assert raised.value.code == code
    assert words in raised.value.said
    assert _call(service, _request("model", golden, {})).outputs["logits"].dtype == 1


def test_grpc_names_what_it_cannot_find(service: Service, golden: Arrays) -> None:
    request = _request("model", golden, {})
    request.model_spec.signature_name = "zz"
    with pytest.raises(ServerError) as raised:
        _call(service, request)
    assert (raised.value.code, raised.value.said) == ("FAILED_PRECONDITION", 'Serving signature key "zz" not found.')
    request = _request("model", golden, {})
    request.output_filter.append("nothing")
    with pytest.raises(ServerError, match="output tensor alias not found in signature: nothing"):
        _call(service, request)
    request = _request("model", golden, {})
    request.model_spec.version.value = 7
    with pytest.raises(ServerError, match=r"Specific\(model, 7\)"):
        _call(service, request)


@pytest.mark.parametrize("api", ["Classify", "Regress", "MultiInference"])
def test_what_it_does_not_do_is_said_over_grpc(service: Service, golden: Arrays, api: str) -> None:
    """Whatever the message holds: it is not looked at."""
    messages, path = tensorflow_protos.messages(), f"/tensorflow.serving.PredictionService/{api}"
    with (
        rpc.method(service.ports["grpc"], path, messages.PredictRequest, messages.PredictResponse) as call,
        pytest.raises(ServerError) as raised,
    ):
        call(_request("model", golden, {}))
    said = f"The reference server does not do {api}; TF Serving does."
    assert (raised.value.code, raised.value.said) == ("UNIMPLEMENTED", said)


def test_grpc_gives_only_the_outputs_asked_for(service: Service, golden: Arrays) -> None:
    request = _request("model", golden, {})
    request.output_filter.append("label")
    answer = _call(service, request)
    assert set(answer.outputs) == {"label"}
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("model", 1)


def test_it_listens_on_loopback_only(service: Service) -> None:
    addresses = {
        connection.laddr.ip
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.removeprefix("::ffff:") for address in addresses} == {HOST}


def test_the_memory_of_all_its_processes_is_known(service: Service) -> None:
    assert_memory_known(service.running, at_least=100_000_000)


def test_a_corrupt_model_is_told_at_once(made: Path, tmp_path: Path) -> None:
    bundle = _bundle(made / "model", tmp_path)
    graph = bundle.folder / "1" / "saved_model.pb"
    graph.unlink()  # the bundle's files may be links to the artifact's
    graph.write_bytes(b"no graph")
    with (
        pytest.raises(NotReady, match="ended before its model was ready") as raised,
        serving(SERVER, EmbeddedLauncher(), bundle, Setup(ports=free_ports(SERVER.ports)), tmp_path / "run", 60.0),
    ):
        pass
    assert "Failed to start server. Error: " in raised.value.message
    assert "Traceback" not in raised.value.message
    assert (made / "model" / "saved_model.pb").stat().st_size > 100


def test_nothing_outlives_the_evaluator(made: Path, tmp_path: Path) -> None:
    signature = msgspec.json.encode(SIGNATURE).decode()
    arguments = ["tensorflow_serving", "embedded", str(made / "model"), signature, str(tmp_path)]
    with children.started(
        [sys.executable, "-P", HERE / "serving_launch.py", *arguments],
        env=children.environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        ports = [int(word) for word in parent.stdout.readline().split()[1:]]
        assert parent.stdout.readline() == "ready\n"
        members = [member.pid for member in psutil.Process(parent.pid).children(recursive=True)]
        assert members
        parent.send_signal(signal.SIGKILL)
    assert_gone(members, within_s=10.0)
    assert not any(in_use(port) for port in ports)
