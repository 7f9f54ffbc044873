"""How much of a cluster is put to work, and what that costs per step.

Two looks. On paper, a plan of 1,000 steps that measure nothing is placed on 64 nodes of two cores by the code that
places real ones, in made-up time: what it takes is set against what no order could do better than, and the processor
time that deciding took is real. With processes, steps that sleep are done on four simulated nodes, all on this machine:
they sleep beside each other, while starting them needs its cores, of which it has only its own. That is why they sleep
for longer than starting takes. Empty steps, one after the other on a node that is warm, are timed in turns with the
same as children of this process.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from bench import _paper
from bench._paper import PaperCluster
from bench._question import How, Question
from bench._records import Line
from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Step
from evaluator.executors._contract import Executor
from evaluator.executors.local import Local
from evaluator.executors.ray import Ray
from evaluator.running.execution import execute
from evaluator.running.progress import Reporter
from tests import engine

STEPS, NODES, SEED = 1_000, 64, 7
SPREAD = (0.5, 1.5)  # times what a step of its stage is expected to take
GIB = 1 << 30
MEMORY_BYTES = 24 * GIB  # of a node: as much as the limits of two exports
_LIMITS = {"align": (6 * GIB,), "export": (23 * GIB // 2, 8 * GIB), "verify": (6 * GIB, 10 * GIB)}  # as stages have
_EXPORTS = 2  # of a model, each with its proof: of five steps
_SIMULATED = 4
_CORES = 2  # that steps take of each of them, at most
_SLEEP_S = 12.0
LEAST_SHARE = 0.9
MOST_MS = 50.0


class Timed(Reporter):
    """Keeps when the first step began and the last one ended, and how they ended."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True))
        self.begun: list[float] = []
        self.over: list[float] = []
        self.results: list[Result] = []

    def started(self, step: Step) -> None:
        """Keep when."""
        self.begun.append(time.perf_counter())

    def ended(self, step: Step, result: Result) -> None:
        """Keep when and how; `RuntimeError` where it did not pass."""
        self.over.append(time.perf_counter())
        self.results.append(result)
        if result.outcome is not Outcome.PASSED:
            raise RuntimeError(f"{step.id} ended as {result.outcome.value}: {result.reason}")

    @property
    def wall_s(self) -> float:
        """Seconds from the first begin to the last end."""
        return max(self.over) - min(self.begun)


# On paper -------------------------------------------------------------------------------------------------------------


def able() -> engine.PaperMachine:
    """Return what each node is."""
    machine = engine.PaperMachine()
    machine.memory_bytes = machine.free_memory_bytes = MEMORY_BYTES
    return machine


def plan(count: int, seed: int = SEED) -> list[Step]:
    """Return steps in the order of a real plan: all of a stage, then all that need them."""
    rng = random.Random(seed)  # noqa: S311  # to be drawn again alike
    models = count // (1 + 2 * _EXPORTS)

    def step(number: int, stage: str, **needs: str) -> Step:
        seconds = registry.load("stage", stage).expected_s * rng.uniform(*SPREAD)
        return _paper.named(number, stage, seconds, rng.choice(_LIMITS[stage]), needs)

    trained = [step(number, "align") for number in range(models)]
    exported = [step(number, "export", trained=f"align-{number // _EXPORTS}") for number in range(_EXPORTS * models)]
    verified = [step(number, "verify", artifact=each.id) for number, each in enumerate(exported)]
    return [*trained, *exported, *verified]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """How steps were placed on paper."""

    took_s: float  # made up, until all had ended
    last_s: float  # made up, until the last one began
    used: float  # share of the time that slots had until then
    deciding_s: float  # real, of a core


def placed(steps: Sequence[Step], count: int, scratch: Path, spent: Callable[[], float] = _paper.no_time) -> Placed:
    """Place steps on nodes on paper."""
    machine = able()
    cluster = PaperCluster(able=machine, count=count, spent=spent)
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        folder = engine.run_folder(Path(place) / "run")
        begin = time.process_time()
        execute(steps, folder, Timed(), cluster)
        deciding_s = time.process_time() - begin
    last = max(job.begun for job in cluster.jobs)
    used = sum(min(job.until, last) - job.begun for job in cluster.jobs)
    share = used / (last * count * machine.cores) if last else 1.0
    return Placed(took_s=cluster.now, last_s=last, used=share, deciding_s=deciding_s)


def longest_first(steps: Sequence[Step]) -> list[Step]:
    """Return the same plan, of each stage the longest first: what an order could do that knew how long steps take."""
    stages = list(dict.fromkeys(step.stage for step in steps))
    return sorted(steps, key=lambda step: (stages.index(step.stage), -step.settings[_paper.SECONDS]))


