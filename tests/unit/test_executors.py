"""Running steps on several machines: an exclusive slot on each for what measures, and nothing left when interrupted."""

import io
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from evaluator.core.outcome import Outcome
from evaluator.core.records import Step
from evaluator.core.store import RunFolder
from evaluator.executors._contract import Node
from evaluator.running.execution import execute, tidy
from evaluator.running.progress import Reporter
from evaluator.running.slots import Slots, by_node
from tests.engine import MIB, PaperMachine, make_step, run_folder
from tests.paper_executor import ANSWER, PaperExecutor

HERE = PaperMachine()  # two cores


def step(name: str, machine: str = "one", **fields: Any) -> Step:
    return make_step(name, machine=machine, **fields)


def run(steps: list[Step], path: Path, **executor: Any) -> tuple[RunFolder, PaperExecutor]:
    folder, paper = run_folder(path / "run"), PaperExecutor(root=path / "machines", **executor)
    execute(steps, folder, Reporter(Console(file=io.StringIO())), paper)
    return folder, paper


def slots(beside: list[Step]) -> Slots:
    nodes = {name: Node(name=name, machine=name, able=HERE) for name in ("one", "two")}
    return Slots(list(nodes.values()), by_node(([each], nodes[each.machine]) for each in beside))


def outcome(folder: RunFolder, name: str) -> Outcome:
    result = folder.result(name)
    assert result is not None
    return result.outcome


@pytest.mark.parametrize(
    ("starting", "beside", "may"),
    [
        (step("a", measures=True), [], True),
        (step("a", measures=True), [step("b")], False),
        (step("a"), [step("b", measures=True)], False),
        (step("a", measures=True), [step("b", measures=True)], False),
        (step("a", measures=True), [step("b", "two", measures=True)], True),
        (step("a", measures=True), [step("b", "two"), step("c", "two")], True),
        (step("a"), [step("b", "two", measures=True)], True),
        (step("a"), [step("b")], True),
        (step("a"), [step("b"), step("c", "two", measures=True)], True),
        (step("a"), [step("b"), step("c")], False),  # it has two cores
        (step("a"), [step("b"), step("c", "two")], True),
        (step("a", memory_bytes=HERE.memory_bytes), [step("b")], False),
        (step("a", memory_bytes=HERE.memory_bytes), [step("b", "two")], True),
        (step("a", memory_bytes=9 * HERE.memory_bytes), [], True),  # its limit is no need: it may well do with less
        (step("a", needs={"artifact": "b"}), [step("b", "two")], False),
        (step("a", needs={"artifact": "b"}), [], True),  # it has ended
    ],
)
def test_a_step_that_measures_has_its_machine_to_itself(starting: Step, beside: list[Step], *, may: bool) -> None:
    assert (slots(beside).next([starting]) is not None) is may


def test_a_step_waits_for_what_it_needs_wherever_that_is_made() -> None:
    starting, needed = step("a", needs={"artifact": "b"}), step("b", "two")
    placed = slots([]).next([starting, needed])
    assert placed is not None
    assert placed[0] is needed


def test_one_machine_measures_while_another_does(tmp_path: Path) -> None:
    steps = [step(f"{name}{number}", name, measures=True) for number in range(3) for name in ("one", "two")]
    _, paper = run(steps, tmp_path)
    assert max(map(len, paper.together)) == 2
    assert paper.now == 3.0  # seconds, not six


FIELDS = st.fixed_dictionaries(
    {
        "machine": st.sampled_from(("one", "two")),
        "measures": st.booleans(),
        "memory_bytes": st.sampled_from((512 * MIB, HERE.memory_bytes)),
        "settings": st.fixed_dictionaries({"seconds": st.sampled_from((0.5, 1.0, 3.0))}),
        "needs": st.none() | st.integers(0, 7),
    }
)


