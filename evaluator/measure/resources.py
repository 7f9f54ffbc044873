"""How much memory this process took at most.

`getrusage`'s `ru_maxrss` would be the portable answer, but it survives `execve` (getrusage(2): it belongs to the task,
not to the program), so a child shows the peak of the parent that it was forked from. `VmHWM` belongs to the address
space, which starts afresh with each program, and it can be reset.
"""

from pathlib import Path

import psutil

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def peak_rss_bytes() -> int:
    """Return the largest resident memory of this process in bytes, since its start or the last `reset_peak`.

    Where the system keeps no peak (no /proc), what is resident now stands in; `provenance` says which it is.
    """
    return _high_water_mark() or psutil.Process().memory_info().rss


def reset_peak() -> bool:
    """Start the peak anew from what is resident now; False where the system does not allow it (proc(5), clear_refs)."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def provenance() -> str:
    """Say where `peak_rss_bytes` comes from, in the words that go beside the figure."""
    if _high_water_mark() is not None:
        return "measured: VmHWM"
    return "measured: psutil (resident at the end; this system keeps no peak)"


def _high_water_mark() -> int | None:
    """Return VmHWM in bytes, or None where it is not to be had."""
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024  # the unit is kB, always (proc_pid_status(5))
    return None
