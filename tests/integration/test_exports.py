"""Every format in every runtime that reads it, each in a process of its own, against the model it came from."""

import json
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.core import registry
from evaluator.core.tensors import Array, Arrays, read_arrays
from evaluator.measure.fidelity import compare
from exports.sizes import artifact_bytes, digest, files_below
from tests import children

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("exports_child.py")
BATCHES = (1, 2, 8, 2)  # as in exports_child.py
TOLERANCE = 1e-4  # of the output's scale: rigour.md's bound for 32-bit floats

EXPORTERS = {plugin.name: plugin for plugin in registry.load_all("exporter") if plugin.standard}
RUNTIMES = {plugin.name: plugin for plugin in registry.load_all("runtime")}
PAIRS = [  # the others have tests of their own
    (exporter.name, runtime.name)
    for exporter in EXPORTERS.values()
    for runtime in RUNTIMES.values()
    if exporter.format in runtime.formats and runtime.standard
]

Export = Callable[[str], Path]
Compute = Callable[[str, str], tuple[subprocess.CompletedProcess[str], Path]]


def child(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    runtime = RUNTIMES.get(str(arguments[1])) if arguments[0] == "run" else None
    python, told = children.place(runtime.environment if runtime else None)
    command = [python, str(CHILD), *map(str, arguments)]
    environment = {**told, "PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the JSON that a child printed last."""
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Export both models with all exporters of a framework in one child."""

    @cache
    def family(framework: str) -> Path:
        folder = tmp_path_factory.mktemp(framework)
        done = child("export", folder, *{exporter for exporter, _ in PAIRS if EXPORTERS[exporter].origin == framework})
        assert done.returncode == 0, done.stderr[-3000:]
        return folder

    return lambda exporter: family(EXPORTERS[exporter].origin) / exporter


@pytest.fixture(scope="module")
def computed(exported: Export, tmp_path_factory: pytest.TempPathFactory) -> Compute:
    """Let a runtime compute in one child: both models, then a truncated artifact, of which it may die."""

    @cache
    def compute(exporter: str, runtime: str) -> tuple[subprocess.CompletedProcess[str], Path]:
        folder = tmp_path_factory.mktemp(f"{exporter}-{runtime}")
        cnn, text = (shutil.copytree(exported(exporter) / model, folder / model) for model in ("cnn", "text"))
        truncated = shutil.copytree(text, folder / "truncated")
        largest = max(
            (file for file in (truncated / "artifact").rglob("*") if file.is_file()),
            key=lambda file: file.stat().st_size,
        )
        largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
        return child("run", runtime, "cpu", cnn, text, truncated), folder

    return compute


def assert_right(outputs: Arrays, golden: Array) -> None:
    wanted = {f"{index}.logits": golden[-batch:] for index, batch in enumerate(BATCHES)}
    assert {name: array.dtype for name, array in outputs.items()} == dict.fromkeys(wanted, np.dtype("float32"))
    found = compare(wanted, outputs, TOLERANCE)
    assert found.passed, found


@pytest.mark.parametrize(("exporter", "runtime"), PAIRS)
@pytest.mark.parametrize("model", ["cnn", "text"])
def test_parity_at_every_batch_size(computed: Compute, exporter: str, runtime: str, model: str) -> None:
    done, folder = computed(exporter, runtime)
    outputs = folder / model / f"{runtime}.npz"
    assert outputs.exists(), done.stderr[-3000:]
    assert_right(read_arrays(outputs), read_arrays(folder / model / "golden.npz")["logits"])


@pytest.mark.parametrize(("exporter", "runtime"), [pair for pair in PAIRS if "gpu" in RUNTIMES[pair[1]].devices])
def test_gpu_computes_the_same_or_says_what_is_missing(
    exported: Export, exporter: str, runtime: str, tmp_path: Path
) -> None:
    folder = shutil.copytree(exported(exporter) / "cnn", tmp_path / "cnn")
    done = child("run", runtime, "gpu", folder)
    if done.returncode == 0:
        assert_right(read_arrays(folder / f"{runtime}.npz"), read_arrays(folder / "golden.npz")["logits"])
    else:
        told = answer(done)
        assert told["error"] == "Unavailable", told
        assert "install" in told["remedy"]


@pytest.mark.parametrize(("exporter", "runtime"), PAIRS)
def test_a_truncated_artifact_never_computes(computed: Compute, exporter: str, runtime: str) -> None:
    done, folder = computed(exporter, runtime)
    assert (folder / "text" / f"{runtime}.npz").exists(), "the child ended before it was asked"
    assert done.returncode != 0
    assert not (folder / "truncated" / f"{runtime}.npz").exists()


def test_truncated_variables_of_a_saved_model_never_compute(exported: Export, tmp_path: Path) -> None:
    folder = shutil.copytree(exported("keras_savedmodel") / "text", tmp_path / "text")
    (variables,) = (folder / "artifact" / "model" / "variables").glob("variables.data-*")
    variables.write_bytes(variables.read_bytes()[: variables.stat().st_size // 2])
    assert child("run", "tensorflow", "cpu", folder).returncode != 0
    assert not (folder / "tensorflow.npz").exists()


@pytest.mark.parametrize(
    ("format_name", "runtime", "words"),
    [
        ("torchscript", "torch_jit", "nowhere"),
        ("torchmobile", "torch_mobile", "nowhere"),
        ("onnx", "onnx_runtime", "Nowhere"),
        ("savedmodel", "tensorflow", "MatMuX"),
        ("tflite", "tflite_runtime", "FULLY_CONNECTED"),
    ],
)
def test_an_operator_that_the_runtime_lacks_is_unsupported_in_its_own_words(
    format_name: str, runtime: str, words: str, tmp_path: Path
) -> None:
    made = child("foreign", format_name, tmp_path)
    assert made.returncode == 0, made.stderr[-3000:]
    done = child("run", runtime, "cpu", tmp_path)
    assert done.returncode == 3, done.stderr[-3000:]
    told = answer(done)
    assert told["error"] == "Unsupported"
    assert words in told["message"]


def test_a_tflite_file_without_its_weights_is_refused() -> None:
    done = child("lost")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "VAR_HANDLE" in answer(done)["refused"]


def test_a_saved_model_holds_each_weight_once(exported: Export) -> None:
    folder = exported("keras_savedmodel") / "text" / "artifact" / "model" / "variables"
    weights = 4 * (2 * 40 * 8 + 6 * 8 * 5 + 5)  # two embeddings and a dense layer, 32-bit floats
    assert weights <= artifact_bytes(files_below(folder)) < 2 * weights


def test_nothing_but_the_artifact_is_left_in_the_folder(exported: Export) -> None:
    for exporter, _ in PAIRS:
        assert len(list((exported(exporter) / "cnn" / "artifact").iterdir())) == 1
        assert len(digest(exported(exporter) / "cnn" / "artifact")) == 64
