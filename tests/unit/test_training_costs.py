"""What a planned training takes, exactly; from how many steps the order turns; and what of it is shown."""

import io
import re
from dataclasses import replace
from math import hypot, inf, log

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from evaluator.checks.training_time import plugin as training_time
from evaluator.core import metrics
from evaluator.core.outcome import Outcome
from evaluator.core.records import NO_PLAN
from evaluator.core.scorecard import Interval, Reply, Training
from evaluator.core.turns import Blocks
from evaluator.judging import training
from evaluator.judging.evidence import Evidence
from evaluator.measure.pairs import START_DEVIATION
from evaluator.measure.training import Cost, turning_point
from evaluator.report import _terminal, html, markdown
from evaluator.report.sections.planned import plugin as section
from tests import fakes

SECONDS = st.floats(1e-4, 1e4)
STEPS = st.integers(1, 10**9)


def parts(evidence: Evidence, framework: str, **figures: float) -> Evidence:
    wanted = fakes.is_step(stage="train", device="cpu", framework=framework)
    changed = fakes.change(evidence, wanted, **figures)
    return fakes.resample(changed, wanted, "step", (figures["step_s"],) * 30) if "step_s" in figures else changed


def made_up() -> Evidence:
    """PyTorch starts after 5 s and takes 0.4 s a step; TensorFlow starts after 20 s and takes 0.3 s."""
    run = parts(fakes.complete_run(), "pytorch", import_s=3.0, build_s=0.5, time_to_first_step_s=1.5, step_s=0.4)
    return parts(run, "tensorflow", import_s=8.0, build_s=2.0, time_to_first_step_s=10.0, step_s=0.3)


def one(evidence: Evidence) -> Training:
    (found,) = training.trainings(evidence)
    return found


def test_the_arithmetic_of_a_plan_is_exact_and_shown() -> None:
    found = one(made_up())
    assert (found.examples, found.epochs, found.batch_size, found.steps) == (80_001, 3, 8, 30_003)
    assert found.arithmetic == "80,001 examples in batches of 8 are 10,001 steps, 3 times: 30,003 steps"
    torch, tensorflow = found.costs["pytorch"], found.costs["tensorflow"]
    assert (torch.fixed_s, tensorflow.fixed_s) == pytest.approx((4.6, 19.7))
    assert torch.planned_s == pytest.approx(4.6 + 30_003 * 0.4)
    assert tensorflow.planned_s == pytest.approx(19.7 + 30_003 * 0.3)
    assert torch.arithmetic == (
        "4.60 s (import 3.00 s, build 500 ms, first step 1.50 s, less one step) + 30,003 steps of 400 ms = 3 h 20 min"
    )


def test_what_is_scored_is_the_planned_training_and_not_the_few_steps_of_this_one() -> None:
    run = fakes.change(made_up(), fakes.is_step(stage="train", framework="pytorch", device="cpu"), train_s=0.001)
    scores = {f.candidate: f for f in training_time.judge(run) if f.device == "cpu"}
    assert {f.metric for f in scores.values()} == {"planned_training_s"}
    assert scores["pytorch"].value == pytest.approx(4.6 + 30_003 * 0.4)
    assert scores["tensorflow"].value == pytest.approx(19.7 + 30_003 * 0.3)
    (compared,) = (c for c in training_time.compare(run) if c.device == "cpu")
    assert compared.metric == "planned_training_s"
    assert compared.ratio is not None
    assert compared.ratio.value == pytest.approx((4.6 + 30_003 * 0.4) / (19.7 + 30_003 * 0.3))


A = Cost(start_s=5.0, step_s=0.4)
B = Cost(start_s=20.0, step_s=0.3)


@pytest.mark.parametrize(
    ("a", "b", "steps"),
    [
        (A, B, 151.0),  # 5 + 150 x 0.4 = 20 + 150 x 0.3
        (B, A, 151.0),
        (A, Cost(start_s=20.0, step_s=0.5), None),  # the first is ahead from the start
        (Cost(start_s=20.0, step_s=0.5), A, None),
        (A, A, None),
        (A, Cost(start_s=9.0, step_s=0.4), None),  # never caught up with
        (A, Cost(start_s=5.0, step_s=0.3), None),  # equal at the first step, and never again
    ],
)
def test_where_the_order_turns(a: Cost, b: Cost, steps: float | None) -> None:
    found = turning_point(a, b, a.step_s / b.step_s)
    assert found == (None if steps is None else pytest.approx(steps))
    if found is not None:
        assert a.total_s(found) == pytest.approx(b.total_s(found))


