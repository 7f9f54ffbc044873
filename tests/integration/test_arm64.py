"""Artifacts on ARM64, for real: computed by the runtimes' ARM64 builds in a container, which leaves nothing behind."""

import contextlib
import os
import platform
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from evaluator.children import engine, environments
from evaluator.core import registry
from evaluator.core.errors import Unavailable, Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays, read_arrays, rows
from evaluator.measure.fidelity import compare
from exports.contract import Session, Telling
from exports.devices import arm64
from tests import children
from tests.containers import engine_or_skip
from tests.integration.exports_child import BATCHES, ROWS, inputs_of
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

CHILD = Path(__file__).with_name("arm64_child.py")
PINNED = re.findall(r"^([a-z-]+)==(.*)$", (children.ROOT / "exports/environments/arm64.txt").read_text(), re.MULTILINE)
TOLERANCE = 1e-4  # of the output's scale: rigour.md's bound for 32-bit floats
EMULATED = platform.machine() != "aarch64"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    engine_or_skip(arm64.IMAGE)
    environments.make("arm64")
    folder = tmp_path_factory.mktemp("exported")
    children.run(CHILD, "export", folder)
    return folder


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # it is what the container's label names


def read(folder: Path) -> tuple[Path, Signature]:
    (artifact,) = (folder / "artifact").iterdir()
    return artifact, msgspec.json.decode((folder / "signature.json").read_bytes(), type=Signature)


def opened(runtime: str, artifact: Path, signature: Signature) -> AbstractContextManager[Session]:
    return arm64.plugin.load(registry.load("runtime", runtime), artifact, signature, threads=2)


def here() -> list[str]:
    """Name the containers that were made for the current folder."""
    with engine.connect() as client:
        return [thing.id for thing in engine.things(client) if thing.folder == str(Path.cwd())]


@contextlib.contextmanager
def container() -> Iterator[Any]:
    (number,) = here()
    with engine.connect() as client:
        yield client.containers.get(number)


def connections() -> int:
    """Count this process's connections to unix sockets, of which the engine's is one."""
    return len(psutil.Process().net_connections("unix"))


def assert_right(session: Session, inputs: Arrays, golden: Array) -> None:
    for batch in BATCHES:
        outputs = session(rows(inputs, ROWS - batch, ROWS))
        found = compare({"logits": golden[-batch:]}, outputs, TOLERANCE)
        assert found.passed, found


@pytest.mark.parametrize(
    ("made", "runtime", "distribution"),
    [
        ("tf2onnx/cnn", "onnx_runtime", "onnxruntime"),
        ("keras_tflite/text", "tflite_runtime", "tflite-runtime"),
        ("keras_tflite/cnn", "ai_edge_litert", "ai-edge-litert"),
    ],
)
def test_arm64_computes_what_the_origin_does(exported: Path, made: str, runtime: str, distribution: str) -> None:
    folder = exported / made
    artifact, signature = read(folder)
    before = connections()
    with opened(runtime, artifact, signature) as session:
        assert connections() > before
        assert isinstance(session, Telling)
        assert session.facts == {"emulated": EMULATED, "runtime_version": dict(PINNED)[distribution]}
        assert_right(session, inputs_of(signature), read_arrays(folder / "golden.npz")["logits"])
    assert connections() == before
    assert here() == []


def test_an_error_comes_back_in_the_runtimes_words_and_the_session_goes_on(exported: Path) -> None:
    folder = exported / "tf2onnx" / "text"
    artifact, signature = read(folder)
    inputs, golden = inputs_of(signature), read_arrays(folder / "golden.npz")["logits"]
    with opened("onnx_runtime", artifact, signature) as session:
        with pytest.raises(RuntimeError, match="Got invalid dimensions for input"):
            session({name: array[:, :2] for name, array in inputs.items()})
        assert_right(session, inputs, golden)


