"""Trainings in turns, in real children: a slow one goes on, one that hangs is stopped, the other comes to its end."""

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from evaluator.core import files
from evaluator.core.files import read_blocks
from evaluator.core.outcome import Outcome
from evaluator.core.records import Step
from evaluator.core.store import RunFolder
from evaluator.executors.local import Local
from evaluator.running.execution import execute
from evaluator.running.progress import Reporter
from tests import engine
from tests.engine import make_step, run_folder

pytestmark = pytest.mark.integration

LIMIT_S = 4.0
STEPS = 21


def training(name: str, **settings: float) -> Step:
    told = {"seed": 1, "steps": STEPS, "step_s": 0.01, **settings}
    return make_step(name, "train", stage="train", measures=True, in_turns=True, settings=told, timeout_s=LIMIT_S)


def run(steps: list[Step], path: Path) -> RunFolder:
    folder = run_folder(path / "run")
    execute(steps, folder, Reporter(Console(file=io.StringIO())), Local(engine.child))
    return folder


def outcomes(folder: RunFolder, *names: str) -> list[Outcome]:
    results = [folder.result(name) for name in names]
    return [result.outcome for result in results if result is not None]


def test_a_training_that_makes_progress_is_not_stopped_at_its_limit(tmp_path: Path) -> None:
    """One of 80 steps was stopped at 300 s on a busy host: the limit is for an answer, not for all of them."""
    begin = time.monotonic()
    folder = run([training("a", step_s=0.25), training("b")], tmp_path)
    assert outcomes(folder, "a", "b") == [Outcome.PASSED, Outcome.PASSED]
    assert time.monotonic() - begin > STEPS * 0.25 > LIMIT_S
    for name in ("a", "b"):
        found = read_blocks(folder.folder(name))
        assert found.together == ("a", "b")
        assert sum(block.calls for block in found.blocks) == STEPS - 1
        assert len(files.read_samples(folder.folder(name))["step"]) == STEPS - 1


def test_a_training_that_hangs_is_stopped_and_the_other_comes_to_its_end(tmp_path: Path) -> None:
    folder = run([training("a", hangs_in=8), training("b")], tmp_path)
    assert outcomes(folder, "a", "b") == [Outcome.TIMED_OUT, Outcome.PASSED]
    result = folder.result("b")
    assert result is not None
    assert (result.metrics["steps"], result.metrics["final_loss"]) == (STEPS, STEPS)
