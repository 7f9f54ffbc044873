"""`fweval inspect` on artifacts that this project did not make, on damaged ones, and on some that mean harm."""

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests import children
from tests.children import environment, run
from tests.commands import FWEVAL
from tests.waiting import until

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("inspect_child.py")
LIGHT = Path(str(resources.files("onnx"))) / "backend/test/data/light"
NODES = Path("/usr/share/libonnx-testdata/data/node")
# One model of Spotify's as ONNX, TFLite and SavedModel.
BASIC_PITCH = "basic-pitch==0.4.0 --hash=sha256:738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0"
UNTOUCHED = b"untouched"


def inspect(*arguments: object, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FWEVAL, "inspect", *map(str, arguments)],
        env={**os.environ, **({} if path is None else {"PATH": path})},
        text=True,
        capture_output=True,
        timeout=100,
        check=False,
    )


def told(*arguments: object, code: int = 0, path: str | None = None) -> dict[str, Any]:
    done = inspect(*arguments, "--json", path=path)
    assert done.returncode == code, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def only(answer: dict[str, Any]) -> dict[str, Any]:
    (runtime,) = answer["runtimes"]
    found: dict[str, Any] = runtime
    return found


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Download a wheel and unpack it; nothing of it is installed."""
    place = tmp_path_factory.mktemp("foreign")
    (place / "list.txt").write_text(BASIC_PITCH)
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-r", "list.txt"]
    subprocess.run(command, cwd=place, check=True, timeout=60)
    (wheel,) = place.glob("*.whl")
    shutil.unpack_archive(wheel, place, "zip")
    return place / "basic_pitch/saved_models/icassp_2022"


@pytest.fixture(scope="module")
def server() -> Iterator[socket.socket]:
    """Listen on this machine: whoever calls is noticed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        yield listening


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, server: socket.socket) -> Path:
    """Make sound and harmful models."""
    place = tmp_path_factory.mktemp("made")
    run(CHILD, "torch", place, place / "victim.pt")
    run(CHILD, "tensorflow", place, place / "victim", server.getsockname()[1])
    for name in ("victim", "victim.pt"):
        (place / name).write_bytes(UNTOUCHED)
    return place


def called(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except TimeoutError:
        return False
    return True


def test_a_foreign_onnx_file_is_taken_apart_and_run() -> None:
    answer = told(LIGHT / "light_squeezenet.onnx", "--runtime", "onnx_runtime", "--device-class", "x86-gateway")
    assert answer["found"]["format"] == "onnx"
    anatomy = answer["found"]["anatomy"]
    assert anatomy["format_version"].startswith("opset 9")
    assert anatomy["operators"]["Conv"] == 26
    (taken,) = anatomy["inputs"]
    assert (taken["name"], taken["dtype"], taken["shape"]) == ("data_0", "float32", [1, 3, 224, 224])
    ran = only(answer)
    assert ran["outcome"] == "passed"
    assert ran["metrics"]["outputs"] == "softmaxout_1 float32[1, 1000, 1, 1]"
    assert ran["metrics"]["finite"] is True
    assert [fit["fit"]["device"] for fit in answer["fits"]] == ["x86-gateway"]


def test_one_foreign_model_in_three_formats(foreign: Path) -> None:
    portable = only(told(foreign / "nmp.onnx", "--runtime", "onnx_runtime"))
    tflite = only(told(foreign / "nmp.tflite", "--runtime", "tflite_runtime"))
    saved = told(foreign / "nmp")  # TensorFlow 2 does not restore its objects: an optimizer of Keras 2 is among them
    for ran in (portable, tflite, only(saved)):
        assert ran["outcome"] == "passed"
        assert "float32[1, 43844, 1]" in ran["metrics"]["inputs"]
        assert ran["metrics"]["batch_sizes"] == [1, 3]
    assert saved["found"]["anatomy"]["format_version"] == "TensorFlow 2.4.1"
    assert {spec["name"] for spec in saved["found"]["anatomy"]["outputs"]} == {"contour", "note", "onset"}


@pytest.mark.skipif(not NODES.is_dir(), reason="no node tests here: apt-get install libonnx-testdata")
@pytest.mark.parametrize(
    ("name", "outcome"), [("test_max_example", "passed"), ("test_dft", "failed"), ("test_max_int16", "unsupported")]
)
def test_examples_beside_a_model_decide(name: str, outcome: str) -> None:
    ran = only(told(NODES / name, "--runtime", "onnx_runtime", code=0 if outcome == "passed" else 1))
    assert ran["outcome"] == outcome
    if outcome == "passed":
        assert (ran["metrics"]["examples_right"], ran["metrics"]["examples"]) == (1, 1)


@pytest.mark.parametrize("name", ["sound.pt2", "sound"])
def test_a_sound_artifact_runs_behind_the_wall(made: Path, name: str) -> None:
    answer = told(made / name)
    assert (answer["confined"], only(answer)["outcome"]) == (True, "passed")


def test_inputs_can_be_given(made: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", x=np.full((2, 3), 21, np.float32))
    without = only(told(made / "sound.pt", code=1))
    assert without["reason"] == "the file does not say what it takes"
    ran = only(told(made / "sound.pt", "--inputs", tmp_path / "inputs.npz", "--out", tmp_path / "kept"))
    assert ran["outcome"] == "passed"
    with np.load(tmp_path / "kept/torch_jit/outputs.npz") as outputs:
        np.testing.assert_array_equal(outputs["output_0"], np.full((2, 3), 42, np.float32))


def test_a_reason_names_its_cause_and_a_remedy_that_can_work(made: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", x=np.ones((1, 3), np.float32))
    gpu, refuses = (
        only(told(made / name, "--inputs", tmp_path / "inputs.npz", code=1)) for name in ("gpu.pt", "refuses.pt")
    )
    assert (gpu["outcome"], gpu["diagnosis"]["culprit"]) == ("unsupported", "CUDA")
    assert "on the CPU" in gpu["remedy"]
    assert (refuses["outcome"], refuses["diagnosis"]["kind"]) == ("failed", "raised by the model")
    assert "ValueError: negative only" in refuses["reason"]
    assert "--inputs" not in refuses["remedy"]


def test_an_onnx_file_of_tomorrow_is_no_failure(tmp_path: Path) -> None:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3)) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 99)]), tmp_path / "next.onnx")
    ran = only(told(tmp_path / "next.onnx", "--runtime", "onnx_runtime", code=1))
    assert (ran["outcome"], ran["diagnosis"]["kind"]) == ("unsupported", "version mismatch")
    assert "Opset 99 is under development" in ran["reason"]


