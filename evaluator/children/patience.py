"""For how long a step is waited for: its limit is of time in which others did not have its cores.

Nothing is watched while the step runs, which may be measuring: what it had and what others had is looked up when its
limit has come. It may be given more than it lost (a server in a container is not of its processes, so it counts with
the others), never less, and never more than `MOST` times its limit.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

MOST = 4.0  # times its limit
_WORTH = 0.05  # of its limit: who lost less was not kept from working
_ALIVE = 0.01  # of a core: who had less waits for something else than a core


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """The seconds that the cores which this process may use have been busy and idle, since the machine was started."""

    busy_s: float
    idle_s: float


def cores() -> Cores:
    """Look it up; what a machine's host gave to other guests (steal) was not idle."""
    ours = os.sched_getaffinity(0)
    everyone = psutil.cpu_times(percpu=True)
    times = [each for number, each in enumerate(everyone) if number in ours] or everyone
    idle = sum(each.idle + each.iowait for each in times)
    kinds = ("user", "nice", "system", "irq", "softirq", "steal")  # guests of this machine are part of user
    return Cores(busy_s=sum(getattr(each, kind) for each in times for kind in kinds), idle_s=idle)


def undisturbed(elapsed_s: float, own_s: float, spent: Cores) -> float:
    """Return what of the time a step would have needed alone: it had `own_s` of what the cores spent meanwhile.

    While a core was idle it could have had that one, and who had no time at all did not wait for a core: none of that
    was lost to others. The rest is shared out as the busy time was.
    """
    others_s = max(0.0, spent.busy_s - own_s)
    if own_s < _ALIVE * elapsed_s:
        return elapsed_s
    crowded = max(0.0, 1.0 - spent.idle_s / elapsed_s)
    return elapsed_s * (1.0 - crowded * others_s / (others_s + own_s))


class Patience:
    """The deadline of one step, which moves when it comes too early."""

    def __init__(
        self, limit_s: float, *, look: Callable[[], Cores] = cores, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what the step may take at most, and begin."""
        self._limit_s = limit_s
        self._look = look
        self._clock = clock
        self._seen_at, self._seen, self._own_s = clock(), look(), 0.0
        self._worked_s = 0.0
        self._latest = self._seen_at + MOST * limit_s
        self.deadline = self._seen_at + limit_s
        self.given_s = 0.0  # beyond the limit

    def is_over(self, own_s: Callable[[], float]) -> bool:
        """Tell whether its time is up, given how to ask what its processes have had of the cores, in seconds."""
        now = self._clock()
        if now < self.deadline:
            return False
        self._count(now, own_s())
        more_s = min(self._limit_s - self._worked_s, self._latest - now)
        if more_s < _WORTH * self._limit_s:
            return True
        self.given_s += now + more_s - self.deadline
        self.deadline = now + more_s
        return False

    def _count(self, now: float, own_s: float) -> None:
        """Count what has gone by since it was last looked at: who hangs by now is not given any more."""
        seen = self._look()
        spent = Cores(busy_s=seen.busy_s - self._seen.busy_s, idle_s=seen.idle_s - self._seen.idle_s)
        self._worked_s += undisturbed(now - self._seen_at, own_s - self._own_s, spent)
        self._seen_at, self._seen, self._own_s = now, seen, own_s
