"""An executor on paper: its machines are folders, its time is made up, and it writes down who was at work with whom."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from evaluator.children.cleaning import Leftover
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Step
from evaluator.core.turns import Answered, Ask, Over, Ready, Said, Track, Wanted
from evaluator.executors._contract import Hear, Near, Node, deaf
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
    node: str = ""
    wanted: list[Wanted] = field(default_factory=list)  # in turns: all that it was asked, in order
    told: list[Said] = field(default_factory=list)  # and what it has said

    @property
    def steps(self) -> tuple[Step, ...]:
        return (self.step,)


@dataclass(kw_only=True)
class PaperExecutor(Near[PaperJob]):
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
    asked: list[tuple[str, str, int]] = field(default_factory=list)  # in turns: step, track, turn, in order
    over: dict[str, Over] = field(default_factory=dict)  # step -> what it was told in the end
    endings: list[tuple[str, str]] = field(default_factory=list)  # in turns: told so, ended

    def machines(self) -> Mapping[str, Capabilities]:
        return {name: PaperMachine() for name in self.names}

    def nodes(self) -> Sequence[Node]:
        return [Node(name=name, machine=name, able=able) for name, able in self.machines().items()]

    def start(self, steps: Sequence[Step], node: str, place: Path, needed: Sequence[Path]) -> PaperJob:
        (step,) = steps
        folder = place / step.id
        place = self._place(step.machine, step.id)
        for other in needed:
            shutil.copytree(other, self._place(step.machine, other.name), dirs_exist_ok=True)
        place.mkdir(parents=True)
        self.together.append((self.together or [frozenset()])[-1] | {step.id})
        seconds = min(step.settings.get("seconds", 1.0), step.timeout_s)
        return PaperJob(step=step, folder=folder, place=place, until=self.now + seconds, node=node)

    def ask(self, job: PaperJob, wanted: Wanted) -> None:
        job.wanted.append(wanted)
        if isinstance(wanted, Ask):
            self.asked.append((job.step.id, wanted.track, wanted.turn))
        else:
            self.over[job.step.id] = wanted
            self.endings.append((job.step.id, "told"))

    def hear(self, job: PaperJob, at_most_s: float) -> Said | None:
        """Say what the step's settings say: `tracks`, `block_s` a call, and `dies_at` which block it ends."""
        self._lose_patience("hear")
        settings = job.step.settings
        if not job.told:
            if settings.get("never_ready"):
                return None
            tracks = msgspec.convert(settings["tracks"], tuple[Track, ...])
            job.told.append(Ready(tracks=tracks, last=settings.get("last", False)))
            return job.told[-1]
        wanted = job.wanted[-1]
        if isinstance(wanted, Over) or len(job.told) > settings.get("dies_at", len(job.told)):
            return None
        call_s = settings.get("call_s", 0.05)
        self.now += 3 * call_s
        answered = Answered(
            calls=3,
            median_s=call_s,
            timed_s=3 * call_s,
            elapsed_s=3 * call_s,
            own_s=None,
            idle_s=settings.get("idle_cores", 0.0),
            idle_for_s=1.0,
            finished=len(job.told) >= settings.get("blocks", 10**6),
        )
        job.told.append(answered)
        return answered

    def wait(self, jobs: Sequence[PaperJob], at_most_s: float, hear: Hear = deaf) -> list[PaperJob]:
        self.now = max(self.now, min(self.now + at_most_s, *(job.until for job in jobs)))
        self._lose_patience("wait")
        return [job for job in jobs if job.until <= self.now]

    def fetch(self, job: PaperJob) -> Sequence[Result]:
        self._lose_patience("fetch")
        self.endings.append((job.step.id, "ended"))
        needed = [self._place(job.step.machine, other) / ANSWER for other in job.step.needs.values()]
        (job.place / ANSWER).write_text(f"{job.step.id}({' '.join(path.read_text() for path in needed)})")
        shutil.copytree(job.place, job.folder)
        self.together.append(self.together[-1] - {job.step.id})
        return (Result(step=job.step.id, outcome=Outcome(job.step.settings.get("ending", "passed"))),)

    def cancel(self, job: PaperJob) -> None:
        if job.step.id in self.stubborn:
            raise OSError(f"{job.step.id} is not to be stopped")
        shutil.rmtree(job.place)
        self.cancelled.append(job.step.id)

    def tidy(self, node: str) -> Sequence[Leftover]:
        self.tidied.append(node)
        return (Leftover(kind="container", name=f"left-on-{node}"),)

    def _place(self, machine: str, step_id: str) -> Path:
        return self.root / machine / step_id

    def _lose_patience(self, where: str) -> None:
        if where == self.interrupt_in and self.interrupt_at is not None and self.now >= self.interrupt_at:
            raise KeyboardInterrupt
