"""Whether an idle engine of a cluster disturbs what is measured beside it.

A fixed piece of work is timed in phases of two seconds, in turns: beside a simulated cluster of one node that has
nothing to do, and while all of its processes are stopped, in the order with, without, without, with. A stop is shorter
than what a cluster takes a node for lost after. The work is done on one core, and on all at once: whatever runs beside
that has a core that is at work. What the engine takes of a core is looked at before, while nothing is stopped.
"""

import contextlib
import hashlib
import itertools
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import psutil

from bench._question import How, Question
from bench._records import Line
from evaluator.children import processes
from evaluator.executors.ray import Ray
from evaluator.measure import disturbance, pairs
from evaluator.measure.neighbours import counters

WITH, WITHOUT = "with", "without"
ONE, ALL = "one core", "all cores"
MARGIN = 0.05
MOST_CORES = 0.05
_ITERATIONS = 6_000  # two to four milliseconds
_BLOCK_S = 0.2
_AFTER_S = 0.3  # what was stopped catches up
_WARM_S = 15.0  # an engine goes on starting for a while after it is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What was seen of a stretch of time: the median of its blocks on one core and on all, and what others had."""

    beside: str
    seconds: Mapping[str, float]
    others_cores: float  # neither this process nor the engine
    engine_cores: float = 0.0


class Engine:
    """All processes of the clusters that this process has started."""

    def __init__(self) -> None:
        self._ours = os.getsid(0)
        self._known = {each.pid for each in psutil.Process().children()}

    def members(self) -> list[psutil.Process]:
        """List them: what was started since, all below it, and what shares their sessions: some lose their parents."""
        found: dict[int, psutil.Process] = {}
        started = [each for each in psutil.Process().children() if each.pid not in self._known]
        for each in started:
            found |= {one.pid: one for one in (each, *_below(each))}
        sessions = {_session(pid) for pid in found} - {self._ours, None}
        for each in psutil.process_iter():
            if _session(each.pid) in sessions:
                found |= {one.pid: one for one in (each, *_below(each))}
        return list(found.values())

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop all of them meanwhile."""
        members = self.members()
        try:
            _tell(members, signal.SIGSTOP)
            yield
        finally:
            _tell(members, signal.SIGCONT)


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _tell(members: Iterable[psutil.Process], what: signal.Signals) -> None:
    for each in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.send_signal(what)


# Work -----------------------------------------------------------------------------------------------------------------


def work(_: object = None) -> None:
    """Do the fixed piece of work; other threads may do it at the same time."""
    hashlib.pbkdf2_hmac("sha256", b"fweval", b"metronome", _ITERATIONS)


def block(call: Callable[[], object], seconds: float) -> float:
    """Call for so long; return the median of a call's seconds."""
    taken = []
    until = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < until:
        call()
        taken.append(time.perf_counter() - begin)
    return median(taken)


def phase(
    beside: str, seconds: float, calls: Mapping[str, Callable[[], object]], engine_s: Callable[[], float]
) -> Phase:
    """Work for so long in blocks, on one core and on all in turns."""
    time.sleep(_AFTER_S)
    before, own_s, of_engine_s, begin = counters(), time.process_time(), engine_s(), time.perf_counter()
    blocks: dict[str, list[float]] = defaultdict(list)
    while time.perf_counter() < begin + seconds - _AFTER_S:
        for name, call in calls.items():
            blocks[name].append(block(call, _BLOCK_S))
    elapsed_s = time.perf_counter() - begin
    own_s, of_engine_s = time.process_time() - own_s, engine_s() - of_engine_s
    others = max(0.0, counters().busy_s - before.busy_s - own_s - of_engine_s) / elapsed_s
    return Phase(
        beside=beside,
        seconds={name: median(each) for name, each in blocks.items()},
        others_cores=others,
        engine_cores=of_engine_s / elapsed_s,
    )


def order(pairs_: int) -> list[str]:
    """Return what each phase is beside: which of a pair comes first changes from one to the next."""
    return [each for number in range(pairs_) for each in ((WITH, WITHOUT), (WITHOUT, WITH))[number % 2]]


def cpu_s(members: Iterable[psutil.Process]) -> dict[psutil.Process, float]:
    """Return the processor time that each has had; of those that are there."""
    found = {}
    for each in members:
        with contextlib.suppress(OSError, psutil.Error):
            found[each] = processes.cpu_clock(each.pid)
    return found


def engine_cpu_s(members: Iterable[psutil.Process]) -> float:
    """Return the processor time that all together have had."""
    return sum(cpu_s(members).values())


