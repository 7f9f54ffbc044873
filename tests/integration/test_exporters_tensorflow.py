"""TensorFlow's exporters, and those that cross by way of the weights, at every precision: parity and anatomy."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evaluator.core import registry
from evaluator.core.records import PRECISIONS, TensorSpec
from evaluator.core.tensors import read_arrays
from evaluator.measure.fidelity import compare
from exports.contract import Format
from tests import children

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("exporters_tensorflow_child.py")
TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2, "int8_dynamic": 0.1, "int8": 0.1}  # of the output's scale
RUNTIMES = ("ai_edge_litert", "tflite_runtime", "tensorflow", "torch_jit", "torch_mobile")
# The network of the child: a convolution and two dense layers; of the latter the second is too small for the converter.
KERNELS, BIASES, LAST = 27 * 64 + 64 * 32 + 32 * 5, 64 + 32 + 5, 32 * 5
LOST = "tflite_from_concrete_functions-fp32"
REFUSED = "keras_tflite-int8_dynamic"

Run = Callable[[str], dict[str, str | None]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("exports")
    children.run(CHILD, "export", place, timeout_s=200)
    return place


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Run everything that a runtime reads, once; returns how each ended."""

    @cache
    def endings(runtime: str) -> dict[str, str | None]:
        within = registry.load("runtime", runtime).environment
        children.run(CHILD, "run", runtime, folder, timeout_s=200, within=within)
        return read(folder, runtime)

    return endings


def read(folder: Path, name: str) -> dict[str, str | None]:
    told: dict[str, str | None] = json.loads((folder / f"{name}.json").read_text())
    return told


def taken_apart(folder: Path, name: str) -> Any:
    (artifact,) = (folder / name).iterdir()
    return registry.load("format", "tflite" if artifact.suffix else "savedmodel").anatomy(artifact)


def test_every_exporter_makes_every_precision_that_it_does_not_rule_out(folder: Path) -> None:
    failed = {name: said for name, said in read(folder, "export").items() if said is not None}
    assert failed.keys() == {LOST}


def test_the_way_that_loses_the_weights_is_caught_and_leaves_no_file(folder: Path) -> None:
    assert "VAR_HANDLE" in str(read(folder, "export")[LOST])
    assert list((folder / LOST).iterdir()) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_parity_at_every_precision(folder: Path, run: Run, runtime: str) -> None:
    golden = {"logits": read_arrays(folder / "golden.npz")["logits"]}
    ended = {name: said for name, said in run(runtime).items() if (runtime, name) != ("tflite_runtime", REFUSED)}
    assert len(ended) >= len(PRECISIONS)
    assert set(ended.values()) == {None}, ended
    for name in ended:
        tolerance = TOLERANCE[name.rpartition("-")[2]]
        found = compare(golden, read_arrays(folder / runtime / f"{name}.npz"), tolerance)
        assert found.passed, (name, found)


def test_an_interpreter_of_old_refuses_dense_layers_by_channel_and_takes_them_as_a_whole(run: Run) -> None:
    said = str(run("tflite_runtime")[REFUSED])
    assert said.startswith("Unsupported")
    assert "'FULLY_CONNECTED' version '12'" in said
    assert run("tflite_runtime")["keras_tflite_per_tensor-int8_dynamic"] is None


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("keras_savedmodel-fp32", {"float32": 4 * (KERNELS + BIASES)}),
        ("keras_savedmodel-fp16", {"float16": 2 * (KERNELS + BIASES)}),
        ("savedmodel_from_torch-fp32", {"float32": 4 * (KERNELS + BIASES)}),
        ("keras_tflite-fp32", {"float32": 4 * (KERNELS + BIASES)}),
        ("keras_tflite-fp16", {"float16": 2 * (KERNELS + BIASES)}),
        ("keras_tflite-int8_dynamic", {"float32": 4 * (LAST + BIASES), "int8": KERNELS - LAST}),
        ("keras_tflite-int8", {"int8": KERNELS}),
    ],
)
def test_weights_are_counted_by_type(folder: Path, name: str, weights: dict[str, int]) -> None:
    found = taken_apart(folder, name)
    assert {dtype: size for dtype, size in found.weights.items() if dtype != "int32"} == weights  # shapes and axes
    assert found.weights["int32"] < 100 + 4 * BIASES  # and biases, when all is in integers


@pytest.mark.parametrize(
    ("name", "operators"),
    [
        ("keras_tflite-fp32", {"CONV_2D": 1, "FULLY_CONNECTED": 2, "MEAN": 1}),
        ("keras_tflite-int8_dynamic", {"CONV_2D v5": 1, "FULLY_CONNECTED v12": 2, "MEAN": 1}),
        ("keras_savedmodel-fp32", {"Conv2D": 1, "MatMul": 2, "BiasAdd": 3, "Relu": 2, "Mean": 1}),
    ],
)
def test_operators_and_signature_are_read(folder: Path, name: str, operators: dict[str, int]) -> None:
    found = taken_apart(folder, name)
    assert operators.items() <= found.operators.items()
    assert found.inputs == (TensorSpec(name="image", dtype="float32", shape=(None, 8, 8, 3)),)
    assert found.outputs == (TensorSpec(name="logits", dtype="float32", shape=(None, 5)),)


@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.99])
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("keras_tflite-fp32", "model.tflite"),
        ("keras_savedmodel-fp32", "model/saved_model.pb"),
        ("keras_savedmodel-fp32", "model/variables/variables.index"),
        ("keras_savedmodel-fp32", "model/variables/variables.data-00000-of-00001"),
    ],
)
def test_what_is_cut_off_is_not_taken_apart(folder: Path, name: str, file: str, part: float) -> None:
    path = folder / name / file
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    try:
        with pytest.raises(ValueError, match=r"cut off|damaged|no TFLite|no SavedModel|bytes"):
            taken_apart(folder, name)
    finally:
        path.write_bytes(whole)


def test_formats_are_told_apart_by_their_bytes(folder: Path) -> None:
    formats: tuple[Format, ...] = registry.load_all("format")
    for name, form in (("keras_tflite-fp32", "tflite"), ("keras_savedmodel-fp32", "savedmodel")):
        (artifact,) = (folder / name).iterdir()
        named = [each.name for each in formats if each.name in ("tflite", "savedmodel", "onnx", "tfjs")]
        assert [each for each in named if registry.load("format", each).recognises(artifact)] == [form]


@pytest.mark.parametrize(
    ("runtime", "precision", "placement"),
    [
        ("ai_edge_litert", "fp32", {"XNNPACK": 4, "built-in kernels": 0}),
        ("ai_edge_litert", "int8", {"XNNPACK": 6, "built-in kernels": 0}),
        ("tflite_runtime", "fp32", {"XNNPACK": 4, "built-in kernels": 0}),
        ("tflite_runtime", "int8", {"XNNPACK": 0, "built-in kernels": 6}),  # of 2.14: XNNPACK is for floats only
    ],
)
def test_an_interpreter_tells_what_xnnpack_takes_over(
    folder: Path, runtime: str, precision: str, placement: dict[str, int]
) -> None:
    artifact = folder / f"keras_tflite-{precision}" / "model.tflite"
    children.run(CHILD, "place", runtime, artifact, within=registry.load("runtime", runtime).environment)
    assert json.loads(artifact.with_name(f"{runtime}.placement.json").read_text()) == placement
