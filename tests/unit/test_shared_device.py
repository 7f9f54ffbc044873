"""A device that others use, and one whose memory does not hold everybody: what is said, marked, and done one by one."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from evaluator.core import answers
from evaluator.core.records import Step
from evaluator.core.turns import Block, Mark, guests
from evaluator.measure.disturbance import Glance, Sight, marks
from evaluator.measure.neighbours import counters
from evaluator.running import _device
from evaluator.running.execution import execute
from evaluator.running.progress import Reporter
from exports.contract import DeviceState
from tests import fakes
from tests.engine import PaperMachine, make_step, run_folder
from tests.paper_executor import PaperExecutor

LATENCY = {"name": "latency", "min_calls": 6, "min_blocks": 2}
GIB = 1 << 30


def state(**fields: Any) -> DeviceState:
    told: dict[str, Any] = {"free_bytes": 100 * GIB, "own_bytes": 0, "others": (), "busy": 0.0, **fields}
    return DeviceState(**told)


class Watching(PaperExecutor):
    """One machine, whose device tells what a function of those alive makes of it."""

    def __init__(self, root: Path, tell: Callable[[frozenset[str]], DeviceState | None]) -> None:
        super().__init__(root=root)
        self.tell = tell

    def machines(self) -> dict[str, Any]:
        paper = self

        class Machine(PaperMachine):
            def device_state(self, name: str) -> DeviceState | None:
                assert name == "gpu"
                return paper.tell((paper.together or [frozenset()])[-1])

        return {"one": Machine()}


def step(name: str, **settings: Any) -> Step:
    return make_step(
        name,
        stage="run",
        machine="one",
        device="gpu",
        measures=True,
        in_turns=True,
        settings={"tracks": [LATENCY], "seed": 1, **settings},
    )


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_device, "_LOOK_S", 0.0)


def run(path: Path, tell: Callable[[frozenset[str]], DeviceState | None], names: str = "abc") -> tuple[Watching, str]:
    executor, console = Watching(path / "machines", tell), Console(file=io.StringIO(), width=300)
    execute([step(name) for name in names], run_folder(path / "run"), Reporter(console), executor)
    return executor, console.file.getvalue()  # type: ignore[attr-defined]


def marked(executor: Watching) -> list[Mark]:
    return [mark for over in executor.over.values() for mark in over.marks]


def test_beside_another_process_on_the_device_no_block_counts_and_it_is_said_once(tmp_path: Path) -> None:
    executor, said = run(tmp_path, lambda _: state(others=("python [812], 2.10 GB", "ollama [9]")))
    assert [mark.guests for mark in marked(executor)] == [2] * 6
    assert not any(mark.quiet for mark in marked(executor))
    (line,) = [each for each in said.splitlines() if "others compute on it" in each]
    assert line.startswith("GPU: others compute on it: python [812], 2.10 GB, ollama [9]; what is measured beside that")


def test_one_that_comes_later_spoils_what_is_measured_from_then_on(tmp_path: Path) -> None:
    looks: list[int] = []

    def tell(_: frozenset[str]) -> DeviceState:
        looks.append(1)
        return state(others=() if len(looks) < 16 else ("late [5]",))

    executor, said = run(tmp_path, tell)
    found = [mark.guests for mark in marked(executor)]
    assert {0, 1} == set(found)
    assert said.count("late [5]") == 1


def test_nobody_else_there_disturbs_nothing(tmp_path: Path) -> None:
    executor, said = run(tmp_path, lambda _: state())
    assert [mark.guests for mark in marked(executor)] == [0] * 6
    assert "GPU:" not in said


def test_what_computes_there_before_the_turns_and_is_not_named_spoils_them_all(tmp_path: Path) -> None:
    def tell(alive: frozenset[str]) -> DeviceState:
        return state(others=None, busy=0.0 if alive else 0.4, unknown=("a container",))

    executor, said = run(tmp_path, tell)
    assert [mark.guests for mark in marked(executor)] == [1] * 6
    assert "computes on it 40 % of the time" in said
    assert "whether others compute on it is not known: a container" in said


def test_what_has_just_ended_there_is_no_neighbour(tmp_path: Path) -> None:
    shares = iter((0.9, 0.3))
    executor, said = run(tmp_path, lambda _: state(busy=next(shares, 0.0)))
    assert [mark.guests for mark in marked(executor)] == [0] * 6
    assert "of the time" not in said


def test_where_nothing_is_known_of_others_nobody_is_accused(tmp_path: Path) -> None:
    executor, said = run(tmp_path, lambda _: DeviceState(unknown=("the driver is too old",)))
    assert [mark.guests for mark in marked(executor)] == [None] * 6
    assert said.count("not known: the driver is too old") == 1


def test_what_does_not_fit_into_the_devices_memory_is_measured_in_groups_that_share_the_first(tmp_path: Path) -> None:
    executor, _ = run(tmp_path, lambda alive: state(free_bytes=(8 - 3 * len(alive)) * GIB), "abcd")
    assert max(map(len, executor.together)) == 2
    by_turn: dict[int, set[str]] = {}
    for who, _, turn in executor.asked:
        by_turn.setdefault(turn, set()).add(who)
    assert list(by_turn.values()) == [{"a", "b"}] * 2 + [{"a", "c"}] * 2 + [{"a", "d"}] * 2


@pytest.mark.parametrize("told", [None, DeviceState(unknown=("no NVML",))])
def test_memory_that_nobody_tells_limits_nothing(told: DeviceState | None, tmp_path: Path) -> None:
    executor, _ = run(tmp_path, lambda _: told)
    assert max(map(len, executor.together)) == 3


# Marks, answers -------------------------------------------------------------------------------------------------------


def sighted(found: int | None) -> Sight:
    return Sight(others_cores=0.0, steal_cores=0.0, stalled=0.0, throttled=0, beats=((), ()), guests=found)


def test_guests_are_never_usual() -> None:
    """Of processor time, what even the quietest quarter shows goes without saying; of guests nothing does."""
    assert [mark.quiet for mark in marks([sighted(1)] * 9)] == [False] * 9
    assert [mark.quiet for mark in marks([sighted(0), sighted(None), sighted(2)])] == [True, True, False]


def test_a_glance_takes_in_who_came_and_who_went() -> None:
    counts = iter((0, 2))
    begin = Glance(lambda: next(counts))
    assert Glance().since(begin, None, ((), ())).guests == 2
    counts = iter((3, 0))
    begin = Glance(lambda: next(counts))
    assert Glance().since(begin, None, ((), ())).guests == 3
    assert Glance().since(Glance(), None, ((), ())).guests is None
    assert counters().busy_s > 0


def test_most_guests_of_blocks() -> None:
    def block(found: int | None) -> Block:
        return Block(track="step", turn=0, calls=1, begin_s=0.0, elapsed_s=0.1, guests=found)

    assert guests([]) == 0
    assert guests([block(None), block(0), block(2), block(1)]) == 2


def test_no_verdict_beside_guests_and_it_is_said_who_disturbed() -> None:
    def beside(entry: Any) -> Any:
        blocks = tuple(msgspec.structs.replace(each, guests=1, quiet=False) for each in entry.blocks.blocks)
        return msgspec.structs.replace(entry.blocks, blocks=blocks)

    evidence = fakes.complete_run()
    entries = tuple(
        dataclasses.replace(each, blocks=beside(each)) if each.step.stage == "train" else each
        for each in evidence.entries
    )
    card = fakes.scorecard(dataclasses.replace(evidence, entries=entries))
    (made,) = [each for each in card.comparisons if each.question == "training time" and each.device == "cpu"]
    assert (made.answer, made.winner, made.guests) == ("disturbed", None, 1)
    assert answers.GUESTS in made.statement
    assert answers.UNSEEN not in made.statement
    assert answers.remedy(made.others, made.guests) == answers.NO_GUESTS
    assert "CUDA_VISIBLE_DEVICES" in answers.NO_GUESTS
    found = [each for each in card.findings if each.check == "training_time" and each.device == "cpu"]
    assert found
    assert all(each.score is None and each.remedy == answers.NO_GUESTS for each in found)
