"""PyTorch to TFLite and SavedModel by way of ONNX and onnx2tf: networks of many kinds, layouts and outputs."""

import json
from pathlib import Path

import pytest

from tests import children

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("onnx2tf_child.py")
# Of the largest output. 8 bits are wide: the networks are tiny and their weights random.
TOLERANCE = {"fp32": 1e-5, "saved": 1e-5, "fp16": 2e-3, "int8_dynamic": 0.06, "int8": 0.1}

Off = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("onnx2tf")
    children.run(CHILD, "export", made, timeout_s=500.0, within="onnx2tf")
    return made


@pytest.fixture(scope="module")
def off(folder: Path) -> Off:
    found: Off = {}
    for runtime in ("ai_edge_litert", "tensorflow"):
        children.run(CHILD, "run", folder, runtime)
        found |= json.loads((folder / f"{runtime}.json").read_text())
    return found


def test_every_output_is_the_models_in_every_batch_size_and_in_pytorchs_layout(off: Off) -> None:
    assert {case: distances for case, distances in off.items() if max(distances.values()) > tolerance(case)} == {}


def tolerance(case: str) -> float:
    return TOLERANCE[case.partition("/")[2]]


def test_what_is_exported_needs_no_network_and_has_the_names_of_the_signature(off: Off) -> None:
    """The child that exports fails when anything connects; runtimes find tensors by the signature's names."""
    names = {case: set(distances) for case, distances in off.items()}
    assert names == {
        "tiny/fp32": {"out"},
        "segments/saved": {"mask"},
        "segments/int8": {"mask"},
        "boxes/fp32": {"scores", "box"},
        "tokens/saved": {"out"},
        "tokens/int8_dynamic": {"out"},
        "frames/fp16": {"out"},
        "fixed/fp32": {"out"},
    }


def test_a_translation_that_computes_something_else_is_refused(folder: Path) -> None:
    refused = json.loads((folder / "refused.json").read_text())
    assert set(refused) == {"square/fp32", "negative/int8"}
    assert "computes another 'out' than the model" in refused["square/fp32"]
    assert "8 bits cannot hold" in refused["negative/int8"]
