"""What others do on this machine meanwhile: what is measured beside them is disturbed by them."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

_SHOWN = 3  # processes that are named, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How busy others kept the machine while it was watched."""

    cores: int  # of the machine, also those that this process may not use
    busy_cores: float  # that others kept busy, in the mean: 0.5 is one of them, half of the time
    steal_cores: float  # that the machine's host gave to other guests
    busiest: tuple[tuple[str, float], ...]  # (name of a process, cores), the busiest first


def watch(seconds: float) -> Load:
    """Watch the machine for some seconds. This process is not counted: it sleeps meanwhile."""
    before, begin = _processes(), psutil.cpu_times()
    clock = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - clock
    end, after = psutil.cpu_times(), _processes()
    idle = sum(getattr(end, name) - getattr(begin, name) for name in ("idle", "iowait"))
    steal = max(0.0, getattr(end, "steal", 0.0) - getattr(begin, "steal", 0.0))
    cores = os.cpu_count() or 1
    return Load(
        cores=cores,
        busy_cores=max(0.0, cores - (idle + steal) / elapsed),
        steal_cores=steal / elapsed,
        busiest=_busiest(before, after, elapsed),
    )


def _processes() -> dict[int, tuple[str, float]]:
    """Return process -> its name and the seconds of processor time that it has had, of all but this one."""
    found = {}
    for process in psutil.process_iter(["name", "cpu_times"]):
        times = process.info["cpu_times"]
        if process.pid != os.getpid() and times:  # None: it is another user's, and hidden
            found[process.pid] = (process.info["name"], times.user + times.system)
    return found


def _busiest(
    before: Mapping[int, tuple[str, float]], after: Mapping[int, tuple[str, float]], elapsed: float
) -> tuple[tuple[str, float], ...]:
    grown = [(name, (spent - before.get(pid, (name, 0.0))[1]) / elapsed) for pid, (name, spent) in after.items()]
    busy = sorted((each for each in grown if each[1] >= 0.05), key=lambda each: -each[1])  # less is no disturbance
    return tuple(busy[:_SHOWN])
