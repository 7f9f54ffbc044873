"""Whole commands with models of somebody's own: those that are not fit to be compared with."""

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
