"""A quota of processor time that this process gives itself for a while, as containers are given one.

A container that may use the time of one core sees all cores of its machine, and so do the runtimes in it. Possible
where this process may make groups below its own: for root with cgroups of version 1, and at the top of version 2.
Documentation: https://docs.kernel.org/scheduler/sched-bwc.html, https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from evaluator.core import cgroups

_NAME = "fweval-"  # of a group, with the number of the process that it is for
_PERIOD_US = 100_000  # in which the time is handed out: the kernel's default


@contextlib.contextmanager
def limited(cores: float) -> Iterator[None]:
    """Let this process, all its threads, have the time of so many cores; `OSError` where that is not possible."""
    home, is_first = _home()
    own = home / f"{_NAME}{os.getpid()}"
    own.mkdir(exist_ok=True)
    try:
        if is_first:
            (own / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (own / "cpu.cfs_quota_us").write_text(str(int(cores * _PERIOD_US)))
        else:
            (own / "cpu.max").write_text(f"{int(cores * _PERIOD_US)} {_PERIOD_US}")
        (own / "cgroup.procs").write_text(str(os.getpid()))
        yield
    finally:
        with contextlib.suppress(OSError):
            (home / "cgroup.procs").write_text(str(os.getpid()))
        own.rmdir()


def possible() -> bool:
    """Tell whether this process can limit itself, by doing it."""
    try:
        with limited(1.0):
            return True
    except OSError:
        return False


def sweep() -> tuple[Path, ...]:
    """Remove the groups of processes that have ended; return those that were removed."""
    with contextlib.suppress(OSError):
        home, _ = _home()
        return tuple(path for path in sorted(home.glob(f"{_NAME}*")) if _abandoned(path))
    return ()


def _abandoned(path: Path) -> bool:
    """Remove a group whose process has ended, and tell whether that was done."""
    number = path.name.removeprefix(_NAME)
    if not number.isdecimal() or psutil.pid_exists(int(number)):
        return False
    try:
        path.rmdir()
    except OSError:
        return False
    return True


def _controllers(group: Path) -> set[str]:
    """Return what groups below this one can limit."""
    return set((group / "cgroup.subtree_control").read_text().split())


def _home() -> tuple[Path, bool]:
    """Return the group that this process is in by rights, and whether it is of version 1; `OSError` without any."""
    for controller in ("cpu", None):
        for folder in cgroups.groups(controller):
            home = folder.parent if folder.name == f"{_NAME}{os.getpid()}" else folder
            if controller is not None or _controllers(home).issuperset({"cpu"}):
                return home, controller is not None
            break
    raise FileNotFoundError("this process is in no group that limits processor time")
