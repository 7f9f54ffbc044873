"""Complete runs for the questions that need some: those that were given, else made here, once for all questions."""

import subprocess
import sys
from pathlib import Path

from bench._question import How
from evaluator.children import neighbours

NAMES = ("quiet", "beside")


def pair(how: How) -> tuple[Path, Path]:
    """Return a run made on this machine as it is, and one made while a neighbour kept one core busy."""
    if len(how.runs) > 1:
        return how.runs[0], how.runs[1]
    quiet = quiet_run(how)
    with neighbours.busy(1):
        return quiet, _made(how, NAMES[1])


def quiet_run(how: How) -> Path:
    """Return the first of them."""
    return how.runs[0] if how.runs else _made(how, NAMES[0])


def _made(how: How, name: str) -> Path:
    """Make a complete run, unless an earlier question has. "Assessed, not ready" (exit code 1) is a complete one."""
    folder = how.scratch / name
    if (folder / "scorecard.json").exists():
        how.say(f"taken as it is: {folder}")
        return folder
    how.say(f"a complete run, {name}: {folder}")
    scenarios = ("tiny",) if how.quick else ()
    command = [sys.executable, "-m", "evaluator", "full", *scenarios, "--profile", "smoke", "--out", str(folder)]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if not (folder / "scorecard.json").exists():
        raise RuntimeError(f"fweval full ended with {ended.returncode} and left no scorecard in {folder}")
    return folder
