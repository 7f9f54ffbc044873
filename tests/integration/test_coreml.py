"""Core ML packages from both frameworks, at every precision: computed by the reference, taken apart by the format."""

import json
from pathlib import Path

import pytest

from evaluator.core import registry
from evaluator.core.records import Anatomy
from tests.children import run

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("coreml_child.py")
TOLERANCE = {"fp32": 1e-5, "fp16": 5e-3, "int8_dynamic": 0.06}
TYPE = {"fp32": "float32", "fp16": "float16", "int8_dynamic": "int8"}
MODELS = ("tiny", "text", "pair")
# Kernels and tables: 9 * (16 + 16 * 32 + 32 * 48) + 480; 2 * 320 + 240; 192 + 128.
WEIGHTS = {"tiny": 19_056, "text": 880, "pair": 320}
WIDTH = {"fp32": 4, "fp16": 2, "int8_dynamic": 1}


@pytest.fixture(scope="module", params=("pytorch", "tensorflow"))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    run(CHILD, folder, request.param, timeout_s=500, within="coreml")
    return folder


def take_apart(folder: Path, model: str, precision: str) -> Anatomy:
    form = registry.load("format", "coreml")
    path = folder / model / precision / "model.mlpackage"
    assert form.recognises(path)
    anatomy: Anatomy = form.anatomy(path)
    return anatomy


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("model", MODELS)
def test_the_reference_computes_what_the_origin_does(made: Path, model: str, precision: str) -> None:
    told = json.loads((made / "told.json").read_text())[f"{model} {precision}"]
    assert told.keys() == ({"boxes", "best"} if model == "pair" else {"logits"})
    for figures in told.values():
        assert max(figures) < TOLERANCE[precision]
    first = next(iter(told.values()))
    assert precision == "fp32" or max(first) > 1e-6, "fewer bits cost something"


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("model", MODELS)
def test_its_weights_have_the_type_of_the_precision(made: Path, model: str, precision: str) -> None:
    weights = take_apart(made, model, precision).weights
    least = WEIGHTS[model] * WIDTH[precision]
    assert least <= weights[TYPE[precision]] < 1.3 * least + 1000


def test_names_and_free_batch_are_the_origins(made: Path) -> None:
    text = take_apart(made, "text", "fp32")
    assert [(each.name, each.dtype, each.shape) for each in text.inputs] == [
        ("words", "int32", (None, 6)),
        ("marks", "int32", (None, 6)),
    ]
    assert text.bounds["words"] == ((1, 64), (6, 6))
    pair = take_apart(made, "pair", "fp16")
    assert [(each.name, each.shape) for each in pair.outputs] == [("boxes", (None, 4)), ("best", (None,))]
    assert pair.outputs[0].dtype == "float32"
    assert "gelu" in pair.operators or "erf" in pair.operators
