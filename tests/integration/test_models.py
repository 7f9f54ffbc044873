"""The same network in both frameworks: the same outputs, the same training, weights that travel."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluator.core.records import FRAMEWORKS
from evaluator.core.tensors import read_arrays
from scenarios import datasets, loading

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("models_child.py")
STEPS = 20
Floats = NDArray[np.float64]


def child(*arguments: str | Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(CHILD), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def skip_without_data(scenario: str) -> None:
    model, settings = loading.model_of(loading.load_scenario(scenario))
    for package in model.packages(settings):
        if datasets.locate(package) is None:
            pytest.skip(f"{package.name} has not been fetched (`fweval fetch`)")


def difference(one: Floats, other: Floats) -> float:
    """Return the largest absolute difference, relative to the output's scale."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def values(folder: Path, what: str, framework: str, name: str = "logits") -> Floats:
    return read_arrays(folder / f"{what}-{framework}.npz")[name].astype(np.float64)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the tiny model from the same weights, once in each framework."""
    skip_without_data("tiny")
    folder = tmp_path_factory.mktemp("trained")
    for framework in FRAMEWORKS:
        child("train", framework, "tiny", str(STEPS), folder)
    return folder


@pytest.mark.parametrize(
    ("scenario", "settings"),
    [
        ("tiny", "{}"),
        ("resnet50", '{"image_size": 32}'),
        ("bert", '{"sequence": 16}'),
        ("bert_transformers", '{"sequence": 16}'),
    ],
    ids=["tiny", "resnet50", "bert", "bert_transformers"],
)
def test_both_frameworks_start_from_the_same_function(tmp_path: Path, scenario: str, settings: str) -> None:
    skip_without_data(scenario)
    for framework in FRAMEWORKS:
        child("start", framework, scenario, settings, tmp_path)
    one, other = (values(tmp_path, "start", framework) for framework in FRAMEWORKS)
    assert np.ptp(one, axis=0).min() > 0  # it looks at its input
    assert difference(one, other) < 1e-5
    weights, same = (read_arrays(tmp_path / f"weights-{framework}.npz") for framework in FRAMEWORKS)
    assert set(weights) == set(same)
    assert all(np.array_equal(weights[name], same[name]) for name in weights)


def test_the_loss_curves_agree_and_fall(trained: Path) -> None:
    one, other = (values(trained, "losses", framework, "loss") for framework in FRAMEWORKS)
    assert len(one) == STEPS
    np.testing.assert_allclose(one[:10], other[:10], rtol=1e-3)
    np.testing.assert_allclose(one, other, rtol=5e-2)
    for losses in (one, other):
        assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_both_frameworks_count_the_same_parameters(trained: Path) -> None:
    one, other = (int(values(trained, "parameters", framework, "count")) for framework in FRAMEWORKS)
    assert 0 < one == other < 50_000


@pytest.mark.parametrize(("origin", "reader"), [FRAMEWORKS, FRAMEWORKS[::-1]])
def test_trained_weights_travel_in_both_directions(trained: Path, origin: str, reader: str) -> None:
    child("load", reader, "tiny", origin, trained)
    before = values(trained, "start", origin)
    after = values(trained, "trained", origin)
    assert difference(before, after) > 0.1
    assert difference(values(trained, "loaded", reader), after) < 1e-5
