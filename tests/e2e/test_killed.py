"""A run that is killed in every stage, at random, and by people: nothing is left at work, and resuming completes it.

One run is killed again and again, and each test goes on with it, so that all of it costs little more than one run. A
test that is run alone begins a run of its own. It is one of PyTorch alone: its server is a tree of processes of several
kinds, and steps of TensorFlow are children like all others.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from evaluator.children import engine
from evaluator.core import scratch
from evaluator.core.store import RunFolder
from evaluator.stages import _floor
from serving.ports import in_use
from tests.commands import PROFILE, cells, fweval, skipping, started
from tests.containers import engine_or_skip
from tests.engine import assert_gone
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

# Equivalence takes along what rests on it: ways to train. More ways to run would be more of the same.
_LEFT_OUT = ("probe", "ease", "tpu", "equivalence", "half_threads", "passive_wait")
WHOLE = ("--framework", "pytorch", *skipping(*_LEFT_OUT))
NO_SERVER = (*WHOLE, *skipping("load", "serve", "torchmobile"))
ENDS = {signal.SIGINT: 130, signal.SIGTERM: 130, signal.SIGHUP: 129}  # signal -> exit code of whoever hears it
# Who is killed, and with what; in which order and when is for the seed to say.
KILLS = (
    *(("the run", number) for number in (signal.SIGKILL, signal.SIGKILL, *ENDS)),
    ("a child", signal.SIGKILL),
    ("all", signal.SIGKILL),
)
MOST_ENDINGS = 2  # of steps that a session is granted before it is killed
AT_WORK_S = 1.5  # seconds after its start at which a step is in the middle of something


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    (folder / "e2e.toml").write_text(PROFILE)
    return folder


def go_on(home: Path, wanted: tuple[str, ...] = WHOLE) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """Begin the run, or resume it."""
    begun = (home / "run").exists()
    anew = ["tiny", *wanted, "--profile", "e2e.toml", "--out", "run"]
    asked = ["--resume", "run"] if begun else anew
    return started("full", *asked, cwd=home, log=home / "log")


def told(home: Path) -> int:
    """Return how many bytes of events there are."""
    events = home / "run" / "events.jsonl"
    return events.stat().st_size if events.exists() else 0


def reach(home: Path, process: "subprocess.Popen[bytes]", stage: str, *, skip: int, within_s: float = 240) -> None:
    """Wait until a step of that stage has been started since the first `skip` bytes of the events."""
    events = home / "run" / "events.jsonl"
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        assert process.poll() is None, (home / "log").read_text()[-2000:]
        text = events.read_bytes()[skip:].decode() if events.exists() else ""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        if any(line["event"] == "started" and f"-{stage}-" in line["step"] for line in lines):
            time.sleep(AT_WORK_S)
            return
        time.sleep(0.05)
    raise AssertionError(f"no step of stage {stage} was started; {(home / 'log').read_text()[-2000:]}")


def wait_for_server(process: "subprocess.Popen[bytes]", within_s: float = 60) -> set[int]:
    """Wait until something below that process listens; return the ports."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        for child in psutil.Process(process.pid).children(recursive=True):
            if found := ports_of(child):
                return found
        time.sleep(0.05)
    raise AssertionError("no server was started")


def ports_of(process: psutil.Process) -> set[int]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return {c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    return set()


def pids_below(process: "subprocess.Popen[bytes]") -> list[int]:
    return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]


def finished(home: Path) -> dict[str, bytes]:
    """Return the results that a resumed run must keep."""
    results = {path.parent.name: path.read_bytes() for path in (home / "run" / "steps").glob("*/result.json")}
    return {name: content for name, content in results.items() if json.loads(content)["outcome"] == "passed"}


def assert_closed(ports: set[int], within_s: float = 5.0) -> None:
    """Ports close when the last thread of a killed process has ended, a moment after the process."""
    deadline = time.monotonic() + within_s
    while left := [port for port in ports if in_use(port)]:
        assert time.monotonic() < deadline, f"still in use: {left}"
        time.sleep(0.02)


def test_a_run_survives_being_killed_in_every_stage(home: Path) -> None:
    """SIGKILL, so that nobody can clean up: the kernel ends the children, and resuming clears what lies about."""
    before: dict[str, bytes] = {}
    for stage in ("train", "export", "verify", "run", "edge", "serve"):
        skip = told(home)
        with go_on(home) as process:
            reach(home, process, stage, skip=skip)
            ports = wait_for_server(process) if stage == "serve" else set()
            below = until(lambda: pids_below(process))  # none for a moment between two steps
            os.kill(process.pid, signal.SIGKILL)
        assert_gone(below, within_s=10.0)
        assert_closed(ports)
        now = finished(home)
        assert before.items() <= now.items(), f"finished steps were done again before {stage}"
        before = now


def test_a_person_can_interrupt_a_server_at_work(home: Path) -> None:
    skip = told(home)
    with go_on(home) as process:
        reach(home, process, "load", skip=skip)
        before = finished(home)
        ports = wait_for_server(process)
        below = pids_below(process)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    assert_gone(below, within_s=0.5)
    assert_closed(ports)
    assert leftovers(home) == []
    said = [line for line in (home / "log").read_text().splitlines() if line]
    assert said[-2:] == [
        "stopped; go on with: fweval full --resume run",
        "fweval: interrupted; nothing was left running",
    ]
    assert finished(home) == before


