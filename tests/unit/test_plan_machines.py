"""Plans for several kinds of machines: what is done once, what on each, and who is judged."""

from collections.abc import Mapping
from typing import Any

import pytest

from evaluator import pipeline
from evaluator.core.coordinates import MACHINE
from evaluator.core.records import Step
from evaluator.core.store import Plan
from evaluator.planning import plan
from evaluator.planning.capabilities import Capabilities
from evaluator.planning.selection import Options
from scenarios.loading import load_scenario
from tests.engine import PROFILE, PaperMachine

TINY = load_scenario("tiny")
HERE = PaperMachine()
ONCE = {"align", "export", "tpu", "upkeep", "ease"}


def planned(others: Mapping[str, Capabilities], here: Capabilities = HERE, **options: Any) -> Plan:
    return plan.make_plan([TINY], PROFILE, Options(**options), here, pipeline.PLANNED, others)


def of(made: Plan, machine: str) -> list[Step]:
    return [step for step in made.steps if step.machine == machine]


def test_one_kind_is_planned_as_ever() -> None:
    alone = plan.make_plan([TINY], PROFILE, Options(), HERE, pipeline.PLANNED)
    assert planned({}) == alone
    assert {step.machine for step in alone.steps} == {MACHINE}
    assert not any(step.column for step in alone.steps)


def test_what_is_measured_is_measured_on_each_kind_and_the_rest_is_done_once() -> None:
    made = planned({"board": PaperMachine()}, devices=("cpu",))
    there = of(made, "board")
    assert {step.stage for step in there} == {"train", "verify", "run", "edge", "serve", "load", "probe"}
    assert all(step.column for step in there)
    assert not {step.stage for step in of(made, MACHINE)}.isdisjoint(ONCE)
    assert of(made, MACHINE) == list(planned({}, devices=("cpu",)).steps)


def test_a_column_is_of_defaults_and_of_no_round_that_a_question_asks_for() -> None:
    there = of(planned({"board": PaperMachine()}, devices=("cpu",)), "board")
    assert not any(step.variant or step.spare for step in there)


def test_what_is_proven_elsewhere_is_what_was_exported_from_the_first() -> None:
    made = planned({"board": PaperMachine()}, devices=("cpu",))
    steps = {step.id: step for step in made.steps}
    for step in of(made, "board"):
        needed = {role: steps[each] for role, each in step.needs.items()}
        if step.stage in ("run", "edge"):
            assert {each.machine for role, each in needed.items() if role != "verified"} == {MACHINE}
        if step.stage == "run" and "verified" in needed:
            assert needed["verified"].machine == "board"
        if step.stage in ("load", "probe"):
            assert needed["served"].machine == "board"


def test_a_device_that_the_first_kind_lacks_is_judged_on_the_first_that_has_it() -> None:
    boxes = {"box-a": PaperMachine(no_devices=()), "box-b": PaperMachine(no_devices=())}
    made = planned(boxes, devices=("cpu", "gpu"))
    on_gpu = [step for step in made.steps if step.device == "gpu"]
    assert {step.machine for step in on_gpu} == {"box-a", "box-b"}
    assert {step.column for step in on_gpu if step.machine == "box-a"} == {False}
    assert {step.column for step in on_gpu if step.machine == "box-b"} == {True}
    assert {step.stage for step in on_gpu if step.machine == "box-a"} >= {"equivalence", "train", "run"}
    assert {step.stage for step in on_gpu if step.machine == "box-b"}.isdisjoint({"equivalence", "learn"})
    impossible = {result.step for result in made.impossible}
    assert not impossible & {step.id for step in on_gpu if step.stage == "train"}


def test_a_device_that_nobody_has_is_a_row_of_the_first() -> None:
    made = planned({"board": PaperMachine()}, devices=("gpu",))
    assert {step.machine for step in made.steps if step.device == "gpu"} == {MACHINE}


@pytest.mark.parametrize("lacking", ["torch", "onnxruntime"])
def test_what_a_kind_lacks_is_unavailable_there_alone(lacking: str) -> None:
    made = planned({"board": PaperMachine(lacking=(lacking,))}, devices=("cpu",))
    impossible = {result.step for result in made.impossible}
    assert any(step.id in impossible for step in of(made, "board"))
    before = {result.step for result in planned({}, devices=("cpu",)).impossible}
    assert {step.id for step in of(made, MACHINE)} & impossible == before


def test_no_step_is_planned_twice() -> None:
    made = planned({"a": PaperMachine(no_devices=()), "b": PaperMachine(no_devices=())})
    ids = [step.id for step in made.steps]
    assert len(set(ids)) == len(ids)
    keys = [step.key() for step in made.steps]
    assert len(set(keys)) == len(keys)
