"""Running planned steps by an executor: measuring ones alone on their machine, others as far as it has room."""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from evaluator.core import files, registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Step
from evaluator.core.store import RunFolder
from evaluator.executors._contract import Executor, Job
from evaluator.running.pace import paced
from evaluator.running.progress import SILENCE_S, Reporter
from evaluator.running.quiet import Quiet
from evaluator.running.slots import may_start
from evaluator.running.turns import Conductor, group_of
from evaluator.stages._contract import Stage


def execute(
    steps: Sequence[Step], folder: RunFolder, reporter: Reporter, executor: Executor[Any], quiet: Quiet | None = None
) -> None:
    """Run the steps that have not ended yet; every ending is saved before the next step starts.

    `quiet` is for how long it may wait for a quiet machine before steps take turns.
    On any interruption the jobs at work are cancelled, with all they started, and the exception goes on.
    """
    waiting = [step for step in steps if folder.reusable(step.id) is None]
    for step in waiting:
        folder.discard(step.id)
    course = _Course(waiting, folder, reporter, executor)
    course.quiet = quiet or course.quiet
    try:
        course.run()
    finally:
        course.cancel()


class _Course:
    """The steps that wait and the jobs at work."""

    def __init__(self, waiting: list[Step], folder: RunFolder, reporter: Reporter, executor: Executor[Any]) -> None:
        self._waiting = waiting
        self._running: list[Job] = []
        self._folder = folder
        self._reporter = reporter
        self._executor = executor
        self._machines = executor.machines()
        self.quiet = Quiet()

    def run(self) -> None:
        """Start what may start and collect what has ended, until nothing is left."""
        while self._waiting or self._running:
            while step := next(filter(self._may_start, self._waiting), None):
                if step.in_turns and step.machine in self._machines:
                    self._conduct(step)
                else:
                    self._waiting.remove(step)
                    self._begin(step)
            self._collect()

    def cancel(self) -> None:
        """Cancel every job, also when one of them cannot be; the first reason for that goes on afterwards."""
        with contextlib.ExitStack() as stack:
            for job in self._running:
                stack.callback(self._executor.cancel, job)

    def _may_start(self, step: Step) -> bool:
        machine = self._machines.get(step.machine)
        return machine is None or may_start(step, [job.step for job in self._running], self._waiting, machine)

    def _conduct(self, first: Step) -> None:
        """Measure a step in turns with those that it is compared with; nothing else is at work on any machine."""
        group = [each for each in self._waiting if group_of(each) == group_of(first) and self._may_start(each)]
        self._waiting = [each for each in self._waiting if each not in group]
        machine = self._machines[first.machine]
        if self.quiet.left_s > 0:
            self.quiet.wait(self._reporter)
        Conductor(self._executor, machine, self._reporter, begin=self._begin, end=self._end).conduct(group)

    def _begin(self, step: Step) -> Job | None:
        """Start a step; None when it has ended at once."""
        if _ended_at_once(step, self._folder, self._reporter, self._machines):
            return None
        needed = [self._folder.folder(each) for each in dict.fromkeys(step.needs.values())]
        at_its_pace = paced(step, self._machines[step.machine].time_factor)
        job: Job = self._executor.start(at_its_pace, self._folder.folder(step.id), needed)
        self._running.append(job)
        return job

    def _collect(self) -> None:
        """Wait until something has ended, and save it; once a minute say what is at work."""
        ended = self._executor.wait(self._running, SILENCE_S) if self._running else ()
        if self._running and not ended:
            self._reporter.going_on([job.step for job in self._running])
        for job in ended:
            self._end(job)

    def _end(self, job: Job) -> None:
        result = self._executor.fetch(job)
        self._running.remove(job)
        _finish(job.step, result, self._folder, self._reporter)
        if result.outcome in (Outcome.CRASHED, Outcome.TIMED_OUT):
            # A container that it had started is the engine's child, not its own.
            tidy(self._executor, (job.step.machine,), self._reporter)


def tidy(executor: Executor[Any], machines: Iterable[str], reporter: Reporter) -> None:
    """Remove what evaluations and steps that have ended left on machines, and say what it was."""
    for machine in machines:
        for leftover in executor.tidy(machine):
            if not leftover.in_use:
                reporter.note(leftover.line())


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
            words = _words(role, needed, folder)
            reason, remedy = f"not measured, because {words} has not run", "resume the run"
        elif result.outcome is Outcome.UNAVAILABLE and result.reason:
            reason, remedy = result.reason, result.remedy or f"see steps/{needed}"  # the root cause, passed on
        elif result.outcome is not Outcome.PASSED:
            ending = result.outcome.value.replace("_", " ")
            words = _words(role, needed, folder)
            reason = f"not measured, because {words} did not pass ({ending}): {result.reason}"
            remedy = f"see steps/{needed}"
        else:
            continue
        return Result(step=step.id, outcome=Outcome.UNAVAILABLE, reason=reason, remedy=remedy)
    return None


def _words(role: str, needed: str, folder: RunFolder) -> str:
    """Return what a step needs in a role, in the words of the stage that gives it: of the one that it is a step of."""
    stages: tuple[Stage, ...] = registry.load_all("stage")
    giving = {stage.name: stage.gives[role] for stage in stages if role in stage.gives}
    job = folder.folder(needed) / "job.json"  # not there of a step that was not started
    giver = files.read_record(job, Step).stage if job.is_file() else ""
    return giving.get(giver, list(giving.values())[-1])