def on_paper(how: How) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    """Ask the first half."""
    count, nodes = how.times(STEPS, STEPS // 10), how.times(NODES, NODES // 8)
    steps = plan(count)
    least = _paper.least_s(steps, able(), nodes)
    found = placed(steps, nodes, how.scratch)
    slowed = placed(steps, nodes, how.scratch, time.process_time)
    sorted_ = placed(longest_first(steps), nodes, how.scratch)
    what = f"{len(steps):,} steps on {nodes} nodes, on paper"
    lines = (
        Line(
            what=f"Share of the best possible speed: {what}",
            unit="share",
            reached=least / found.took_s,
            at_least=LEAST_SHARE,
            note=f"{found.took_s:.1f} s made up, at least {least:.1f} s in any order",
        ),
        Line(
            what="The same, where nodes wait while it is decided",
            unit="share",
            reached=least / slowed.took_s,
            at_least=LEAST_SHARE,
            note=f"{slowed.took_s:.1f} s",
        ),
        Line(
            what="The same, if of each stage the longest steps came first",
            unit="share",
            reached=least / sorted_.took_s,
            note=f"{sorted_.took_s:.1f} s",
        ),
        Line(
            what="Share of its slots' time until the last step begins",
            unit="share",
            reached=found.used,
            at_least=LEAST_SHARE,
            note=f"it begins after {found.last_s:.1f} s",
        ),
        Line(
            what=f"Deciding, per step: {what}", unit="ms", reached=1e3 * found.deciding_s / len(steps), at_most=MOST_MS
        ),
    )
    return lines, {"least_s": least, "placed": [asdict(each) for each in (found, slowed, sorted_)]}


# With processes -------------------------------------------------------------------------------------------------------


def at_work(count: int, sleep_s: float, folder: Path, executor: Executor[Any]) -> Timed:
    """Do steps that sleep; return when they began and ended."""
    steps = [engine.make_step(f"sleep-{number}", settings={"seconds": sleep_s}) for number in range(count)]
    reporter = Timed()
    execute(steps, engine.run_folder(folder), reporter, executor)
    return reporter


def share_of_slots(seconds: float, wall_s: float, slots: int) -> float:
    """Return which share of the time that slots had was put to use."""
    return seconds / (slots * wall_s)


def empty(executors: Mapping[str, Executor[Any]], times: int, place: Path) -> dict[str, list[float]]:
    """Do empty steps in turns, one at a time, the first of each to warm up; return the seconds of the others."""
    folders = {name: engine.run_folder(place / name) for name in executors}
    taken: dict[str, list[float]] = {name: [] for name in executors}
    for number in range(-1, times):
        for name in _in_turns(number, list(executors)):
            begin = time.perf_counter()
            execute([engine.make_step(f"empty{number}")], folders[name], Timed(), executors[name])
            if number >= 0:
                taken[name].append(time.perf_counter() - begin)
    return taken


def _in_turns(number: int, names: list[str]) -> Iterator[str]:
    yield from names if number % 2 else reversed(names)


def with_processes(how: How) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    """Ask the second half."""
    count, sleep_s = how.times(48, 8), _SLEEP_S / how.times(1, 6)
    slots = _SIMULATED * _CORES
    how.say(f"starting {_SIMULATED} simulated nodes")
    with tempfile.TemporaryDirectory(dir=how.scratch) as place:
        cluster = Ray(f"local:{_SIMULATED}", worker=engine.WORKER)
        try:
            cluster.machines()
            at_work(slots, 0.0, Path(place) / "warm", cluster)
            slept = at_work(count, sleep_s, Path(place) / "sleep", cluster)
            taken = empty({"ray": cluster, "local": Local(engine.child)}, how.times(30, 3), Path(place))
        finally:
            cluster.close()
    occupied_s = sum(result.seconds or 0.0 for result in slept.results)
    lines = (
        Line(
            what=f"Share of its slots' time: {count} steps on {_SIMULATED} simulated nodes",
            unit="share",
            reached=share_of_slots(count * sleep_s, slept.wall_s, slots),
            at_least=LEAST_SHARE,
            note=f"they sleep for {sleep_s:.0f} s beside each other; starting them needs this machine's own cores",
        ),
        Line(
            what="The same, with what starting their processes took",
            unit="share",
            reached=share_of_slots(occupied_s, slept.wall_s, slots),
        ),
        per_step(taken),
    )
    return lines, {"wall_s": slept.wall_s, "occupied_s": occupied_s, "empty_s": taken}


def per_step(taken: Mapping[str, Sequence[float]]) -> Line:
    """Return what a step costs more on a node than here."""
    there, here = (1e3 * median(taken[name]) for name in ("ray", "local"))
    return Line(
        what="An empty step on a node, more than as a child of this process",
        unit="ms",
        reached=there - here,
        at_most=MOST_MS,
        note=f"{there:.0f} ms and {here:.0f} ms",
    )


def _lines(how: How) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    paper, of_paper = on_paper(how)
    real, of_real = with_processes(how)
    return (*paper, *real), {**of_paper, **of_real}


question = Question(
    name="cluster_speed", title="How much of a cluster is put to work, and what does it cost per step?", lines=_lines
)
