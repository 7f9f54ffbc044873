"""What disturbs a block of calls: others who have the cores, a host that gives them to other guests, a slow state.

Others' processor time is what the machine was busy less what the one that was asked had. A guest on the same physical
core shows nowhere in /proc: the metronome notices it, the same few milliseconds of fixed work on each core before and
after each block (rigour.md, "Disturbance"). On a device that is not the machine itself, such as a GPU, whoever else
computes there disturbs; its driver names them.
"""

import hashlib
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import quantiles
from typing import Self

from evaluator.core.turns import Mark
from evaluator.measure.neighbours import QUIET_CORES, STALLED_FROM, Counters, counters

OTHERS_FROM = QUIET_CORES
SLOW_FROM = 1.25  # times the fastest beat: states of 1.6 times were seen, and 1.1 by chance
SHARED_CORE = 1.7  # times as long fixed work took beside a guest on the other half of a core: 1.58 to 1.65 were seen
_ITERATIONS = 6_000  # of the fixed work, which takes two to four milliseconds
Beat = tuple[float, ...]  # seconds of the fixed work, core by core
_MOST_CORES = 8  # that are listened to
_BEST = 10  # the fastest tenth of beats is what this machine can do


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was seen during one block."""

    others_cores: float | None  # None: what the one that was asked had is not known
    steal_cores: float
    stalled: float  # share of the time in which something waited for memory
    throttled: int  # how often cores were slowed down because of their heat
    beats: tuple[Beat, Beat]  # seconds of the fixed work, core by core, before and after
    guests: int | None = None  # others' processes that computed on the device; None: the machine itself, or not known
    engine_cores: float | None = None  # of the others', what the engine of a cluster kept busy; None: there is none


def nobody() -> None:
    """Say of a device that is the machine itself that it has no guests of its own."""


class Glance:
    """A look at what the machine has done since it was started; `since` says what happened between two.

    `guests` tells how many processes of others compute on the device that is asked: it is called when the glance is
    made, and again by `since`, so that its own time is in neither count. `engine` tells the processor time that the
    engine of a cluster has had here.
    """

    def __init__(
        self, guests: Callable[[], int | None] = nobody, engine: Callable[[], float | None] = lambda: None
    ) -> None:
        self.ask_guests = guests
        self.guests = guests()
        self.engine_s = engine()
        self.at = time.perf_counter()
        self.counted = counters()

    def since(self, begin: "Glance", own_s: float | None, beats: tuple[Beat, Beat]) -> Sight:
        """Say what others had since another glance, given what the one that was asked had."""
        elapsed_s = self.at - begin.at
        seen = sight(begin.counted, self.counted, elapsed_s, own_s, beats)
        known = [each for each in (begin.guests, begin.ask_guests()) if each is not None]
        return replace(
            seen, guests=max(known, default=None), engine_cores=_cores(begin.engine_s, self.engine_s, elapsed_s)
        )


def _cores(before_s: float | None, after_s: float | None, elapsed_s: float) -> float | None:
    if before_s is None or after_s is None:
        return None
    return max(0.0, after_s - before_s) / max(elapsed_s, 1e-9)


def sight(begin: Counters, end: Counters, elapsed_s: float, own_s: float | None, beats: tuple[Beat, Beat]) -> Sight:
    """Say what others had between two moments."""
    elapsed_s = max(elapsed_s, 1e-9)
    busy_s = max(0.0, end.busy_s - begin.busy_s)
    return Sight(
        others_cores=None if own_s is None else max(0.0, busy_s - own_s) / elapsed_s,
        steal_cores=max(0.0, end.steal_s - begin.steal_s) / elapsed_s,
        stalled=min(1.0, max(0.0, end.stalled_s - begin.stalled_s) / elapsed_s),
        throttled=max(0, end.throttled - begin.throttled),
        beats=beats,
    )


def marks(seen: Sequence[Sight]) -> tuple[Mark, ...]:
    """Judge blocks by all that were seen together: the limits and the fastest beat are theirs."""
    limit = others_limit([each.others_cores for each in seen if each.others_cores is not None])
    best = _fastest([beat for each in seen for beat in each.beats])
    slowdowns = [_slowdown(each, best) for each in seen]
    slow = slow_limit([each for each in slowdowns if each is not None])
    return tuple(_mark(each, limit, slowdown, slow) for each, slowdown in zip(seen, slowdowns, strict=True))


def others_limit(found: Sequence[float]) -> float:
    """Return how many cores others may keep busy beside a block that counts.

    What the quietest quarter of the blocks shows goes without saying on this machine, up to as much again.
    """
    return OTHERS_FROM + min(_usual(found, 0.0), OTHERS_FROM)


def slow_limit(found: Sequence[float]) -> float:
    """Return how many times as long as at best fixed work may take beside a block that counts.

    What even the fastest quarter of the blocks shows goes without saying on this machine, as far as a guest on the
    other half of a core explains it: it may never leave, and all that takes turns has it as a neighbour alike. The
    fastest beats are then those of the moments in which it slept.
    """
    return SLOW_FROM * min(_usual(found, 1.0), SHARED_CORE)


def _usual(found: Sequence[float], least: float) -> float:
    """Return what even the quietest quarter of the blocks shows; where nothing is to be seen, that is `least`."""
    return max(quantiles(found, n=4)[0], least) if len(found) > 1 else least


def _slowdown(each: Sight, best: Sequence[float]) -> float | None:
    shares = [now / least for beat in each.beats for now, least in zip(beat, best, strict=True) if least > 0]
    return max(shares, default=None)


def _mark(each: Sight, limit: float, slowdown: float | None, slow: float) -> Mark:
    disturbed = (
        (each.others_cores is not None and each.others_cores > limit)
        or each.steal_cores > limit
        or each.stalled > STALLED_FROM
        or each.throttled > 0
        or (slowdown is not None and slowdown > slow)
        or bool(each.guests)  # how much of the device they take, and slow whom, nobody tells
    )
    return Mark(
        others_cores=each.others_cores,
        steal_cores=each.steal_cores,
        stalled=each.stalled,
        throttled=each.throttled,
        slowdown=slowdown,
        guests=each.guests,
        engine_cores=each.engine_cores,
        quiet=not disturbed,
    )


def _fastest(beats: Sequence[Beat]) -> Beat:
    """Return, core by core, what the fastest tenth of the beats do not exceed."""
    if len(beats) < 2:
        return tuple(beats[0]) if beats else ()
    return tuple(quantiles(core, n=_BEST)[0] for core in zip(*beats, strict=True))


class Metronome:
    """Fixed work on each core that this process may use, one after the other. Use as a context: a thread for each.

    Not all at once: two cores of a guest may be one physical core, whose halves slow each other. Then beats would be
    slow wherever they overlap, and what is a neighbour's doing could not be told from their own.
    """

    def __init__(self) -> None:
        """Start a thread on each core; on machines with many, on some of them."""
        cores = sorted(os.sched_getaffinity(0))
        chosen = cores[:: max(1, len(cores) // _MOST_CORES)][:_MOST_CORES]
        self._calls: list[queue.SimpleQueue[bool]] = [queue.SimpleQueue() for _ in chosen]
        self._told: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._listen, args=(calls, core), daemon=True)
            for calls, core in zip(self._calls, chosen, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        self.beat()  # the first one is slow
        return self

    def __exit__(self, *_: object) -> None:
        for call in self._calls:
            call.put(False)
        for thread in self._threads:
            thread.join()

    def beat(self) -> Beat:
        """Return the seconds that the fixed work takes now, core by core."""
        return tuple(self._asked(call) for call in self._calls)

    def _asked(self, call: queue.SimpleQueue[bool]) -> float:
        call.put(True)
        return self._told.get()

    def _listen(self, calls: queue.SimpleQueue[bool], core: int) -> None:
        os.sched_setaffinity(threading.get_native_id(), {core})
        while calls.get():
            begin = time.perf_counter()
            hashlib.pbkdf2_hmac("sha256", b"beat", b"fixed", _ITERATIONS)  # in C, without Python's lock, in registers
            self._told.put(time.perf_counter() - begin)
