"""Taking samples: one loop for runtimes and servers alike.

Warm-up by count *and* time with the same inputs as the timed calls; then both minima of the profile must hold, or the
cap ends the cell and the samples say so (rigour.md, "Sampling"). Inputs rotate over a pool: a cache would be seen.
"""

from collections.abc import Callable, Mapping

import msgspec

from evaluator.core.clock import Clock, SystemClock
from evaluator.core.records import Record, Sampling

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


def interleave(
    calls: Mapping[str, Callable[[int], object]], sampling: Sampling, clock: Clock, blocks: int = 5
) -> dict[str, tuple[Samples, ...]]:
    """Time several calls in turns: in each block every one gets its part of the sampling, forwards, then backwards.

    On a shared host drift is larger than differences: what will be compared must not be measured one after the other
    (rigour.md, "Sampling"). Returns the blocks of each call, by its name; each block but the first warms up briefly.
    """
    part = msgspec.structs.replace(
        sampling,
        min_queries=-(-sampling.min_queries // blocks),
        min_seconds=sampling.min_seconds / blocks,
        cap_seconds=sampling.cap_seconds / blocks,
    )
    brief = msgspec.structs.replace(part, warmup_queries=1, warmup_seconds=sampling.warmup_seconds / blocks)
    taken: dict[str, list[Samples]] = {name: [] for name in calls}
    for number in range(blocks):
        for name in list(calls) if number % 2 == 0 else list(calls)[::-1]:
            taken[name].append(collect(calls[name], brief if number else part, clock))
    return {name: tuple(samples) for name, samples in taken.items()}


def joined(blocks: tuple[Samples, ...]) -> Samples:
    """Return the blocks of one call as if they were one."""
    seconds = tuple(second for samples in blocks for second in samples.seconds)
    return Samples(seconds=seconds, capped=any(samples.capped for samples in blocks))


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
