"""The questions that every executor must answer the same way; the one on paper shows that the contract suffices."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from evaluator.children import environments
from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Machine, Step
from evaluator.executors._contract import Executor
from evaluator.executors.local import Local
from evaluator.executors.ray import Ray
from exports.contract import DeviceState
from tests import engine
from tests.paper_executor import PaperExecutor

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "tensorflow", "keras", "onnx", "onnxruntime", "docker", "ray")

EXECUTORS: tuple[Executor[Any], ...] = registry.load_all("executor")
# What starts the steps of tests, which need no framework. A new executor gets a line: how it is made for a test.
MADE: dict[str, Callable[[Path], Executor[Any]]] = {
    "local": lambda _: Local(engine.child),
    "paper": lambda path: PaperExecutor(root=path / "machines"),
    "ray": lambda _: Ray("local:2", worker=engine.WORKER),
}

each = pytest.mark.parametrize("executor", EXECUTORS, ids=lambda executor: executor.name)


@pytest.fixture(scope="module", params=MADE)
def executor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor[Any]]:
    """Make each of them once: a cluster takes seconds."""
    made = MADE[request.param](tmp_path_factory.mktemp(request.param))
    made.machines()
    yield made
    made.close()


@each
def test_an_executor_is_named_like_its_file_and_explains_itself(executor: Executor[Any]) -> None:
    assert type(executor).__module__ == f"evaluator.executors.{executor.name}"
    assert "https://" in (sys.modules[type(executor).__module__].__doc__ or "")
    assert executor.title
    assert executor.name in MADE, "tests/contract/test_executors_contract.py: add a line to MADE"


def test_the_machines_of_an_executor_can_be_asked_what_a_plan_asks(executor: Executor[Any]) -> None:
    machines = executor.machines()
    assert machines
    for machine in machines.values():
        assert machine.cores >= 1
        assert 1.0 <= machine.time_factor <= 8.0
        assert machine.memory_bytes >= machine.free_memory_bytes > 0
        assert machine.missing(("no-such-distribution",)) == ("no-such-distribution",)
        assert all(len(machine.no_environment(name) or (1, 2)) == 2 for name in environments.names())
        assert all(isinstance(machine.device_state(name), DeviceState | None) for name in registry.names("device"))
        described = machine.describe()
        assert isinstance(described, Machine)
        assert (described.cores, described.versions) == (machine.cores, machine.versions)


def test_every_node_is_of_a_kind_that_is_known(executor: Executor[Any]) -> None:
    nodes = executor.nodes()
    assert {node.machine for node in nodes} == set(executor.machines())
    assert len({node.name for node in nodes}) == len(nodes)


def test_importing_executors_imports_nothing_heavy() -> None:
    program = (
        "import sys; from evaluator.core import registry; registry.load_all('executor');"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []


def step(executor: Executor[Any], name: str, do: str = "pass", **fields: Any) -> Step:
    return engine.make_step(name, do, machine=executor.nodes()[0].machine, **fields)


def start(executor: Executor[Any], step: Step, place: Path, needed: Sequence[Path] = ()) -> Any:
    place.mkdir(exist_ok=True)
    return executor.start([step], executor.nodes()[0].name, place, needed)


def test_what_has_ended_is_returned_and_its_files_are_fetched(executor: Executor[Any], tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    quick = start(executor, step(executor, "quick"), steps)
    slow = start(executor, step(executor, "slow", "hang", settings={"seconds": 30.0}), steps)
    try:
        (ended,) = executor.wait([slow, quick], 60.0)
        assert ended is quick
        (result,) = executor.fetch(quick)
        assert (result.step, result.outcome) == ("quick", Outcome.PASSED)
        assert any((steps / "quick").iterdir())
    finally:
        executor.cancel(slow)
    assert not (steps / "slow").exists()


def test_waiting_comes_back_empty_when_nothing_ends(executor: Executor[Any], tmp_path: Path) -> None:
    slow = start(executor, step(executor, "slow", "hang", settings={"seconds": 30.0}), tmp_path / "steps")
    try:
        assert list(executor.wait([slow], 0.05)) == []
    finally:
        executor.cancel(slow)


def test_what_takes_too_long_is_returned_too(executor: Executor[Any], tmp_path: Path) -> None:
    begin = time.monotonic()
    fields: dict[str, Any] = {"timeout_s": 0.5, "settings": {"seconds": 60.0, "ending": "timed_out"}}
    job = start(executor, step(executor, "slow", "hang", **fields), tmp_path / "steps")
    assert list(executor.wait([job], 60.0)) == [job]
    (result,) = executor.fetch(job)
    assert result.outcome is Outcome.TIMED_OUT
    assert time.monotonic() - begin < 60.0


def test_what_a_step_needs_lies_beside_it_wherever_it_runs(executor: Executor[Any], tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    first = start(executor, step(executor, "first"), steps)
    executor.wait([first], 60.0)
    executor.fetch(first)
    needy = step(executor, "second", "look_beside", needs={"artifact": "first"})
    for node in executor.nodes():  # also one that has never seen it
        if node.machine != needy.machine:
            continue
        job = executor.start([needy], node.name, steps, [steps / "first"])
        assert list(executor.wait([job], 60.0)) == [job]
        (result,) = executor.fetch(job)
        assert result.outcome is Outcome.PASSED, result.reason
        shutil.rmtree(steps / needy.id)
