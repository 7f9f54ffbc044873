"""`fweval inspect` on artifacts of TensorFlow's family with several entries, one of another name, or none."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.core.tensors import write_arrays
from tests import saved_models, tfjs_models, tflite_files
from tests.commands import FWEVAL

pytestmark = pytest.mark.integration


def inspect(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [FWEVAL, "inspect", *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, timeout=100, check=False)


def told(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = inspect(*arguments, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Write a file with two functions of the same shapes: one adds two inputs of one name, the other doubles."""
    adds, doubles = tflite_files.adds(["x", "x"], ["y"]), tflite_files.adds(["x"], ["y"])
    return tflite_files.write(
        tmp_path / "two.tflite",
        tflite_files.named(doubles, "encode", ["a"], ["b"]),
        tflite_files.named(adds, "decode", ["a", "a"], ["b"]),
    )


def test_of_two_signatures_none_is_guessed(two: Path) -> None:
    done = inspect(two)
    assert done.returncode == 2
    for words in ("encode (a float32[1,4]) -> b", "decode (a float32[1,4], a (2) float32[1,4]) -> b", "--signature"):
        assert words in done.stderr


@pytest.mark.parametrize(("signature", "value"), [("encode", 2), ("decode", 22)])
def test_the_signature_that_is_asked_for_is_run(two: Path, tmp_path: Path, signature: str, value: float) -> None:
    ones = np.ones((1, 4), np.float32)
    write_arrays(tmp_path / "inputs.npz", {"a": ones, "a (2)": 10 * ones})
    given = ("--signature", signature, "--inputs", tmp_path / "inputs.npz", "--out", tmp_path / "kept")
    answer = told(two, "--runtime", "ai_edge_litert", *given)
    assert answer["found"]["anatomy"]["judged"] == signature
    with np.load(tmp_path / "kept/ai_edge_litert/outputs.npz") as outputs:
        np.testing.assert_array_equal(outputs["b"], np.full((1, 4), value, np.float32))


def test_a_saved_model_without_a_signature_cannot_be_served(tmp_path: Path) -> None:
    (runtime,) = told(saved_models.write(tmp_path / "none", saved_models.graph()), code=1)["runtimes"]
    assert runtime["reason"] == "it has no signature: TensorFlow Serving cannot serve it"
    assert "signatures=" in runtime["remedy"]


def test_for_an_input_of_unknown_rank_values_are_asked_for(tmp_path: Path) -> None:
    described = saved_models.signature({"x": saved_models.tensor(unranked=True)}, {"y": saved_models.tensor()})
    path = saved_models.write(tmp_path / "any", saved_models.graph(signatures={"mine": described}))
    done = inspect(path)
    assert done.returncode == 1
    for words in ("mine (x float32[…]) -> y float32[]", "(judged)", "how many dimensions", "--inputs FILE.npz"):
        assert words in " ".join(done.stdout.split())


def test_a_tfjs_model_is_the_same_as_a_file_and_as_a_folder(tmp_path: Path) -> None:
    path = tfjs_models.write(tmp_path / "model.json", tfjs_models.scaled("DT_UINT8"))
    answers = [told(place, "--runtime", "tfjs_node") for place in (path, tmp_path)]
    assert answers[0]["found"]["sha256"] == answers[1]["found"]["sha256"]
    assert [answer["runtimes"][0]["metrics"]["inputs"] for answer in answers] == ["image uint8[1, 4]"] * 2
    path.with_name("weights.bin").unlink()
    done = inspect(path)
    assert (done.returncode, "its file 'weights.bin' is not there" in done.stderr) == (1, True)