def takes(engine: Engine, seconds: float) -> dict[str, float]:
    """Watch what the engine takes of a core while nothing is asked of it: by what its processes are."""
    before, begin = cpu_s(engine.members()), time.perf_counter()
    time.sleep(seconds)
    after, elapsed_s = cpu_s(engine.members()), time.perf_counter() - begin
    found: dict[str, float] = defaultdict(float)
    for each, had_s in after.items():
        found[name_of(each)] += (had_s - before.get(each, 0.0)) / elapsed_s
    return dict(found)


def name_of(process: psutil.Process) -> str:
    """Say in a word what a process is."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return "ended"
    modules = [after for word, after in itertools.pairwise(words) if word == "-m"]
    scripts = [word for word in words[1:] if word.endswith(".py")]
    if modules or scripts:
        return (modules or ["/".join(scripts[0].split("/")[-3:])])[0]
    return words[0].split("/")[-1] if words else "ended"


# Lines ----------------------------------------------------------------------------------------------------------------


def told(phases: Sequence[Phase], taken: Mapping[str, float]) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    """Return the lines for phases in pairs, and for what each kind of process takes of a core."""
    limit = disturbance.others_limit([each.others_cores for each in phases])
    both = list(zip(phases[::2], phases[1::2], strict=True))
    quiet = [pair for pair in both if max(each.others_cores for each in pair) <= limit]
    lines = [line for name in (ONE, ALL) for line in compared(name, quiet, len(both))]
    busiest = sorted(taken, key=lambda name: -taken[name])[:3]
    engine = Line(
        what="What an idle engine takes of a core, one node and the head",
        unit="share",
        reached=sum(taken.values()),
        at_most=MOST_CORES,
        note=", ".join(f"{name} {100 * taken[name]:.1f} %" for name in busiest),
    )
    raw = {
        "beside": [each.beside for each in phases],
        "others_cores": [round(each.others_cores, 3) for each in phases],
        "engine_cores_meanwhile": [round(each.engine_cores, 3) for each in phases],
        "engine_cores": {name: round(value, 4) for name, value in taken.items()},
        **{name: [round(1e3 * each.seconds[name], 4) for each in phases] for name in (ONE, ALL)},
    }
    return (*lines, engine), raw


def compared(name: str, quiet: Sequence[tuple[Phase, Phase]], tried: int) -> tuple[Line, Line]:
    """Return how many times as long work takes beside an engine, and how far from 1 that may be."""
    what = f"Fixed work beside an idle engine to the same without, {name}"
    far = f"Farthest end of its interval from 1, {name}"
    sides: dict[str, dict[int, float]] = {WITH: {}, WITHOUT: {}}
    for turn, pair in enumerate(quiet):
        for each in pair:
            sides[each.beside][turn] = each.seconds[name]
    # All of it is one process: no start differs from another.
    found = pairs.ratio({1: sides[WITH]}, {1: sides[WITHOUT]}, start=0.0)
    kept = f"{len(quiet)} of {tried} pairs of phases were quiet"
    interval = None if found is None else found.interval()
    if interval is None or interval.low is None or interval.high is None:
        return (Line(what=what, unit="times", reached=None, note=kept), Line(what=far, unit="share", reached=None))
    return (
        Line(
            what=what,
            unit="times",
            reached=interval.value,
            low=interval.low,
            high=interval.high,
            at_least=1 / (1 + MARGIN),
            at_most=1 + MARGIN,
            note=f"{pairs.answer(interval, MARGIN)}; {kept}",
        ),
        Line(
            what=far,
            unit="share",
            reached=max(interval.high, 1 / interval.low) - 1,
            at_most=MARGIN,
        ),
    )


def _lines(how: How) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    engine = Engine()
    how.say("starting a simulated node")
    cluster = Ray("local:1")
    try:
        time.sleep(_WARM_S / how.times(1, 5))
        taken = takes(engine, how.times(20, 3))
        phases = measured(engine, how.times(40, pairs.LEAST_PAIRS), 2.0 / how.times(1, 2))
    finally:
        cluster.close()
    return told(phases, taken)


def measured(engine: Engine, count: int, seconds: float) -> list[Phase]:
    """Work in so many pairs of phases."""
    cores = len(os.sched_getaffinity(0))
    found = []
    with ThreadPoolExecutor(cores) as threads:
        calls: dict[str, Callable[[], object]] = {ONE: work, ALL: lambda: list(threads.map(work, range(cores)))}
        for beside in order(count):
            if beside == WITH:
                found.append(phase(beside, seconds, calls, partial(engine_cpu_s, engine.members())))
            else:
                with engine.stopped():
                    found.append(phase(beside, seconds, calls, lambda: 0.0))
    return found


question = Question(
    name="idle_engine", title="Does an idle engine of a cluster disturb what is measured beside it?", lines=_lines
)
