"""Running steps: measuring ones strictly alone, the others side by side, and nothing left when somebody interrupts."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from evaluator.children.isolation import Child
from evaluator.core import machine, scratch
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Step
from evaluator.core.store import RunFolder
from evaluator.executors.local import Local
from evaluator.running.execution import execute
from evaluator.running.progress import Reporter
from tests import children, engine
from tests.engine import make_step, run_folder

pytestmark = pytest.mark.integration

QUIET = 0.15  # seconds that a step takes: enough to see two overlap


def run(steps: list[Step], folder: RunFolder, launch: Callable[[Step, Path], Child] = engine.child) -> None:
    execute(steps, folder, Reporter(Console(file=io.StringIO())), Local(launch))


def spans(folder: RunFolder) -> list[tuple[str, str]]:
    """Return (event, step) in the order in which they happened."""
    lines = (folder.path / "events.jsonl").read_text().splitlines()
    return [(event["event"], event["step"]) for event in map(json.loads, lines)]


def at_work(folder: RunFolder) -> list[set[str]]:
    """Return the set of steps at work after every event."""
    running: set[str] = set()
    seen = []
    for event, step in spans(folder):
        running = running | {step} if event == "started" else running - {step}
        seen.append(running)
    return seen


def outcome(folder: RunFolder, name: str) -> Outcome:
    result = folder.result(name)
    assert result is not None
    return result.outcome


def test_measuring_steps_never_overlap_with_anything(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    kinds = [False, True, False, False, True, True]
    steps = [
        make_step(f"{index}", measures=measures, settings={"seconds": QUIET}) for index, measures in enumerate(kinds)
    ]
    run(steps, folder)
    assert all(outcome(folder, step.id) is Outcome.PASSED for step in steps)
    measuring = {step.id for step in steps if step.measures}
    for together in at_work(folder):
        assert len(together) <= 1 or together.isdisjoint(measuring)


@pytest.mark.skipif(machine.cores() < 2, reason="one core: nothing overlaps")
def test_other_steps_overlap_but_no_more_than_there_are_cores(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    run([make_step(f"{index}", settings={"seconds": QUIET}) for index in range(machine.cores() + 2)], folder)
    assert max(map(len, at_work(folder))) == machine.cores()


def test_steps_that_do_not_fit_into_memory_together_run_one_after_the_other(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    most = int(psutil.virtual_memory().total * 0.6)
    run([make_step(f"{index}", memory_bytes=most) for index in range(2)], folder)
    assert [event for event, _ in spans(folder)] == ["started", "ended"] * 2


def test_a_step_waits_for_what_it_needs(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    run([make_step("b", needs={"artifact": "a"}), make_step("a", settings={"seconds": QUIET})], folder)
    assert spans(folder) == [("started", "a"), ("ended", "a"), ("started", "b"), ("ended", "b")]


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        ("refuse", r"because the export did not pass \(failed\): outputs differ$"),
        (
            "segfault",
            r"because the export did not pass \(crashed\): the process died of SIGSEGV \(its memory limit was .*\)$",
        ),
        ("unavailable", r"^no engine$"),  # the root cause, not a chain of them
    ],
)
def test_what_rests_on_a_step_that_did_not_pass_says_why_it_was_not_measured(
    do: str, reason: str, tmp_path: Path
) -> None:
    folder = run_folder(tmp_path)
    steps = [
        make_step("a", do),
        make_step("b", needs={"artifact": "a"}),
        make_step("c", needs={"artifact": "a", "verified": "b"}),
    ]
    run(steps, folder)
    for name in ("b", "c"):
        result = folder.result(name)
        assert result is not None
        assert result.outcome is Outcome.UNAVAILABLE
        assert re.search(reason, result.reason or ""), result.reason
        assert result.remedy
        assert not (folder.folder(name) / "job.json").exists()


def test_what_was_never_planned_cannot_be_waited_for(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    run([make_step("b", needs={"trained": "elsewhere"})], folder)
    result = folder.result("b")
    assert result is not None
    assert result.reason == "not measured, because training has not run"


def test_finished_steps_are_not_run_again(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    steps = [make_step("a"), make_step("b", "refuse"), make_step("c", "bug")]
    run(steps, folder)
    before = {step.id: (folder.folder(step.id) / "result.json").stat().st_mtime_ns for step in steps}
    run(steps, folder)
    after = {step.id: (folder.folder(step.id) / "result.json").stat().st_mtime_ns for step in steps}
    assert {name for name in before if before[name] != after[name]} == {"c"}  # our own bug may be mended by now


def test_a_time_limit_holds_beside_other_steps(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    run([make_step("slow", "hang", timeout_s=1.0), make_step("quick"), make_step("next", measures=True)], folder)
    endings = {name: outcome(folder, name).value for name in ("slow", "quick", "next")}
    assert endings == {"slow": "timed_out", "quick": "passed", "next": "passed"}


def test_a_time_limit_is_put_off_while_others_have_the_cores(tmp_path: Path) -> None:
    """All have one core to share; a step that comes to no end is stopped all the same, and says when."""
    own = os.sched_getaffinity(0)
    folder, others = run_folder(tmp_path), []
    os.sched_setaffinity(0, {min(own)})
    try:
        others = [children.start([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
        run([make_step("starved", "spin", timeout_s=1.0)], folder)
    finally:
        os.sched_setaffinity(0, own)
        for other in others:
            children.end(other)
    result = folder.result("starved")
    assert result is not None
    assert result.outcome is Outcome.TIMED_OUT
    assert re.fullmatch(
        r"was stopped at its time limit of 1 s and [123] s more, because others had its cores", result.reason or ""
    )


def test_a_limit_that_was_longer_on_a_slow_machine_says_so(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    run([make_step("slow", "hang", timeout_s=2.0, settings={"time_factor": 2.0, "timeout_before_s": 1.0})], folder)
    result = folder.result("slow")
    assert result is not None
    said = "was stopped at its time limit of 2 s (1 s, times 2.0 for the speed of this machine)"
    assert (result.reason or "").startswith(said)


def test_ctrl_c_stops_the_children_and_keeps_what_was_finished(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    children: list[Child] = []

    def launch(step: Step, place: Path) -> Child:
        children.append(engine.child(step, place))
        return children[-1]

    def interrupt() -> None:
        engine.wait_for(folder.folder("b") / "at_work")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    person = threading.Thread(target=interrupt)
    person.start()
    with pytest.raises(KeyboardInterrupt):
        run([make_step("a"), make_step("b", "hang", needs={"artifact": "a"})], folder, launch)
    person.join(30)
    engine.assert_gone([child.process.pid for child in children], within_s=0.1)
    assert outcome(folder, "a") is Outcome.PASSED
    assert not folder.folder("b").exists()
    assert not scratch.of(folder.folder("b")).exists()


def test_waiting_burns_no_core(tmp_path: Path) -> None:
    """A parent that polls would compete with what is measured."""
    folder = run_folder(tmp_path)
    before = time.process_time()
    run([make_step("a", measures=True, settings={"seconds": 1.0})], folder)
    assert time.process_time() - before < 0.2
    result: Any = folder.result("a")
    assert isinstance(result, Result)
    assert result.seconds >= 1.0


FILLING = """
import json, subprocess, sys
from pathlib import Path
from evaluator.core import surroundings
from evaluator.core.store import RunFolder
from tests import children, engine
from tests.integration.test_execution import run
place = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
folder = engine.run_folder(place / "run")
steps = [engine.make_step(name, do, needs=needs) for name, do, needs in (
    ("a", "pass", {}), ("b", "fill_the_run", {"artifact": "a"}), ("c", "pass", {"artifact": "b"}))]
try:
    run(steps, folder)
except OSError as error:
    print(surroundings.refusal(error).message)
before = (folder.folder("a") / "result.json").read_bytes()
(folder.path / "filler").unlink()
(folder.path / "room").touch()
run(steps, folder)
print(*(folder.result(step.id).outcome.value for step in steps))
print((folder.folder("a") / "result.json").read_bytes() == before)
"""


def test_a_disk_that_fills_ends_a_run_which_is_completed_when_there_is_room(tmp_path: Path) -> None:
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], timeout=60, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    done = subprocess.run(
        [*alone, sys.executable, "-c", FILLING, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(children.ROOT)},
        timeout=120,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said, outcomes, kept = done.stdout.splitlines()
    assert said.startswith("the disk is full")
    assert (outcomes, kept) == ("passed passed passed", "True")
