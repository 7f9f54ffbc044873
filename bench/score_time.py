"""How long does `fweval score` take on 10,000 findings? At most a second, on the machine where time limits were set.

A run is made up that has so many: real records in a real folder, of as many scenarios as it takes. Reading, judging and
scoring it is timed in turns with the fixed piece of work by which limits follow a machine's speed (`core.speed`), and
told in that, the best of each: a slow machine is slow at both, and fails nothing.
"""

import gc
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench._question import How, Question
from bench._records import Line
from evaluator.core import catalogue, files, speed
from evaluator.core.store import Plan, RunFolder
from evaluator.judging import replay
from tests import fakes

FINDINGS = 10_000
_MOST_S = 1.0
_WORDS = {
    "score": "Scoring 10,000 findings",
    "read": "Reading the evidence that they rest on",
    "judge": "Judging it",
}


def made_up(path: Path, scenarios: int) -> RunFolder:
    """Write a run of so many scenarios into a new folder, measured and not yet judged."""
    evidence = fakes.complete_run(scenarios=tuple(f"model_{number}" for number in range(scenarios)), rounds=1)
    folder = RunFolder.create(path, evidence.run)
    files.write_record(path / "plan.json", Plan(steps=tuple(each.step for each in evidence.entries), impossible=()))
    files.write_record(path / catalogue.NAME, evidence.catalogue)
    for entry in evidence.entries:
        folder.save(entry.result)
        files.write_samples(folder.folder(entry.step.id), entry.samples)
    return folder


def scenarios_for(findings: int) -> int:
    """Return how many scenarios have at least so many findings."""
    with tempfile.TemporaryDirectory() as place:
        one = len(replay.judge(made_up(Path(place) / "one", 1)).findings)
    return -(-findings // one)


def in_turns(calls: Mapping[str, Callable[[], object]], times: int) -> dict[str, list[float]]:
    """Time calls in turns; return the seconds of each."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(times):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - begin)
    return taken


def _lines(how: How) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    number = scenarios_for(how.times(FINDINGS, FINDINGS // 10))
    with tempfile.TemporaryDirectory(dir=how.scratch) as place:
        folder = made_up(Path(place) / "run", number)
        evidence = replay.gather(folder)
        findings = len(replay.judge(folder, evidence).findings)
        calls = {
            "fixed work": speed.work,
            "score": lambda: replay.score(folder, evidence),
            "read": lambda: replay.gather(folder),
            "judge": lambda: replay.judge(folder, evidence),
        }
        gc.freeze()  # as the command does
        try:
            taken = in_turns(calls, how.times(5, 2))
        finally:
            gc.unfreeze()
    return told(taken, findings)


def told(taken: Mapping[str, Sequence[float]], findings: int) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    """Return the lines for so many seconds of each call, scaled to 10,000 findings and to the reference machine."""
    fixed = min(taken["fixed work"])
    lines = []
    for name, what in _WORDS.items():
        here = min(taken[name])
        line = Line(
            what=what,
            unit="s",
            reached=here / fixed * speed.REFERENCE_S * FINDINGS / findings,
            at_most=_MOST_S if name == "score" else None,
            note=f"{here / fixed:.1f} times the fixed work, {here:.2f} s here for {findings:,} findings",
        )
        lines.append(line)
    return tuple(lines), {"findings": findings, "seconds": dict(taken)}


question = Question(name="score_time", title="How long does scoring take?", lines=_lines)
