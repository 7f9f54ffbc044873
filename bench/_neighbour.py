"""A busy neighbour, made on purpose: a process that keeps one core busy, always or in turns with sleeping."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

_SCRIPT = """
import os, sys, time
busy, idle = float(sys.argv[1]), float(sys.argv[2])
ours = os.getppid()
while os.getppid() == ours:  # nobody wants it after its parent has gone
    end = time.monotonic() + (busy or 1.0)
    while time.monotonic() < end:
        sum(range(10_000))
    time.sleep(idle)
"""


@contextlib.contextmanager
def busy(busy_s: float = 0.0, idle_s: float = 0.0) -> Iterator[subprocess.Popen[bytes]]:
    """Keep one core busy meanwhile; with two figures, so many seconds at a time, and idle so many between."""
    process = subprocess.Popen([sys.executable, "-c", _SCRIPT, str(busy_s), str(idle_s)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()
