"""What others do on this machine meanwhile: what is measured beside them is disturbed by them.

What waiting can mend (others' processes, other guests of the host, memory that runs short, heat) is told apart from
what it cannot (a limit on CPU time, a processor that may not run at its full frequency).
Documentation: https://docs.kernel.org/accounting/psi.html, https://docs.kernel.org/admin-guide/pm/cpufreq.html
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from evaluator.core import cgroups
from evaluator.core.quantities import share

QUIET_CORES = 0.2  # that others may keep busy: a desktop at rest takes a twentieth, and more now and then
_WINDOW_S = 2.0  # that a machine is watched for at a time while it is waited for
STALLED_FROM = 0.01  # of the time: where something waits for memory that often, all are slowed down
_SLOWED = 0.95  # of the processor's own frequency: a lower limit is somebody's choice
_SHOWN = 3  # processes that are named, at most
_WORTH_NAMING = 0.05  # cores: less is no disturbance
_BUSY = ("user", "nice", "system", "irq", "softirq")  # guests of this machine are part of user
_ROOT = Path("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How busy others kept the machine while it was watched, and what else slowed it down."""

    cores: int  # that this process may use: what others do on the rest disturbs nothing here
    busy_cores: float  # that others kept busy, in the mean: 0.5 is one of them, half of the time
    steal_cores: float  # that the machine's host gave to other guests
    busiest: tuple[tuple[str, float], ...]  # (a process, cores), the busiest first
    memory_stalled: float = 0.0  # share of the time in which something waited for memory
    throttled: int = 0  # how often cores were slowed down meanwhile because of their heat
    frequency: float = 1.0  # share of the processor's own frequency that it may run at
    quota_cores: float | None = None  # the time of so many cores is all that a limit allows

    @property
    def others(self) -> float:
        """The share of this machine's time that others had: its processes, and other guests of its host."""
        return min(1.0, (self.busy_cores + self.steal_cores) / self.cores)

    @property
    def quiet(self) -> bool:
        """Whether nothing disturbs that can be waited for."""
        return self.others * self.cores <= QUIET_CORES and not any(self._shortages())

    def said(self) -> str:
        """Say how busy others keep the machine, with the busiest of them, and what else slows it down."""
        busy = f"others keep {self.busy_cores + self.steal_cores:.1f} of {self.cores} cores busy"
        named = ", ".join(f"{name} {cores:.1f}" for name, cores in self.busiest)
        about = f"{share(self.others)} of this machine's time{f': {named}' if named else ''}"
        return "; ".join((f"{busy} ({about})", *self._shortages(), *self._limits()))

    def _shortages(self) -> Iterator[str]:
        if self.memory_stalled > STALLED_FROM:
            yield f"memory is short: something waits for it in {share(self.memory_stalled)} of the time"
        if self.throttled:
            yield "cores are slowed down because of their heat"

    def _limits(self) -> Iterator[str]:
        if self.frequency < _SLOWED:
            yield f"cores may run at {share(self.frequency)} of their frequency only"
        if self.quota_cores is not None:
            yield f"a limit allows the time of {self.quota_cores:.3g} cores"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the kernel has counted since the machine was started."""

    busy_s: float
    steal_s: float
    stalled_s: float
    throttled: int


def watch(seconds: float, root: Path = _ROOT) -> Load:
    """Watch the machine for some seconds. This process is not counted: it sleeps meanwhile."""
    before, begin = _processes(), counters(root)
    clock = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - clock
    end, after = counters(root), _processes()
    return Load(
        cores=len(os.sched_getaffinity(0)),
        busy_cores=max(0.0, end.busy_s - begin.busy_s) / elapsed,
        steal_cores=max(0.0, end.steal_s - begin.steal_s) / elapsed,
        busiest=_busiest(before, after, elapsed),
        memory_stalled=min(1.0, max(0.0, end.stalled_s - begin.stalled_s) / elapsed),
        throttled=max(0, end.throttled - begin.throttled),
        frequency=_frequency(root),
        quota_cores=cgroups.cpu_quota(root),
    )


def wait_for_quiet(most_s: float, said: Callable[[Load, float], None], look: Callable[[float], Load] = watch) -> Load:
    """Look at the machine until it is quiet, at most so many seconds (0: one look); return what was seen last.

    Whenever it was not, `said` is told what disturbs, and how many seconds are left to wait.
    """
    deadline = time.monotonic() + most_s
    while True:
        found = look(_WINDOW_S)
        left = deadline - time.monotonic()
        if found.quiet or left <= 0:
            return found
        said(found, left)


def counters(root: Path = _ROOT) -> Counters:
    """Read them; what the kernel does not say is 0."""
    times = _ours()
    return Counters(
        busy_s=sum(getattr(each, kind, 0.0) for each in times for kind in _BUSY),
        steal_s=sum(getattr(each, "steal", 0.0) for each in times),
        stalled_s=_stalled_us(root) / 1e6,
        throttled=sum(_numbers(root, "cpu[0-9]*/thermal_throttle/core_throttle_count")),
    )


def _ours() -> list[Any]:
    """Return the times of the cores that this process may use: what others do on the rest disturbs nothing here."""
    everyone = psutil.cpu_times(percpu=True)
    ours = os.sched_getaffinity(0)
    return [each for number, each in enumerate(everyone) if number in ours] or everyone


def _stalled_us(root: Path) -> int:
    """Return for how long something has waited for memory; 0 where the kernel does not say."""
    try:
        told = (root / "proc/pressure/memory").read_text()
    except OSError:
        return 0
    found = re.search(r"^some .*\btotal=(\d+)", told, re.MULTILINE)
    return int(found[1]) if found else 0


def _frequency(root: Path) -> float:
    """Return at which share of their own frequency cores may run, the slowest of them; 1 where nobody says."""
    own, allowed = (_numbers(root, f"cpu[0-9]*/cpufreq/{name}_max_freq") for name in ("cpuinfo", "scaling"))
    return min((least / most for most, least in zip(own, allowed, strict=False) if most), default=1.0)


def _numbers(root: Path, files: str) -> list[int]:
    """Return the numbers of those of the processors' files that may be read."""
    found = []
    for path in sorted((root / "sys/devices/system/cpu").glob(files)):
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):
            continue
    return found


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
    grown = [
        (f"{name} [{pid}]", (spent - before.get(pid, (name, 0.0))[1]) / elapsed) for pid, (name, spent) in after.items()
    ]
    busy = sorted((each for each in grown if each[1] >= _WORTH_NAMING), key=lambda each: -each[1])
    return tuple(busy[:_SHOWN])
