"""Simulated nodes of a cluster, as tests look at them and end them: through the processes that are there."""

import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from evaluator.core.outcome import Outcome
from evaluator.core.records import Step
from evaluator.core.store import RunFolder
from evaluator.executors.ray import Ray
from evaluator.running.execution import execute
from evaluator.running.progress import Reporter
from tests import engine
from tests.waiting import until

OURS = ("evaluator.nodes.", "/fweval-ray-", "ray::")
TAG = {"FWEVAL_TESTS": str(os.getpid())}  # in the environment of all that these tests start: others start clusters, too
os.environ.update(TAG)


def processes() -> list[psutil.Process]:
    """Return Ray's processes and fweval's own on nodes that these tests started, however they came about."""
    found = []
    for process in psutil.process_iter(["cmdline", "name"]):
        words = " ".join(process.info["cmdline"] or ())
        is_ours = any(part in words for part in OURS) or (process.info["name"] or "").startswith("ray::")
        if is_ours and _is_tagged(process.pid):
            found.append(process)
    return found


def _is_tagged(pid: int) -> bool:
    told = b"FWEVAL_TESTS=" + TAG["FWEVAL_TESTS"].encode()
    try:
        return told in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended
        return False


def assert_none_is_left(before: set[int], within_s: float = 45.0) -> None:
    """Wait until there are no more of them than before."""

    def left() -> list[str]:
        return [_said(each) for each in processes() if each.pid not in before]

    until(left, lambda found: not found, within_s=within_s)


def now() -> set[int]:
    """Return the numbers of those that are there."""
    return {each.pid for each in processes()}


def nodes_below(pid: int) -> dict[int, psutil.Process]:
    """Return the nodes of a run's cluster: the number of each raylet -> fweval's process that ends with it."""
    found = {}
    for process in _below(pid):
        words = _words(process)
        if "evaluator.nodes.there" in words:
            found[int(words[-1])] = process
    return found


def node_of(pid: int, step: str) -> int | None:
    """Return the number of the raylet on whose node a step is at work now."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if not any(Path(word).name == step for word in words):
            continue
        for parent in _parents(process):
            asked = _words(parent)
            if "evaluator.nodes.there" in asked:
                return int(asked[-1])
    return None


def head_below(pid: int) -> int:
    """Return the number of the head's process of a run's cluster."""
    (head,) = [each.pid for each in _below(pid) if "gcs_server" in " ".join(_words(each))]
    return int(head)


def driver_below(pid: int) -> int:
    """Return the number of the process that holds a run's line to its cluster."""
    (driver,) = [each.pid for each in _below(pid) if "evaluator.nodes.ray_driver" in _words(each)]
    return int(driver)


def kill(pid: int) -> None:
    """End a process as nobody can hear."""
    os.kill(pid, signal.SIGKILL)


def _below(pid: int) -> list[psutil.Process]:
    """Return the processes below one, and those of the sessions of these: Ray's lose their parents."""
    below = psutil.Process(pid).children(recursive=True)
    sessions = {os.getsid(each.pid) for each in below if each.is_running()}
    found = {each.pid: each for each in below}
    for each in psutil.process_iter():
        try:
            if os.getsid(each.pid) in sessions:
                found[each.pid] = each
                found.update({child.pid: child for child in each.children(recursive=True)})
        except (ProcessLookupError, psutil.Error):
            continue
    return [each for each in found.values() if _words(each)]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _parents(process: psutil.Process) -> Iterator[psutil.Process]:
    try:
        yield from process.parents()
    except psutil.Error:
        return


def _said(process: psutil.Process) -> str:
    return f"{process.pid} {' '.join(_words(process))[:160]}"


# Steps on simulated nodes ---------------------------------------------------------------------------------------------


def cluster(nodes: int) -> Iterator[Ray]:
    """Yield a cluster of so many nodes; none of its processes is left afterwards."""
    before = now()
    made = Ray(f"local:{nodes}", worker=engine.WORKER)
    try:
        made.machines()
        yield made
    finally:
        made.close()
    assert_none_is_left(before)


def run(steps: list[Step], folder: RunFolder, executor: Ray) -> str:
    """Run steps there; return what people would see."""
    console = Console(file=io.StringIO(), width=300)
    execute(steps, folder, Reporter(console), executor)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def events(folder: RunFolder) -> list[dict[str, Any]]:
    """Return the events of a run, in order."""
    return [json.loads(line) for line in (folder.path / "events.jsonl").read_text().splitlines()]


def outcome(folder: RunFolder, name: str) -> Outcome:
    """Return how a step ended."""
    result = folder.result(name)
    assert result is not None
    return result.outcome


def assert_nothing_was_disturbed(folder: RunFolder, measuring: set[str]) -> None:
    """See in the events that nothing was at work beside a step that measures: simulated nodes share one host."""
    running: set[str] = set()
    for event in events(folder):
        if event["event"] == "started":
            running.add(event["step"])
        elif event["event"] in ("ended", "lost"):
            running.discard(event["step"])
        assert len(running) <= 1 or running.isdisjoint(measuring), f"{running} at {event['at']}"
