"""Processes that cannot outlive us: started in their own session, ended as a group, killed with their parent.

A run that is killed with SIGKILL can clean up nothing, so every process asks the kernel to be killed when the one that
started it dies (`PR_SET_PDEATHSIG`, Linux; elsewhere the next run of the same folder finds what was left).
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_S = 0.01  # while processes end, when nothing is measured
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdout: Path,
    stderr: Path,
    prepare: Callable[[], None] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output to files; `prepare` runs in the child before it."""
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
