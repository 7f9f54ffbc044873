"""Ways to train, exactly: what each costs, which is the best and who judges it, and what ends a comparison."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from evaluator.checks.training_parity import plugin as training_parity
from evaluator.checks.training_time import plugin as training_time
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Metrics
from evaluator.core.scorecard import Comparison, Interval, Reply, VariantCost
from evaluator.judging import variants
from evaluator.judging.evidence import Entry, Evidence
from evaluator.measure.training import Cost
from evaluator.report import _svg, markdown
from evaluator.report._blocks import Bar, Bars, Figures
from evaluator.report._svg import Axis
from evaluator.report.sections.variants import Variants
from tests import fakes

BLOCKS = 32
Steps = Callable[[int], float]


def trained(framework: str, variant: str | None, seconds: Steps, **figures: float) -> Entry:
    """Return a training of one step for each block, which takes what its turn says."""
    step = fakes.step("train", "resnet50", framework, device="cpu", variant=variant)
    samples = tuple(seconds(turn) for turn in range(BLOCKS))
    metrics: Metrics = {
        "import_s": 2.0,
        "build_s": 1.0,
        "time_to_first_step_s": 1.0,
        "step_s": float(np.median(samples)),
        "heldout_accuracy": 0.9,
        "accuracy_target": 0.3,
        "max_rel_diff between=frameworks": 1e-6,
        **figures,
    }
    return fakes.ended(step, metrics, {"step": samples, "loss": (2.0, 1.9, 1.8)}, blocks=BLOCKS)


def run(*entries: Entry, **precisions: str) -> Evidence:
    """Return a run of these trainings, and of nothing else that is trained."""
    made = fakes.complete_run()
    others = tuple(entry for entry in made.entries if entry.step.stage != "train")
    known = replace(made, entries=(*others, *entries))
    catalogue = fakes.with_precisions(known.catalogue, precisions)
    return replace(known, catalogue=catalogue)


def steady(value: float, spread: float = 0.01) -> Steps:
    noise = np.random.default_rng(int(value * 1e6)).lognormal(sigma=spread, size=BLOCKS)
    return lambda turn: float(value * noise[turn])


def ways(evidence: Evidence) -> dict[tuple[str, str | None], VariantCost]:
    (training,) = variants.trainings(evidence)
    return {(each.framework, each.variant): each for each in training.variants}


def question(evidence: Evidence, name: str) -> Comparison:
    (found,) = (each for each in training_time.compare(evidence) if each.question == name and each.device == "cpu")
    return found


def test_every_way_has_its_costs_its_ratio_and_the_steps_from_which_on_it_pays() -> None:
    evidence = run(
        trained("pytorch", None, steady(0.4)),
        trained("pytorch", "fused", steady(0.3)),
        trained("pytorch", "compiled", steady(0.2), build_s=21.0),
        trained("tensorflow", None, steady(0.3)),
        trained("tensorflow", "run_eagerly", steady(0.9)),
    )
    found = ways(evidence)
    fused, compiled, eager = (
        found[key] for key in (("pytorch", "fused"), ("pytorch", "compiled"), ("tensorflow", "run_eagerly"))
    )
    assert fused.ratio is not None
    assert fused.ratio.value == pytest.approx(0.75, rel=0.02)
    assert (fused.answer, fused.pays_from_steps, fused.pays) == ("different", 1, "from the first step on")
    assert compiled.fixed_s == pytest.approx(24 - 0.2, rel=0.01)
    assert compiled.pays_from_steps == pytest.approx(1 + 20 / 0.2, rel=0.05)
    assert compiled.pays.startswith("from 1")
    assert "starts 20.0 s later" in compiled.pays
    assert (eager.answer, eager.pays_from_steps, eager.pays) == ("different", None, "never: its step is longer")
    assert {key for key, each in found.items() if each.best} == {("pytorch", "compiled"), ("tensorflow", None)}


def test_two_questions_are_answered_apart() -> None:
    evidence = run(
        trained("pytorch", None, steady(0.4)),
        trained("pytorch", "fused", steady(0.2)),
        trained("tensorflow", None, steady(0.3)),
        trained("tensorflow", "xla", steady(0.35)),
    )
    usual, best = question(evidence, "training time"), question(evidence, "best training time")
    assert (usual.answer, usual.winner) == ("different", "tensorflow")
    assert (best.answer, best.winner) == ("different", "pytorch")
    assert best.subjects["pytorch"].endswith("with fused")
    assert best.subjects["tensorflow"] == "training in TensorFlow"
    assert best.pairs * 2 == usual.pairs


def test_who_looks_fast_in_the_half_that_chooses_is_judged_by_the_other_half() -> None:
    lucky = trained("pytorch", "fused", lambda turn: 0.1 if variants.chooses(turn) else 0.5)
    evidence = run(trained("pytorch", None, steady(0.4)), lucky, trained("tensorflow", None, steady(0.4)))
    best = question(evidence, "best training time")
    assert best.subjects["pytorch"].endswith("with fused")
    assert best.ratio is not None
    assert best.ratio.value == pytest.approx(0.5 / 0.4, rel=0.03)


def test_picking_the_best_of_many_equals_makes_no_winner() -> None:
    generator = np.random.default_rng(7)

    def noisy() -> Steps:
        samples = 0.3 * generator.lognormal(sigma=0.05, size=BLOCKS)
        return lambda turn: float(samples[turn])

    names = ("fused", "channels_last", "fused_channels_last", "compiled", "compiled_autotuned")
    wrong = 0
    for _ in range(30):
        many = (trained("pytorch", name, noisy()) for name in (None, *names))
        evidence = run(*many, trained("tensorflow", None, noisy()))
        wrong += question(evidence, "best training time").answer == "different"
    assert wrong <= 1


def test_a_way_that_takes_another_step_is_named_and_is_no_best() -> None:
    wrong = fakes.ending(
        trained("pytorch", "fused", steady(0.1)), Outcome.FAILED, "it does not take the default's step: …"
    )
    evidence = run(
        trained("pytorch", None, steady(0.4)),
        wrong,
        trained("pytorch", "channels_last", steady(0.39)),
        trained("tensorflow", None, steady(0.3)),
    )
    found = ways(evidence)["pytorch", "fused"]
    assert (found.outcome, found.step_s, found.ratio, found.best) == (Outcome.FAILED, None, None, False)
    assert found.reason.startswith("it does not take the default's step")
    assert not question(evidence, "best training time").subjects["pytorch"].endswith("fused")


def test_like_is_compared_with_like() -> None:
    both = (
        trained("pytorch", None, steady(0.4)),
        trained("pytorch", "autocast_bfloat16", steady(0.1)),
        trained("pytorch", "fused", steady(0.35)),
        trained("tensorflow", None, steady(0.4)),
    )
    known = {"autocast_bfloat16": "bfloat16", "mixed_bfloat16": "bfloat16"}
    alone = run(*both, **known)
    assert question(alone, "best training time").subjects["pytorch"].endswith("with fused")
    assert variants.precisions(alone, "resnet50", "cpu") == ("fp32",)
    paired = run(*both, trained("tensorflow", "mixed_bfloat16", steady(0.2)), **known)
    assert variants.precisions(paired, "resnet50", "cpu") == ("fp32", "bfloat16")
    assert question(paired, "best training time in bfloat16").winner == "pytorch"


def test_without_the_defaults_quiet_blocks_nothing_is_the_best() -> None:
    evidence = run(
        trained("pytorch", None, steady(0.4)),
        trained("pytorch", "fused", steady(0.3)),
        trained("tensorflow", None, steady(0.3)),
    )
    wanted = fakes.is_step(stage="train", framework="pytorch", variant=None)
    spoiled = fakes.disturb(evidence, wanted, range(BLOCKS))
    assert variants.best(spoiled, "resnet50", "cpu", "pytorch") is None
    found = question(spoiled, "best training time")
    assert (found.winner, found.answer) == (None, None)
    assert "too few blocks were undisturbed" in found.statement


@pytest.mark.parametrize(("step_s", "chosen"), [(0.2, None), (0.6, "compiled")])
def test_a_way_that_looks_faster_and_has_too_few_quiet_blocks_leaves_the_best_open(
    step_s: float, chosen: str | None
) -> None:
    """The best of those that happened to be undisturbed is none."""
    evidence = run(
        trained("pytorch", None, steady(0.4)),
        trained("pytorch", "compiled", steady(0.39)),
        trained("pytorch", "fused", steady(step_s)),
        trained("tensorflow", None, steady(0.3)),
    )
    spoiled = fakes.disturb(evidence, fakes.is_step(stage="train", variant="fused"), range(BLOCKS))
    best = variants.best(spoiled, "resnet50", "cpu", "pytorch")
    assert (best.variant if best else None) == chosen
    flags = {key for key, each in ways(spoiled).items() if each.best and key[0] == "pytorch"}
    assert flags == ({("pytorch", chosen)} if chosen else set())
    assert (question(spoiled, "best training time").answer is None) is (chosen is None)


@pytest.mark.parametrize(
    ("variant", "default", "ratio", "answer", "point", "told"),
    [
        (Cost(start_s=10, step_s=0.5), Cost(start_s=5, step_s=1), 0.5, "different", 11, "from 11 steps on"),
        (Cost(start_s=4, step_s=0.5), Cost(start_s=5, step_s=1), 0.5, "different", 1, "from the first step on"),
        (Cost(start_s=4, step_s=2), Cost(start_s=5, step_s=1), 2.0, "different", None, "never: its step is longer"),
        (Cost(start_s=4, step_s=1), Cost(start_s=5, step_s=1), 1.0, "equivalent", None, "never: a step takes the same"),
        (Cost(start_s=4, step_s=1), Cost(start_s=5, step_s=1), 0.9, "undecided", None, "not known: it is undecided"),
        (Cost(start_s=4, step_s=1), Cost(start_s=5, step_s=1), 0.9, "disturbed", None, "not known: the machine"),
    ],
)
def test_from_when_on_a_variant_pays(
    variant: Cost, default: Cost, ratio: float, answer: Reply, point: int | None, told: str
) -> None:
    found, words = variants.pays(variant, default, Interval(value=ratio, low=ratio, high=ratio), answer)
    assert found == point
    assert words.startswith(told)


def test_two_frameworks_that_do_not_take_the_same_step_are_not_compared_and_neither_is_right() -> None:
    evidence = run(trained("pytorch", None, steady(0.4)), trained("tensorflow", None, steady(0.3)))
    traced = [
        fakes.ended(fakes.step("equivalence", "resnet50", framework, device="cpu"), {"optimizer_numbers": 10})
        for framework in ("pytorch", "tensorflow")
    ]
    told = "the two frameworks do not take the same training step: the gradient of 'fc.weight' …"
    breach = fakes.ending(traced[1], Outcome.FAILED, told)
    unlike = replace(evidence, entries=(*evidence.entries, traced[0], breach))
    found = question(unlike, "training time")
    assert (found.winner, found.ratio) == (None, None)
    assert "the gradient of 'fc.weight'" in found.statement
    findings = [each for each in training_parity.judge(unlike) if each.device == "cpu"]
    assert {(each.candidate, each.state, each.score) for each in findings} == {
        ("pytorch", Outcome.FAILED, 0.0),
        ("tensorflow", Outcome.FAILED, 0.0),
    }
    same = Figure(name="gradient_parity", value=0.25, labels={"between": "frameworks"})
    alike = replace(evidence, entries=(*evidence.entries, traced[0], fakes.figured(traced[1], same)))
    findings = [each for each in training_parity.judge(alike) if each.device == "cpu"]
    assert [(each.score, each.state) for each in findings] == [(10.0, Outcome.PASSED)] * 2
    assert "0.250 of what rounding explains" in findings[1].reason
    assert question(alike, "training time").winner == "tensorflow"


def test_a_run_without_variants_has_no_second_question_and_no_section() -> None:
    evidence = run(trained("pytorch", None, steady(0.4)), trained("tensorflow", None, steady(0.3)))
    assert [each.question for each in training_time.compare(evidence) if each.device == "cpu"] == ["training time"]
    assert all(not each.variants for each in variants.trainings(evidence))
    assert "Ways to train" not in markdown.plugin.render(fakes.scorecard(evidence))


def test_the_picture_shows_in_what_interval_a_step_lies() -> None:
    evidence = run(
        trained("pytorch", None, steady(0.4)),
        trained("pytorch", "fused", steady(0.3)),
        trained("tensorflow", None, steady(0.3)),
    )
    steps = (each.step_s for each in ways(evidence).values())
    known = [each for each in steps if each is not None and each.low is not None]
    (picture,) = (
        figure
        for block in Variants().blocks(fakes.scorecard(evidence))
        if isinstance(block, Figures)
        for figure in block.figures
        if isinstance(figure, Bars)
    )
    assert len(known) == len(picture.bars) == 3
    assert [bar.between for bar in picture.bars] == [(each.low, each.high) for each in known]
    scale = Axis(ticks=(0.0, 1.0), log=False)
    drawn = str(_svg.bar(scale, Bar(label="", framework="pytorch", value=0.4, between=(0.3, 0.5))))
    assert 'x1="30.00%" x2="50.00%"' in drawn
    assert 'class="between"' not in str(_svg.bar(scale, Bar(label="", framework="pytorch", value=0.4)))
