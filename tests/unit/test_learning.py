"""Training until a target: what is counted on the way, what it takes in seconds, and what a missed seed changes."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.core import registry
from evaluator.core.learning import TimeToQuality
from evaluator.core.outcome import Outcome
from evaluator.core.records import FRAMEWORKS, Metrics, Profile, Result, Step
from evaluator.core.scorecard import Scorecard
from evaluator.core.store import Plan
from evaluator.judging import learning
from evaluator.judging.evidence import Entry, Evidence
from evaluator.judging.quality_reached import reached
from evaluator.measure.training import Cost
from evaluator.planning import plan
from evaluator.planning.selection import Options
from evaluator.report import _terminal, html, markdown
from evaluator.report.sections.planned import plugin as planned
from evaluator.report.sections.training import plugin as training_section
from evaluator.stages import _mllog
from evaluator.stages._lessons import Batch, order
from evaluator.stages.learn import Goal, Pupil, seed_of
from scenarios import loading
from tests import fakes
from tests.engine import PROFILE, PaperMachine

STAGES = ("align", "origin", "equivalence", "train", "learn")
TARGET = 0.7


class Teacher:
    """Counts its steps; its loss is no number from one of them on."""

    own_seconds: float | None = None

    def __init__(self, diverges_in: int | None = None) -> None:
        self.seen: list[int] = []
        self._diverges_in = diverges_in

    def step(self, inputs: Mapping[str, Any], labels: Any) -> float:
        del inputs
        self.seen.append(int(labels))
        return math.nan if self._diverges_in == len(self.seen) else 1 / len(self.seen)


def endless() -> Iterator[Batch]:
    number = 0
    while True:
        number += 1
        yield {}, number


def pupil(judge: Callable[[int], float], diverges_in: int | None = None) -> tuple[Pupil, Teacher]:
    teacher = Teacher(diverges_in)
    return Pupil(trainer=teacher, batches=endless(), judge=lambda: judge(len(teacher.seen))), teacher


@pytest.mark.parametrize(
    ("every", "most", "right_from", "steps", "asked"),
    [
        (5, 40, 1, 5, 1),  # the first time that it is asked
        (5, 40, 11, 15, 3),  # known to five steps
        (5, 40, 40, 40, 8),
        (5, 40, 41, None, 8),
        (7, 10, 10, 10, 2),  # the last block is shorter
        (5, 0, 1, None, 0),  # fewer examples than a batch
    ],
)
def test_it_trains_until_the_target_is_seen_and_no_longer(
    every: int, most: int, right_from: int, steps: int | None, asked: int
) -> None:
    made, teacher = pupil(lambda taken: 0.8 if taken >= right_from else 0.2)
    assert made.learn(Goal(target=TARGET, every=every, most=most)) == steps
    assert teacher.seen == list(range(1, (most if steps is None else steps) + 1))
    assert (len(made.losses), len(made.accuracies)) == (len(teacher.seen), asked)


def test_a_target_that_is_just_reached_is_reached() -> None:
    made, _ = pupil(lambda _: TARGET)
    assert made.learn(Goal(target=TARGET, every=3, most=9)) == 3


def test_a_training_that_diverges_is_not_gone_on_with() -> None:
    made, teacher = pupil(lambda _: 0.1, diverges_in=4)
    assert made.learn(Goal(target=TARGET, every=4, most=40)) is None
    assert made.diverged
    assert len(teacher.seen) == 4
    assert made.accuracies == []


def test_time_for_data_and_for_computing_are_told_apart() -> None:
    made, _ = pupil(lambda _: 1.0)
    assert made.loading_share == 0.0  # nothing was done
    made.loading_s, made.compute_s, made.evaluations_s = 1.0, 3.0, 100.0
    assert made.loading_share == 0.25


def test_the_order_of_the_data_is_the_seeds_and_has_every_example_once_in_an_epoch() -> None:
    def epoch(seed: int) -> list[int]:
        return [int(row) for _, rows in zip(range(4), order(8, 2, seed), strict=False) for row in rows]

    assert sorted(epoch(1)) == list(range(8))
    assert epoch(1) == epoch(1) != epoch(2)
    assert list(order(1, 2, 1)) == []


def test_the_first_seed_is_the_runs_and_no_two_are_alike() -> None:
    seeds = [seed_of(7, number) for number in range(1, 6)]
    assert seeds[0] == 7
    assert len(set(seeds)) == 5
    assert seeds == [seed_of(7, number) for number in range(1, 6)]
    assert seed_of(8, 2) != seed_of(7, 2)
    assert all(0 <= seed < 2**32 for seed in seeds[1:])


def made(scenario: str, profile: Profile = PROFILE) -> Plan:
    chosen = [loading.load_scenario(scenario)]
    return plan.make_plan(chosen, profile, Options(devices=("cpu",)), PaperMachine(), STAGES)


def test_every_seed_is_a_round_in_each_framework_from_the_common_weights() -> None:
    thorough = loading.load_profile("full")
    found = [step for step in made("tiny", thorough).steps if step.stage == "learn" and step.variant is None]
    places = [(step.framework, step.round) for step in found]
    assert sorted(places) == [(name, number) for name in FRAMEWORKS for number in (1, 2, 3)]
    first = next(step for step in made("tiny", thorough).steps if step.stage == "align")
    assert {step.needs["weights"] for step in found} == {first.id}
    assert not any(step.measures for step in found)


def test_without_a_target_for_the_profile_it_says_so() -> None:
    planned_ones = made("tiny")  # in a profile that the scenario does not know
    steps = {step.id for step in planned_ones.steps if step.stage == "learn"}
    ended = {result.step: result for result in planned_ones.impossible}
    assert len(steps) == len(FRAMEWORKS)
    assert {ended[step].outcome for step in steps} == {Outcome.NOT_APPLICABLE}
    assert {ended[step].reason for step in steps} == {"no held-out target for the profile made-up"}


def test_variants_that_round_otherwise_train_to_the_target_once_when_their_trial_has_passed() -> None:
    steps = {step.id: step for step in made("tiny", loading.load_profile("full")).steps}
    learnt = [step for step in steps.values() if step.stage == "learn" and step.variant is not None]
    tried = {step.variant for step in steps.values() if step.stage == "train"} - {None}
    exact = {each.name for each in registry.load_all("training_variant") if each.exact}
    assert exact & tried
    assert sorted(str(step.variant) for step in learnt) == sorted(map(str, tried - exact))
    for step in learnt:
        trial = steps[step.needs["trained"]]
        assert (trial.stage, trial.variant, trial.round, step.round) == ("train", step.variant, 1, 1)
    assert not [step for step in made("tiny").steps if step.stage == "learn" and step.variant], "there is no target"


def entry(framework: str, number: int, steps: int | None, variant: str | None = None, **told: float) -> Entry:
    """Return one training to the target; one that did not get there where `steps` is None."""
    metrics: Metrics = {
        "accuracy_target": TARGET,
        "evaluated_every": 5,
        "most_steps": 80,
        "best_accuracy": 0.63 if steps is None else 0.72,
        "loading_share": 0.01,
        "seed": 10 + number,
        "steps": steps or 80,
        **({} if steps is None else {"steps_to_target": steps}),
        **told,
    }
    step = Step(
        id=f"learn-{framework}-{number}-{variant}",
        stage="learn",
        scenario="resnet50",
        framework=framework,
        round=number,
        variant=variant,
        standard=variant is None,
    )
    reason = None if steps is not None else "the target of 70.0 % was not reached within 80 steps (best 63.0 %)"
    outcome = Outcome.FAILED if steps is None else Outcome.PASSED
    result = Result(step=step.id, outcome=outcome, reason=reason, metrics=metrics)
    count = (steps or 80) // 5
    samples = {
        "loss": tuple(1.0 / n for n in range(1, (steps or 80) + 1)),
        "heldout_accuracy": tuple(0.5 + 0.01 * n for n in range(count)),
    }
    return Entry(
        step=step, result=result, folder=f"steps/{step.id}", samples=samples, digests={"result.json": "a" * 64}
    )


def run(pytorch: tuple[int | None, ...] = (20,), tensorflow: tuple[int | None, ...] = (30,)) -> Evidence:
    """Return a run in which PyTorch starts after 5 s and takes 0.4 s a step; TensorFlow after 20 s and takes 0.3 s."""
    evidence = fakes.complete_run()
    for name, build_s, first_s, step_s in (("pytorch", 0.5, 1.5, 0.4), ("tensorflow", 2.0, 10.0, 0.3)):
        wanted = fakes.is_step(stage="train", device="cpu", framework=name)
        import_s = 3.0 if name == "pytorch" else 8.0
        figures = {"import_s": import_s, "build_s": build_s, "time_to_first_step_s": first_s, "step_s": step_s}
        evidence = fakes.change(evidence, wanted, **figures)
        evidence = fakes.resample(evidence, wanted, "step", (step_s,) * 30)
    learnt = [
        entry(name, number, steps)
        for name, seeds in (("pytorch", pytorch), ("tensorflow", tensorflow))
        for number, steps in enumerate(seeds, start=1)
    ]
    return replace(evidence, entries=(*evidence.entries, *learnt))


def one(evidence: Evidence) -> TimeToQuality:
    (found,) = learning.times_to_quality(evidence)
    return found


def test_the_seconds_are_the_start_and_as_many_steps_as_were_counted() -> None:
    found = one(run())
    torch, tensorflow = found.frameworks["pytorch"], found.frameworks["tensorflow"]
    assert torch.seconds == pytest.approx(5.0 + 19 * 0.4)
    assert tensorflow.seconds == pytest.approx(20.0 + 29 * 0.3)
    assert (torch.least_s, torch.most_s) == (torch.seconds, torch.seconds)
    assert torch.arithmetic == "4.60 s fixed + 20 steps of 400 ms = 12.6 s"
    assert (found.target, found.every, found.most_steps) == (TARGET, 5, 80)
    assert found.statement == (
        "70.0 % of the held-out examples are right after 20 steps in PyTorch (12.6 s), after 30 steps in "
        "TensorFlow (28.7 s); one seed each: too few to say who is there first"
    )


def test_of_several_seeds_it_is_the_median_with_their_spread() -> None:
    found = one(run((20, 60, 25), (10, 15, 20)))
    torch = found.frameworks["pytorch"]
    assert [torch.steps, torch.seconds] == pytest.approx([25, 5.0 + 24 * 0.4])
    assert [torch.least_s, torch.most_s] == pytest.approx([5.0 + 19 * 0.4, 5.0 + 59 * 0.4])
    assert [each.seed for each in torch.seeds] == [11, 12, 13]
    assert torch.arithmetic.endswith(", the median of 3 seeds")
    assert found.statement.endswith("; their seeds overlap: not told apart")


def test_whoever_is_there_first_with_every_seed_is_mentioned() -> None:
    assert one(run((20, 25, 30), (30, 30, 30))).statement.endswith("; PyTorch is there first with any of the seeds")
    assert one(run((70, 75, 80), (5, 5, 10))).statement.endswith("; TensorFlow is there first with any of the seeds")


@pytest.mark.parametrize(
    ("seeds", "steps", "said"),
    [
        ((None,), None, "no time to quality: 1 of 1 seed did not get there: the target of 70.0 % was not reached"),
        ((20, None), None, "no time to quality: 1 of 2 seeds did not get there"),
        ((20, None, 30), 30, "1 of 3 seeds did not get there: the target of 70.0 % was not reached within 80 steps"),
        ((20, None, None), None, "no time to quality: 2 of 3 seeds did not get there"),
        ((5, None, 10, 15, None), None, "2 of 5 seeds did not get there"),
        ((5, 10, 15, 20, None), 15, "1 of 5 seeds did not get there"),
    ],
)
def test_a_seed_that_does_not_get_there_is_reported_and_more_than_one_invalidates(
    seeds: tuple[int | None, ...], steps: float | None, said: str
) -> None:
    found = one(run(seeds))
    torch = found.frameworks["pytorch"]
    assert torch.steps == steps
    assert (torch.seconds is None) is (steps is None)
    assert said in torch.arithmetic
    assert [each.steps for each in torch.seeds] == list(seeds)
    if steps is None:
        assert found.statement.startswith(
            "70.0 % of the held-out examples are right at no time that is known in PyTorch"
        )


def test_of_five_seeds_the_fastest_and_the_slowest_are_no_part_of_the_spread() -> None:
    assert learning.spread([1, 2, 3, 4]) == (1, 4)
    assert learning.spread([5, 1, 3, 2, 4]) == (2, 4)
    assert learning.spread([5, 1, 3, 2, math.inf]) == (2, 5)
    assert learning.spread([math.inf]) is None
    assert learning.spread([]) is None


TIMES = st.lists(st.one_of(st.integers(1, 10**6).map(float), st.just(math.inf)), min_size=1, max_size=9)
SECONDS = st.floats(1e-4, 1e4)


@given(times=TIMES, data=st.data(), start=SECONDS, step=SECONDS)
def test_fewer_steps_never_make_a_time_to_quality_longer(
    times: list[float], data: st.DataObject, start: float, step: float
) -> None:
    chosen = data.draw(st.integers(0, len(times) - 1))
    fewer = data.draw(st.integers(1, int(min(times[chosen], 10**6))))
    better = [float(fewer) if number == chosen else value for number, value in enumerate(times)]
    before, after = learning.middle(times), learning.middle(better)
    assert before is None or (after is not None and after <= before)
    if before is not None and after is not None:
        cost = Cost(start_s=start, step_s=step)
        assert cost.total_s(after) <= cost.total_s(before)


@given(times=TIMES)
def test_a_spread_holds_the_median(times: list[float]) -> None:
    middle, ends = learning.middle(times), learning.spread(times)
    if middle is not None:
        assert ends is not None
        assert ends[0] <= middle <= ends[1]


def test_where_the_steps_were_too_disturbed_there_is_no_figure() -> None:
    evidence = fakes.disturb(run(), fakes.is_step(stage="train", device="cpu", framework="pytorch"), range(100))
    found = one(evidence)
    torch = found.frameworks["pytorch"]
    assert (torch.steps, torch.seconds) == (20, None)
    assert torch.arithmetic == "no time to quality: the machine was too disturbed while its steps were timed"
    assert "after 20 steps in PyTorch (seconds not known)" in found.statement
    assert found.frameworks["tensorflow"].seconds is not None
    assert {curve.framework for curve in learning.curves(evidence) if curve.x_name == "second"} == {"tensorflow"}


def test_a_training_that_does_not_count_lends_no_seconds() -> None:
    wanted = fakes.is_step(stage="train", device="cpu", framework="pytorch")
    found = one(fakes.end(run(), wanted, Outcome.CRASHED, "killed by signal 9"))
    assert found.frameworks["pytorch"].arithmetic == (
        "no time to quality: the seconds of its steps do not count (killed by signal 9)"
    )


def test_what_could_not_be_tried_is_no_seed_that_missed() -> None:
    wanted = fakes.is_step(stage="learn", framework="pytorch", round=2)
    found = one(fakes.end(run((20, 25)), wanted, Outcome.UNAVAILABLE))
    assert [each.number for each in found.frameworks["pytorch"].seeds] == [1]
    assert learning.times_to_quality(fakes.complete_run()) == ()


@pytest.mark.parametrize(
    ("seeds", "answer"),
    [((20,), True), ((None,), False), ((20, None), True), ((20, None, None), False), ((), None)],
)
def test_whether_a_variant_got_there(seeds: tuple[int | None, ...], answer: object) -> None:
    ended = [entry("pytorch", number, steps, variant="bfloat16") for number, steps in enumerate(seeds, start=1)]
    evidence = run()
    evidence = replace(evidence, entries=(*evidence.entries, *ended))
    assert reached(evidence, "resnet50", "pytorch", "cpu", "bfloat16") is answer
    assert reached(evidence, "resnet50", "pytorch", "cpu", None) is True
    assert reached(evidence, "resnet50", "pytorch", "gpu", None) is None
    assert one(evidence) == one(run()), "a variant is none of the framework's seeds"


def test_the_curves_run_along_steps_and_along_seconds() -> None:
    found = {(each.framework, each.x_name): each for each in learning.curves(run((20, 40)))}
    assert set(found) == {(name, along) for name in FRAMEWORKS for along in ("step", "second")}
    seen = found["pytorch", "step"]
    assert (seen.name, seen.unit, seen.x) == ("held-out accuracy", "share", (5.0, 10.0, 15.0, 20.0))
    loss = found["pytorch", "second"]
    assert loss.x[0] == pytest.approx(5.0)
    assert loss.x[-1] == pytest.approx(5.0 + 19 * 0.4)
    assert loss.y[:2] == (1.0, 0.5)


def card() -> Scorecard:
    evidence = run((20, None, 30), (None, None, 30))
    found = fakes.scorecard(evidence)
    return msgspec.structs.replace(
        found,
        times_to_quality=learning.times_to_quality(evidence),
        curves=(*found.curves, *learning.curves(evidence)),
    )


def test_the_report_tells_every_seed_and_draws_both_curves() -> None:
    shown = card()
    text = markdown.plugin.render(shown)
    assert "Time to quality: resnet50" in text
    assert "20, not reached, 30" in text
    assert "2 of 3 seeds did not get there" in text
    assert "TensorFlow, seed 2: the target of 70.0 % was not reached" in text
    page = html.plugin.render(shown)
    assert "Held-out accuracy by step" in page
    assert "Loss by second" in page
    assert "share" not in _titles(training_section.blocks(shown))
    assert any("Time to quality of resnet50: 70.0 %" in str(block) for block in planned.brief(shown))


def _titles(blocks: tuple[Any, ...]) -> str:
    return " ".join(figure.title for block in blocks for figure in getattr(block, "figures", ()))


def test_a_run_without_the_stage_shows_nothing_of_it() -> None:
    text = markdown.plugin.render(fakes.scorecard(fakes.complete_run()))
    assert "Time to quality" not in text
    _terminal.show_blocks(*planned.brief(fakes.scorecard()))


def test_without_its_package_a_log_is_not_written_and_nothing_else_changes(tmp_path: Path) -> None:
    made_one, _ = pupil(lambda _: 1.0)
    assert isinstance(made_one.log, _mllog.Log)
    assert made_one.learn(Goal(target=TARGET, every=2, most=4)) == 2
    assert list(tmp_path.iterdir()) == []
