"""Children: every ending is mapped, nothing is left, and they die with us. Real processes that need no framework."""

import ctypes
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from evaluator.children import environments, isolation, processes
from evaluator.core import files, scratch, surroundings
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result
from tests import children, engine
from tests.waiting import until

pytestmark = pytest.mark.integration

PR_SET_CHILD_SUBREAPER = 36  # of linux/prctl.h
O = Outcome  # noqa: E741  # the table below is wide enough


@pytest.mark.parametrize(
    ("do", "outcome", "reason"),
    [
        ("refuse", O.FAILED, r"^outputs differ$"),
        ("subject", O.FAILED, r"^exporting to Paper: ValueError: no ink$"),
        ("bug", O.ERROR, r"^a bug in fweval: ValueError: we forgot something$"),
        ("unsupported", O.UNSUPPORTED, r"^no converter for erf$"),
        ("unavailable", O.UNAVAILABLE, r"^no engine$"),
        ("incomplete", O.UNAVAILABLE, r"^artifact.json is damaged$"),
        ("diverge", O.FAILED, r"^final_loss: not a finite number$"),
        ("undeclared", O.ERROR, r"^a bug in fweval: the metric 'warp_factor' is not in the vocabulary of metrics$"),
        ("foreign", O.ERROR, r"^a bug in fweval: TypeError: .*numpy.float32"),
        ("fill_the_disk", O.UNAVAILABLE, r"^the disk is full$"),
        ("segfault", O.CRASHED, r"^the process died of SIGSEGV \(its memory limit was 0.5 GiB\)$"),
        ("killed", O.UNAVAILABLE, r"^the process was killed by the system, most likely because memory ran out$"),
        ("abort_in_cpp", O.UNAVAILABLE, r"^the memory limit of 0.5 GiB was reached: fweval gives such a step no more$"),
        ("abort_without_threads", O.UNAVAILABLE, r"^the memory limit of 0.5 GiB was reached: fweval"),
        ("leave", O.CRASHED, r"^the process ended with code 3 and left no result$"),
        ("exit", O.CRASHED, r"^the process ended with code 1 and left no result$"),
        ("eat", O.UNAVAILABLE, r"^the memory limit of 0.5 GiB was reached: fweval gives such a step no more$"),
        (
            "eat_in_the_subject",
            O.UNAVAILABLE,
            r"^exporting to Paper: the memory limit of 0.5 GiB was reached: fweval",
        ),
        ("eat_in_cpp", O.UNAVAILABLE, r"^exporting to Paper: the memory limit of 0.5 GiB was reached: fweval"),
        ("eat_of_a_gpu", O.UNAVAILABLE, r"^exporting to Paper: .*CUDA out of memory. Tried to allocate 20.00 MiB"),
        (
            "eat_what_nobody_has",
            O.FAILED,
            r"^exporting to Paper: RuntimeError: .* tried to allocate 4611686018427387904",
        ),
    ],
)
def test_every_ending_is_an_outcome_with_a_reason(do: str, outcome: Outcome, reason: str, tmp_path: Path) -> None:
    result = engine.finish(engine.child(engine.make_step("a", do), tmp_path / "a"))
    assert result.outcome is outcome
    assert re.search(reason, result.reason or ""), result.reason
    assert result.step == "a"
    assert result.started_at
    assert not scratch.of(tmp_path / "a").exists()
    if outcome is not O.FAILED or do != "refuse":
        assert result.remedy


def test_what_passed_is_on_disk_and_the_job_beside_it(tmp_path: Path) -> None:
    step = engine.make_step("a")
    result = engine.finish(engine.child(step, tmp_path / "a"))
    assert (result.outcome, result.metrics, result.files) == (O.PASSED, {"ready_s": 42.0}, {"log": "stdout"})
    assert files.read_record(tmp_path / "a" / "result.json", Result) == result
    assert files.read_record(tmp_path / "a" / "job.json", type(step)) == step
    assert json.loads((tmp_path / "a" / "resources.json").read_text())["cpu_user_s"] > 0


def test_figures_beside_a_diverged_one_are_kept(tmp_path: Path) -> None:
    result = engine.finish(engine.child(engine.make_step("a", "diverge"), tmp_path / "a"))
    assert result.metrics == {"steps": 3}