@settings(max_examples=40, deadline=None)  # each is a run of its own on disk
@given(st.lists(FIELDS, max_size=8))
def test_whatever_is_planned_nothing_disturbs_a_measurement(planned: list[dict[str, Any]]) -> None:
    steps: list[Step] = []
    for number, fields in enumerate(planned):
        earlier = fields["needs"]
        needs = {"artifact": steps[earlier].id} if earlier is not None and earlier < number else {}
        steps.append(step(f"{number}", **{**fields, "needs": needs}))
    with tempfile.TemporaryDirectory() as path:
        folder, paper = run(steps, Path(path))
        assert all(outcome(folder, each.id) is Outcome.PASSED for each in steps)
    for names in paper.together:
        for machine in paper.names:
            beside = [each for each in steps if each.id in names and each.machine == machine]
            assert len(beside) <= HERE.cores
            assert len(beside) < 2 or not any(each.measures for each in beside), f"{beside[0].id} was disturbed"
            assert len(beside) < 2 or sum(each.memory_bytes for each in beside) <= HERE.memory_bytes


def test_what_a_step_needs_is_shipped_and_what_it_leaves_is_fetched(tmp_path: Path) -> None:
    steps = [
        step("a", "one"),
        step("b", "two", needs={"trained": "a"}),
        step("c", "one", needs={"artifact": "b", "trained": "a"}),
    ]
    folder, _ = run(steps, tmp_path)
    assert (folder.folder("c") / ANSWER).read_text() == "c(b(a()) a())"


def test_a_minute_without_an_ending_is_spoken_of(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    slow = step("slow", "one", settings={"seconds": 150.0}, timeout_s=600.0)
    with Reporter(console) as reporter:
        reporter.begin([slow])
        execute([slow], run_folder(tmp_path / "run"), reporter, PaperExecutor(root=tmp_path))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert [("at work for" in line) for line in lines] == [True, True, False]


@pytest.mark.parametrize("where", ["wait", "fetch"])
def test_an_interrupt_cancels_what_is_at_work_on_every_machine(where: str, tmp_path: Path) -> None:
    steps = [step(name, machine, settings={"seconds": 2.0}) for name, machine in (("a", "one"), ("b", "two"))]
    folder, paper = run_folder(tmp_path / "run"), PaperExecutor(root=tmp_path, interrupt_at=2.0, interrupt_in=where)
    with pytest.raises(KeyboardInterrupt):
        execute([step("z", "one"), *steps], folder, Reporter(Console(file=io.StringIO())), paper)
    assert sorted(paper.cancelled) == ["a", "b"]
    assert outcome(folder, "z") is Outcome.PASSED
    assert not any(folder.folder(each.id).exists() for each in steps)


def test_one_that_cannot_be_cancelled_keeps_no_other_at_work(tmp_path: Path) -> None:
    steps = [step("a", "one"), step("b", "one"), step("c", "two")]
    paper = PaperExecutor(root=tmp_path, interrupt_at=0.0, stubborn=("b",))
    with pytest.raises(OSError, match="b is not to be stopped"):
        execute(steps, run_folder(tmp_path / "run"), Reporter(Console(file=io.StringIO())), paper)
    assert sorted(paper.cancelled) == ["a", "c"]


def test_a_step_for_a_machine_that_is_not_reached_says_so(tmp_path: Path) -> None:
    folder, paper = run([step("a", "three"), step("b", "two", needs={"artifact": "a"})], tmp_path)
    ending = folder.result("a")
    assert ending is not None
    assert (ending.outcome, ending.reason) == (
        Outcome.UNAVAILABLE,
        "node lost: no machine of the kind 'three' is reached",
    )
    assert ending.remedy == "resume the run when one is; reached now: one, two"
    assert outcome(folder, "b") is Outcome.UNAVAILABLE
    assert not paper.together


@pytest.mark.parametrize(("ending", "tidied"), [("passed", []), ("crashed", ["two"]), ("timed_out", ["two"])])
def test_the_machine_of_a_step_that_crashed_is_tidied(ending: str, tidied: list[str], tmp_path: Path) -> None:
    _, paper = run([step("a", "two", settings={"ending": ending}), step("b", "one")], tmp_path)
    assert paper.tidied == tidied


def test_what_was_left_behind_is_said(tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    tidy(PaperExecutor(root=tmp_path), ("one", "two"), Reporter(console))
    assert console.file.getvalue() == "removed container left-on-one\nremoved container left-on-two\n"  # type: ignore[attr-defined]
