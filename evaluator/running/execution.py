"""Running planned steps by an executor: measuring ones alone on their machine, others as far as it has room.

A machine that is lost takes what was at work there with it: it is tried again on another one of its kind, where there
is one, and the run's events say so.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from evaluator.core import files, registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Step
from evaluator.core.store import RunFolder
from evaluator.executors._contract import Executor, Job, Near, Node, NodeLost, Told
from evaluator.running.pace import paced
from evaluator.running.progress import SILENCE_S, Reporter
from evaluator.running.quiet import Quiet
from evaluator.running.slots import Slots, by_node, question
from evaluator.running.turns import Conductor, group_of
from evaluator.stages._contract import Stage

MOST_LOSSES = 2  # machines that were lost while a step was at work there: it is not tried on a third
_LOST = "node lost"


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


@dataclass(slots=True, eq=False)
class _AtWork:
    """A job, and the node that it is at work on."""

    job: Any  # the executor's
    steps: Sequence[Step]  # as planned
    node: Node


class _Course:
    """The steps that wait and the jobs at work."""

    def __init__(self, waiting: list[Step], folder: RunFolder, reporter: Reporter, executor: Executor[Any]) -> None:
        self._waiting = waiting
        self._running: list[_AtWork] = []
        self._folder = folder
        self._reporter = reporter
        self._executor = executor
        self._bound = {} if isinstance(executor, Near) else _homes(folder)
        self._made_at: dict[str, str] = {}
        self._lost_on: dict[str, set[str]] = defaultdict(set)
        self._losses: Counter[str] = Counter()
        self.quiet = Quiet()

    def run(self) -> None:
        """Start what may start and collect what has ended, until nothing is left."""
        while self._waiting or self._running:
            while placed := self._slots().next(self._waiting):
                self._place(*placed)
            self._collect()

    def cancel(self) -> None:
        """Cancel every job, also when one of them cannot be; the first reason for that goes on afterwards."""
        with contextlib.ExitStack() as stack:
            for one in self._running:
                stack.callback(self._executor.cancel, one.job)

    def _slots(self) -> Slots:
        running = by_node((one.steps, one.node) for one in self._running)
        return Slots(self._executor.nodes(), running, self._bound, self._made_at, self._lost_on)

    def _place(self, step: Step, node: Node | None) -> None:
        """Start a step on a node, with those that take turns with it; without a node it has ended."""
        group = [step]
        if step.in_turns and node is not None:
            slots = self._slots()
            alike = [each for each in self._waiting if group_of(each) == group_of(step)]
            pending = slots.pending(self._waiting)
            group = [each for each in alike if pending.isdisjoint(each.needs.values()) and slots.fits(each, node)]
        self._waiting = [each for each in self._waiting if each not in group]
        if node is None:
            _ended_at_once(step, self._folder, self._reporter, self._executor.nodes())
            return
        if step.measures:
            self._bound[question(step)] = node.name
        if step.in_turns and isinstance(self._executor, Near):
            self._conduct(group, node, self._executor)
        else:
            self._begin(group, node)

    def _conduct(self, group: Sequence[Step], node: Node, executor: Near[Any]) -> None:
        """Measure a step in turns with those that it is compared with; nothing else is at work on any machine."""
        if self.quiet.left_s > 0:
            self.quiet.wait(self._reporter)

        def begin(step: Step) -> Job | None:
            return self._begin([step], node)

        Conductor(executor, node.able, self._reporter, begin=begin, end=self._end_job).conduct(group)

    def _begin(self, steps: Sequence[Step], node: Node) -> Job | None:
        """Start steps together; None when they have ended at once."""
        nodes = self._executor.nodes()
        steps = [step for step in steps if not _ended_at_once(step, self._folder, self._reporter, nodes, node)]
        if not steps:
            return None
        needed = [self._folder.folder(each) for step in steps for each in step.needs.values()]
        at_their_pace = [paced(step, node.able.time_factor) for step in steps] if self._is_near else steps
        job: Job = self._executor.start(at_their_pace, node.name, self._folder.steps, list(dict.fromkeys(needed)))
        self._running.append(_AtWork(job, steps, node))
        return job

    @property
    def _is_near(self) -> bool:
        """Whether it is asked here what is asked of steps: elsewhere, whoever runs them there knows their pace."""
        return isinstance(self._executor, Near)

    def _collect(self) -> None:
        """Wait until something has ended, and save it; once a minute say what is at work."""
        jobs = [one.job for one in self._running]
        ended = self._executor.wait(jobs, SILENCE_S, self._hear) if jobs else ()
        if jobs and not ended:
            self._reporter.going_on([one.steps[0] for one in self._running])  # those that take turns go on together
        for job in ended:
            self._end_job(job)

    def _hear(self, job: Job, told: Told) -> None:
        one = next((each for each in self._running if each.job is job), None)
        if told.share is not None:
            self._reporter.measured(job.steps, told.share)
        if told.note:
            self._reporter.note(told.note if one is None else f"{one.node.name}: {told.note}")

    def _end_job(self, job: Job) -> None:
        one = next(each for each in self._running if each.job is job)
        try:
            results = self._executor.fetch(job)
        except NodeLost as lost:
            self._running.remove(one)
            self._lose(one, str(lost))
            return
        self._running.remove(one)
        for step, result in zip(one.steps, results, strict=True):
            self._end(step, one.node, result)

    def _end(self, step: Step, node: Node, result: Result) -> None:
        if not self._is_near:
            result = msgspec.structs.replace(result, node=node.name)
            self._made_at[step.id] = node.name
        _finish(step, result, self._folder, self._reporter, node)
        if result.outcome in (Outcome.CRASHED, Outcome.TIMED_OUT):
            # A container that it had started is the engine's child, not its own.
            tidy(self._executor, (node.name,), self._reporter)

    def _lose(self, one: _AtWork, why: str) -> None:
        """Put what was at work on a lost machine back, for another one of its kind; without one it has ended."""
        others = [node for node in self._executor.nodes() if node.machine == one.node.machine]
        again: list[Step] = []
        for step in one.steps:
            self._losses[step.id] += 1
            self._lost_on[step.id].add(one.node.name)
            self._folder.discard(step.id)
            self._folder.event("lost", step=step.id, node=one.node.name, reason=why)
            if others and self._losses[step.id] < MOST_LOSSES:
                again.append(step)
                continue
            _finish(step, _lost(step, one.node, why, self._losses[step.id]), self._folder, self._reporter, one.node)
        if again:
            where = " or ".join(node.name for node in others)
            for step in again:
                self._folder.event("retried", step=step.id, losses=self._losses[step.id])
            self._reporter.note(f"{one.node.name} is lost ({why}): {len(again)} of its steps begin again on {where}")
        self._waiting = [*again, *self._waiting]


def _homes(folder: RunFolder) -> dict[tuple[str, str, str], str]:
    """Return where the run has measured so far: what is compared with that is measured there, too."""
    if not (folder.path / "plan.json").exists():
        return {}
    ended = (each for each in folder.results() if each[0].measures and each[1].outcome is Outcome.PASSED)
    return {question(step): result.node for step, result in ended if result.node}


def _lost(step: Step, node: Node, why: str, losses: int) -> Result:
    """Return the ending of a step whose machine was lost, and that is tried on no other."""
    reason = f"{_LOST}: {node.name} ({why})"
    if losses >= MOST_LOSSES:
        reason += f"; it was at work on {losses} machines when they were lost, and is not tried on another"
    else:
        reason += "; no other machine of its kind is there"
    return Result(
        step=step.id,
        outcome=Outcome.UNAVAILABLE,
        reason=reason,
        remedy="see why it was lost, start it again, then resume the run",
        node=node.name,
    )


def tidy(executor: Executor[Any], nodes: Iterable[str], reporter: Reporter) -> None:
    """Remove what evaluations and steps that have ended left on machines, and say what it was."""
    for node in nodes:
        for leftover in executor.tidy(node):
            if not leftover.in_use:
                reporter.note(leftover.line())


def _ended_at_once(
    step: Step, folder: RunFolder, reporter: Reporter, nodes: Collection[Node], node: Node | None = None
) -> bool:
    """End a step that needs one which did not pass, or a machine that is not there; announce any other's start."""
    blocked = _blocked(step, folder) or (_stranded(step, nodes) if node is None else None)
    if blocked is None:
        reporter.started(step)
        folder.event("started", step=step.id, **_where(node))
        return False
    _finish(step, blocked, folder, reporter)
    return True


def _finish(step: Step, result: Result, folder: RunFolder, reporter: Reporter, node: Node | None = None) -> None:
    folder.save(result)
    folder.event("ended", step=step.id, outcome=result.outcome.value, **_where(node))
    reporter.ended(step, result)


def _where(node: Node | None) -> dict[str, str]:
    """Return what an event says of a node of a cluster; of this machine nothing needs to be said."""
    return {} if node is None or not node.host else {"node": node.name}


def _stranded(step: Step, nodes: Collection[Node]) -> Result:
    """Return the ending of a step whose machine is not reached."""
    reached = ", ".join(dict.fromkeys(node.machine for node in nodes))
    return Result(
        step=step.id,
        outcome=Outcome.UNAVAILABLE,
        reason=f"{_LOST}: no machine of the kind '{step.machine}' is reached",
        remedy=f"resume the run when one is; reached now: {reached or 'none'}",
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
