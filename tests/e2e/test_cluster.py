"""Whole runs on a cluster of simulated nodes: nodes killed in each stage and the head once, and nothing is lost.

One run goes through all of it, and is compared with one that was made without a cluster.
"""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evaluator.core.outcome import Outcome
from evaluator.core.store import RunFolder
from tests import children, clusters
from tests.commands import NO_ENGINE, PROFILE, cells, fweval, skipping, started
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

# One framework, as in test_killed.py: the other one's steps are children like all others. Ways to train and to set up
# runtimes are of the same stages.
LEFT_OUT = ("probe", "tpu", "learn", "half_threads", "passive_wait", "channels_last", "fused_channels_last")
ASKED = ("tiny", "--framework", "pytorch", "--profile", "e2e.toml", *skipping(*LEFT_OUT, "run_eagerly"))
KILLED_IN = ("align", "equivalence", "train", "export", "verify", "run", "edge")
HEAD_KILLED_IN = "serve"
KILLED_THEN = ("load", "ease")
TIMED = ("latency", "training_time", "serving_load", "serving_readiness", "serving_operations", "edge_fit")
_WITHIN_S = 900.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "e2e.toml").write_text(PROFILE)
    return folder


@pytest.fixture(scope="module")
def plain(home: Path) -> Path:
    """The same without a cluster."""
    fweval("full", *ASKED, "--out", "plain", cwd=home, timeout_s=600)
    return home / "plain"


def events(run: Path) -> list[dict[str, Any]]:
    path = run / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


class Ender(threading.Thread):
    """Kills the node on which the first step of each of some stages is at work, and in the end the head, if it is to.

    It looks at the events, and at the processes of the steps.
    """

    def __init__(self, run: Path, process: "subprocess.Popen[bytes]", stages: tuple[str, ...], head_in: str) -> None:
        super().__init__(daemon=True)
        self._run = run
        self._process = process
        self._left = list(stages)
        self._head_in = head_in
        self._skip = len(events(run))
        self.killed: list[str] = []

    def run(self) -> None:
        """Go on until the run has ended."""
        while self._process.poll() is None and (self._left or self._head_in):
            for event in events(self._run)[self._skip :]:
                if event["event"] == "started":
                    self._see(event["step"])
            time.sleep(0.3)

    def _see(self, step: str) -> None:
        stage = next((each for each in self._left if f"-{each}-" in step), None)
        if stage is not None and (raylet := clusters.node_of(self._process.pid, step)) is not None:
            clusters.kill(raylet)
            self._left.remove(stage)
            self.killed.append(stage)
        elif self._head_in and f"-{self._head_in}-" in step and not self._left:
            clusters.kill(clusters.head_below(self._process.pid))
            self.killed.append("head")
            self._head_in = ""


def session(home: Path, asked: tuple[str, ...], stages: tuple[str, ...], head_in: str = "") -> tuple[int, list[str]]:
    """Make a session of the run whose nodes are killed; return its exit code, and in which stages one was."""
    env = {**NO_ENGINE, **clusters.TAG}
    with started("full", *asked, cwd=home, log=home / "log", env=env) as process:
        ender = Ender(home / "run", process, stages, head_in)
        ender.start()
        process.wait(_WITHIN_S)
        ender.join(30)
    return process.returncode, ender.killed


@pytest.fixture(scope="module")
def sessions(home: Path) -> list[tuple[int, list[str]]]:
    """A run whose nodes are killed in each stage, whose head is killed once, and which is resumed."""
    before = clusters.now()
    first = session(home, (*ASKED, "--out", "run", "--on", "local:8"), KILLED_IN, HEAD_KILLED_IN)
    clusters.assert_none_is_left(before)
    second = session(home, ("--resume", "run", "--on", "local:3"), KILLED_THEN)
    clusters.assert_none_is_left(before)
    return [first, second]


def log(home: Path) -> str:
    return (home / "log").read_text()


def test_the_loss_of_the_head_ends_the_run_in_a_line_and_it_can_be_resumed(
    home: Path, sessions: list[tuple[int, list[str]]]
) -> None:
    (code, killed), (code_then, killed_then) = sessions
    assert killed == [*KILLED_IN, "head"], log(home)[-3000:]
    assert code == 3, log(home)[-3000:]
    assert "fweval: the cluster is lost: " in log(home)
    assert "go on with: fweval full --resume run" in log(home)
    assert "Traceback" not in log(home)
    assert code_then in (0, 1), log(home)[-3000:]
    assert killed_then == list(KILLED_THEN), log(home)[-3000:]


def test_nothing_is_lost_and_nothing_that_has_ended_is_done_again(
    home: Path, sessions: list[tuple[int, list[str]]]
) -> None:
    del sessions
    passed = Counter(each["step"] for each in events(home / "run") if each.get("outcome") == "passed")
    assert not [step for step, times in passed.items() if times > 1]
    lost = Counter(each["step"] for each in events(home / "run") if each["event"] == "lost")
    assert lost
    retried = {each["step"] for each in events(home / "run") if each["event"] == "retried"}
    assert set(lost) == retried
    folder = RunFolder.open(home / "run")
    assert all(folder.result(step.id) is not None for step in folder.plan.possible if not step.spare)


