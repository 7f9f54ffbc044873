"""Models compiled for a TPU by its own compiler, without one: the built-in ones, and what does not lower."""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from evaluator.children import environments
from evaluator.core.outcome import Outcome
from tests import children, commands

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("tpu_child.py")
SCENARIOS = ("resnet50", "bert")  # a whole run compiles the scenario tiny: tests/e2e/test_full.py


@pytest.fixture(scope="module", params=("pytorch", "tensorflow"))
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp(request.param) / "told.json"
    children.run(CHILD, request.param, path, timeout_s=300, within="tpu")
    return {"framework": request.param, **json.loads(path.read_text())}


@pytest.mark.parametrize("program", ["training", "inference"])
def test_a_usual_network_is_accepted_with_what_is_random_in_its_training(told: dict[str, Any], program: str) -> None:
    found = told[f"usual {program}"]
    assert (found["state"], found["why"], found["batch"]) == ("accepted", "", 5)
    assert "TPU v5" in told["target"]
    assert found["operators"].keys() & {"stablehlo.dot", "stablehlo.dot_general"}
    # Weights go in; gradients come out of a training step, and scores alone of the other.
    assert found["memory"]["arguments"] >= 4 * (8 * 16 + 16 * 4)
    draws = {"stablehlo.shift_right_logical", "stablehlo.rng_bit_generator"} & found["operators"].keys()
    assert bool(draws) == (program == "training")


@pytest.mark.parametrize("program", ["training", "inference"])
def test_operators_that_do_not_lower_are_named_those_behind_the_first_too(told: dict[str, Any], program: str) -> None:
    found = told[f"selecting {program}"]
    assert found["state"] == "unlowered"
    if told["framework"] == "tensorflow":
        assert found["unlowered"][0] == "AsString"
        return
    assert found["unlowered"] == ["aten::_embedding_bag_forward_only", "aten::special_airy_ai", "aten::nonzero"]
    assert "nonzero" in found["why"]


def test_the_built_in_models_training_steps_are_accepted_from_both_frameworks(tmp_path: Path) -> None:
    environments.make("tpu")
    done = commands.fweval("tpu", *SCENARIOS, "--profile", "smoke", "--out", "run", cwd=tmp_path, timeout_s=280)
    assert done.returncode == 0, done.stderr
    found = [row for row in commands.cells(tmp_path / "run") if row["stage"] == "tpu"]
    assert {(row["scenario"], row["framework"]) for row in found} == {
        (scenario, framework) for scenario in SCENARIOS for framework in ("pytorch", "tensorflow")
    }
    for row in found:
        assert (row["outcome"], row["reason"]) == (Outcome.PASSED, None)
        assert (row["metrics"]["programs_accepted"], row["metrics"]["programs_refused"]) == (1, 0)
        (text,) = (tmp_path / "run" / row["evidence"]).glob("training.stablehlo.mlir.xz")
        assert "stablehlo." in lzma.decompress(text.read_bytes()).decode()