@given(start=SECONDS, step=SECONDS, steps=STEPS, more=STEPS)
def test_a_longer_training_takes_longer_and_never_less_than_its_steps(
    start: float, step: float, steps: int, more: int
) -> None:
    cost = Cost(start_s=start, step_s=step)
    assert cost.total_s(1) == pytest.approx(start)
    assert cost.total_s(steps) < cost.total_s(steps + more)
    assert cost.total_s(steps) == pytest.approx(cost.fixed_s + steps * step)
    assert 0 < cost.share(steps) <= 1


@given(a=st.builds(Cost, start_s=SECONDS, step_s=SECONDS), b=st.builds(Cost, start_s=SECONDS, step_s=SECONDS))
def test_the_order_turns_where_both_have_taken_the_same(a: Cost, b: Cost) -> None:
    found = turning_point(a, b, a.step_s / b.step_s)
    early = (a.start_s < b.start_s) != (a.step_s < b.step_s)
    assert found is None or early
    if found is not None and found < 1e9:
        assert a.total_s(found) == pytest.approx(b.total_s(found))
        assert (a.total_s(found / 2) < b.total_s(found / 2)) == (a.start_s < b.start_s) or found < 2


def test_an_uncertain_start_adds_to_the_error_as_much_as_it_weighs() -> None:
    assert A.deviation(10**9) == pytest.approx(START_DEVIATION)
    assert A.deviation(1) == pytest.approx(hypot(START_DEVIATION, log(2) / 2))  # nothing but a start
    assert A.share(101) == pytest.approx(5 / 45)
    assert A.deviation(101) == pytest.approx(hypot(START_DEVIATION, log(2) / 2 / 9))


COSTS = {"PyTorch": A, "TensorFlow": B}
SURE = Interval(value=4 / 3, low=1.25, high=1.4)


@pytest.mark.parametrize(
    ("costs", "ratio", "reply", "sentence"),
    [
        (
            COSTS,
            SURE,
            "different",
            "PyTorch is ahead below 150 steps (130 to 190), TensorFlow above; planned are 30,003",
        ),
        (
            {"PyTorch": B, "TensorFlow": A},
            Interval(value=3 / 4, low=0.7, high=0.8),
            "different",
            "TensorFlow is ahead below 150 steps (120 to 190), PyTorch above; planned are 30,003",
        ),
        (
            {"PyTorch": A, "TensorFlow": Cost(start_s=20.0, step_s=0.5)},
            Interval(value=0.8, low=0.75, high=0.85),
            "different",
            "none: PyTorch is ahead at any number of steps, it starts earlier and its steps are shorter",
        ),
        (
            COSTS,
            Interval(value=1.0, low=0.98, high=1.02),
            "equivalent",
            "none: a step takes both the same time; PyTorch starts 15.0 s earlier, the time of 50 steps",
        ),
        (
            COSTS,
            Interval(value=1.1, low=0.9, high=1.3),
            "undecided",
            "not known: it is undecided whose step is shorter; PyTorch starts 15.0 s earlier, the time of 50 steps",
        ),
        (
            COSTS,
            SURE,
            "disturbed",
            (
                "not known: the machine was too disturbed to tell whose step is shorter; "
                "PyTorch starts 15.0 s earlier, the time of 50 steps"
            ),
        ),
    ],
)
def test_the_sentence_of_a_turning_point(costs: dict[str, Cost], ratio: Interval, reply: Reply, sentence: str) -> None:
    point, told = training.turning(costs, ratio, reply, 30_003)
    assert told == sentence
    assert (point is not None) is (" is ahead below " in sentence)