def test_no_two_measurements_overlap_and_every_row_says_where_it_was_made(
    home: Path, sessions: list[tuple[int, list[str]]]
) -> None:
    """Simulated nodes are one host: what measures has all of them to itself, or takes turns."""
    del sessions
    folder = RunFolder.open(home / "run")
    steps = {step.id: step for step in folder.plan.steps}
    running: dict[str, str] = {}
    for event in events(home / "run"):
        if event["event"] == "session":
            running = {}
        elif event["event"] == "started" and "node" in event:
            running[event["step"]] = event["node"]
        elif event["event"] in ("ended", "lost"):
            running.pop(event.get("step", ""), None)
        together = [steps[name] for name in running]
        if any(step.measures for step in together):
            assert len({running[step.id] for step in together}) == 1
            groups = {(step.stage, step.scenario, step.device, step.round, step.in_turns) for step in together}
            assert len(groups) == 1, running
            assert len(together) == 1 or together[0].in_turns, running
    ended = [result for step, result in folder.results() if result.outcome is Outcome.PASSED]
    assert all(result.node.startswith("node-") for result in ended)
    assert {each.name for each in folder.nodes if each.refused} >= {each.node for each in ended} - {"node-1"} - {
        each.name for each in folder.nodes if not each.refused
    }


def test_the_findings_are_those_of_a_run_without_a_cluster(
    home: Path, plain: Path, sessions: list[tuple[int, list[str]]]
) -> None:
    del sessions
    (ours, timed), (theirs, timed_too) = states(home / "run"), states(plain)
    assert ours == theirs
    assert timed == timed_too
    assert rows(home, "run") == rows(home, "plain")


def states(run: Path) -> tuple[dict[str, str], set[str]]:
    """Return how findings ended, and the names of those that rest on times: what others do meanwhile decides these."""
    found = json.loads((run / "findings.json").read_text())["findings"]
    untimed = {each["id"]: each["state"] for each in found if each["check"] not in TIMED}
    return untimed, {each["id"] for each in found} - untimed.keys()


def rows(home: Path, run: str) -> Counter[tuple[Any, ...]]:
    keys = ("stage", "framework", "format", "exporter", "runtime", "server", "launcher", "variant", "device", "outcome")
    return Counter(tuple(cell[key] for key in keys) for cell in cells(home / run) if cell["outcome"] != "unavailable")


def test_the_report_has_the_machines_and_says_which_is_judged(
    home: Path, sessions: list[tuple[int, list[str]]]
) -> None:
    del sessions
    page = (home / "run" / "scorecard.html").read_text()
    assert "The machines of the cluster" in page
    assert "node-1" in page
    verified = fweval("verify", "run", cwd=home, timeout_s=120)
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[dict[str, str]]:
    """A cluster that others hold: what the environment must say to reach it is returned, with its address."""
    before = clusters.now()
    program = (
        "import os, sys; from evaluator.nodes.ray_driver import Simulated; made = Simulated(1);"
        "print(made.address, os.environ['RAY_AUTH_TOKEN'], os.environ['RAY_TMPDIR'], flush=True);"
        "sys.stdin.read(); made.stop()"
    )
    with children.started(
        [sys.executable, "-c", program], ends_within_s=60, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        told, held = process.stdout, process.stdin
        assert told is not None
        assert held is not None
        address, token, folder = until(lambda: told.readline().decode().split(), within_s=120)
        reached = {"RAY_AUTH_TOKEN": token, "RAY_TMPDIR": folder, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
        yield {**NO_ENGINE, **clusters.TAG, **reached, "ADDRESS": f"ray://{address}"}
        held.close()
    clusters.assert_none_is_left(before)


def test_a_cluster_is_for_one_run_at_a_time(home: Path, cluster: dict[str, str]) -> None:
    asked = ("export", "tiny", "--profile", "e2e.toml", "--only", "torchscript", "--on", cluster["ADDRESS"])
    with started(*asked, "--out", "one", cwd=home, log=home / "one.log", env=cluster) as process:
        until(lambda: (home / "one" / "events.jsonl").exists() or process.poll() is not None, within_s=120)
        second = fweval(*asked, "--out", "two", cwd=home, env=cluster, timeout_s=120)
        assert second.returncode == 2
        assert second.stderr.splitlines()[-1].startswith("fweval: another run is at work on this cluster: ")
        assert not (home / "two").exists()
        assert process.wait(300) == 0, (home / "one.log").read_text()


@pytest.mark.parametrize(
    ("told", "code", "line"),
    [
        ({"RAY_AUTH_TOKEN": "0" * 64}, 2, "fweval: the cluster does not take this machine's token"),
        ({"ADDRESS": "ray://127.0.0.1:9"}, 3, "fweval: no cluster answers at 127.0.0.1:9: connection refused"),
        ({"ADDRESS": "ray://nowhere.invalid:6379"}, 3, "fweval: no cluster answers at nowhere.invalid:6379: "),
        ({"ADDRESS": "ray://nowhere"}, 2, "fweval: --on ray://nowhere: no host and port are named"),
    ],
)
def test_what_is_wrong_with_a_cluster_is_said_in_one_line(
    told: dict[str, str], code: int, line: str, home: Path, cluster: dict[str, str]
) -> None:
    env = {**cluster, **told}
    done = fweval("full", "tiny", "--on", env["ADDRESS"], "--out", "never", cwd=home, env=env, timeout_s=100)
    assert done.returncode == code, done.stderr
    assert done.stderr.splitlines()[-1].startswith(line), done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "never").exists()
