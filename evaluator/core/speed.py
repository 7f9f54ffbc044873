"""How fast this machine is now, against the one where the time limits of steps were set.

A small piece of work on one core is timed by the clock on the wall: a core that is shared with others is a slow one.
"""

import time
from collections.abc import Callable
from functools import cache

# What `work` took at the least in sixty tries with Python 3.11 on an AMD EPYC of 2.6 GHz, where the limits were set.
REFERENCE_S = 0.052
_TURNS = 1_000_000
_TRIES = 3  # the best counts; each is longer than the slices in which a kernel hands out a core
_MOST = 8.0


@cache
def time_factor() -> float:
    """Return how many times as long as there a step may take here; measured once by a process."""
    return measured(work)


def measured(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how many times as long as there the work takes, between 1 and 8, to a tenth."""
    tries = []
    for _ in range(_TRIES):
        begin = clock()
        work()
        tries.append(clock() - begin)
    return round(min(max(min(tries) / REFERENCE_S, 1.0), _MOST), 1)


def work() -> int:
    """Do the fixed piece of work."""
    state = 0
    for turn in range(_TURNS):
        state = (31 * state + turn) & 0xFFFF
    return state
