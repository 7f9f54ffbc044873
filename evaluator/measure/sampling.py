"""Taking samples: one loop for runtimes and servers alike.

Warm-up by count *and* time with the same inputs as the timed calls; then both minima of the profile must hold, or the
cap ends the cell and the samples say so (rigour.md, "Sampling"). Inputs rotate over a pool: a cache would be seen.
"""

from collections.abc import Callable

from evaluator.core.clock import Clock, SystemClock
from evaluator.core.records import Record, Sampling
from evaluator.core.turns import INTERVAL_BLOCKS, Track

_SYSTEM = SystemClock()


class Samples(Record, frozen=True, kw_only=True):
    """Seconds per call, in the order they were made, and why the loop ended."""

    seconds: tuple[float, ...]
    capped: bool  # the cap came before both minima held


def collect(call: Callable[[int], object], sampling: Sampling, clock: Clock) -> Samples:
    """Warm up, then time `call(i)` one at a time (closed loop, one in flight); `i` counts from 0 and selects the input.

    An exception from `call` ends the loop and goes to the caller: a failed call has no latency.
    """
    index = warm_up(call, sampling, clock)
    taken: list[float] = []
    begin = clock.now()
    while True:
        before = clock.now()
        call(index)
        after = clock.now()
        taken.append(after - before)
        index += 1
        elapsed = after - begin
        if len(taken) >= sampling.min_queries and elapsed >= sampling.min_seconds:
            return Samples(seconds=tuple(taken), capped=False)
        if elapsed >= sampling.cap_seconds:
            return Samples(seconds=tuple(taken), capped=True)


def track(name: str, sampling: Sampling) -> Track:
    """Return as what calls are measured in turns by a profile's sampling: with blocks enough for an interval."""
    return Track(
        name=name,
        min_calls=sampling.min_queries,
        min_seconds=sampling.min_seconds,
        min_blocks=INTERVAL_BLOCKS,
        cap_seconds=sampling.cap_seconds,
    )


def warm_up(call: Callable[[int], object], sampling: Sampling, clock: Clock = _SYSTEM) -> int:
    """Run untimed calls until both minima of the warm-up hold (or the cap); return how many were made."""
    begin = clock.now()
    made = 0
    while made < sampling.warmup_queries or clock.now() - begin < sampling.warmup_seconds:
        call(made)
        made += 1
        if clock.now() - begin >= sampling.cap_seconds:
            break
    return made
