"""How much memory this process took at most.

`getrusage`'s `ru_maxrss` would be the portable answer, but it survives `execve` (getrusage(2): it belongs to the task,
not to the program), so a child shows the peak of the parent that it was forked from. `VmHWM` belongs to the address
space, which starts afresh with each program.
"""

from pathlib import Path

import psutil

from evaluator.core.records import Metrics

_STATUS = Path("/proc/self/status")


def peak_memory() -> Metrics:
    """Return the largest resident memory of this process so far as metrics, and where the figure comes from."""
    kept = status_bytes("VmHWM") is not None
    provenance = "measured: VmHWM" if kept else "measured: psutil, resident at the end (no peak is kept)"
    return {"peak_rss_bytes": peak_bytes(), "peak_rss_provenance": provenance}


def peak_bytes() -> int:
    """Return the largest resident memory of this process so far.

    Where the system keeps no peak (no /proc), what is resident now stands in.
    """
    peak = status_bytes("VmHWM")
    return psutil.Process().memory_info().rss if peak is None else peak


def status_bytes(field: str) -> int | None:
    """Return a size that the kernel tells about this process, such as VmHWM or RssAnon; None where it does not."""
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024  # the unit is kB, always (proc_pid_status(5))
    return None
