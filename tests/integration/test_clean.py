"""What is left after every ending: counted before and after, and `fweval clean` where nothing else could be done."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evaluator.children import engine, owner
from tests import children
from tests.commands import FWEVAL
from tests.containers import IMAGE, answers, assert_nothing_left, engine_or_skip, present
from tests.engine import assert_gone, is_alive

pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(360)]
HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@contextmanager
def _started(script: str, folder: Path, temp: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a script that leaves something behind when it is killed; give the number that it prints first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temp)}
    command = [sys.executable, str(HERE / script), str(folder)]
    with children.started(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
        process.kill()


def _clean(temp: Path, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [FWEVAL, "clean", "--json"],
        env={**os.environ, "TMPDIR": str(temp), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cleaned: dict[str, Any] = json.loads(done.stdout)
    return cleaned


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    """Give the temporary folder of the evaluations in a test: that of this machine may hold other people's."""
    (tmp_path / "temp").mkdir()
    return tmp_path / "temp"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_after_an_interrupt(tmp_path: Path, temp: Path, number: signal.Signals) -> None:
    engine_or_skip(IMAGE)
    folder = tmp_path / "served"
    before = present(folder)
    with _started("containers_child.py", folder, temp) as (process, port):
        assert answers(port)
        process.send_signal(number)
        assert process.wait(30) != 0
    assert_nothing_left(before, folder, [port])
    assert list(temp.iterdir()) == []


def test_clean_removes_what_a_killed_evaluation_left_and_nothing_of_a_living_one(tmp_path: Path, temp: Path) -> None:
    engine_or_skip(IMAGE)
    killed, living = tmp_path / "killed", tmp_path / "living"
    before = present(tmp_path)
    with _started("containers_child.py", living, temp) as (other, other_port):
        both = present(tmp_path)
        with _started("containers_child.py", killed, temp) as (process, port):
            process.kill()
        time.sleep(0.5)
        kinds = {each.split()[0] for each in present(tmp_path) - both}
        assert kinds >= {"container", "network", "process"}, "the control: the engine keeps what nobody stops"
        assert answers(port)

        found = _clean(temp)["found"]
        ours = [each for each in found if each["server"] == str(killed / "run")]
        theirs = [each for each in found if each["server"] == str(living / "run")]
        assert [(each["kind"], each["kept"]) for each in ours] == [("container", None), ("network", None)]
        assert {each["kind"] for each in theirs} == {"container", "network"}
        assert all("running" in each["kept"] for each in theirs)
        assert_nothing_left(both, tmp_path, [port])
        assert answers(other_port)
        assert other.poll() is None

        again = [each for each in _clean(temp)["found"] if each["server"] == str(killed / "run")]
        assert again == []
        other.send_signal(signal.SIGINT)
        other.wait(30)
    assert_nothing_left(before, tmp_path, [port, other_port])


def test_clean_removes_the_temporary_folders_of_killed_evaluations_only(tmp_path: Path, temp: Path) -> None:
    with _started("steps_child.py", tmp_path / "living", temp) as (_, living_step):
        (held,) = temp.iterdir()
        with _started("steps_child.py", tmp_path / "killed", temp) as (process, killed_step):
            process.kill()
        assert_gone([killed_step])
        (left,) = set(temp.iterdir()) - {held}
        assert list(left.iterdir()), "the control: a killed evaluation leaves its temporary folder"
        (temp / "fweval-bug-report.txt").touch()
        (temp / f"fweval-{os.getuid() + 1}-abc").mkdir()

        cleaned = _clean(temp, DOCKER_HOST=f"unix://{tmp_path / 'no.sock'}")
        assert [(each["kind"], each["name"]) for each in cleaned["found"]] == [("folder", str(left))]
        assert "no Docker engine answers" in cleaned["no_engine"]
        assert sorted(temp.iterdir()) == sorted(
            [held, temp / "fweval-bug-report.txt", temp / f"fweval-{os.getuid() + 1}-abc"]
        )
        assert is_alive(living_step)


def test_clean_speaks_to_people(temp: Path, tmp_path: Path) -> None:
    (temp / f"fweval-{os.getuid()}-0123456789ab").mkdir()
    environment = {**os.environ, "TMPDIR": str(temp), "DOCKER_HOST": f"unix://{tmp_path / 'no.sock'}"}
    said = []
    for _ in range(2):
        done = subprocess.run(
            [FWEVAL, "clean"], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        said.append(done.stdout.strip())
        assert "containers were not looked for: no Docker engine answers" in done.stderr
    assert said == [f"removed folder {temp}/fweval-{os.getuid()}-0123456789ab", "nothing was left"]


def test_what_cannot_be_removed_is_said(tmp_path: Path, temp: Path) -> None:
    engine_or_skip(IMAGE)
    pid, place = owner.this_process().split("@")
    labels = {**engine.labels(str(tmp_path / "run")), engine.OWNER: f"{pid}0@{place}"}  # it started at another time
    with engine.connect() as client:
        network = client.networks.create(f"fweval-test-{os.getpid()}", labels=labels)
        guest = client.containers.create(IMAGE, ["sleep", "60"], network=network.name)
        try:
            guest.start()
            environment = {**os.environ, "TMPDIR": str(temp)}
            done = subprocess.run(
                [FWEVAL, "clean"], env=environment, capture_output=True, text=True, check=False, timeout=60
            )
        finally:
            guest.remove(force=True)
            network.remove()
    assert done.returncode == 3
    said = next(line for line in done.stdout.splitlines() if str(network.name) in line)
    assert said.startswith(f"kept network {network.name}, made for {tmp_path / 'run'}: the Docker engine: ")
    assert "active endpoints" in said


def test_an_owner_that_waits_for_its_burial_is_gone() -> None:
    code = "from evaluator.children import owner; print(owner.this_process(), flush=True); input()"
    with children.started(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        named = process.stdout.readline().strip()
        assert not owner.is_gone(named)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert owner.is_gone(named)
    assert owner.is_gone(named)