@pytest.mark.parametrize(
    ("start_s", "worth"),
    [(10.1, "less than a step takes"), (10.35, "the time of 1 step"), (10.7, "the time of 2 steps")],
)
def test_what_starting_earlier_is_worth(start_s: float, worth: str) -> None:
    costs = {"PyTorch": Cost(start_s=10.0, step_s=0.3), "TensorFlow": Cost(start_s=start_s, step_s=0.4)}
    assert training.turning(costs, SURE, "undecided", 30_003)[1].endswith(f" earlier, {worth}")


def test_a_training_without_quality_costs_nothing_that_counts() -> None:
    run = fakes.change(made_up(), fakes.is_step(stage="train", framework="pytorch", device="cpu"), heldout_accuracy=0.1)
    found = one(run)
    assert set(found.costs) == {"tensorflow"}
    assert (found.step_ratio, found.turning_point_steps, found.turning_point) == (None, None, "")
    score = next(f for f in training_time.judge(run) if (f.candidate, f.device) == ("pytorch", "cpu"))
    assert (score.state, score.score) == (Outcome.FAILED, 0.0)


def planning(train: object) -> Evidence:
    run = made_up()
    scenario = {**run.run.scenarios["resnet50"], "train": train}
    return replace(run, run=msgspec.structs.replace(run.run, scenarios={"resnet50": scenario}))


def test_a_run_from_before_there_were_plans_is_asked_for_the_default_which_says_so() -> None:
    found = one(planning({"batch_size": 16}))
    assert (found.examples, found.epochs, found.steps) == (100_000, 10, 62_500)
    assert found.source == NO_PLAN.source


@pytest.mark.parametrize("train", [7, {}, {"batch_size": "8"}, {"batch_size": 0.5}, {"batch_size": -1}])
def test_without_a_batch_size_no_total_is_made_up(train: object) -> None:
    run = planning(train)
    assert training.trainings(run) == ()
    found = next(f for f in training_time.judge(run) if f.device == "cpu")
    assert (found.state, found.score) == (Outcome.UNAVAILABLE, None)


@pytest.mark.parametrize("plan", [7, {"examples": inf, "epochs": "many", "source": 7}, {"examples": 0.25}, []])
def test_a_plan_that_no_fweval_wrote_counts_as_not_given(plan: object) -> None:
    assert one(planning({"batch_size": 16, "plan": plan})).source == NO_PLAN.source


def test_what_older_runs_did_not_measure_is_left_out_and_missed() -> None:
    old = ("import_s", "build_s", "evaluation_s")
    run = made_up()
    entries = [
        replace(
            each,
            result=msgspec.structs.replace(
                each.result, metrics={k: v for k, v in each.result.metrics.items() if k not in old}
            ),
        )
        for each in run.entries
    ]
    found = one(replace(run, entries=tuple(entries)))
    torch = found.costs["pytorch"]
    assert (torch.import_s, torch.build_s, torch.evaluation_s) == (None, None, None)
    assert torch.fixed_s == pytest.approx(1.5 - 0.4)
    assert torch.arithmetic.startswith("1.10 s (first step 1.50 s, less one step)")


def test_the_first_step_is_none_of_the_steady_ones_in_older_runs_either() -> None:
    (entry,) = fakes.complete_run().select("train", framework="pytorch", device="cpu")
    entry = replace(entry, samples={"step": (9.0, 0.4, 0.5)}, blocks=Blocks())
    assert training.steady(entry) == (9.0, 0.4, 0.5)
    kept = {name: value for name, value in entry.result.metrics.items() if name != "build_s"}
    old = replace(entry, result=msgspec.structs.replace(entry.result, metrics=kept))
    assert training.steady(old) == (0.4, 0.5)


def test_steps_beside_others_are_none_of_the_steady_ones_unless_there_are_no_others() -> None:
    (entry,) = made_up().select("train", framework="pytorch", device="cpu")
    block = entry.blocks.blocks[0]
    parts = tuple(
        msgspec.structs.replace(block, calls=calls, turn=turn, quiet=quiet)
        for turn, (calls, quiet) in enumerate(((2, False), (1, True), (3, False)))
    )
    entry = replace(entry, samples={"step": (9.0, 8.0, 0.4, 7.0, 6.0, 5.0)}, blocks=Blocks(blocks=parts))
    assert training.steady(entry) == (0.4,)
    loud = tuple(msgspec.structs.replace(each, quiet=False) for each in parts)
    assert training.steady(replace(entry, blocks=Blocks(blocks=loud))) == (9.0, 8.0, 0.4, 7.0, 6.0, 5.0)


