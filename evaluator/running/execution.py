"""Running planned steps by an executor: measuring ones alone on their machine, others as far as it has room."""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Step
from evaluator.core.store import RunFolder
from evaluator.executors._contract import Executor, Job
from evaluator.running.pace import paced
from evaluator.running.progress import SILENCE_S, Reporter
from evaluator.running.slots import may_start
from evaluator.stages._contract import Stage


def execute(steps: Sequence[Step], folder: RunFolder, reporter: Reporter, executor: Executor[Any]) -> None:
    """Run the steps that have not ended yet; every ending is saved before the next step starts.

    On any interruption the jobs at work are cancelled, with all they started, and the exception goes on.
    """
    machines = executor.machines()
    waiting = [step for step in steps if folder.reusable(step.id) is None]
    for step in waiting:
        folder.discard(step.id)
    running: list[Job] = []
    try:
        while waiting or running:
            for step in tuple(waiting):
                machine = machines.get(step.machine)
                if machine is None or may_start(step, [job.step for job in running], waiting, machine):
                    waiting.remove(step)
                    if not _ended_at_once(step, folder, reporter, machines):
                        needed = [folder.folder(each) for each in dict.fromkeys(step.needs.values())]
                        at_its_pace = paced(step, machines[step.machine].time_factor)
                        running.append(executor.start(at_its_pace, folder.folder(step.id), needed))
            ended = executor.wait(running, SILENCE_S) if running else ()
            if running and not ended:
                reporter.going_on([job.step for job in running])
            for job in ended:
                result = executor.fetch(job)
                running.remove(job)
                _finish(job.step, result, folder, reporter)
                if result.outcome in (Outcome.CRASHED, Outcome.TIMED_OUT):
                    # A container that it had started is the engine's child, not its own.
                    tidy(executor, (job.step.machine,), reporter)
    finally:
        _cancel(running, executor)


def tidy(executor: Executor[Any], machines: Iterable[str], reporter: Reporter) -> None:
    """Remove what evaluations and steps that have ended left on machines, and say what it was."""
    for machine in machines:
        for leftover in executor.tidy(machine):
            if not leftover.in_use:
                reporter.note(leftover.line())


def _cancel(jobs: Iterable[Job], executor: Executor[Any]) -> None:
    """Cancel every job, also when one of them cannot be; the first reason for that goes on afterwards."""
    with contextlib.ExitStack() as stack:
        for job in jobs:
            stack.callback(executor.cancel, job)


def _ended_at_once(step: Step, folder: RunFolder, reporter: Reporter, machines: Iterable[str]) -> bool:
    """End a step that needs one which did not pass, or a machine that is not there; announce any other's start."""
    blocked = _blocked(step, folder) or _stranded(step, machines)
    if blocked is None:
        reporter.started(step)
        folder.event("started", step=step.id)
        return False
    _finish(step, blocked, folder, reporter)
    return True


def _finish(step: Step, result: Result, folder: RunFolder, reporter: Reporter) -> None:
    folder.save(result)
    folder.event("ended", step=step.id, outcome=result.outcome.value)
    reporter.ended(step, result)


def _stranded(step: Step, machines: Iterable[str]) -> Result | None:
    """Return the ending of a step whose machine is not reached."""
    if step.machine in machines:
        return None
    return Result(
        step=step.id,
        outcome=Outcome.UNAVAILABLE,
        reason=f"machine '{step.machine}' is not reached",
        remedy=f"resume the run when it is; reached now: {', '.join(machines)}",
    )


def _blocked(step: Step, folder: RunFolder) -> Result | None:
    """Return the ending of a step that needs one which did not pass."""
    for role, needed in step.needs.items():
        result = folder.result(needed)
        if result is None:
            reason, remedy = f"not measured, because {_words(role)} has not run", "resume the run"
        elif result.outcome is Outcome.UNAVAILABLE and result.reason:
            reason, remedy = result.reason, result.remedy or f"see steps/{needed}"  # the root cause, passed on
        elif result.outcome is not Outcome.PASSED:
            ending = result.outcome.value.replace("_", " ")
            reason = f"not measured, because {_words(role)} did not pass ({ending}): {result.reason}"
            remedy = f"see steps/{needed}"
        else:
            continue
        return Result(step=step.id, outcome=Outcome.UNAVAILABLE, reason=reason, remedy=remedy)
    return None


def _words(role: str) -> str:
    """Return what a step needs in a role, in the words of the stage that gives it."""
    stages: tuple[Stage, ...] = registry.load_all("stage")
    return next(stage.gives[role] for stage in stages if role in stage.gives)
