"""Models of somebody's own with labels, by real tools: what is said of their quality, with the measure's name."""

from pathlib import Path

import numpy as np
import pytest

from evaluator.core import files, quality
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result
from tests import commands

pytestmark = pytest.mark.integration

REGRESSION = """
import torch

def build():
    network = torch.nn.Linear(4, 1)
    with torch.no_grad():
        network.weight[:] = torch.tensor([[1.0, -2.0, 0.5, 3.0]])
        network.bias.zero_()
    return network.eval()

def relative_error(outputs, labels):
    return abs(outputs - labels).mean() / abs(labels).mean()
"""
DETECTOR = """
import keras

def build():
    image = keras.Input((8, 8, 1), name="image")
    inner = keras.layers.Conv2D(8, 3, activation="relu", name="conv", kernel_initializer=keras.initializers.HeNormal(1))
    found = keras.layers.Flatten()(inner(image))
    boxes, scores = (
        keras.layers.Dense(4, name=name, kernel_initializer=keras.initializers.HeNormal(seed))(found)
        for name, seed in (("boxes", 2), ("scores", 3))
    )
    return keras.Model(image, {"boxes": boxes, "scores": scores})
"""


def proven(run: Path, stage: str = "verify") -> dict[str, Result]:
    """Return the steps of a stage that came to be, by precision or runtime as their folder has it."""
    folders = [each for each in (run / "steps").iterdir() if f"-{stage}-" in each.name]
    results = {each.name: files.read_record(each / "result.json", Result) for each in folders}
    return {name: each for name, each in results.items() if each.outcome is not Outcome.UNAVAILABLE}


def test_a_regression_is_judged_by_a_function_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(REGRESSION)
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(120, 4)).astype(np.float32)
    truth = rows @ np.array([[1.0], [-2.0], [0.5], [3.0]], np.float32) + generator.normal(size=(120, 1)) / 2
    np.savez(tmp_path / "rows.npz", input=rows)
    np.savez(tmp_path / "truth.npz", price=truth)
    told = ("--inputs", "rows.npz", "--labels", "truth.npz", "--quality", "mine.py:relative_error")
    only = ("--only", "torchscript_trace", "--only", "torchscript", "--device", "cpu")
    (tmp_path / "short.toml").write_text(commands.PROFILE)
    ended = commands.fweval(
        *("prove", "mine.py:build", *told, *only, "--profile", "short.toml", "--out", "run"),
        cwd=tmp_path,
        timeout_s=240,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "mine.py:relative_error 0." in ended.stderr
    (origin,) = (quality.read(each) for each in proven(tmp_path / "run", "origin").values())
    assert origin is not None
    assert origin.low is not None
    assert origin.high is not None
    assert 0 < origin.low < origin.value < origin.high < 0.4
    (artifact,) = (quality.read(each) for each in proven(tmp_path / "run").values())
    assert artifact is not None
    assert (artifact.measure, artifact.verdict) == ("mine.py:relative_error", "kept")
    assert artifact.loss == pytest.approx(0, abs=1e-6)
    assert artifact.allowed == pytest.approx(0.01 * (artifact.origin or 0))


def test_one_of_two_outputs_is_judged_by_a_measure_with_a_name_at_every_precision(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="pip install 'fweval[quality]'")
    (tmp_path / "mine.py").write_text(DETECTOR)
    rows = np.random.default_rng(1).normal(size=(200, 8, 8, 1)).astype(np.float32)
    np.savez(tmp_path / "rows.npz", image=rows)
    np.savez(tmp_path / "truth.npz", animal=np.arange(200) % 4)  # it never learnt them: a quarter is right by chance
    told = ("--inputs", "rows.npz", "--labels", "truth.npz", "--quality", "top1:scores", "--allowed-loss", "0.2")
    only = ("--only", "keras_tflite", "--only", "ai_edge_litert", "--device", "cpu")
    (tmp_path / "short.toml").write_text(commands.PROFILE.replace("heldout_samples = 64", "heldout_samples = 200"))
    ended = commands.fweval(
        *("export", "mine.py:build", "--matrix", *told, *only, "--profile", "short.toml", "--out", "run"),
        cwd=tmp_path,
        timeout_s=400,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = [quality.read(each) for each in proven(tmp_path / "run").values()]
    assert len(found) == 4
    for each in found:
        assert each is not None
        assert (each.measure, each.verdict, each.allowed) == ("top1:scores", "kept", 0.2), each
        assert each.value == pytest.approx(0.25, abs=0.2)
    assert "top1:scores 0." in ended.stderr