def test_what_the_runtime_refuses_is_unsupported_and_says_which_version_refused_it(exported: Path) -> None:
    artifact, signature = read(exported / "foreign")
    with pytest.raises(Unsupported, match=r"version 2\.14\.0 for ARM64: .*FULLY_CONNECTED"):
        opened("tflite_runtime", artifact, signature).__enter__()
    assert here() == []


def test_a_truncated_file_never_computes(exported: Path, tmp_path: Path) -> None:
    artifact, signature = read(exported / "tf2onnx" / "cnn")
    broken = tmp_path / artifact.name
    broken.write_bytes(artifact.read_bytes()[:500])
    with pytest.raises(RuntimeError, match="InvalidProtobuf"):
        opened("onnx_runtime", broken, signature).__enter__()
    assert here() == []


@pytest.mark.skipif(not EMULATED, reason="this is an ARM64: nothing is emulated")
def test_when_the_emulated_process_dies_the_artifact_is_not_to_blame(exported: Path) -> None:
    artifact, signature = read(exported / "keras_tflite" / "cnn")
    with opened("tflite_runtime", artifact, signature) as session:
        with container() as made:
            (emulator,) = (row for row in made.top()["Processes"] if row[-1].startswith("/usr/bin/qemu"))
            os.kill(int(emulator[1]), signal.SIGSEGV)
        with pytest.raises(Unavailable, match=r"died under the emulator.*signal 11") as caught:
            session(inputs_of(signature))
        assert caught.value.remedy == "run this on an ARM64 machine"
    assert here() == []


def test_the_container_has_the_fewest_rights_and_says_when_it_was_killed(exported: Path) -> None:
    artifact, signature = read(exported / "keras_tflite" / "text")
    with opened("tflite_runtime", artifact, signature) as session:
        with container() as made:
            limits, mounts = made.attrs["HostConfig"], made.attrs["Mounts"]
            assert limits["NetworkMode"] == "none"
            assert limits["ReadonlyRootfs"] is True
            assert limits["CapDrop"] == ["ALL"]
            assert limits["SecurityOpt"] == ["no-new-privileges"]
            assert limits["Memory"] == limits["MemorySwap"] == arm64.MEMORY_BYTES
            assert made.attrs["Config"]["User"].split(":")[0] not in {"", "0", "root"}
            assert {mount["RW"] for mount in mounts} == {False}
            packages = environments.locate("arm64")
            code = {children.ROOT / "evaluator", children.ROOT / "exports"}
            assert {Path(mount["Source"]) for mount in mounts} == {artifact, packages, *code}
            made.kill("SIGKILL")
        with pytest.raises(Unavailable, match=r"^it was killed, most likely at its memory limit of 4 GiB"):
            session(inputs_of(signature))
    assert here() == []


def test_the_container_goes_with_a_process_that_is_killed(exported: Path, tmp_path: Path) -> None:
    mark = tmp_path / "loaded"
    command = [sys.executable, "-P", CHILD, "hold", "tflite_runtime", exported / "keras_tflite" / "cnn", mark]
    with children.started(command, env=children.environment()) as child:
        until(mark.exists, within_s=60)
        assert len(here()) == 1
        child.kill()
    until(here, lambda left: not left)


def test_without_what_it_takes_the_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    monkeypatch.setenv("FWEVAL_CACHE", str(tmp_path / "cache"))
    assert arm64.lacking() == ("the environment 'arm64' was not made", "fweval fetch --environments")
    folder = tmp_path / "cache" / "environments" / f"arm64-{environments.identity('arm64')}"
    folder.mkdir(parents=True)
    why = arm64.lacking()
    assert why is not None
    assert why[0].startswith("no Docker engine answers")
    signature = Signature(inputs=(), outputs=())
    with pytest.raises(Unavailable, match="no Docker engine answers"):
        opened("onnx_runtime", tmp_path / "model.onnx", signature).__enter__()
