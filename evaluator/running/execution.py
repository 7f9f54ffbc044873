"""Running planned steps: measuring ones strictly alone, the others side by side as far as cores and memory allow."""

import select
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from evaluator.children.cleaning import clean
from evaluator.children.isolation import Child
from evaluator.core import machine
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Step
from evaluator.core.store import RunFolder
from evaluator.running.progress import Reporter

Launch = Callable[[Step, Path], Child]


def execute(steps: Sequence[Step], folder: RunFolder, reporter: Reporter, launch: Launch = Child) -> None:
    """Run the steps that have not ended yet; every ending is saved before the next step starts.

    On any interruption the running children are stopped, with all they started, and the exception goes on.
    """
    waiting = [step for step in steps if folder.kept(step.id) is None]
    running: list[Child] = []
    try:
        while waiting or running:
            for step in [step for step in waiting if _may_start(step, running, waiting)]:
                if _may_start(step, running, waiting):
                    waiting.remove(step)
                    if not _ended_at_once(step, folder, reporter):
                        running.append(launch(step, folder.folder(step.id)))
            for child in _ended(running):
                running.remove(child)
                _finish(child, folder, reporter)
    finally:
        for child in running:
            child.interrupt()


def _ended_at_once(step: Step, folder: RunFolder, reporter: Reporter) -> bool:
    """End a step that needs one which did not pass; announce the start of any other."""
    blocked = _blocked(step, folder)
    if blocked is None:
        reporter.started(step)
        folder.event("started", step=step.id)
        return False
    folder.save(blocked)
    folder.event("ended", step=step.id, outcome=blocked.outcome.value)
    reporter.ended(step, blocked)
    return True


def _finish(child: Child, folder: RunFolder, reporter: Reporter) -> None:
    result = child.finish()
    folder.save(result)
    folder.event("ended", step=child.step.id, outcome=result.outcome.value)
    reporter.ended(child.step, result)
    if result.outcome in (Outcome.CRASHED, Outcome.TIMED_OUT):
        tidy(reporter)  # a container that it had started is the engine's child, not its own


def tidy(reporter: Reporter) -> None:
    """Remove what evaluations and steps that have ended left on this machine, and say what it was."""
    for leftover in clean().found:
        if not leftover.in_use:
            reporter.note(leftover.line())


def _may_start(step: Step, running: Sequence[Child], waiting: Sequence[Step]) -> bool:
    """Tell whether the step disturbs nothing that is measured, finds what it needs, and fits into memory."""
    if any(child.step.measures for child in running) or (step.measures and running):
        return False
    pending = {child.step.id for child in running} | {other.id for other in waiting}
    if pending & set(step.needs.values()):
        return False
    limits = sum(child.step.memory_bytes for child in running) + step.memory_bytes
    return not running or (len(running) < machine.cores() and limits <= psutil.virtual_memory().total)


def _blocked(step: Step, folder: RunFolder) -> Result | None:
    """Return the ending of a step that needs one which did not pass."""
    for role, needed in step.needs.items():
        result = folder.result(needed)
        if result is None:
            reason, remedy = f"not measured, because {ROLES[role]} has not run", "resume the run"
        elif result.outcome is Outcome.UNAVAILABLE and result.reason:
            reason, remedy = result.reason, result.remedy or f"see steps/{needed}"  # the root cause, passed on
        elif result.outcome is not Outcome.PASSED:
            ending = result.outcome.value.replace("_", " ")
            reason = f"not measured, because {ROLES[role]} did not pass ({ending}): {result.reason}"
            remedy = f"see steps/{needed}"
        else:
            continue
        return Result(step=step.id, outcome=Outcome.UNAVAILABLE, reason=reason, remedy=remedy)
    return None


ROLES = {  # what a step may need, in words
    "reference": "preparing the common weights",
    "weights": "preparing the common weights",
    "aligned": "aligning the two models",
    "trained": "training",
    "artifact": "the export",
    "verified": "the proof of its outputs",
    "served": "serving it",
}


def _ended(running: Sequence[Child]) -> list[Child]:
    """Block until a child has ended or its time is up; return those."""
    if not running:
        return []
    left = max(0.0, min(child.deadline for child in running) - time.monotonic())
    readable, _, _ = select.select([child.descriptor for child in running], [], [], left)
    now = time.monotonic()
    return [child for child in running if child.descriptor in readable or child.deadline <= now]