def test_torchscript_cannot_write_outside(made: Path, tmp_path: Path) -> None:
    victim = made / "victim.pt"
    np.savez(tmp_path / "inputs.npz", x=np.ones((1, 3), np.float32))
    told(made / "harms.pt", "--inputs", tmp_path / "inputs.npz")  # it finds an empty place of that name to write to
    assert victim.read_bytes() == UNTOUCHED
    run(CHILD, "load", made / "harms.pt")
    assert victim.read_bytes() != UNTOUCHED  # without a wall it does


def test_a_saved_model_can_neither_write_outside_nor_reach_a_server(made: Path, server: socket.socket) -> None:
    victim = made / "victim"
    ran = only(told(made / "harms", "--timeout", 12, code=1))
    assert ran["outcome"] in {"failed", "timed_out"}
    assert victim.read_bytes() == UNTOUCHED
    assert not called(server)
    command = [sys.executable, "-P", str(CHILD), "load", str(made / "harms")]
    with children.started(command, env=environment()) as unconfined:
        until(lambda: called(server), within_s=60)  # without a wall it does both
        unconfined.kill()
    assert victim.read_bytes() == b"taken"


def test_without_a_wall_only_inert_formats_are_run(made: Path) -> None:
    nowhere = str(Path(FWEVAL).parent)
    answer = told(made / "sound.pt2", code=1, path=nowhere)
    ran = only(answer)
    assert (answer["confined"], ran["outcome"]) == (False, "unavailable")
    assert "run confined only, and bubblewrap is not on PATH" in ran["reason"]
    assert "apt install bubblewrap" in ran["remedy"]
    light = told(LIGHT / "light_squeezenet.onnx", "--runtime", "onnx_runtime", path=nowhere)
    assert (light["confined"], only(light)["outcome"]) == (False, "passed")


def test_what_is_no_artifact_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "model.ptl").write_bytes(pickle.dumps({"weights": [1.0]}))
    (tmp_path / "folder").mkdir()
    content = (LIGHT / "light_squeezenet.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: len(content) // 2])
    for name, code, words in (
        ("nothing", 2, "there is nothing at"),
        ("empty.onnx", 2, "it is empty"),
        ("model.ptl", 2, "it is a pickle"),
        ("folder", 2, "it is an empty folder"),
        ("cut.onnx", 1, "cannot be read as ONNX"),
    ):
        done = inspect(tmp_path / name)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith("fweval: ")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_person_reads_a_table() -> None:
    done = inspect(LIGHT / "light_squeezenet.onnx", "--runtime", "onnx_runtime")
    assert done.returncode == 0
    for words in ("data_0 float32[1, 3, 224, 224]", "Conv 26", "ONNX Runtime", "passed", "Low-end phone"):
        assert words in done.stdout
