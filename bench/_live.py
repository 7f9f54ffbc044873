"""Measuring for real, as a run does: its own conductor, its own children, on artifacts that it exported and proved."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from bench import _worker
from bench._loops import SIZE, Loops
from bench._question import How
from evaluator.children.isolation import Child
from evaluator.core import files, metrics
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Step
from evaluator.core.store import RunFolder
from evaluator.core.turns import Blocks, medians
from evaluator.executors.local import Local
from evaluator.running.progress import Reporter
from evaluator.running.turns import Conductor

ROOT = Path(__file__).parents[1]
SLOW, FAST = "bert", "tiny"  # scenarios whose calls take a millisecond and more, and about a tenth of that
_START = "import sys; sys.path.insert(0, sys.argv[1]); from bench._worker import main; sys.exit(main(sys.argv[2:]))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Who takes part: an artifact in a runtime, what it is asked for, and whether anything of ours is set around it."""

    name: str
    scenario: str
    runtime: str
    loops: Loops
    defaults: bool = False  # the environment is the user's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one candidate was measured: its blocks, the samples of each track, and of how many inputs at a time."""

    blocks: Blocks
    samples: Mapping[str, tuple[float, ...]]
    size: int = 1

    def medians(self, track: str, *, every: bool = False) -> dict[int, float]:
        """Return turn -> median of its block, in seconds; of those that were disturbed only if all are wanted."""
        return medians(self.all_quiet if every else self.blocks, track, self.samples[track])

    @property
    def all_quiet(self) -> Blocks:
        """The same, as if nothing had disturbed."""
        blocks = tuple(msgspec.structs.replace(block, quiet=True) for block in self.blocks.blocks)
        return msgspec.structs.replace(self.blocks, blocks=blocks)

    def kept(self, track: str) -> float:
        """Return the share of its blocks that count."""
        own = [block.quiet for block in self.blocks.blocks if block.track == track]
        return sum(own) / len(own) if own else 0.0


def exported(how: How, scenario: str) -> RunFolder:
    """Return a run that has exported a scenario; it is made once."""
    path = how.scratch / f"artifacts-{scenario}"
    if not (path / "plan.json").exists():
        how.say(f"exporting {scenario}: {path}")
        command = [sys.executable, "-m", "evaluator", "export", scenario, "--profile", "smoke", "--device", DEVICE]
        subprocess.run([*command, "--out", str(path)], stdout=subprocess.DEVNULL, check=False)
    return RunFolder.open(path)


def step_of(run: RunFolder, candidate: Candidate) -> Step:
    """Return a step that measures a candidate: that of the run, with another stage and other settings."""
    planned = next(
        step
        for step in run.plan.possible
        if (step.stage, step.scenario, step.runtime, step.device)
        == ("run", candidate.scenario, candidate.runtime, DEVICE)
        and not step.control
        and step.variant is None
    )
    return msgspec.structs.replace(
        planned,
        id=candidate.name,
        stage=_worker.STAGE,
        timeout_s=300.0,
        in_turns=True,
        needs={role: planned.needs[role] for role in ("artifact", "trained")},
        settings={**planned.settings, "loops": msgspec.to_builtins(candidate.loops)},
    )


class Session:
    """Starts candidates of one group, and keeps how they ended."""

    def __init__(self, run: RunFolder, place: Path, candidates: Sequence[Candidate]) -> None:
        self._run = run
        self._place = place
        self._defaults = {each.name for each in candidates if each.defaults}
        self._executor = Local(self._launch)
        self._reporter = Reporter(Console(quiet=True))
        self._steps = [step_of(run, each) for each in candidates]
        self.ended: dict[str, Result] = {}

    def conduct(self) -> dict[str, Found]:
        """Measure all of them in turns; `RuntimeError` when one of them failed."""
        machine = self._executor.machines()[self._steps[0].machine]
        Conductor(self._executor, machine, self._reporter, begin=self._begin, end=self._end).conduct(self._steps)
        for name, result in self.ended.items():
            if result.outcome is not Outcome.PASSED:
                raise RuntimeError(f"{name} ended as {result.outcome.value}: {result.reason}")
        return {step.id: self._found(step.id) for step in self._steps}

    def _found(self, name: str) -> Found:
        folder = self._place / name
        samples = files.read_samples(folder)
        size = metrics.number(self.ended[name].metrics[SIZE])
        return Found(blocks=files.read_blocks(folder, samples), samples=samples, size=round(size or 1))

    def _begin(self, step: Step) -> Child:
        for needed in step.needs.values():
            link = self._place / needed
            if not link.exists():
                link.symlink_to(self._run.folder(needed).resolve())
        self._reporter.started(step)
        return self._executor.start([step], step.machine, self._place, [])

    def _end(self, job: Child) -> None:
        (self.ended[job.step.id],) = self._executor.fetch(job)

    def _launch(self, step: Step, folder: Path) -> Child:
        defaults = (_worker.DEFAULTS,) if step.id in self._defaults else ()
        return Child(step, folder, (sys.executable, "-P", "-c", _START, str(ROOT), *defaults))


def conduct(how: How, name: str, candidates: Sequence[Candidate]) -> dict[str, Found]:
    """Measure candidates of one scenario in turns; return what was found by their names."""
    place = how.scratch / "groups" / name
    shutil.rmtree(place, ignore_errors=True)  # of an earlier time
    place.mkdir(parents=True)
    how.say(f"in turns: {name}")
    return Session(exported(how, candidates[0].scenario), place, candidates).conduct()


def raw(found: Found, track: str) -> dict[str, Any]:
    """Return what is kept of a track: the median of each block, in milliseconds, and the turns that count."""
    every = found.medians(track, every=True)
    milliseconds = [round(1e3 * every[turn], 4) for turn in sorted(every)]
    numbers = {turn: place for place, turn in enumerate(sorted(every))}
    return {"medians_ms": milliseconds, "quiet": [numbers[turn] for turn in sorted(found.medians(track))]}
