"""Whole commands with models of somebody's own: those that are hardly, or not, fit to be compared with.

Also those that are given twice, and those that change while a run waits to go on.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.core import files
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result
from tests import commands

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MINE = """
import torch

class Noisy(torch.nn.Module):
    def __init__(self, noise):
        super().__init__()
        torch.manual_seed(1)
        self.dense = torch.nn.Linear(4, 3)
        self.noise = noise

    def forward(self, x):
        y = self.dense(x)
        return y + self.noise * torch.randn_like(y)

class Dropped(Noisy):
    def forward(self, x):
        return torch.nn.functional.dropout(self.dense(x), 0.5, training=True)

def nan():
    network = torch.nn.Linear(4, 3)
    with torch.no_grad():
        network.weight[1, 2] = float("nan")
    return network

def dropout():
    return Dropped(0.0)

def shaky():
    return Noisy(1e-4)

def plain():
    return torch.nn.Linear(4, 3)
"""
# The same layer in the other framework; `weights.npz` has what it is told of the first one.
KERAS = """
import keras, numpy

def built(factor):
    weights = numpy.load({weights!r})
    takes = keras.Input((4,), name="x")
    network = keras.Model(takes, keras.layers.Dense(3, name="dense")(takes))
    network.layers[-1].set_weights([factor * weights["kernel"], weights["bias"]])
    return network

def same():
    return built(1.0)

def other():
    return built(1.5)
"""
TORCH = """
import numpy, torch

class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = torch.nn.Linear(4, 3)
        weights = numpy.load({weights!r})
        self.dense.weight.data = torch.from_numpy(weights["kernel"].T.copy())
        self.dense.bias.data = torch.from_numpy(weights["bias"])

    def forward(self, x):
        return self.dense(x)
"""
PAIR = """
pytorch = "first.py:Layer"
tensorflow = "second.py:{build}"
inputs = "x.npz"
outputs = ["y"]
pair = "{pair}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "short.toml").write_text(commands.PROFILE)
    rows = np.random.default_rng(1).standard_normal((40, 4)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=rows)
    np.savez(tmp_path / "input.npz", input=rows)
    return tmp_path


def asked(folder: Path, *arguments: str) -> Any:
    told = ("--profile", "short.toml", "--device", "cpu", "--out", "run")
    return commands.fweval(*arguments, *told, cwd=folder, timeout_s=120)


def results(run: Path, stage: str) -> list[Result]:
    folders = sorted(each for each in (run / "steps").iterdir() if f"-{stage}-" in each.name)
    return [files.read_record(each / "result.json", Result) for each in folders]


@pytest.mark.parametrize(
    ("build", "inputs", "line"),
    [
        ("nan", "input.npz", "the model gives what is no number: output 'output' of example 0"),
        ("dropout", "x.npz", "the model answers differently twice"),
    ],
)
def test_a_model_that_is_not_fit_ends_the_run_with_a_sentence(folder: Path, build: str, inputs: str, line: str) -> None:
    done = asked(folder, "origin", f"mine.py:{build}", "--inputs", inputs)
    assert done.returncode == 2, done.stderr
    assert line in done.stderr
    assert "Traceback" not in done.stderr
    (result,) = results(folder / "run", "origin")
    assert result.outcome is Outcome.FAILED
    assert line in (result.reason or "")
    assert result.remedy


def test_an_origin_that_shakes_a_little_widens_what_is_allowed_and_says_so(folder: Path) -> None:
    only = ("--only", "onnx_torch_export", "--only", "onnx_runtime")
    done = asked(folder, "prove", "mine.py:shaky", "--inputs", "x.npz", *only)
    assert done.returncode == 0, done.stderr
    (origin,) = results(folder / "run", "origin")
    noise = float(origin.metrics["self_noise"])  # type: ignore[arg-type]
    assert 1e-5 < noise < 1e-2
    (proof,) = (each for each in results(folder / "run", "verify") if each.outcome is Outcome.PASSED)
    assert proof.metrics["tolerance"] == max(1e-4, 2 * noise)


def test_a_run_does_not_go_on_with_another_model(folder: Path) -> None:
    done = asked(folder, "origin", "mine.py:plain", "--inputs", "input.npz")
    assert done.returncode == 0, done.stderr
    (folder / "mine.py").write_text(MINE.replace("Linear(4, 3)", "Linear(4, 3, bias=False)"))
    ended = commands.fweval("full", "--resume", "run", cwd=folder)
    assert ended.returncode == 3
    assert "mine.py is not what it was when the run began" in ended.stderr
    assert "begin a new run" in ended.stderr
    told = commands.fweval("cells", "run", "--json", cwd=folder)
    assert told.returncode == 0, "what was found before stays to be read"


@pytest.mark.parametrize(
    ("build", "pair", "line"),
    [
        ("same", "same weights", None),
        ("other", "same weights", "the two models differ"),
        ("other", "trained apart", None),
    ],
)
def test_a_model_given_in_both_frameworks(folder: Path, build: str, pair: str, line: str | None) -> None:
    generator = np.random.default_rng(2)
    kernel, bias = generator.standard_normal((4, 3)), generator.standard_normal(3)
    weights = str(folder / "weights.npz")
    np.savez(weights, kernel=kernel.astype(np.float32), bias=bias.astype(np.float32))
    (folder / "first.py").write_text(TORCH.format(weights=weights))
    (folder / "second.py").write_text(KERAS.format(weights=weights))
    (folder / "both.toml").write_text(PAIR.format(build=build, pair=pair))
    done = asked(folder, "origin", "both.toml")
    assert done.returncode == (2 if line else 0), done.stderr
    found = results(folder / "run", "origin")
    assert sorted(each.outcome for each in found) == sorted(
        [Outcome.PASSED, Outcome.FAILED if line else Outcome.PASSED]
    )
    if line:
        assert line in done.stderr
        assert 'pair = "trained apart"' in done.stderr
