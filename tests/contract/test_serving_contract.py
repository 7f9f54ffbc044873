"""The questions that every server and every launcher must answer the same way."""

import configparser
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.children.engine import engine_version
from evaluator.contracts import Question, cases
from evaluator.core import registry
from evaluator.core.errors import FwevalError, Unavailable
from evaluator.core.records import Signature, TensorSpec
from serving.contract import HOST, Bundle, Launcher, Place, Server, Setup
from serving.errors import ServerError
from serving.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
COMMON = {"rest", "grpc"}  # the wires that every server has: by these they are compared
ROLE = {"raw": "rest", "oip": "rest", "oip_grpc": "grpc"}  # wires that share another one's port
HEAVY = ("torch", "tensorflow", "keras", "grpc", "ts", "tensorflow_serving", "docker")
SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 2)),),
    outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 2)),),
)

SERVERS: tuple[Server, ...] = registry.load_all("server")
LAUNCHERS: tuple[Launcher, ...] = registry.load_all("launcher")

each_server = pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
each_launcher = pytest.mark.parametrize("launcher", LAUNCHERS, ids=lambda launcher: launcher.name)
each_pair = pytest.mark.parametrize(
    ("server", "launcher"),
    [(server, launcher) for server in SERVERS for launcher in LAUNCHERS],
    ids=lambda plugin: plugin.name,
)
each_wire = pytest.mark.parametrize(
    ("server", "wire"), [(server, wire) for server in SERVERS for wire in server.wires], ids=lambda one: str(one)[:20]
)


@pytest.fixture
def artifact(server: Server, tmp_path: Path) -> Path:
    """Make something that has the shape of the server's format, though no framework could load it."""
    if server.format == "savedmodel":
        (tmp_path / "artifact" / "variables").mkdir(parents=True)
        (tmp_path / "artifact" / "saved_model.pb").write_bytes(b"no graph")
        (tmp_path / "artifact" / "variables" / "variables.index").write_bytes(b"no weights")
        return tmp_path / "artifact"
    (tmp_path / "artifact.pt").write_bytes(b"no archive")
    return tmp_path / "artifact.pt"


def _able(server: Server) -> None:
    """Skip where the server's packages are not installed: then it cannot pack either."""
    lacking = next((server.missing(name) for name in server.launchers if name in {"process", "embedded"}), None)
    if lacking is not None and lacking[0].startswith("not installed"):
        pytest.skip(lacking[0])


@pytest.fixture
def bundle(server: Server, artifact: Path, tmp_path: Path) -> Bundle:
    _able(server)
    (tmp_path / "bundle").mkdir()
    return server.bundle(artifact, SIGNATURE, tmp_path / "bundle")


@pytest.mark.parametrize(("question", "plugin"), cases("server", "launcher"), ids=lambda each: each.name)
def test_it_answers_what_every_plug_in_is_asked(question: Question, plugin: Any) -> None:
    todo = question(plugin)
    assert todo is None, f"{question.sentence} {todo}"


@each_server
def test_what_a_server_needs_is_declared(server: Server) -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    lines = parser["options"]["install_requires"] + "".join(parser["options.extras_require"].values())
    declared = {re.split(r"[<>=!~\[ ]", line)[0] for line in lines.split()}
    absent = sorted(set(server.distributions) - declared)
    assert not absent, f"add to [options.extras_require] serving in setup.cfg: {', '.join(absent)}"


@each_pair
def test_a_launcher_refuses_in_the_same_words(server: Server, launcher: Launcher, tmp_path: Path) -> None:
    missing = launcher.missing(server, server.images)
    if missing is None:
        pytest.skip("nothing is missing here")
    empty = Bundle(model="model", folder=tmp_path, signature=SIGNATURE)
    with (
        pytest.raises(Unavailable) as raised,
        launcher.launch(server, empty, _setup(server), tmp_path / "run"),
    ):
        pass
    assert (raised.value.message, raised.value.remedy) == missing
    assert not (tmp_path / "run").exists()


def _setup(server: Server) -> Setup:
    return Setup(ports=free_ports(server.ports), images=server.images)


@each_server
def test_without_its_image_a_container_is_refused_with_what_to_do(server: Server) -> None:
    missing = registry.load("launcher", "container").missing(server, ("fweval/no-such-image:1",))
    assert missing is not None
    reason, remedy = missing
    if engine_version() is None:
        assert "no Docker engine answers" in reason
    else:
        assert "fweval/no-such-image:1" in reason
        assert "fweval fetch" in remedy