def test_a_child_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    begin = time.monotonic()
    result = engine.finish(engine.child(engine.make_step("a", "hang", timeout_s=1.0), tmp_path / "a"))
    assert result.outcome is O.TIMED_OUT
    assert result.reason == "was stopped at its time limit of 1 s"
    assert result.seconds >= 1.0
    assert time.monotonic() - begin < isolation.GRACE_S
    assert not scratch.of(tmp_path / "a").exists()


def test_what_runs_a_strangers_artifact_is_killed_at_its_time_limit(tmp_path: Path) -> None:
    """Without a wall nobody else ends what is deaf, or held in code of another language; with a grace it took 30 s."""
    step = engine.make_step("a", "be_deaf", timeout_s=1.0)
    child = isolation.Child(step, tmp_path / "a", engine.WORKER, stop=signal.SIGKILL)
    told = engine.wait_for(tmp_path / "a" / "pids", within_s=60)
    pids = until(lambda: [int(pid) for pid in told.read_text().split()][1:])
    begin = time.monotonic()
    result = engine.finish(child)
    assert result.outcome is O.TIMED_OUT
    assert time.monotonic() - begin < isolation.GRACE_S
    engine.assert_gone([child.process.pid, *pids])


def test_a_child_of_a_background_job_is_not_deaf_to_its_interruption(tmp_path: Path) -> None:
    """Shells start background jobs with Ctrl-C ignored, and children inherit that."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = engine.child(engine.make_step("a", "hang"), tmp_path / "a")
    finally:
        signal.signal(signal.SIGINT, before)
    until((tmp_path / "a" / "at_work").exists)
    child.process.send_signal(signal.SIGINT)
    try:
        child.process.wait(isolation.GRACE_S / 2)
    finally:
        child.interrupt()


def test_an_interrupted_child_leaves_nothing(tmp_path: Path) -> None:
    child = engine.child(engine.make_step("a", "hang"), tmp_path / "a")
    engine.wait_for(tmp_path / "a" / "at_work")
    temp = scratch.of(tmp_path / "a")
    assert list(temp.iterdir())
    child.interrupt()
    engine.assert_gone([child.process.pid])
    assert not (tmp_path / "a").exists()
    assert not temp.exists()


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_processes_that_a_step_started_end_with_it(seconds: float, tmp_path: Path) -> None:
    limit = 2.0 if seconds else 30.0  # one that ends by itself is not to be stopped, however slow this machine is
    step = engine.make_step("a", "leave_children", timeout_s=limit, settings={"seconds": seconds})
    child = engine.child(step, tmp_path / "a")
    pids = json.loads(engine.wait_for(tmp_path / "a" / "pids.json").read_text())
    result = engine.finish(child)
    assert result.outcome is (O.TIMED_OUT if seconds else O.PASSED)
    engine.assert_gone(pids)


def test_children_and_their_servers_die_with_us_even_of_sigkill(tmp_path: Path) -> None:
    """The subprocess that no one waits for any more dies too: the kernel was asked to see to it."""
    program = (
        "import sys, time; from pathlib import Path; from tests import engine\n"
        "step = engine.make_step('a', 'leave_children', settings={'seconds': 60})\n"
        "child = engine.child(step, Path(sys.argv[1])); print(child.process.pid, flush=True); time.sleep(60)"
    )
    with children.started(
        [sys.executable, "-c", program, str(tmp_path / "a")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(children.ROOT)},
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        _, server = json.loads(engine.wait_for(tmp_path / "a" / "pids.json").read_text())
        parent.kill()
    engine.assert_gone([worker, server])
    scratch.clear(tmp_path / "a")  # as the resumed run would


def test_a_child_sees_little_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    step = engine.make_step("a", "look", settings={"threads": 3}, device="gpu")
    result = engine.finish(engine.child(step, tmp_path / "a"))
    seen = json.loads((tmp_path / "a" / "environment.json").read_text())
    assert set(seen).isdisjoint({"TF_ENABLE_ONEDNN_OPTS", "PYTHONSTARTUP"})
    assert (seen["OMP_NUM_THREADS"], seen["CUDA_VISIBLE_DEVICES"], seen["PYTHONHASHSEED"]) == ("3", "0", "0")
    assert seen["TMPDIR"] == seen["TEMP"] == str(scratch.of(tmp_path / "a"))
    assert result.metrics == {"cases": 0o700}


def test_on_the_cpu_no_gpu_is_visible(tmp_path: Path) -> None:
    engine.finish(engine.child(engine.make_step("a", "look"), tmp_path / "a"))
    assert json.loads((tmp_path / "a" / "environment.json").read_text())["CUDA_VISIBLE_DEVICES"] == "-1"


def test_temp_folders_have_short_names_that_a_later_run_finds(tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["a" * 60] * 5)
    assert len(os.fsencode(scratch.of(deep))) < 60
    assert scratch.of(deep) == scratch.of(deep / "b" / "..")
    assert scratch.of(deep) != scratch.of(tmp_path)


def test_a_temp_folder_left_by_a_killed_run_is_no_obstacle(tmp_path: Path) -> None:
    stale = scratch.of(tmp_path / "a")
    stale.mkdir()
    (stale / "socket").touch()
    assert engine.finish(engine.child(engine.make_step("a"), tmp_path / "a")).outcome is O.PASSED
    assert not stale.exists()


def test_a_step_can_be_repeated_by_hand(tmp_path: Path) -> None:
    """The real worker knows no stage "pretend": that it says so, in a result of its own, shows that it ran."""
    engine.finish(engine.child(engine.make_step("a", stage="pretend"), tmp_path / "a"))
    script = tmp_path / "a" / "reproduce.sh"
    for _ in range(2):
        env = {**os.environ, "PYTHON": sys.executable}
        subprocess.run([str(script)], check=True, timeout=60, env=env, cwd="/", capture_output=True)
    again = files.read_record(tmp_path / "a" / "again" / "result.json", Result)
    assert (again.outcome, again.reason) == (Outcome.UNAVAILABLE, "there is no stage 'pretend'")
    assert files.read_record(tmp_path / "a" / "result.json", Result).outcome is O.PASSED


@pytest.mark.parametrize("place", ["a b's", '"$HOME`id`"', "-", "line\nbreak\n", "größer; %s \\"])
def test_a_step_can_be_repeated_wherever_it_lies(place: str, tmp_path: Path) -> None:
    """By its path from elsewhere, and by its bare name from its own folder."""
    folder = tmp_path / place / "a"
    engine.finish(engine.child(engine.make_step("a", stage="pretend"), folder))
    env = {**os.environ, "PYTHON": sys.executable, "CDPATH": "/"}
    for script, cwd in (("reproduce.sh", folder), (f"{place}/a/reproduce.sh", tmp_path)):
        subprocess.run(["sh", "--", script], check=True, timeout=60, env=env, cwd=cwd, capture_output=True)
        again = files.read_record(folder / "again" / "result.json", Result)
        assert (again.outcome, again.reason) == (Outcome.UNAVAILABLE, "there is no stage 'pretend'")


def test_values_with_spaces_reach_a_repeated_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache folder that an environment of tools lies in is named in the script, and so is its Python."""
    python = tmp_path / "a cache, $HOME" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "$FWEVAL_ENVIRONMENT" > asked\n')
    python.chmod(0o755)
    monkeypatch.setattr(environments, "python", lambda _: str(python))
    monkeypatch.setattr(environments, "variables", lambda _: {"FWEVAL_ENVIRONMENT": str(python.parent)})
    engine.finish(engine.child(engine.make_step("a", environment="tflite"), tmp_path / "a"))
    env = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    subprocess.run([tmp_path / "a" / "reproduce.sh"], check=True, timeout=60, env=env)
    assert (tmp_path / "a" / "asked").read_text() == f"{python.parent}\n"


