"""Asking a fresh process on one core: what it takes from its start to its first answer, and from there on."""

import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from evaluator.children import memory, processes
from evaluator.children.turns import TURNS, Turns
from evaluator.core import files, machine
from evaluator.core.records import Record
from exports.devices._once import Job, Told

_GRACE_S = 2.0


class FreshProcess(Record, frozen=True, kw_only=True):
    """What a process told about itself, and when it was started, on the clock that it used."""

    started_at: float
    told: Told

    @property
    def seconds(self) -> float:
        """Return how long it took from the start of the process to its first answer, or until it had imported."""
        return (self.told.answered_at or self.told.imported_at) - self.started_at


def ask(job: Job, folder: Path, name: str, turns: Turns | None = None) -> FreshProcess:
    """Start a process on one core, let it do the job and end; its files lie in `folder` and begin with `name`.

    `turns` are handed to it, where it is to take them.
    Raises `RuntimeError` with the last line that it wrote when it does not answer.
    """
    files.write_text(folder / f"{name}.json", msgspec.json.encode(job))
    core = {max(os.sched_getaffinity(0))}
    out, err = folder / f"{name}.stdout", folder / f"{name}.stderr"
    passed = () if turns is None else turns.descriptors
    told = [f"{TURNS}{each}" for each in passed]
    begin = time.monotonic()
    process = processes.start(
        (sys.executable, "-P", "-m", "exports.devices._once", str(folder / f"{name}.json"), *told),
        env={**os.environ, **machine.thread_environment(1)},
        cwd=folder,
        stdout=out,
        stderr=err,
        prepare=lambda: os.sched_setaffinity(0, core),
        passed=passed,
    )
    if turns is not None:
        turns.leave()
    try:
        code = processes.wait(process, None)
    finally:
        processes.end_group(process, first=signal.SIGTERM, grace_s=_GRACE_S)
    if code == -signal.SIGKILL:
        raise memory.killed("a fresh process")
    if code:
        lines = [line for line in err.read_text(errors="replace").splitlines() if line.strip()]
        raise RuntimeError(f"a fresh process ended with code {code}: {lines[-1] if lines else 'it said nothing'}")
    return FreshProcess(started_at=begin, told=msgspec.json.decode(out.read_bytes(), type=Told))
