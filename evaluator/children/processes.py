"""Processes that cannot outlive us: started in their own session, ended as a group, killed with their parent.

A run that is killed with SIGKILL can clean up nothing, so every process asks the kernel to be killed when the one that
started it dies (`PR_SET_PDEATHSIG`, Linux; elsewhere the next run of the same folder finds what was left).
"""

import contextlib
import ctypes
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
_CPU_CLOCK = 2  # CPUCLOCK_SCHED, of a whole process
_WHO_EVERY_S = 1.0
_LOOK_EVERY_S = 0.01  # while processes end, when nothing is measured
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start(  # noqa: PLR0913  # all that a process is given
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdout: Path,
    stderr: Path,
    prepare: Callable[[], None] | None = None,
    passed: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output to files; `prepare` runs in the child before it.

    `passed` are the file descriptors that it is given.
    """
    ours = os.getpid()

    def before_exec() -> None:
        die_with_parent()
        if os.getppid() != ours:  # we died before the kernel was asked
            os.kill(os.getpid(), signal.SIGKILL)
        if prepare is not None:
            prepare()

    with stdout.open("ab") as out, stderr.open("ab") as err:
        return subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=before_exec,  # noqa: PLW1509  # two system calls, no lock is taken
            pass_fds=passed,
        )


def wait(process: subprocess.Popen[bytes], timeout_s: float | None) -> int | None:
    """Wait without polling (a poller would burn the cores that are measured); None when time ran out."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    if sys.platform == "linux" and process.returncode is None:
        import select

        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(process.pid)
            try:
                select.select([descriptor], [], [], timeout_s)
            finally:
                os.close(descriptor)
    try:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        return process.wait(left)
    except subprocess.TimeoutExpired:
        return None


def end_group(process: subprocess.Popen[bytes], *, first: signal.Signals, grace_s: float) -> None:
    """End a process and all of its session: `first`, then terminate, then kill, waiting in between."""
    members = group(process.pid)
    for number in (first, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if wait(process, grace_s) is not None:
            break
    for member in members:  # those that left the group, or ignored the signal
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    deadline = time.monotonic() + grace_s
    while any(is_running(member) for member in members) and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
    wait(process, grace_s)


def is_running(process: psutil.Process) -> bool:
    """Tell whether a process still runs; one that has ended and was not buried by its parent yet does not.

    It looks unburied, too, when its first thread has ended before the others, which still hold files and ports.
    """
    try:
        return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
    except psutil.NoSuchProcess:
        return False


def cpu_seconds(leader: int) -> float:
    """Return the processor time that a leader and its processes have had, and those of theirs that have ended."""
    found = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in (psutil.Process(leader), *group(leader)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times = process.cpu_times()
                found += times.user + times.system + times.children_user + times.children_system
    return found


def cpu_clock(pid: int) -> float:
    """Return the seconds of processor time that a process has had, all its threads; `OSError` when it has ended.

    Linux has a clock of every process, to the nanosecond (`clock_getcpuclockid`; Python has none, its number is made as
    in linux/posix-timers.h): /proc counts in hundredths, which is too coarse for a block of calls.
    """
    if _libc is not None:
        return time.clock_gettime((~pid << 3) | _CPU_CLOCK)
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error as error:
        raise ProcessLookupError from error
    return float(times.user + times.system)


class CpuSeconds:
    """The processor time of processes that come and go: what ended ones had had when they were last seen still counts.

    Who they are is looked up now and then, for it takes longer than to read their clocks.
    """

    def __init__(self, members: Callable[[], Iterable[int]]) -> None:
        """Begin with nobody; `members` lists them."""
        self._members = members
        self._seen: dict[int, float] = {}
        self._looked = -math.inf

    def __call__(self) -> float | None:
        """Return the seconds so far; None when there is nobody to be seen."""
        now = time.monotonic()
        if now - self._looked > _WHO_EVERY_S:
            self._seen.update((pid, 0.0) for pid in self._members() if pid not in self._seen)
            self._looked = now
        for pid in self._seen:
            with contextlib.suppress(OSError):
                self._seen[pid] = max(self._seen[pid], cpu_clock(pid))
        return sum(self._seen.values()) if self._seen else None


def group(leader: int) -> list[psutil.Process]:
    """List the processes of a leader: its descendants, and whoever shares its session."""
    found: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        found.update({p.pid: p for p in psutil.Process(leader).children(recursive=True)})
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == leader and process.pid != leader:
                found[process.pid] = process
    return list(found.values())
