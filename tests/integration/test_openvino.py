"""OpenVINO for real: both exporters at every precision, and what its runtime computes from their files."""

import json
from pathlib import Path
from typing import Any

import pytest

from evaluator.core.records import PRECISIONS
from tests import children

pytestmark = [pytest.mark.integration, pytest.mark.timeout(560)]

CHILD = Path(__file__).with_name("openvino_child.py")
# By precision: the largest difference relative to the output's scale, the least cosine, and the type of the weights. 8
# bits are wide: the networks are tiny and their weights random.
BOUNDS = {
    "fp32": (1e-5, 0.999999, "float32"),
    "fp16": (2e-3, 0.9999, "float16"),
    "int8_dynamic": (0.1, 0.999, "int8"),
    "int8": (0.3, 0.98, "int8"),
}


def told(what: str, folder: Path) -> dict[str, Any]:
    children.run(CHILD, what, folder, timeout_s=500.0, within="openvino")
    found: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return found


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_every_precision_computes_what_the_model_does_and_keeps_its_names(framework: str, tmp_path: Path) -> None:
    results = told(framework, tmp_path)
    assert set(results) == {f"{model} {precision}" for model in ("tiny", "mixed") for precision in PRECISIONS}
    for case, found in results.items():
        max_rel, cosine, dtype = BOUNDS[case.partition(" ")[2]]
        assert found["max_rel"] <= max_rel, (case, found)
        assert found["cosine"] >= cosine, (case, found)
        floats = {kind: size for kind, size in found["weights"].items() if kind in {"float32", "float16", "int8"}}
        assert max(floats, key=lambda kind: floats[kind]) == dtype, (case, found)
        assert found["signature"] == found["wanted"], case
        graph, metadata, whole = found["bytes"]
        assert graph + metadata + sum(found["weights"].values()) == whole
        assert found["recognised"] == ["openvino"]


def test_the_runtime_has_its_defaults_but_for_what_is_listed_and_refuses_in_its_own_words(tmp_path: Path) -> None:
    found = told("options", tmp_path)
    # Where the processor computes in 32 bits by itself, the wish for them changes nothing.
    assert found["changed"].pop("INFERENCE_PRECISION_HINT", "float32") in {"f32", "float32", "<Type: 'float32'>"}
    assert found["changed"] == {"INFERENCE_NUM_THREADS": "1"}
    assert found["refused"].startswith("OpenVINO 20")
    assert "Nowhere" in found["refused"]
    assert not found["reports"], "with openvino-telemetry, an import of openvino reports to its makers"
