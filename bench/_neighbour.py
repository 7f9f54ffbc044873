"""A neighbour that comes and goes, made on purpose. One that stays is `evaluator.children.neighbours`."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

_SCRIPT = """
import os, sys, time
busy, idle = float(sys.argv[1]), float(sys.argv[2])
ours = os.getppid()
while os.getppid() == ours:  # nobody wants it after its parent has gone
    end = time.monotonic() + busy
    while time.monotonic() < end:
        sum(range(10_000))
    time.sleep(idle)
"""


@contextlib.contextmanager
def switched(busy_s: float, idle_s: float) -> Iterator[subprocess.Popen[bytes]]:
    """Keep one core busy meanwhile, for so many seconds at a time, and leave it alone for as many between."""
    process = subprocess.Popen([sys.executable, "-c", _SCRIPT, str(busy_s), str(idle_s)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()
