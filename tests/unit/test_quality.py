"""What a conversion cost in the terms of a task: exact fakes with known answers, and properties that always hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.core import registry
from evaluator.core.matrix import Proof
from evaluator.core.metrics import misfits
from evaluator.core.outcome import Outcome
from evaluator.core.quality import Quality, read
from evaluator.core.records import Result
from evaluator.core.tensors import Array, Arrays
from evaluator.measure import quality
from evaluator.measure.quality import Comparison, Resampling, Undefined, compare, estimate
from evaluator.report import _matrix
from evaluator.running import progress
from evaluator.stages._quality import stored
from exports.diagnosing.rules import Failure, diagnose
from tests import fakes


def share_right(outputs: Mapping[str, Array], labels: Mapping[str, Array]) -> float:
    return float((outputs["y"] == labels["y"]).mean())


def error(outputs: Mapping[str, Array], labels: Mapping[str, Array]) -> float:
    return float(np.abs(outputs["y"].astype(float) - labels["y"].astype(float)).mean())


@dataclass(frozen=True)
class Judge:
    compute: Callable[[Mapping[str, Array], Mapping[str, Array]], float] = share_right
    higher_is_better: bool = True


def arrays(values: object) -> Arrays:
    return {"y": np.asarray(values)}


def answers(rows: int, wrong: int) -> Arrays:
    """Return answers of which that many are wrong where every label is 1."""
    return arrays([0] * wrong + [1] * (rows - wrong))


def compared(rows: int, wrong: tuple[int, int], allowed: float | None = None) -> Comparison:
    """Compare an origin and an artifact with that many wrong answers; the same rows are wrong as far as that goes."""
    return compare(Judge(), (answers(rows, wrong[0]), answers(rows, wrong[1])), answers(rows, 0), allowed)


def test_the_same_answers_lose_nothing_however_wrong_they_are() -> None:
    found = compared(40, (13, 13))
    assert (found.loss.low, found.loss.value, found.loss.high) == (0, 0, 0)
    assert found.verdict == "kept"
    assert found.origin == found.artifact
    assert found.allowed == pytest.approx(0.01 * 27 / 40)


def test_a_large_loss_on_many_rows_is_lost_and_one_row_of_forty_is_in_doubt() -> None:
    assert compared(400, (0, 40)).verdict == "lost"
    few = compared(40, (0, 1))
    assert few.loss.value == pytest.approx(1 / 40)
    assert few.loss.low == 0  # (39/40)^40 = 36 % of the draws do not hold the row
    assert few.verdict == "in doubt"
    assert few.why == ""


def test_what_may_be_lost_is_in_the_unit_of_the_measure() -> None:
    assert compared(400, (0, 40), allowed=0.2).verdict == "kept"
    assert compared(400, (0, 40), allowed=0.01).verdict == "lost"


def test_a_loss_is_above_zero_for_the_worse_whichever_way_is_better() -> None:
    labels, near, far = arrays(np.zeros(50)), arrays(np.full(50, 1.0)), arrays(np.full(50, 3.0))
    worse = compare(Judge(error, higher_is_better=False), (near, far), labels)
    assert worse.loss.value == 2
    assert worse.verdict == "lost"
    better = compare(Judge(error, higher_is_better=False), (far, near), labels)
    assert better.loss.value == -2
    assert better.verdict == "kept"


def test_too_few_rows_leave_a_doubt_that_says_how_many_there_are() -> None:
    found = compared(quality.LEAST_ROWS - 1, (0, 9))
    assert found.verdict == "in doubt"
    assert found.loss.value == 1
    assert found.loss.low is None
    assert str(quality.LEAST_ROWS - 1) in found.why


def test_of_nothing_no_share_may_be_lost_and_what_may_be_must_be_said() -> None:
    labels, off = arrays(np.zeros(50)), arrays(np.full(50, 1e-7))
    judge = Judge(error, higher_is_better=False)
    assert compare(judge, (labels, off), labels).verdict == "in doubt"
    assert compare(judge, (labels, off), labels, 1e-6).verdict == "kept"
    assert compare(judge, (labels, off), labels, 1e-8).verdict == "lost"


def only_with_both(outputs: Mapping[str, Array], labels: Mapping[str, Array]) -> float:
    """Measure as the area under a curve does: there is none of one class alone."""
    if len(np.unique(labels["y"])) < 2:
        raise Undefined("one class only")
    return share_right(outputs, labels)


def test_draws_of_rows_without_a_value_are_left_out_and_counted() -> None:
    labels = arrays([1, 1] + [0] * 18)  # (18/20)^20 = 12 % of the draws hold one class only
    found = estimate(Judge(only_with_both), labels, labels)
    assert found.skipped > 0
    assert found.resamples + found.skipped == quality.RESAMPLES
    assert found.quality.low == found.quality.high == 1
    assert found.why == ""


def test_too_many_draws_without_a_value_leave_a_doubt() -> None:
    calls = 0

    def once(outputs: Mapping[str, Array], labels: Mapping[str, Array]) -> float:
        nonlocal calls
        calls += 1
        if calls > 2 and calls % 5:
            raise Undefined("one class only")
        return share_right(outputs, labels)

    found = compare(Judge(once), (answers(40, 0), answers(40, 40)), answers(40, 0))
    assert found.verdict == "in doubt"
    assert "no value" in found.why
    assert found.loss.low is None


def test_what_has_no_value_on_all_rows_is_not_hidden() -> None:
    with pytest.raises(Undefined, match="one class"):
        estimate(Judge(only_with_both), answers(40, 0), answers(40, 0))


def test_a_slow_function_is_asked_no_longer_than_there_is_time() -> None:
    now = 0.0

    def slow(outputs: Mapping[str, Array], labels: Mapping[str, Array]) -> float:
        nonlocal now
        now += 1.0
        return share_right(outputs, labels)

    def within(seconds: float) -> Comparison:
        return compare(
            Judge(slow),
            (answers(40, 0), answers(40, 20)),
            answers(40, 0),
            plan=Resampling(seconds=seconds, clock=lambda: now),
        )

    assert within(100).resamples == 50  # two calls each
    assert within(100).verdict == "lost"
    assert within(20).verdict == "in doubt"
    assert "time" in within(20).why


def test_what_has_other_rows_than_the_labels_is_measured_and_left_in_doubt() -> None:
    def boxes(outputs: Mapping[str, Array], labels: Mapping[str, Array]) -> float:
        return float(len(outputs["y"]))

    found = compare(Judge(boxes), (arrays(np.zeros(90)), arrays(np.zeros(30))), arrays(np.zeros(40)))
    assert (found.origin.value, found.artifact.value) == (90, 30)
    assert found.verdict == "in doubt"
    assert "'y'" in found.why


def test_the_interval_holds_the_true_loss_often_enough() -> None:
    """Of outputs that are right by chance: 90 % and 80 %, independently, on 200 rows."""
    rng, held = np.random.default_rng(1), []
    for seed in range(200):
        labels = answers(200, 0)
        pair = (arrays(rng.random(200) < 0.9), arrays(rng.random(200) < 0.8))
        loss = compare(Judge(), pair, labels, plan=Resampling(count=199, seed=seed)).loss
        held.append(loss.low is not None and loss.high is not None and loss.low <= 0.1 <= loss.high)
    assert np.mean(held) >= 0.91  # 95 % less three standard errors of 200 trials


ROWS = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=60)


@settings(deadline=None, max_examples=50)
@given(ROWS, st.one_of(st.none(), st.floats(0, 1)), st.integers(0, 5))
def test_verdict_and_interval_agree(rows: list[tuple[bool, bool, bool]], allowed: float | None, seed: int) -> None:
    origin, artifact, labels = (arrays(column) for column in zip(*rows, strict=True))
    found = compare(Judge(), (origin, artifact), labels, allowed, Resampling(count=79, seed=seed))
    assert found.loss.value == pytest.approx(found.origin.value - found.artifact.value)
    assert found.rows == len(rows)
    low, high = found.loss.low, found.loss.high
    if low is None or high is None:
        assert found.verdict == "in doubt"
        assert found.why
        return
    assert low <= found.loss.value <= high
    assert (found.verdict == "kept") <= (high <= found.allowed)
    assert (found.verdict == "lost") == (low > found.allowed)
    swapped = compare(Judge(), (artifact, origin), labels, allowed, Resampling(count=79, seed=seed))
    assert swapped.loss.low == pytest.approx(-high)
    assert swapped.loss.high == pytest.approx(-low)


@settings(deadline=None, max_examples=30)
@given(ROWS, st.integers(0, 5))
def test_allowing_more_never_turns_a_verdict_for_the_worse(rows: list[tuple[bool, bool, bool]], seed: int) -> None:
    origin, artifact, labels = (arrays(column) for column in zip(*rows, strict=True))
    order = ["lost", "in doubt", "kept"]
    verdicts = [
        order.index(compare(Judge(), (origin, artifact), labels, allowed, Resampling(count=79, seed=seed)).verdict)
        for allowed in (0.0, 0.05, 0.3, 2.0)
    ]
    assert verdicts == sorted(verdicts)


FOUND = Quality(
    measure="mine.py:auc",
    value=0.905,
    low=0.88,
    high=0.93,
    origin=0.912,
    loss=0.007,
    loss_low=0.001,
    loss_high=0.0125,
    allowed=0.00912,
    verdict="in doubt",
    rows=200,
)


def kept(found: Quality) -> Result:
    plain, figures = stored(found)
    assert misfits(plain, figures) == {}
    return Result(
        step="x", outcome=Outcome.PASSED, metrics=plain, figures=figures, started_at="2026-01-01T00:00:00Z", seconds=1.0
    )


@pytest.mark.parametrize(
    "found",
    [
        FOUND,
        Quality(measure="top1", value=0.9, rows=3, doubt="too few labelled rows"),
        Quality(measure="mse", value=0.0, low=0.0, high=0.0, rows=100),
    ],
)
def test_what_a_step_keeps_of_a_quality_is_read_again(found: Quality) -> None:
    assert read(kept(found)) == found


def test_a_step_without_a_quality_has_none() -> None:
    assert read(Result(step="x", outcome=Outcome.PASSED, started_at="2026-01-01T00:00:00Z", seconds=1.0)) is None


def test_a_quality_is_written_with_the_name_of_its_measure() -> None:
    assert FOUND.short == "mine.py:auc 0.905"
    assert FOUND.words == (
        "mine.py:auc 0.905 (origin 0.912): a loss of 0.00700 (0.00100 to 0.0125), allowed 0.00912, "
        "on 200 labelled rows; in doubt: the interval holds what is allowed, more labelled rows would tell"
    )
    same = msgspec.structs.replace(
        FOUND, value=0.912, loss=0.0, loss_low=0.0, loss_high=0.0, verdict="kept", measure="top1"
    )
    assert same.words == "top1 0.912 (origin 0.912): nothing lost, allowed 0.00912, on 200 labelled rows"
    rounded = msgspec.structs.replace(same, loss=-1e-8, loss_low=-3e-8)
    assert rounded.words == same.words
    alone = Quality(measure="top1", value=0.9, low=0.8, high=0.95, rows=40)
    assert alone.words == "top1 0.900 (0.800 to 0.950) on 40 labelled rows"


def test_every_report_names_the_measure() -> None:
    steps = [each for each in fakes.complete_run().entries if each.step.stage == "verify"]
    run, (step, *_) = fakes.complete_run(), steps
    plain, figures = stored(FOUND)
    result = msgspec.structs.replace(
        step.result, metrics={**step.result.metrics, **plain}, figures=(*step.result.figures, *figures)
    )
    judged = replace(
        run, entries=tuple(replace(each, result=result) if each.step == step.step else each for each in run.entries)
    )
    said = [finding.reason for finding in registry.load("check", "parity").judge(judged)]
    assert [FOUND.words in reason for reason in said].count(True) == 1
    assert FOUND.short in progress.figures(step.step, result)
    proof = Proof(
        runtime="litert", device="cpu", outcome=Outcome.PASSED, reason=None, evidence="steps/x", quality=read(result)
    )
    assert FOUND.words in _matrix.proven(proof)


def test_quality_that_fell_is_a_loss_of_accuracy() -> None:
    failure = Failure(outcome=Outcome.FAILED, reason="quality fell: top1 0.2 (origin 0.9): a loss of 0.7")
    assert diagnose(failure).kind == "accuracy loss"