def test_the_run_is_completed_without_doing_anything_twice(home: Path) -> None:
    if not (home / "run").exists():
        with go_on(home) as process:
            reach(home, process, "export", skip=0)
            os.kill(process.pid, signal.SIGKILL)
    before = finished(home)
    assert before
    done = fweval("full", "--resume", "run", cwd=home, timeout_s=400)
    assert done.returncode in (0, 1, 3), done.stderr
    assert before.items() <= finished(home).items()
    endings = {row["outcome"] for row in cells(home / "run")}
    assert endings <= {"passed", "unavailable", "not_applicable"}
    assert {row["stage"] for row in cells(home / "run") if row["outcome"] == "passed"} == {
        *("train", "export", "verify", "run", "edge", "serve", "load", "upkeep")
    }
    assert len(cells(home / "run")) == len([s for s in RunFolder.open(home / "run").plan.steps if s.stage != "align"])
    assert leftovers(home) == []


def test_a_run_survives_being_killed_at_random_moments(tmp_path: Path) -> None:
    """Each kill goes on with what the one before left: what was finished is kept, nothing else is left."""
    (tmp_path / "e2e.toml").write_text(PROFILE)
    chance = random.Random(58)  # noqa: S311  # the same moments each time
    before: dict[str, bytes] = {}
    left: list[Path] = []
    for whom, number in chance.sample(KILLS, len(KILLS)):
        begun, ended = count(tmp_path, "started"), count(tmp_path, "ended")
        with go_on(tmp_path, NO_SERVER) as process:
            reach_counts(tmp_path, process, started=begun + 1, ended=ended + chance.randint(0, MOST_ENDINGS))
            assert not [place for place in left if place.exists()], "folders of the run before"
            time.sleep(chance.uniform(0, 1))
            if process.poll() is not None:  # all is done already
                break
            kill(tmp_path, process, whom, number, chance)
        now = finished(tmp_path)
        assert before.items() <= now.items(), f"finished steps were done again before {whom} got {number.name}"
        before = now
        left = [mark(place) for place in leftovers(tmp_path)]
    done = fweval("full", "--resume", "run", cwd=tmp_path, timeout_s=400)
    assert done.returncode in (0, 1, 3), done.stderr
    assert before.items() <= finished(tmp_path).items()
    assert {row["outcome"] for row in cells(tmp_path / "run")} <= {"passed", "unavailable", "not_applicable"}
    assert (leftovers(tmp_path), half_written(tmp_path)) == ([], [])


def kill(home: Path, process: "subprocess.Popen[bytes]", whom: str, number: int, chance: random.Random) -> None:
    """Send the signal, and see that nothing goes on; a run whose child is killed goes on, and is killed later."""
    below = until(lambda: psutil.Process(process.pid).children(recursive=True))  # none for a moment between two steps
    ports = {port for child in below for port in ports_of(child)}
    ended = count(home, "ended")
    with contextlib.suppress(psutil.NoSuchProcess):
        if whom != "the run":
            for child in below if whom == "all" else [chance.choice(below)]:
                child.send_signal(number)
    if whom == "a child":
        reach_counts(home, process, started=0, ended=ended + 1)
        below += psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    code = process.wait(60)
    assert code == ENDS.get(signal.Signals(number), -number), (home / "log").read_text()
    assert_gone([child.pid for child in below], within_s=10.0)
    assert_closed(ports)
    if number in ENDS:
        assert leftovers(home) == []
        assert (home / "log").read_text().splitlines()[-1] == "fweval: interrupted; nothing was left running"


def count(home: Path, event: str) -> int:
    events = home / "run" / "events.jsonl"
    return events.read_text().count(f'"event":"{event}"') if events.exists() else 0


def reach_counts(home: Path, process: "subprocess.Popen[bytes]", *, started: int, ended: int) -> None:
    """Wait until so many steps were started and have ended, or the run is complete."""
    until(
        lambda: process.poll() is not None or (count(home, "started") >= started and count(home, "ended") >= ended),
        within_s=240,
        said=(home / "log").read_text,
    )


def mark(place: Path) -> Path:
    """Put a file into a folder that a killed run left: one of the same name may be made again."""
    (place / "left").touch()
    return place / "left"


def half_written(home: Path) -> list[Path]:
    return list((home / "run").rglob("*.part"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_container_of_a_search_for_the_least_memory(home: Path, number: signal.Signals) -> None:
    engine_or_skip(_floor.IMAGES[0])
    folder = home / "edge"
    anew = ["tiny", "--framework", "pytorch", "--only", "onnx", "--profile", "e2e.toml", "--out", str(folder)]
    asked = ["--resume", str(folder)] if folder.exists() else anew
    with started("edge", *asked, cwd=home, log=home / "edge.log", env=os.environ) as process:
        until(lambda: containers(folder), within_s=120)
        time.sleep(AT_WORK_S)  # among several containers, one after the other
        os.kill(process.pid, number)
        assert process.wait(60) == 130, (home / "edge.log").read_text()
    assert containers(folder) == []


def containers(folder: Path) -> list[str]:
    with engine.connect() as client:
        return [thing.name for thing in engine.things(client) if thing.folder.startswith(str(folder))]


def leftovers(home: Path) -> list[Path]:
    """Return the temporary folders of this run's steps that are still there."""
    run = RunFolder.open(home / "run")
    return [place for step in run.plan.steps if (place := scratch.of(run.folder(step.id))).exists()]
