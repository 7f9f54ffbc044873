"""`fweval inspect` on artifacts of several files, on links, and on what is no file: by the command, in its children."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.commands import FWEVAL

pytestmark = pytest.mark.integration

WEIGHTS = np.random.default_rng(1).standard_normal((64, 512), np.float32)
WITHOUT_A_WALL = str(Path(FWEVAL).parent)  # a PATH without bubblewrap


def inspect(*arguments: object, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FWEVAL, "inspect", *map(str, arguments)],
        env={**os.environ, **({} if path is None else {"PATH": path})},
        text=True,
        capture_output=True,
        timeout=100,
        check=False,
    )


def told(*arguments: object, path: str | None = None) -> dict[str, Any]:
    done = inspect(*arguments, "--json", path=path)
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def outcomes(answer: dict[str, Any]) -> dict[str, str]:
    return {each["runtime"]: each["outcome"] for each in answer["runtimes"]}


def save(folder: Path, location: str, weights: np.ndarray[Any, Any] = WEIGHTS) -> Path:
    """Write a layer as model.onnx, whose weights lie in another file."""
    folder.mkdir(parents=True)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 512])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (folder / location).parent.mkdir(exist_ok=True)
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location=location, size_threshold=0)
    return folder / "model.onnx"


def cached(made: Path, hub: Path) -> Path:
    """Lay a model out as model hubs do: files that are named by their contents, and a snapshot of links to them."""
    snapshot, blobs = hub / "snapshots" / "main", hub / "blobs"
    for folder in (snapshot, blobs):
        folder.mkdir(parents=True)
    for path in made.iterdir():
        blob = hashlib.sha256(path.read_bytes()).hexdigest()
        (blobs / blob).write_bytes(path.read_bytes())
        (snapshot / path.name).symlink_to(f"../../blobs/{blob}")
    return snapshot


def test_a_model_named_by_its_file_runs_with_its_weights_everywhere(tmp_path: Path) -> None:
    path = save(tmp_path / "made", "w/a #1%.bin")
    other = save(tmp_path / "other", "w/a #1%.bin", WEIGHTS + 1)
    assert path.read_bytes() == other.read_bytes()
    answer = told(path)
    asked = {name: outcome for name, outcome in outcomes(answer).items() if outcome != "unavailable"}
    assert asked["onnx_runtime"] == "passed"
    assert set(asked.values()) == {"passed"}
    found = answer["found"]
    assert found["files"] == [str(path), str(path.parent / "w/a #1%.bin")]
    assert found["size_bytes"] == path.stat().st_size + WEIGHTS.nbytes
    assert 0.8 * WEIGHTS.nbytes < found["compressed_bytes"] < found["size_bytes"]
    differs = told(other, "--runtime", "onnx_runtime")["found"]
    assert differs["sha256"] != found["sha256"]


@pytest.mark.parametrize("path", [None, WITHOUT_A_WALL], ids=["confined", "not confined"])
@pytest.mark.parametrize("named", ["model.onnx", ""], ids=["file", "folder"])
def test_links_of_a_hubs_cache_are_followed(tmp_path: Path, named: str, path: str | None) -> None:
    made = save(tmp_path / "made", "model.onnx_data").parent
    snapshot = cached(made, tmp_path / "hub")
    answer = told(snapshot / named, "--runtime", "onnx_runtime", path=path)
    assert (answer["confined"], outcomes(answer)) == (path is None, {"onnx_runtime": "passed"})
    assert answer["found"]["path"] == str(snapshot / "model.onnx")
    assert answer["found"]["size_bytes"] == sum(file.stat().st_size for file in made.iterdir())


def test_what_is_not_there_or_elsewhere_is_said_in_words(tmp_path: Path) -> None:
    path = save(tmp_path / "made", "weights.bin")
    weights = path.parent / "weights.bin"
    weights.rename(tmp_path / "weights.bin")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling.onnx").symlink_to("nowhere.onnx")
    said = {
        "'weights.bin' is not there (get it too, and put it beside the model)": (path, None),
        "'weights.bin' would lie outside the model's folder (copy": (path, "../weights.bin"),
        "'weights.bin' should be a file of it, and is a pipe": (path, "pipe"),
        "pipe is a pipe": (tmp_path / "pipe", None),
        "dangling.onnx is a link to nowhere.onnx, and there is nothing": (tmp_path / "dangling.onnx", None),
    }
    for words, (asked, target) in said.items():
        weights.unlink(missing_ok=True)
        if target == "pipe":
            os.mkfifo(weights)
        elif target is not None:
            weights.symlink_to(target)
        done = inspect(asked)
        assert done.returncode in (1, 2)
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def saved_model(folder: Path) -> Path:
    """Write what can be taken apart as a SavedModel: an empty graph."""
    (folder / "assets").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"\x08\x01\x12\x07\x0a\x05\x2a\x03\x30\x2e\x30")
    return folder


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (os.mkfifo, "'assets/strange' in it is a pipe, which is never read to its end"),
        (sparse, "1100 GB, most of it in strange"),
    ],
    ids=["pipe", "sparse"],
)
def test_what_a_folder_cannot_be_read_with_is_said_at_once(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    folder = saved_model(tmp_path / "model")
    spoil(folder / "assets" / "strange")
    done = inspect(folder)
    assert done.returncode == 1
    assert words in done.stderr
