"""A cluster on paper: steps take made-up time on nodes that never were, placed by the code that places real ones."""

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from evaluator.children.cleaning import Leftover
from evaluator.core.coordinates import MACHINE
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Step
from evaluator.executors._contract import Executor, Hear, Node, deaf
from evaluator.planning.capabilities import Capabilities

SECONDS = "seconds"  # in a step's settings: what it takes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaperJob:
    """Steps at work until a moment of made-up time."""

    steps: Sequence[Step]
    begun: float
    until: float


def no_time() -> float:
    """Say that deciding takes no time."""
    return 0.0


@dataclass(kw_only=True)
class PaperCluster(Executor[PaperJob]):
    """So many nodes of one kind, each a host of its own. `spent` is a clock by which deciding takes its time, too."""

    able: Capabilities
    count: int
    spent: Callable[[], float] = no_time
    now: float = 0.0
    jobs: list[PaperJob] = field(default_factory=list)  # all that were started
    _ends: list[tuple[float, int, PaperJob]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _seen: float | None = None

    name = "paper"
    title = "nodes on paper"

    def __post_init__(self) -> None:
        """Make the nodes, once: nobody is asked for them."""
        self._nodes = [
            Node(name=f"node-{number}", host=f"host-{number}", able=self.able) for number in range(self.count)
        ]

    def machines(self) -> Mapping[str, Capabilities]:
        """Return the one kind."""
        return {MACHINE: self.able}

    def nodes(self) -> Sequence[Node]:
        """Return all of them."""
        return self._nodes

    def start(self, steps: Sequence[Step], node: str, place: object, needed: object) -> PaperJob:
        """Let steps begin now."""
        self._pass()
        job = PaperJob(
            steps=steps, begun=self.now, until=self.now + max(step.settings.get(SECONDS, 0.0) for step in steps)
        )
        self.jobs.append(job)
        heapq.heappush(self._ends, (job.until, next(self._numbers), job))
        return job

    def wait(self, jobs: Sequence[PaperJob], at_most_s: float, hear: Hear = deaf) -> Sequence[PaperJob]:
        """Let time pass until the first ends."""
        self._pass()
        self.now = max(self.now, min(self.now + at_most_s, self._ends[0][0]))
        ended = []
        while self._ends and self._ends[0][0] <= self.now:
            ended.append(heapq.heappop(self._ends)[2])
        return ended

    def fetch(self, job: PaperJob) -> Sequence[Result]:
        """Say that all went well."""
        return [Result(step=step.id, outcome=Outcome.PASSED, seconds=job.until - job.begun) for step in job.steps]

    def cancel(self, job: PaperJob) -> None:
        """Forget it."""

    def tidy(self, node: str) -> Sequence[Leftover]:
        """Find nothing."""
        return ()

    def _pass(self) -> None:
        """Let pass what was spent on deciding since it was last looked at."""
        at = self.spent()
        self.now += 0.0 if self._seen is None else at - self._seen
        self._seen = at


def least_s(steps: Sequence[Step], able: Capabilities, count: int) -> float:
    """Return what no order can do better than: the longest chain, and the work by how much of it has room at once."""
    seconds = {step.id: float(step.settings[SECONDS]) for step in steps}
    ends: dict[str, float] = {}
    for step in steps:  # those that are needed come first
        begin = max((ends[needed] for needed in step.needs.values()), default=0.0)
        ends[step.id] = begin + seconds[step.id]
    work = sum(seconds.values()) / (count * able.cores)
    held = sum(seconds[step.id] * step.memory_bytes for step in steps) / (count * able.memory_bytes)
    return max(work, held, *ends.values())


def named(number: int, stage: str, seconds: float, memory_bytes: int, needs: Mapping[str, str]) -> Step:
    """Plan a step that takes so long."""
    return msgspec.convert(
        {
            "id": f"{stage}-{number}",
            "stage": stage,
            "scenario": "made-up",
            "framework": "pytorch",
            "needs": dict(needs),
            "settings": {SECONDS: seconds},
            "memory_bytes": memory_bytes,
        },
        Step,
    )
