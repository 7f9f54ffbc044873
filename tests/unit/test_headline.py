"""The article's sizes: a few steps of each, and what its totals would be by them, with the arithmetic."""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator import cli
from evaluator.children.turns import Call, Taken, Turns
from evaluator.commands.train import HEADLINE
from evaluator.core.scorecard import Training
from evaluator.core.turns import Blocks, Track
from evaluator.judging import extrapolating, training
from evaluator.judging.evidence import Evidence
from evaluator.measure.training import Cost
from evaluator.planning import plan
from evaluator.planning.selection import Options
from evaluator.report.sections import planned
from evaluator.stages._course import STEP, Course
from evaluator.stages._lessons import Batch, course, course_steps
from scenarios import loading
from scenarios.contract import TrainSettings
from tests import fakes
from tests.engine import PaperMachine
from tests.unit.test_course import Counting

COSTS = {"PyTorch": Cost(start_s=5.0, step_s=0.4), "TensorFlow": Cost(start_s=20.0, step_s=0.3)}
CLAIMED = {"PyTorch": 1100.0, "TensorFlow": 1200.0}


def test_the_arithmetic_of_an_extrapolation_is_exact_and_shown() -> None:
    """PyTorch: 4.6 s + n x 0.4 s = 1,100 s, n = 2738.5; TensorFlow: 19.7 s + 2738.5 x 0.3 s = 841.25 s."""
    assert extrapolating.sentence(COSTS, CLAIMED, "the article", "different") == (
        "the article gives 1,100 s for PyTorch and 1,200 s for TensorFlow, without their steps: a ratio of 0.917. On "
        "this machine PyTorch takes 1,100 s for 2,738 steps (4.60 s fixed + 2,738 steps of 400 ms). TensorFlow takes "
        "841 s for as many (19.7 s fixed + 2,738 steps of 300 ms): a ratio of 1.31"
    )


@pytest.mark.parametrize("reply", ["undecided", "disturbed", None])
def test_what_is_not_decided_is_said_of_an_extrapolation_too(reply: Any) -> None:
    told = extrapolating.sentence(COSTS, CLAIMED, "the article", reply)
    assert told.endswith("; whose step is shorter is not decided")


@pytest.mark.parametrize("claimed", [{}, {"PyTorch": 1100.0}, {"PyTorch": 4.0, "TensorFlow": 5.0}])
def test_without_two_totals_that_steps_could_fill_nothing_is_extrapolated(claimed: dict[str, float]) -> None:
    assert extrapolating.sentence(COSTS, claimed, "the article", "different") == ""
    assert extrapolating.sentence({"PyTorch": COSTS["PyTorch"]}, CLAIMED, "the article", "different") == ""


@given(step=st.floats(1e-3, 1e3), start=st.floats(0.0, 10.0))
def test_the_same_costs_give_the_same_total(step: float, start: float) -> None:
    cost = Cost(start_s=start + step, step_s=step)
    claimed = {"PyTorch": 5000.0, "TensorFlow": 1.0}
    told = extrapolating.sentence({"PyTorch": cost, "TensorFlow": cost}, claimed, "somebody", "equivalent")
    assert told.endswith(": a ratio of 1.00")


def claiming(claimed: dict[str, float]) -> Evidence:
    run = fakes.complete_run()
    train = {**fakes.TRAIN, "plan": {**fakes.TRAIN["plan"], "claimed": claimed, "claimed_by": "the article"}}  # type: ignore[dict-item]
    scenario = {**run.run.scenarios["resnet50"], "train": train}
    return dataclasses.replace(run, run=msgspec.structs.replace(run.run, scenarios={"resnet50": scenario}))


def one(evidence: Evidence) -> Training:
    (found,) = training.trainings(evidence)
    return found


def test_the_report_says_that_it_is_extrapolated_and_only_where_somebody_claims_totals() -> None:
    found = one(claiming({"pytorch": 1100.0, "tensorflow": 1200.0}))
    assert found.extrapolated.startswith("the article gives 1,100 s for PyTorch")
    text = str(planned.shown([found]))
    assert "Extrapolated: " in text
    assert one(fakes.complete_run()).extrapolated == ""
    assert "Extrapolated" not in str(planned.shown([one(fakes.complete_run())]))


@pytest.mark.parametrize("name", HEADLINE)
def test_it_is_the_articles_size_for_a_few_steps_and_no_quality_is_claimed(name: str) -> None:
    scenario = loading.load_scenario(name)
    settings, train = scenario.settings, scenario.training
    assert settings.get("image_size") == 224 or (settings["size"], settings["sequence"]) == ("base", 128)
    assert train.most_steps is not None
    assert 12 <= train.most_steps <= 20
    assert train.steps_at_a_time == 1
    assert "measures cost, not quality" in scenario.summary
    assert scenario.targets.heldout_accuracy == {}
    assert set(train.plan.claimed) == {"pytorch", "tensorflow"}
    assert "the article says neither data, epochs nor batch size" in train.plan.source
    stages = ("align", "equivalence", "train", "learn")
    made = plan.make_plan([scenario], loading.load_profile("smoke"), Options(devices=("cpu",)), PaperMachine(), stages)
    learnt = {step.id for step in made.steps if step.stage == "learn"}
    assert learnt <= {result.step for result in made.impossible}, "there is nothing to be reached"


class Asking(Turns):
    """Keeps what it could ask for, and asks for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.tracks: list[Track] = []

    def take(self, calls: Mapping[Track, Call], cpu_s: Any = None, *, last: bool = False, meter: Any = None) -> Taken:
        del cpu_s, last, meter
        self.tracks += calls
        return Taken(found=Blocks(), series={STEP: ()}, tracks={track.name: track for track in calls})


@pytest.mark.parametrize("at_a_time", [1, 3])
def test_as_many_steps_are_asked_for_at_a_time_as_is_said(at_a_time: int) -> None:
    turns = Asking()
    batches: list[Batch] = [({}, np.array([float(number)])) for number in range(13)]
    Course(Counting(), batches, at_a_time=at_a_time).run(turns)
    ((track),) = turns.tracks
    assert (track.block_calls, track.min_calls) == (at_a_time, 12)


@pytest.mark.parametrize(
    ("examples", "epochs", "most", "steps"), [(64, 2, None, 8), (64, 2, 5, 5), (64, 2, 9, 8), (15, 2, 5, 0)]
)
def test_a_course_has_all_of_its_epochs_unless_it_is_cut_short(
    examples: int, epochs: int, most: int | None, steps: int
) -> None:
    train = TrainSettings(optimizer="sgd", learning_rate=0.1, batch_size=16, epochs=epochs, most_steps=most)
    about: Any = SimpleNamespace(scenario=SimpleNamespace(training=train))
    assert course_steps(about, examples) == steps
    assert len(list(course(about, examples, seed=1))) == steps


@pytest.mark.parametrize("typed", [("tiny",), ("resnet50", "bert")])
def test_with_other_scenarios_it_is_refused_in_one_line(
    typed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fweval", "train", "--headline", *typed])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    said = capsys.readouterr().err.strip()
    assert said == (
        "fweval: --headline is about resnet50_224 and bert_base_128, and no other scenario "
        f"(leave out {' '.join(typed)})"
    )
    assert list(tmp_path.iterdir()) == []
