"""Who made something that can outlive its maker, so that nobody else's is ever removed.

A process is named by its number, the moment it started (numbers are used again), and the place where that number means
something: the host and its namespace of process numbers.
"""

import os
import socket
from pathlib import Path

_STATE, _STARTED = 0, 19  # fields of /proc/PID/stat behind the name (`man proc_pid_stat`: 3 and 22)
_ENDED = ("Z", "X")  # a zombie waits for its burial only


def this_process() -> str:
    """Name this process: "<pid>:<clock ticks from boot to its start>@<host>:<namespace>"."""
    return f"{os.getpid()}:{_started(str(os.getpid()))}@{_place()}"


def is_gone(owner: str) -> bool:
    """Tell whether that process has surely ended; False also for one of a place that cannot be seen from here."""
    process, _, place = owner.partition("@")
    pid, _, started = process.partition(":")
    return place == _place() and pid.isdigit() and _started(pid) != started


def _started(pid: str) -> str | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[_STATE] in _ENDED else fields[_STARTED]


def _place() -> str:
    return f"{socket.gethostname()}:{Path('/proc/self/ns/pid').stat().st_ino}"
