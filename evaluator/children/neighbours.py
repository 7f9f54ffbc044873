"""Deliberately busy neighbours: one process for each core, to see what a candidate suffers from them."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from evaluator.children.processes import die_with_parent

# It reads its end of a pipe now and then: the kernel ends it with us, and where it cannot, the end of the pipe does.
_SPIN = "import os, select\nwhile not select.select([0], [], [], 0)[0]:\n    for _ in range(100000):\n        pass\n"


@contextlib.contextmanager
def busy(count: int | None = None) -> Iterator[None]:
    """Keep as many cores busy as this process may use, or `count` of them, until the block ends."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(len(os.sched_getaffinity(0)) if count is None else count):
            started.append(_start())  # noqa: PERF401  # one by one: those that were started are ended in any case
        yield
    finally:
        for process in started:
            process.kill()
        for process in started:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        (sys.executable, "-I", "-S", "-c", _SPIN),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509  # one system call, no lock is taken
    )
