"""Measuring in turns with real children: one sleeps while another is asked, and nothing is left after any ending."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from evaluator.children import neighbours, quota
from evaluator.core.files import read_blocks
from evaluator.core.outcome import Outcome
from evaluator.core.records import Step
from evaluator.core.store import RunFolder
from evaluator.executors.local import Local
from evaluator.measure.disturbance import Metronome
from evaluator.running.execution import execute
from evaluator.running.progress import Reporter
from tests import children, engine
from tests.engine import make_step, run_folder

pytestmark = pytest.mark.integration


def step(name: str, do: str = "take_turns", **fields: Any) -> Step:
    settings = fields.pop("settings", {})
    return make_step(name, do, stage="run", measures=True, in_turns=True, settings={"seed": 1, **settings}, **fields)


def run(steps: list[Step], path: Path) -> RunFolder:
    folder = run_folder(path / "run")
    execute(steps, folder, Reporter(Console(file=io.StringIO())), Local(engine.child))
    return folder


def outcome(folder: RunFolder, name: str) -> Outcome:
    result = folder.result(name)
    assert result is not None
    return result.outcome


def test_candidates_take_turns_and_each_leaves_its_own_blocks(tmp_path: Path) -> None:
    folder = run(
        [step("a", settings={"block_s": 0.15}), step("b", settings={"block_s": 0.15, "call_s": 0.02})], tmp_path
    )
    for name in ("a", "b"):
        assert outcome(folder, name) is Outcome.PASSED
        found = read_blocks(folder.folder(name))
        assert found.together == ("a", "b")
        assert [block.turn for block in found.blocks] == list(range(len(found.blocks)))
        assert all(block.calls >= 3 and block.own_cores is not None for block in found.blocks)
        assert found.idle_cores is not None
        assert found.idle_cores < 0.05
    first, second = (read_blocks(folder.folder(name)).blocks for name in ("a", "b"))
    assert len(first) == len(second)


@pytest.mark.parametrize(
    "how", ["die_in_a_turn", "hang_in_a_turn", "fail_in_a_turn", "grow_in_a_turn", "never_be_ready"]
)
def test_one_that_ends_while_others_are_measured_ends_its_own_row_only(how: str, tmp_path: Path) -> None:
    bad = step("b", how, timeout_s=5.0)
    folder = run([step("a"), bad, step("c")], tmp_path)
    endings = {
        "die_in_a_turn": Outcome.CRASHED,
        "hang_in_a_turn": Outcome.TIMED_OUT,
        "fail_in_a_turn": Outcome.FAILED,
        "grow_in_a_turn": Outcome.UNAVAILABLE,  # at a limit that nobody asked about
        "never_be_ready": Outcome.FAILED,
    }
    assert [outcome(folder, name) for name in "abc"] == [Outcome.PASSED, endings[how], Outcome.PASSED]
    assert len(read_blocks(folder.folder("a")).blocks) == len(read_blocks(folder.folder("c")).blocks) >= 4


def test_who_makes_progress_is_not_timed_out(tmp_path: Path) -> None:
    """Each answer has the whole limit: together they may take as long as they need."""
    slow = step("a", settings={"call_s": 0.25, "min_blocks": 5}, timeout_s=3.0)
    begin = time.monotonic()
    folder = run([slow], tmp_path)
    assert outcome(folder, "a") is Outcome.PASSED
    assert time.monotonic() - begin > 3.0


def test_a_step_done_again_by_its_script_takes_its_turns_alone(tmp_path: Path) -> None:
    folder = run([step("a")], tmp_path)
    place = folder.folder("a")
    worker = Path(engine.WORKER[-1])
    (place / "again").mkdir()
    (place / "again" / "job.json").write_bytes((place / "job.json").read_bytes())
    subprocess.run([sys.executable, "-P", worker, "again", ".."], cwd=place, check=True, timeout=60)
    assert len(read_blocks(place / "again").blocks) >= 4


def test_a_killed_conductor_leaves_no_candidate(tmp_path: Path) -> None:
    """SIGKILL lets nothing be cleaned up: the kernel ends the children."""
    program = (
        "import sys; from pathlib import Path; from tests.integration import test_turns as t;"
        "t.run([t.step('a', settings={'min_blocks': 10**6}), t.step('b', settings={'min_blocks': 10**6})],"
        " Path(sys.argv[1]))"
    )
    with children.started([sys.executable, "-c", program, str(tmp_path)], cwd=Path(__file__).parents[2]) as parent:
        for name in ("a", "b"):
            engine.wait_for(tmp_path / "run" / "steps" / name / "asked")
        candidates = psutil.Process(parent.pid).children(recursive=True)
        assert len(candidates) >= 2
        parent.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(candidates, timeout=20)
    assert alive == []


def test_a_machine_with_one_core_works(tmp_path: Path) -> None:
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mine)})
    try:
        folder = run([step("a"), step("b")], tmp_path)
    finally:
        os.sched_setaffinity(0, mine)
    assert [outcome(folder, name) for name in "ab"] == [Outcome.PASSED] * 2
    assert all(block.others_cores is not None for block in read_blocks(folder.folder("a")).blocks)


def test_busy_neighbours_are_busy_and_gone_afterwards() -> None:
    me = psutil.Process()
    before = {child.pid for child in me.children()}
    with neighbours.busy(1):
        (neighbour,) = (child for child in me.children() if child.pid not in before)
        deadline = time.monotonic() + 20
        while neighbour.cpu_times().user < 0.05:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert not neighbour.is_running()


@pytest.mark.skipif(not quota.possible(), reason="no group below our own can be made (cgroups)")
def test_under_a_quota_this_process_has_the_time_of_so_many_cores_and_is_back_afterwards() -> None:
    memberships = Path("/proc/self/cgroup").read_text()
    with quota.limited(0.2):
        assert Path("/proc/self/cgroup").read_text() != memberships
        begin, spent = time.monotonic(), time.process_time()
        while time.monotonic() - begin < 1.0:
            pass
        assert time.process_time() - spent < 0.5
    assert Path("/proc/self/cgroup").read_text() == memberships
    assert quota.sweep() == ()


@pytest.mark.skipif(not quota.possible(), reason="no group below our own can be made (cgroups)")
def test_the_quota_of_one_that_was_killed_is_swept() -> None:
    program = (
        "import time; from evaluator.children import quota\n"
        "with quota.limited(1.0): print(1, flush=True); time.sleep(60)"
    )
    with children.started([sys.executable, "-c", program], stdout=-1, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        assert not [path for path in quota.sweep() if path.name.endswith(f"-{process.pid}")]
        process.kill()
        process.wait(20)
    assert [path.name for path in quota.sweep()] == [f"fweval-{process.pid}"]


def test_the_metronome_beats_on_every_core_and_leaves_the_caller_where_it_was() -> None:
    mine = os.sched_getaffinity(0)
    with Metronome() as metronome:
        beat = metronome.beat()
    assert len(beat) == min(len(mine), 8)
    assert all(each > 0 for each in beat)
    assert os.sched_getaffinity(0) == mine


def test_the_metronome_beats_on_one_core_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores of a guest may be the two halves of one: at once, each would be the other's neighbour."""
    at_work, most = [0], [0]

    def work(*_: object) -> bytes:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        time.sleep(0.01)
        at_work[0] -= 1
        return b""

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", work)
    with Metronome() as metronome:
        for _ in range(5):
            metronome.beat()
    assert most == [1]