def test_an_engine_that_is_not_there_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'no.sock'}")
    begin = time.monotonic()
    assert engine_version() is None
    assert time.monotonic() - begin < 10


@each_server
def test_a_bundle_stays_in_its_folder_and_keeps_the_artifact(server: Server, artifact: Path, bundle: Bundle) -> None:
    before = sorted(path.name for path in artifact.rglob("*")) if artifact.is_dir() else artifact.read_bytes()
    assert bundle.folder.is_relative_to(artifact.parent / "bundle")
    assert any(path.is_file() for path in bundle.folder.rglob("*"))
    assert bundle.signature == SIGNATURE
    after = sorted(path.name for path in artifact.rglob("*")) if artifact.is_dir() else artifact.read_bytes()
    assert before == after


@each_server
def test_a_bundle_may_lie_anywhere(server: Server, artifact: Path, tmp_path: Path) -> None:
    """Packers have lists, patterns and escapes of their own."""
    _able(server)
    folder = tmp_path / "a, b=%41 \\ü*[x]'\"$HOME;#"
    folder.mkdir()
    odd = folder / f"-m, {artifact.name}"
    artifact.rename(odd)
    bundle = server.bundle(odd, SIGNATURE, folder)
    assert bundle.folder.is_relative_to(folder)
    assert any(path.is_file() for path in bundle.folder.rglob("*"))


@each_server
def test_what_cannot_be_packed_is_refused_with_a_message(server: Server, tmp_path: Path) -> None:
    _able(server)
    (tmp_path / "bundle").mkdir()
    with pytest.raises(FwevalError, match="absent"):
        server.bundle(tmp_path / "absent", SIGNATURE, tmp_path / "bundle")


@each_pair
def test_a_command_is_complete(server: Server, launcher: Launcher, bundle: Bundle, tmp_path: Path) -> None:
    if launcher.name not in server.launchers or server.missing(launcher.name) is not None:
        pytest.skip("cannot be launched here")
    ports = free_ports(server.ports)
    (tmp_path / "files").mkdir()
    (tmp_path / "temp").mkdir()
    place = Place(files=tmp_path / "files", temp=tmp_path / "temp")
    command = server.command(bundle, Setup(ports=ports), place, launcher.name)
    written = " ".join(path.read_text() for path in place.files.iterdir())
    if launcher.name != "container":  # there it is the image's
        assert os.access(command.argv[0], os.X_OK)
        assert Path(command.argv[0]).is_absolute()
    for role, port in ports.by_role.items():
        assert str(port) in " ".join(command.argv) + written, f"nobody is told the port {role}"
    for address in re.findall(r"\d+\.\d+\.\d+\.\d+", written):
        assert address == HOST


@each_server
def test_a_server_that_is_not_there_is_not_ready(server: Server, bundle: Bundle) -> None:
    assert not server.ready(bundle, free_ports(server.ports))


@each_server
def test_a_server_that_is_not_there_is_not_healthy(server: Server) -> None:
    assert not server.healthy(free_ports(server.ports))


@each_wire
def test_a_call_to_nobody_is_a_server_error(server: Server, wire: str, bundle: Bundle) -> None:
    inputs = {"x": np.zeros((1, 2), np.float32)}
    with server.connect(wire, bundle, free_ports(server.ports)) as connection:
        request = connection.encode(inputs)
        with pytest.raises(ServerError) as raised:
            connection.call(request)
    assert raised.value.code in {"UNREACHABLE", "UNAVAILABLE"}


def test_the_real_binary_is_taken_from_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server: Server = registry.load("server", "tensorflow_serving")
    _able(server)
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = server.missing("process")
    assert missing is not None
    assert "not on PATH" in missing[0]
    binary = tmp_path / "tensorflow_model_server"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    assert server.missing("process") is None
    bundle = Bundle(model="model", folder=tmp_path / "model", signature=SIGNATURE)
    ports = free_ports(server.ports)
    argv = server.command(bundle, Setup(ports=ports), Place(files=tmp_path, temp=tmp_path), "process").argv
    assert argv[0] == str(binary)
    assert f"--port={ports['grpc']}" in argv
    assert f"--rest_api_port={ports['rest']}" in argv
    assert f"--model_base_path={tmp_path / 'model'}" in argv


def test_listing_and_asking_imports_no_framework() -> None:
    code = (
        "import sys\n"
        "from evaluator.core import registry\n"
        "for launcher in registry.load_all('launcher'):\n"
        "    for server in registry.load_all('server'):\n"
        "        if launcher.name != 'container': launcher.missing(server, ())\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
