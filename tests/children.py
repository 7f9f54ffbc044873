"""Children that tests start for what the tests' own process must not import (a framework, a server), or must kill.

The one place in tests/ that calls `Popen`: what is started here is gone at the end of the test, and no wait is endless.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evaluator.children import environments

ROOT = Path(__file__).parents[1]
_END_S = 20.0  # what nobody can ignore takes a moment, too


def environment() -> dict[str, str]:
    """Return what a child with a framework needs here."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # Tests run two at a time: threads of PyTorch that spin while they wait take the other one's cores. (What fweval
        # measures does not get it: `core.settings`.)
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def run(script: Path, *arguments: object, timeout_s: float = 100.0, within: str | None = None) -> None:
    """Run a script of tests/integration to its end, which must be a good one; `within` names an environment."""
    python, variables = place(within)
    command = [python, "-P", str(script), *map(str, arguments)]
    subprocess.run(command, env={**environment(), **variables}, check=True, timeout=timeout_s)


def place(within: str | None) -> tuple[str, dict[str, str]]:
    """Return the Python of an environment, which is made if need be, and what a child in it must be told."""
    if within is None:
        return sys.executable, {"PYTHONPATH": str(ROOT)}
    environments.make(within)
    told = environments.variables(within)
    return environments.python(within), {**told, "PYTHONPATH": f"{told.get('PYTHONPATH', '')}:{ROOT}".lstrip(":")}


@contextlib.contextmanager
def started(
    command: Sequence[object], *, ends_within_s: float = _END_S, **options: Any
) -> Iterator[subprocess.Popen[Any]]:
    """Start a process, with the options of `Popen`; it is gone afterwards.

    Whoever leaves the block has told it to end: `subprocess.TimeoutExpired` if it does not, in so many seconds.
    """
    process = start(command, **options)
    try:
        yield process
        process.wait(ends_within_s)
    finally:
        end(process)


def start(command: Sequence[object], **options: Any) -> subprocess.Popen[Any]:
    """Start a process that the caller ends with `end`; its options are those of `Popen`."""
    process: subprocess.Popen[Any] = subprocess.Popen([*map(str, command)], **options)
    return process


def end(process: subprocess.Popen[Any]) -> None:
    """Kill a process and bury it."""
    process.kill()
    process.wait(_END_S)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # what was not written yet has no reader any more
                pipe.close()
