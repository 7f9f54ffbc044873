"""Servers in turns, for real: both alive at once, and whatever ends one ends its own row only and leaves nothing."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from evaluator.core import files, registry
from evaluator.core.files import read_blocks
from evaluator.core.metrics import find, key, number
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result
from evaluator.core.store import RunFolder
from evaluator.core.turns import Block
from evaluator.executors.local import Local
from evaluator.measure.load import Load
from serving.ports import in_use
from tests import children
from tests.containers import launcher_or_skip
from tests.engine import assert_gone
from tests.figures import assert_enough, quiet_pairs
from tests.integration.served_steps import SERVERS, do, make_models, make_run, make_step
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(600)]

WIRES = ("rest", "grpc", "in_process")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for server, _, launcher in SERVERS.values():
        launcher_or_skip(launcher, registry.load("server", server))
    return make_models(tmp_path_factory.mktemp("models"))


def result(run: RunFolder, step: str) -> Result:
    found = run.result(step)
    assert found is not None
    return found


def figure(ended: Result, name: str, **labels: str | bool | float) -> float:
    found = find(ended, key(name, **labels))
    assert found is not None, (name, labels, ended.reason)
    value = number(found.value)
    assert value is not None
    return value


def processes_with(*words: str) -> list[psutil.Process]:
    """Return the processes below this one whose command line holds these words."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if all(word in line for word in words):
                found.append(process)
    return found


def listening(process: psutil.Process) -> set[int]:
    with contextlib.suppress(psutil.Error):
        return {c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    return set()


def ports_below() -> set[int]:
    return {port for process in psutil.Process().children(recursive=True) for port in listening(process)}


def test_servers_are_asked_in_the_same_turns_and_their_processor_time_is_known(models: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", models)
    do(run, *(make_step(framework) for framework in SERVERS))
    turns: dict[str, set[int]] = {}
    for framework, (server, _, launcher) in SERVERS.items():
        ended = result(run, f"serve-{framework}-{launcher}")
        assert ended.outcome is Outcome.PASSED, ended.reason
        assert ended.metrics["leftovers"] == 0
        found = read_blocks(run.folder(ended.step))
        assert_enough(found, "rest", ended.metrics)
        assert len(found.together) == 2
        assert {block.track for block in found.blocks} == {*registry.load("server", server).wires, "in_process"}
        assert all(block.own_cores is not None for block in found.blocks)
        assert busy(found.blocks, "rest") > 0.2, "a server that computes is not somebody else"
        assert found.idle_cores is not None
        assert found.idle_cores < 0.2
        turns[framework] = {block.turn for block in found.blocks if block.track == "rest"}
        if quiet_pairs(found, "rest", "in_process"):
            assert figure(ended, "overhead_s", wire="rest") > 0 or server == "tensorflow_serving"
        else:
            assert find(ended, key("overhead_s", wire="rest")) is None
    assert turns["tensorflow"] <= turns["pytorch"], "a stand-in is glanced at, in the same turns"
    assert len(turns["pytorch"]) >= 12


def busy(blocks: tuple[Block, ...], track: str) -> float:
    """Return the cores that its own processes kept busy during the blocks of a track, at most."""
    return max(block.own_cores or 0.0 for block in blocks if block.track == track)


def test_a_server_is_saturated_in_turns_and_then_asked_at_rates(models: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", models)
    do(run, make_step("pytorch", "load"))
    ended = result(run, "load-pytorch-process")
    assert ended.outcome is Outcome.PASSED, ended.reason
    place = run.folder(ended.step)
    assert {block.track for block in read_blocks(place).blocks} == {"rest", "grpc", "rest_batched", "grpc_batched"}
    for wire in ("rest", "grpc"):
        for batching in (False, True):
            assert figure(ended, "saturation_per_s", wire=wire, batching=batching) > 10
        assert figure(ended, "rate_per_s", wire=wire, share=0.5) == pytest.approx(
            figure(ended, "saturation_per_s", wire=wire, batching=False) / 2
        )
        loads = files.read_record(place / "loads.json", dict[str, tuple[Load, ...]])
        assert [load.kind for load in loads[wire]][-1] == "open"
        assert loads[wire][-1].calls >= 64, "as many as its percentile takes"
    assert not ports_below()


def act_when_the_second_is_up(act: Callable[[psutil.Process], None]) -> threading.Thread:
    """Do something to TorchServe's JVM, which is ready by then, when the stand-in listens."""

    def wait() -> None:
        until(lambda: any(listening(each) for each in processes_with("serving.reference")), within_s=120)
        (jvm,) = processes_with("org.pytorch.serve.ModelServer")
        act(jvm)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_server_that_dies_ends_its_own_row_only(models: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", models)
    thread = act_when_the_second_is_up(psutil.Process.kill)
    do(run, *(make_step(framework) for framework in SERVERS))
    thread.join(1)
    dead, alive = result(run, "serve-pytorch-process"), result(run, "serve-tensorflow-embedded")
    assert dead.outcome is Outcome.FAILED
    assert str(dead.reason).startswith("TorchServe ended while it was asked")
    assert alive.outcome is Outcome.PASSED, alive.reason
    assert not psutil.Process().children(recursive=True)


def test_a_server_that_hangs_ends_its_own_row_only(models: Path, tmp_path: Path) -> None:
    """An answer is waited for a minute, as every client does (serving/wires)."""
    run = make_run(tmp_path / "run", models)
    thread = act_when_the_second_is_up(psutil.Process.suspend)
    do(run, *(make_step(framework) for framework in SERVERS))
    thread.join(1)
    hung, alive = result(run, "serve-pytorch-process"), result(run, "serve-tensorflow-embedded")
    assert hung.outcome is Outcome.FAILED
    assert "TIMEOUT" in str(hung.reason)
    assert alive.outcome is Outcome.PASSED, alive.reason
    until(lambda: not psutil.Process().children(recursive=True), within_s=10)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_nothing_of_two_servers_outlives_the_run(number: signal.Signals, models: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "tests.integration.served_steps", tmp_path / "run", models, "serve"]
    with children.started(arguments, cwd=Path(__file__).parents[2]) as parent:
        until(lambda: any(listening(each) for each in processes_with("serving.reference")), within_s=120)
        below = psutil.Process(parent.pid).children(recursive=True)
        ports = ports_below()
        assert len(below) >= 5, "two children, the JVM, its worker, the stand-in"
        parent.send_signal(number)
    assert_gone([each.pid for each in below], within_s=20.0)
    until(lambda: not any(map(in_use, ports)), within_s=10)


def test_a_container_takes_turns_with_a_process(models: Path, tmp_path: Path) -> None:
    launcher_or_skip("container", registry.load("server", "torchserve"))
    Local().tidy("here")  # what was killed before leaves its folders
    run = make_run(tmp_path / "run", models)
    do(run, make_step("pytorch", launcher="container"), make_step("tensorflow"))
    ended = result(run, "serve-pytorch-container")
    assert ended.outcome is Outcome.PASSED, ended.reason
    found = read_blocks(run.folder(ended.step))
    assert len(found.together) == 2
    assert busy(found.blocks, "rest") > 0.2, "the engine's children are the server's processes, not others"
    assert not Local().tidy("here")