def test_a_step_on_a_gpu_sees_the_one_that_was_allotted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    for device, shown in (("gpu", "3"), ("cpu", "-1")):
        engine.finish(engine.child(engine.make_step(device, "tell_environment", device=device), tmp_path / device))
        told = json.loads((tmp_path / device / "environment.json").read_text())
        assert told["CUDA_VISIBLE_DEVICES"] == shown
        assert f"CUDA_VISIBLE_DEVICES={shown} " in (tmp_path / device / "reproduce.sh").read_text()


def test_a_child_has_a_user_with_a_name_and_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ours is but a number, as in many containers: libraries ask for both when they are imported."""
    for name in ("USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    for step, home in (("a", "/nonexistent"), ("b", ""), ("c", str(tmp_path))):
        monkeypatch.setenv("HOME", home)
        engine.finish(engine.child(engine.make_step(step, "tell_environment"), tmp_path / step))
        told = json.loads((tmp_path / step / "environment.json").read_text())
        assert told["USER"] == f"uid{os.getuid()}"
        assert told["HOME"] == (home if step == "c" else told["TMPDIR"])
        assert Path(told["FWEVAL_CACHE"]).is_absolute()


def test_a_child_that_a_full_disk_silenced_did_not_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "full_disk", lambda places: IncompleteEvidence(f"full: {places[0]}", remedy="x"))
    result = engine.finish(engine.child(engine.make_step("a", "leave"), tmp_path / "a"))
    assert (result.outcome, result.reason, result.remedy) == (O.UNAVAILABLE, f"full: {tmp_path / 'a'}", "x")


def test_a_lower_memory_limit_of_ours_stays(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from tests import engine\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (400 << 20, 400 << 20))\n"
        "step = engine.make_step('a', 'eat', memory_bytes=600 << 20)\n"
        "print(engine.finish(engine.child(step, Path(sys.argv[1]))).reason)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a")],
        check=True,
        timeout=60,
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(children.ROOT), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.stdout == "the memory limit of 0.4 GiB was reached, which this user has (ulimit -d)\n"
    assert resource.getrlimit(resource.RLIMIT_DATA)[1] == resource.RLIM_INFINITY


def test_processes_that_nobody_buries_are_not_waited_for(tmp_path: Path) -> None:
    """In a container, the first process often buries nobody: the orphans of a step stay zombies for ever."""
    prctl = ctypes.CDLL(None).prctl
    leader = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    program = (
        "import signal, sys, time; from pathlib import Path; from evaluator.children import processes\n"
        "log = Path('log'); command = [sys.executable, '-c', sys.argv[1]]\n"
        "process = processes.start(command, env={}, cwd=Path(), stdout=log, stderr=log)\n"
        "while not log.read_text().endswith(chr(10)): time.sleep(0.02)\n"
        "begin = time.monotonic()\n"
        "processes.end_group(process, first=signal.SIGKILL, grace_s=10.0)\n"
        "print(time.monotonic() - begin)"
    )
    assert prctl(PR_SET_CHILD_SUBREAPER, 1) == 0  # from now on, orphans below are ours, and we bury nobody
    try:
        command = [sys.executable, "-c", program, leader]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
        orphan = int((tmp_path / "log").read_text())
        assert psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0)
    os.waitpid(orphan, 0)
    assert float(done.stdout) < 5.0


def test_a_process_runs_until_its_last_thread_has_ended() -> None:
    """The first thread of a killed process may be gone, and the process look buried, while others hold its ports."""
    program = (
        "import ctypes, sys, threading; threading.Thread(target=sys.stdin.read).start();"
        "print('started', flush=True); ctypes.CDLL(None).pthread_exit(None)"
    )
    with children.started([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        seen = psutil.Process(process.pid)
        until(lambda: seen.status() == psutil.STATUS_ZOMBIE)
        assert processes.is_running(seen)
        process.stdin.close()
        until(lambda: not processes.is_running(seen))


def test_a_process_that_is_deaf_to_signals_is_killed(tmp_path: Path) -> None:
    deaf = (
        "import signal, time, pathlib\nfor n in (signal.SIGINT, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)\n"
        "pathlib.Path('at_work').touch()\ntime.sleep(60)"
    )
    log = tmp_path / "log"
    process = processes.start([sys.executable, "-c", deaf], env={}, cwd=tmp_path, stdout=log, stderr=log)
    engine.wait_for(tmp_path / "at_work")
    assert processes.wait(process, 0.05) is None
    processes.end_group(process, first=signal.SIGINT, grace_s=0.1)
    assert processes.wait(process, 10.0) == -signal.SIGKILL  # its end may take longer than that grace


def test_a_child_that_is_ended_twice_closes_nobody_elses_file(tmp_path: Path) -> None:
    """It is interrupted while it is collected: the numbers of its files may be given to others in between."""
    child = engine.child(engine.make_step("a"), tmp_path / "a")
    engine.finish(child)
    others = [os.open(tmp_path, os.O_RDONLY) for _ in range(4)]
    try:
        child.interrupt()
        assert all(os.fstat(other).st_ino == tmp_path.stat().st_ino for other in others)
    finally:
        for other in others:
            os.close(other)
    assert not (tmp_path / "a").exists()