def test_the_turning_point_comes_from_the_blocks_of_the_same_turns() -> None:
    """TensorFlow starts 15 s later and its step is a quarter shorter: shown in every turn, hence the order turns."""
    found = one(made_up())
    assert found.step_ratio is not None
    assert found.step_ratio.value == pytest.approx(4 / 3)
    assert found.turning_point_steps == 151
    assert found.turning_point.startswith("PyTorch is ahead below 150 steps (")
    assert found.turning_point.endswith("), TensorFlow above; planned are 30,003")
    alone = one(fakes.one_after_the_other(made_up()))
    assert alone.step_ratio is not None
    assert (alone.turning_point_steps, alone.step_ratio.low) == (None, None)
    assert alone.turning_point.startswith(
        "not known: it is undecided whose step is shorter; PyTorch starts 15.0 s earlier"
    )


def test_nobody_is_told_apart_beside_others() -> None:
    run = fakes.disturb(made_up(), fakes.is_step(stage="train", device="cpu"), range(3, 1000))
    assert one(run).turning_point.startswith("not known: the machine was too disturbed to tell whose step is shorter")
    (compared,) = (c for c in training_time.compare(run) if c.device == "cpu")
    assert (compared.answer, compared.winner) == ("disturbed", None)


def test_a_training_is_scored_by_its_target_whoever_is_ahead() -> None:
    run = fakes.one_after_the_other(made_up())
    for found in (f for f in training_time.judge(run) if f.device == "cpu"):
        assert found.value is not None
        assert found.target is not None
        assert (found.target.full, found.target.none) == (3_600, 30 * 86_400)
        assert found.score == pytest.approx(10 * log(2_592_000 / found.value) / log(720))
    (compared,) = (c for c in training_time.compare(run) if c.device == "cpu")
    assert compared.answer == "undecided"


def turned() -> Training:
    ratio = Interval(value=4 / 3, low=1.25, high=1.4)
    found = one(made_up())
    return msgspec.structs.replace(found, step_ratio=ratio, turning_point_steps=151, turning_point="PyTorch is ahead")


def test_the_turning_point_is_a_figure_of_both_trainings() -> None:
    cells = fakes.scorecard(made_up()).cells
    told = training.with_turning_points(cells, [turned()])
    kept = {
        cell.framework: cell.metrics["turning_point_steps"] for cell in told if "turning_point_steps" in cell.metrics
    }
    assert kept == {"pytorch": 151, "tensorflow": 151}
    assert {cell.stage for cell in told if "turning_point_steps" in cell.metrics} == {"train"}
    assert not metrics.misfits({"turning_point_steps": 151})
    assert training.with_turning_points(cells, [msgspec.structs.replace(turned(), turning_point_steps=None)]) == cells


def test_every_output_has_plan_arithmetic_and_turning_point() -> None:
    card = msgspec.structs.replace(fakes.scorecard(made_up()), trainings=(turned(),))
    page, text = html.page(card, (section,)), "\n".join(markdown.write(section.blocks(card)))
    for said in (turned().arithmetic, turned().costs["pytorch"].arithmetic, turned().costs["tensorflow"].arithmetic):
        assert said in page
        assert said in text.replace("\\", "")
    assert "the order turns at 151 steps" in page
    assert len(re.findall(r'<polyline[^>]*class="curve', page)) == 2
    assert page.count('class="middle"') == 1
    assert "PyTorch is ahead" in text


def test_the_terminal_says_in_brief_what_is_planned_and_where_the_order_turns() -> None:
    card = msgspec.structs.replace(fakes.scorecard(made_up()), trainings=(turned(),))
    console = Console(width=100, no_color=True, file=io.StringIO())
    console.print(_terminal.rendered(section.brief(card)))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "PyTorch 3 h 20 min" in shown
    assert "PyTorch is ahead" in shown
    lone = msgspec.structs.replace(turned(), costs={"pytorch": turned().costs["pytorch"]})
    assert section.brief(msgspec.structs.replace(card, trainings=(lone,))) == ()
