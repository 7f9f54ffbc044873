"""An executor on paper: its machines are folders, its time is made up, and it writes down who was at work with whom."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evaluator.children.cleaning import Leftover
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Step
from evaluator.executors._contract import Executor
from evaluator.planning.capabilities import Capabilities
from tests.engine import PaperMachine

ANSWER = "answer"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaperJob:
    """A step at work in a folder of its machine until a moment of made-up time."""

    step: Step
    folder: Path  # of the run, where it is to be fetched to
    place: Path
    until: float


@dataclass(kw_only=True)
class PaperExecutor(Executor[PaperJob]):
    """Each step takes the `seconds` of its settings and ends as its `ending`; its answer is made of those it needs."""

    name = "paper"
    title = "machines on paper"

    root: Path
    names: tuple[str, ...] = ("one", "two")
    together: list[frozenset[str]] = field(default_factory=list)  # ids of those at work after every start and end
    cancelled: list[str] = field(default_factory=list)
    tidied: list[str] = field(default_factory=list)
    now: float = 0.0
    interrupt_at: float | None = None  # a person loses patience while it waits, or fetches
    interrupt_in: str = "wait"
    stubborn: tuple[str, ...] = ()  # steps that cannot be cancelled

    def machines(self) -> Mapping[str, Capabilities]:
        return {name: PaperMachine() for name in self.names}

    def start(self, step: Step, folder: Path, needed: Sequence[Path]) -> PaperJob:
        place = self._place(step.machine, step.id)
        for other in needed:
            shutil.copytree(other, self._place(step.machine, other.name), dirs_exist_ok=True)
        place.mkdir(parents=True)
        self.together.append((self.together or [frozenset()])[-1] | {step.id})
        seconds = min(step.settings.get("seconds", 1.0), step.timeout_s)
        return PaperJob(step=step, folder=folder, place=place, until=self.now + seconds)

    def wait(self, jobs: Sequence[PaperJob], at_most_s: float) -> list[PaperJob]:
        self.now = max(self.now, min(self.now + at_most_s, *(job.until for job in jobs)))
        self._lose_patience("wait")
        return [job for job in jobs if job.until <= self.now]

    def fetch(self, job: PaperJob) -> Result:
        self._lose_patience("fetch")
        needed = [self._place(job.step.machine, other) / ANSWER for other in job.step.needs.values()]
        (job.place / ANSWER).write_text(f"{job.step.id}({' '.join(path.read_text() for path in needed)})")
        shutil.copytree(job.place, job.folder)
        self.together.append(self.together[-1] - {job.step.id})
        return Result(step=job.step.id, outcome=Outcome(job.step.settings.get("ending", "passed")))

    def cancel(self, job: PaperJob) -> None:
        if job.step.id in self.stubborn:
            raise OSError(f"{job.step.id} is not to be stopped")
        shutil.rmtree(job.place)
        self.cancelled.append(job.step.id)

    def tidy(self, machine: str) -> Sequence[Leftover]:
        self.tidied.append(machine)
        return (Leftover(kind="container", name=f"left-on-{machine}"),)

    def _place(self, machine: str, step_id: str) -> Path:
        return self.root / machine / step_id

    def _lose_patience(self, where: str) -> None:
        if where == self.interrupt_in and self.interrupt_at is not None and self.now >= self.interrupt_at:
            raise KeyboardInterrupt
