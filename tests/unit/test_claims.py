"""Claims of others: which verdict each kind of test gives, by figures that are made up, and how they combine."""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.claims import reading
from evaluator.core import registry
from evaluator.core.claims import (
    CONTRADICTED,
    MIXED,
    NOT_TESTABLE,
    SUPPORTED,
    UNDECIDED,
    VERDICTS,
    Audited,
    Claims,
    Verdict,
    Where,
)
from evaluator.core.errors import UsageError
from evaluator.core.matrix import MatrixCell
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure
from evaluator.core.scorecard import CandidateScore, CategoryScore, Comparison, Finding, Interval, Risk, Scorecard
from evaluator.core.upkeep import MEANINGS, Component, Covers, Detected, Standing, Status, Upkeep
from evaluator.judging import claims
from evaluator.judging.evidence import Evidence
from evaluator.report import _claims, _terminal
from evaluator.report.markdown import plugin as markdown
from evaluator.report.sections import claims as section
from tests import fakes, sample_scorecard

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "claims" / "vendor.toml"
COMPARED = {"kind": "comparison", "question": "latency", "ahead": "pytorch"}
FRAMEWORKS = ("pytorch", "tensorflow")


def file_of(*tests: dict[str, Any]) -> Claims:
    claim = {"id": "one", "statement": "It is so.", "source": "somebody", "tests": list(tests)}
    return msgspec.convert({"title": "Somebody", "claims": [claim]}, Claims)


def audited(card: Scorecard, *tests: dict[str, Any], of: Evidence | None = None) -> Audited:
    (found,) = claims.audit(card, (file_of(*tests),), () if of is None else of.entries)
    return found


def bare(**fields: Any) -> Scorecard:
    return msgspec.structs.replace(sample_scorecard.empty(), scenarios={"bert": ""}, **fields)


def compared(answer: str | None = "different", low: float = 0.75, high: float = 0.9, **fields: Any) -> Comparison:
    value = (low * high) ** 0.5
    given = {
        "id": "latency/bert/server/cpu",
        "scenario": "bert",
        "question": "latency",
        "path": "server",
        "device": "cpu",
        "metric": "latency_s",
        "unit": "s",
        "lower_is_better": True,
        "subjects": {},
        "values": {},
        "ratio": {"value": value, "low": low, "high": high},
        "winner": None,
        "statement": "PyTorch has 1.22 times lower latency",
        "answer": answer,
        "rounds": 3,
        **fields,
    }
    return msgspec.convert(msgspec.to_builtins(given), Comparison)


@pytest.mark.parametrize(
    ("made", "verdict", "said"),
    [
        (compared(), SUPPORTED, "PyTorch has 1.22 times lower latency"),
        (compared(low=1.1, high=1.3), CONTRADICTED, ""),
        (compared("equivalent", 0.98, 1.02), CONTRADICTED, "equivalent: within ±5 %"),
        (compared("undecided", 0.9, 1.02), UNDECIDED, "undecided: 0.90 to 1.02"),
        (compared("disturbed", others=0.4), UNDECIDED, "too disturbed to rank: 40 % of this machine's time"),
        (compared(None, ratio={"value": 0.8, "low": None, "high": None}), UNDECIDED, "without an interval"),
        (compared(None, ratio=None, statement="not comparable: no GPU"), NOT_TESTABLE, "not comparable: no GPU"),
        (compared(provisional=True), NOT_TESTABLE, "a stand-in answered for a server"),
        (compared(metric="size_bytes", ratio={"value": 0.8, "low": None, "high": None}), SUPPORTED, ""),
    ],
)
def test_a_comparison_supports_by_its_answer_alone(made: Comparison, verdict: Verdict, said: str) -> None:
    found = audited(bare(comparisons=(made,)), COMPARED)
    assert found.verdict == verdict
    assert said in found.reason
    assert found.tests[0].evidence == ("latency/bert/server/cpu",)


def test_a_tie_supports_a_claim_that_allows_for_it() -> None:
    card = bare(comparisons=(compared("equivalent", 0.98, 1.02),))
    assert audited(card, {**COMPARED, "tie": "supports"}).verdict == SUPPORTED


@pytest.mark.parametrize(("told", "inside"), [(0.8, True), (0.958, False), (0.75, True), (0.74, False)])
def test_a_claimed_ratio_is_in_the_interval_or_not_and_decides_nothing(told: float, inside: bool) -> None:  # noqa: FBT001
    found = audited(bare(comparisons=(compared(),)), {**COMPARED, "claimed": told})
    assert (found.verdict, found.tests[0].inside, found.tests[0].claimed) == (SUPPORTED, inside, told)
    assert ("lies in the interval 0.75 to 0.90" in found.reason) is inside
    assert ("lies outside of the interval 0.75 to 0.90" in found.reason) is not inside


def test_what_is_missing_says_how_to_get_it() -> None:
    away = audited(bare(), {**COMPARED, "scenario": "resnet50"})
    assert (away.verdict, away.tests[0].missing) == (NOT_TESTABLE, "fweval full resnet50")
    assert away.reason == "the scenario resnet50 is not part of this run (it has bert)"
    alone = msgspec.structs.replace(bare(), scores=(score("pytorch"),))
    assert "PyTorch alone" in audited(alone, COMPARED).reason
    gone = compared(None, ratio=None, device="gpu", statement="not comparable: no GPU")
    finding = finding_of("pytorch", None, device="gpu", path="server", remedy="get a GPU")
    found = audited(bare(comparisons=(gone,), findings=(finding,)), COMPARED)
    assert found.tests[0].missing == "get a GPU"


PARTS = st.lists(st.sampled_from(VERDICTS), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ((SUPPORTED, SUPPORTED), SUPPORTED),
        ((SUPPORTED, CONTRADICTED), MIXED),
        ((CONTRADICTED, UNDECIDED), MIXED),
        ((CONTRADICTED, NOT_TESTABLE), CONTRADICTED),
        ((SUPPORTED, UNDECIDED), UNDECIDED),
        ((SUPPORTED, NOT_TESTABLE), UNDECIDED),
        ((UNDECIDED, UNDECIDED), UNDECIDED),
        ((UNDECIDED, NOT_TESTABLE), UNDECIDED),
        ((NOT_TESTABLE, NOT_TESTABLE), NOT_TESTABLE),
        ((MIXED, SUPPORTED), MIXED),
    ],
)
def test_parts_combine(parts: tuple[Verdict, ...], verdict: Verdict) -> None:
    assert {claims.together(each) for each in permutations(parts)} == {verdict}


@given(PARTS, st.data())
def test_missing_evidence_never_supports(parts: list[Verdict], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(parts) - 1))
    less = [*parts[:place], NOT_TESTABLE, *parts[place + 1 :]]
    assert claims.together(less) != SUPPORTED
    assert claims.together(parts) in VERDICTS


def places(*answers: Comparison) -> Scorecard:
    return bare(comparisons=tuple(msgspec.structs.replace(each, scenario=f"s{n}") for n, each in enumerate(answers)))


def test_one_counterexample_denies_what_is_said_of_all_places_and_most_is_more_than_half() -> None:
    yes, no, open_ = compared(), compared(low=1.2, high=1.4), compared("undecided", 0.9, 1.02)
    assert audited(places(no, open_), COMPARED).verdict == CONTRADICTED
    assert audited(places(yes, no), COMPARED).verdict == MIXED
    most = {**COMPARED, "need": "most"}
    assert audited(places(yes, yes, no), most).verdict == SUPPORTED
    assert audited(places(yes, no), most).verdict == CONTRADICTED
    assert audited(places(yes, open_), most).verdict == UNDECIDED
    assert audited(places(yes, yes, no), most).reason.startswith("3 parts: 2 supported (PyTorch")


def test_a_fact_is_cited_and_tested_by_nothing_and_weighs_nothing_beside_a_test() -> None:
    fact = {"kind": "fact", "why": "nobody can measure it"}
    assert (audited(bare(), fact).verdict, audited(bare(), fact).reason) == (NOT_TESTABLE, "nobody can measure it")
    both = audited(bare(comparisons=(compared(),)), COMPARED, fact)
    assert (both.verdict, len(both.tests)) == (SUPPORTED, 2)


MEDIAN = {"metric": "latency_s", "labels": {"wire": "rest", "statistic": "median"}}
SERVED = {"kind": "amount", **MEDIAN, "where": {"stage": "serve", "framework": "pytorch"}, "unit": "ms"}
RESTED = fakes.is_step(stage="serve", framework="pytorch", launcher="process")


def served(samples: tuple[float, ...], statistic: str = "median", value: float = 0.02) -> Evidence:
    figure = Figure(name="latency_s", value=value, labels={"wire": "rest", "statistic": statistic})
    return fakes.resample(fakes.change(fakes.complete_run(rounds=1), RESTED, figure), RESTED, "rest", samples)


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [
        ({"below": 20.1}, SUPPORTED),
        ({"below": 19.9}, CONTRADICTED),
        ({"above": 19.9}, SUPPORTED),
        ({"above": 21}, CONTRADICTED),
    ],
)
def test_an_amount_is_set_against_its_limit_in_the_persons_unit(limit: dict[str, float], verdict: Verdict) -> None:
    run = served((0.02,) * 100)
    found = audited(fakes.scorecard(run), {**SERVED, **limit}, of=run)
    assert found.verdict == verdict
    (one,) = found.tests
    assert (one.value, one.unit) == (0.02, "s")
    assert one.evidence[0].startswith("steps/serve-")


def test_an_amount_within_its_interval_is_undecided_and_without_one_too() -> None:
    run = served(tuple(0.018 if n % 2 else 0.022 for n in range(100)))
    found = audited(fakes.scorecard(run), {**SERVED, "below": 20}, of=run)
    assert (found.verdict, found.tests[0].low, found.tests[0].high) == (UNDECIDED, 0.018, 0.022)
    unknown = audited(fakes.scorecard(run), {**SERVED, "below": 50})
    assert (unknown.verdict, unknown.tests[0].missing) == (UNDECIDED, "a profile with three rounds: --profile quick")
    assert "without an interval" in unknown.reason


def test_a_percentile_is_shown_to_be_above_a_limit_by_calls_above_it() -> None:
    """Of 1,000 calls 130 take 9 ms: with p = 0.9 so many are expected in fewer than one in a hundred samples."""
    tail = {**SERVED, "labels": {"wire": "rest", "statistic": "p90"}}
    slow = served((0.009,) * 130 + (0.001,) * 870, "p90", 0.009)
    assert audited(fakes.scorecard(slow), {**tail, "below": 5}, of=slow).verdict == CONTRADICTED
    assert audited(fakes.scorecard(slow), {**tail, "below": 10}, of=slow).verdict == SUPPORTED
    close = served((0.009,) * 110 + (0.001,) * 890, "p90", 0.009)
    assert audited(fakes.scorecard(close), {**tail, "below": 5}, of=close).verdict == UNDECIDED
    bound = audited(fakes.scorecard(close), {**tail, "below": 10})  # the figure alone is such a bound
    assert (bound.verdict, bound.tests[0].low, bound.tests[0].high) == (SUPPORTED, None, 0.009)


def test_others_on_the_machine_end_a_verdict() -> None:
    rate = {
        "kind": "amount",
        "metric": "throughput_per_s",
        "where": {"runtime": "torch_jit"},
        "unit": "1/s",
        "above": 1,
    }
    run = fakes.complete_run(rounds=1)
    assert audited(fakes.scorecard(run), rate, of=run).verdict == SUPPORTED
    run = fakes.disturb(run, fakes.is_step(stage="run", runtime="torch_jit", device="cpu"), range(12))
    found = audited(fakes.scorecard(run), rate, of=run)
    assert (found.verdict, "--wait-for-quiet" in found.tests[0].missing) == (UNDECIDED, True)


def test_what_is_counted_is_exact() -> None:
    size = {"kind": "amount", "metric": "size_bytes", "where": {"stage": "export", "format": "onnx"}, "unit": "MB"}
    limit = fakes.WEIGHTS_BYTES / 1e6
    card = fakes.scorecard()
    assert audited(card, {**size, "above": limit}).verdict == SUPPORTED
    mixed = audited(card, {**size, "below": 1.015 * limit})  # 1.02 times the weights from one, 1.01 from the other
    assert mixed.verdict == MIXED
    assert {each.low for each in mixed.tests} == {None}


def test_a_stand_in_supports_and_contradicts_nothing_of_the_server() -> None:
    test = {**SERVED, "where": {"stage": "serve", "server": fakes.SERVERS["tensorflow"][0]}, "below": 1e6}
    test["labels"] = {"wire": "rest", "statistic": "p50"}
    found = audited(fakes.scorecard(), test)
    assert (found.verdict, "stand-in" in found.reason) == (NOT_TESTABLE, True)
    assert audited(fakes.scorecard(fakes.really_served()), test).verdict == SUPPORTED


def test_a_percentile_that_the_profile_does_not_print_is_not_testable() -> None:
    test = {**SERVED, "labels": {"wire": "rest", "statistic": "p99"}, "below": 5}
    found = audited(fakes.scorecard(), test)
    assert found.verdict == NOT_TESTABLE
    assert "it has wire=rest statistic=p50" in found.reason


RATIO = {"kind": "ratio", "metric": "throughput_per_s", "same": ["scenario"]}
JIT, MOBILE = {"stage": "run", "runtime": "torch_jit", "device": "cpu"}, {"stage": "run", "runtime": "torch_mobile"}


def paired(slower: float) -> Evidence:
    """Two runtimes with noise of their own, in the same turns: batches of 8 in so many times the seconds."""
    run = fakes.complete_run(rounds=3)
    for name, factor in (("torch_jit", 1.0), ("torch_mobile", slower)):
        for number in (1, 2, 3):
            steps = fakes.is_step(stage="run", runtime=name, device="cpu", round=number, control=False)
            seconds = tuple(factor * (0.1 + 0.001 * ((turn * 7 + number) % 5)) for turn in range(45))
            run = fakes.resample(run, steps, "throughput", seconds)
    return run


@pytest.mark.parametrize(
    ("slower", "claimed", "verdict"),
    [
        (1.5, {"is": "higher"}, SUPPORTED),
        (1.5, {"is": "lower"}, CONTRADICTED),
        (1.0, {"is": "higher"}, CONTRADICTED),
        (1.5, {"above": 1.4}, SUPPORTED),
        (1.5, {"above": 2.0}, CONTRADICTED),
        (1.5, {"below": 1.6}, SUPPORTED),
        (1.5, {"below": 1.4}, CONTRADICTED),
    ],
)
def test_a_ratio_is_that_of_blocks_in_the_same_turns(slower: float, claimed: dict[str, Any], verdict: Verdict) -> None:
    run = paired(slower)
    found = audited(fakes.scorecard(run), {**RATIO, "of": JIT, "to": MOBILE, **claimed, "claimed": slower}, of=run)
    (one,) = found.tests
    assert found.verdict == verdict
    assert one.value == pytest.approx(slower, rel=1e-6)
    assert one.low is not None
    assert one.inside is True
    assert ("equivalent within ±5 %" in found.reason) is (slower == 1.0)


def test_a_ratio_without_an_interval_is_undecided() -> None:
    run = fakes.one_after_the_other(fakes.complete_run(rounds=1))
    found = audited(fakes.scorecard(run), {**RATIO, "of": JIT, "to": MOBILE, "is": "higher"}, of=run)
    assert (found.verdict, found.tests[0].missing) == (UNDECIDED, "a profile with three rounds: --profile quick")


def test_rounds_carry_the_interval_of_what_took_no_turns() -> None:
    run = fakes.one_after_the_other(paired(1.0))
    for number, rate in ((1, 300.0), (2, 303.0), (3, 297.0)):
        steps = fakes.is_step(stage="run", runtime="torch_jit", device="cpu", round=number, control=False)
        run = fakes.change(run, steps, throughput_per_s=rate)
        run = fakes.change(
            run, fakes.is_step(stage="run", runtime="torch_mobile", round=number), throughput_per_s=100.0
        )
    found = audited(fakes.scorecard(run), {**RATIO, "of": JIT, "to": MOBILE, "above": 2.0}, of=run)
    assert found.verdict == SUPPORTED
    assert found.tests[0].value == pytest.approx(3.0, rel=1e-3)
    assert found.tests[0].low == pytest.approx(2.926, rel=1e-2)  # t of two degrees: 4.30 times 1 % / sqrt(3)


def test_devices_are_set_in_a_ratio_framework_by_framework() -> None:
    test = {"kind": "ratio", "metric": "step_s", "above": 2.0, "of": {"device": "cpu"}, "to": {"device": "gpu"}}
    found = audited(fakes.scorecard(), test)
    assert (found.verdict, found.reason) == (NOT_TESTABLE, "no CUDA GPU on this machine")
    assert found.tests[0].missing == "get one"


def proven(origin: str, passed: int, failed: int) -> tuple[MatrixCell, ...]:
    template = sample_scorecard.matrix()[0]
    about: dict[str, Any] = {"scenario": "bert", "origin": origin}
    good = msgspec.structs.replace(template, **about, state="passed")
    return (good,) * passed + (msgspec.structs.replace(good, state="failed"),) * failed


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        ((9, 1), (6, 4), SUPPORTED),
        ((6, 4), (9, 1), CONTRADICTED),
        ((6, 4), (3, 2), CONTRADICTED),
        ((3, 0), (3, 0), UNDECIDED),
        ((3, 0), (0, 0), NOT_TESTABLE),
    ],
)
def test_exports_are_counted(ours: tuple[int, int], theirs: tuple[int, int], verdict: Verdict) -> None:
    card = bare(matrix=(*proven("tensorflow", *ours), *proven("pytorch", *theirs)))
    assert audited(card, {"kind": "exports", "ahead": "tensorflow"}).verdict == verdict


def score(name: str, low: float = 5, high: float = 6, coverage: float = 0.9) -> CandidateScore:
    middle = (low + high) / 2
    one = CategoryScore(category="serving", weight=1, score=middle, lower=low, upper=high, coverage=coverage)
    return CandidateScore(
        candidate=name,
        scenario=None,
        overall=middle,
        lower=low,
        upper=high,
        coverage=coverage,
        weakest=None,
        weakest_score=None,
        verdict="ready",
        gates=(),
        categories=(one,),
    )


def finding_of(name: str, value: float | None, **fields: Any) -> Finding:
    given: dict[str, Any] = {
        "id": f"size/bert/{name}",
        "check": "size",
        "category": "serving",
        "risk": Risk.LOW,
        "candidate": name,
        "scenario": "bert",
        "subject": "",
        "state": Outcome.PASSED,
        "score": None if value is None else 5.0,
        "reason": "it was looked at",
        "metric": "size_bytes",
        "value": value,
        "unit": "bytes",
        **fields,
    }
    return msgspec.convert(given, Finding)


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        ((8, 9), (5, 6), SUPPORTED),
        ((5, 6), (8, 9), CONTRADICTED),
        ((5, 7), (6, 8), UNDECIDED),
        ((5.9, 6), (6, 6.1), CONTRADICTED),  # equal within half a point, whatever is missing
        ((8, 9, 0.5), (5, 6), NOT_TESTABLE),
    ],
)
@pytest.mark.parametrize("category", ["serving", None])
def test_scores_are_compared_by_their_bounds(
    ours: tuple[float, ...], theirs: tuple[float, ...], verdict: Verdict, category: str | None
) -> None:
    card = bare(scores=(score("pytorch", *ours), score("tensorflow", *theirs)))
    test = {"kind": "score", "ahead": "pytorch", **({"category": category} if category else {})}
    assert audited(card, test).verdict == verdict


def test_a_score_that_rests_on_a_stand_in_decides_nothing() -> None:
    scores = (score("pytorch", 8, 9), score("tensorflow"))
    card = bare(scores=scores, findings=(finding_of("tensorflow", 1.0, provisional=True),))
    found = audited(card, {"kind": "score", "ahead": "pytorch", "category": "serving"})
    assert (found.verdict, "stand-in" in found.reason) == (UNDECIDED, True)


def test_insufficient_evidence_names_what_would_bring_it() -> None:
    scores = (score("pytorch", 8, 9), score("tensorflow", 1, 9, 0.2))
    card = bare(scores=scores, findings=(finding_of("tensorflow", None, remedy="install a server"),))
    found = audited(card, {"kind": "score", "ahead": "pytorch", "category": "serving"})
    assert found.reason == "insufficient evidence on serving: 20 % of TensorFlow's is there, 70 % is needed"
    assert found.tests[0].missing == "install a server"


SIZES = {"kind": "finding", "check": "size", "ahead": "pytorch"}


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [(90.0, 100.0, SUPPORTED), (100.0, 90.0, CONTRADICTED), (99.0, 100.0, CONTRADICTED), (99.0, None, NOT_TESTABLE)],
)
def test_findings_of_counts_are_compared_as_they_are(ours: float, theirs: float | None, verdict: Verdict) -> None:
    card = bare(findings=(finding_of("pytorch", ours), finding_of("tensorflow", theirs)))
    assert audited(card, SIZES).verdict == verdict


def test_findings_of_samples_need_intervals_that_lie_apart() -> None:
    def card(low: float) -> Scorecard:
        ends = {"pytorch": Interval(value=1.0, low=low, high=1.1), "tensorflow": Interval(value=1.4, low=1.3, high=1.5)}
        about = {"check": "latency", "metric": "latency_s"}
        return bare(findings=tuple(finding_of(n, i.value, interval=i, **about) for n, i in ends.items()))

    test = {**SIZES, "check": "latency"}
    assert audited(card(0.9), test).verdict == SUPPORTED
    without = tuple(msgspec.structs.replace(each, interval=None) for each in card(0.9).findings)
    assert audited(bare(findings=without), test).verdict == UNDECIDED
    assert audited(card(0.9), {**test, "ahead": "tensorflow"}).verdict == CONTRADICTED


def test_counts_may_be_zero() -> None:
    def card(ours: float, theirs: float) -> Scorecard:
        about = {"check": "ease", "metric": "mistakes_silent", "unit": "count"}
        return bare(findings=(finding_of("pytorch", ours, **about), finding_of("tensorflow", theirs, **about)))

    test = {"kind": "finding", "check": "ease", "metric": "mistakes_silent", "ahead": "pytorch"}
    assert audited(card(0, 3), test).verdict == SUPPORTED
    assert audited(card(3, 0), test).verdict == CONTRADICTED
    assert audited(card(0, 0), test).verdict == CONTRADICTED
    assert audited(card(0, 0), {**test, "tie": "supports"}).verdict == SUPPORTED


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        (10.0, 3.0, SUPPORTED),
        (3.0, 10.0, CONTRADICTED),
        (3.0, 3.0, CONTRADICTED),
        (3.0, None, NOT_TESTABLE),
    ],
)
def test_findings_without_figures_are_compared_by_their_points(
    ours: float, theirs: float | None, verdict: Verdict
) -> None:
    about = {"check": "upkeep", "metric": None, "unit": None}
    ends = {"pytorch": ours, "tensorflow": theirs}
    card = bare(findings=tuple(finding_of(name, None, **{**about, "score": at}) for name, at in ends.items()))
    found = audited(card, {"kind": "finding", "check": "upkeep", "ahead": "pytorch"})
    assert found.verdict == verdict
    assert found.tests[0].value is None


def weighed(**points: tuple[float, float]) -> Scorecard:
    """Return what is found of categories: the points of PyTorch and of TensorFlow in each."""
    findings = tuple(
        finding_of(name, 1.0, id=f"{category}/{name}", check=category, category=category, score=each)
        for category, both in points.items()
        for name, each in zip(FRAMEWORKS, both, strict=True)
    )
    return bare(findings=findings, scores=(score("pytorch"), score("tensorflow")))


RESEARCH = {"kind": "criteria", "criteria": "article_research", "ahead": "pytorch"}
DEPLOYMENT = {"kind": "criteria", "criteria": "article_deployment", "ahead": "tensorflow"}


def test_the_same_findings_are_weighed_by_the_criteria_that_a_claim_names() -> None:
    card = weighed(training=(9, 5), ease=(8, 6), serving=(4, 8), portability=(5, 9), footprint=(5, 6), upkeep=(3, 7))
    both = audited(card, RESEARCH, DEPLOYMENT)
    assert both.verdict == SUPPORTED
    assert [each.asked for each in both.tests] == [
        "score under the criteria “article_research”",
        "score under the criteria “article_deployment”",
    ]
    assert both.tests[0].reason == "PyTorch 8.5 (8.5 to 8.5) and TensorFlow 5.5 (5.5 to 5.5)"
    assert set(both.tests[0].evidence) == {f"{each}/{name}" for each in ("training", "ease") for name in FRAMEWORKS}
    assert audited(card, {**RESEARCH, "ahead": "tensorflow"}).verdict == CONTRADICTED


def test_what_criteria_weigh_and_nobody_asked_is_missing() -> None:
    card = weighed(training=(9, 5), serving=(5, 8), portability=(6, 9), footprint=(5, 6))
    research, deployment = audited(card, RESEARCH), audited(card, DEPLOYMENT)
    assert (research.verdict, research.tests[0].missing) == (NOT_TESTABLE, "fweval ease")
    assert "50 % of PyTorch's" in research.reason
    assert deployment.verdict == UNDECIDED  # 80 % is there, and upkeep could turn it
    assert "could turn the order" in deployment.reason


def test_a_category_that_the_runs_criteria_do_not_weigh_has_a_score_for_claims() -> None:
    card = weighed(ease=(9, 5))
    assert "ease" not in card.policy.categories
    found = audited(card, {"kind": "score", "category": "ease", "ahead": "pytorch"})
    assert (found.verdict, found.reason) == (SUPPORTED, "PyTorch 9.0 (9.0 to 9.0) and TensorFlow 5.0 (5.0 to 5.0)")


def test_a_stand_in_decides_nothing_where_the_criteria_weigh_it_and_only_there() -> None:
    card = weighed(training=(9, 5), ease=(8, 6), serving=(4, 8), portability=(5, 9), footprint=(5, 6), upkeep=(3, 7))
    findings = tuple(msgspec.structs.replace(each, provisional=each.category == "serving") for each in card.findings)
    card = msgspec.structs.replace(card, findings=findings)
    assert audited(card, RESEARCH).verdict == SUPPORTED
    assert audited(card, DEPLOYMENT).verdict == UNDECIDED


def test_the_claims_about_ease_and_upkeep_say_what_would_look_at_it() -> None:
    found = {
        each.id: each
        for each in claims.audit(msgspec.structs.replace(weighed(training=(9, 5)), upkeep=None), reading.builtin())
    }
    for name in ("eager-debug", "learning-curve"):
        assert found[name].verdict == NOT_TESTABLE
        assert {each.missing for each in found[name].tests} == {"fweval ease"}
    for name in ("deploy-tools", "serving", "mobile-edge"):
        assert "fweval upkeep" in {each.missing for each in found[name].tests}
    assert found["choose"].verdict == NOT_TESTABLE


def test_the_claims_about_ease_and_upkeep_are_tested_by_a_run_that_looked() -> None:
    found = {each.id: each for each in claims.audit(fakes.scorecard(), reading.builtin())}
    for name in ("eager-debug", "learning-curve"):
        assert NOT_TESTABLE not in {each.verdict for each in found[name].tests}, found[name]
    assert found["mobile-edge"].tests[-1].evidence[0].startswith("upkeep/")


def standing(status: Status, **fields: Any) -> Upkeep:
    about: dict[str, Any] = (
        {"quote": "so it is", "source": "their page", "dated": "2026-10"} if status != "unknown" else {}
    )
    component = Component(
        id="that", title="That", status=status, checked_on="2026-11-01", covers=Covers(servers=("torchserve",)), **about
    )
    detected = Detected(answer="agrees", said="that 1.0 is installed")
    given: dict[str, Any] = {"stale": False, "counts_as": status, "points": 5.0, **fields}
    return Upkeep(standings=(Standing(component=component, detected=detected, **given),))


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("active", SUPPORTED),
        ("minimal", SUPPORTED),
        ("limited", UNDECIDED),
        ("deprecated", CONTRADICTED),
        ("archived", CONTRADICTED),
        ("unknown", NOT_TESTABLE),
    ],
)
@pytest.mark.parametrize("named", [{"server": "torchserve"}, {"component": "that"}])
def test_the_register_says_what_is_maintained(status: Status, verdict: Verdict, named: dict[str, str]) -> None:
    found = audited(bare(upkeep=standing(status)), {"kind": "maintained", **named})
    assert found.verdict == verdict
    assert MEANINGS[status] in found.reason
    assert ("“so it is”, their page, 2026-10" in found.reason) is (status != "unknown")


def test_an_entry_that_nobody_looked_at_says_nothing() -> None:
    card = bare(upkeep=standing("active", stale=True, counts_as="unknown"), archived={})
    found = audited(card, {"kind": "maintained", "component": "that"})
    assert (found.verdict, "counts as unknown" in found.reason) == (NOT_TESTABLE, True)
    assert "renew its entry" in found.tests[0].missing


def test_what_is_on_no_path_is_asked_of_the_catalogue() -> None:
    card = bare(upkeep=Upkeep(), archived={"torchserve": "https://example.org"})
    assert audited(card, {"kind": "maintained", "server": "torchserve"}).verdict == CONTRADICTED
    other = audited(card, {"kind": "maintained", "component": "litert"})
    assert (other.verdict, "on none of the paths" in other.reason) == (NOT_TESTABLE, True)


def test_an_archived_server_is_not_maintained_and_silence_is_no_proof() -> None:
    test = {"kind": "maintained", "server": "torchserve"}
    assert audited(bare(archived={"torchserve": "https://example.org"}), test).verdict == CONTRADICTED
    silent = audited(bare(archived={}, upkeep=None), test)
    assert (silent.verdict, silent.tests[0].missing) == (NOT_TESTABLE, "fweval upkeep")


IDS = (
    *(
        "train-resnet50-cpu",
        "train-resnet50-gpu",
        "train-bert-cpu",
        "train-bert-gpu",
        "faster-mostly",
        "gpu-helps",
        "tpu",
    ),
    *("eager-debug", "learning-curve", "deploy-tools", "mobile-edge", "serving", "adoption", "choose"),
    *("tfserving-fastest", "tfserving-slowest"),
)


def test_all_built_in_claims_have_a_verdict_that_says_why_and_what_to_do() -> None:
    files = reading.builtin()
    for card in (fakes.scorecard(), fakes.scorecard(fakes.empty_run()), sample_scorecard.scorecard()):
        found = claims.audit(card, files)
        assert tuple(each.id for each in found) == IDS
        for each in found:
            assert each.reason
            assert each.tests
            assert all(one.evidence or one.missing or one.verdict == NOT_TESTABLE for one in each.tests)
    (slowest, fastest) = (next(c for c in files[1].claims if c.id == name) for name in IDS[:-3:-1])
    assert slowest.source != fastest.source


def test_two_papers_that_contradict_each_other_are_judged_by_a_run_that_has_both_servers() -> None:
    found = {each.id: each for each in claims.audit(fakes.scorecard(), reading.builtin())}
    assert found["tfserving-fastest"].verdict == found["tfserving-slowest"].verdict == NOT_TESTABLE  # a stand-in
    run = fakes.really_served()
    for name, seconds in (("torchserve", 0.02), (fakes.SERVERS["tensorflow"][0], 0.01)):
        for stage in ("load", "serve"):
            for wire in ("rest", "grpc"):
                steps = fakes.is_step(stage=stage, server=name, launcher=dict(LAUNCHED)[name])
                run = fakes.resample(run, steps, wire, tuple(seconds * (1 + n % 3 / 1000) for n in range(130)))
    found = {each.id: each for each in claims.audit(fakes.scorecard(run), reading.builtin(), run.entries)}
    assert found["tfserving-fastest"].verdict == SUPPORTED
    assert found["tfserving-slowest"].verdict == CONTRADICTED
    assert found["tfserving-slowest"].tests[0].value == pytest.approx(0.5, rel=0.01)


LAUNCHED = tuple((server, next(name for name, works in ways if works)) for server, _, ways in fakes.SERVERS.values())


def test_every_question_that_checks_compare_by_may_be_named() -> None:
    run = fakes.really_served()
    for check in registry.load_all("check"):
        assert {made.question for made in check.compare(run)} <= set(check.questions), check.name


def test_the_page_about_claims_has_every_kind_and_key_and_its_example_is_read() -> None:
    page = (EXAMPLE.parents[2] / "claims.md").read_text()
    for kind, record in reading.KINDS.items():
        assert f"`{kind}`" in page
        for key in record.__struct_encode_fields__:
            assert f"`{key}" in page, key
    assert all(f"`{key}`" in page for key in Where.__struct_encode_fields__)
    assert all(f"| {verdict} |" in page for verdict in VERDICTS)
    file = reading.load(EXAMPLE)
    run = fakes.complete_run(scenarios=("bert",))
    verdicts = [each.verdict for each in claims.audit(fakes.scorecard(run), (file,), run.entries)]
    assert CONTRADICTED in verdicts
    assert verdicts.count(NOT_TESTABLE) < len(verdicts)


BAD = (
    ('metric = "latency_s"', 'metric = "latencys"', "there is no metric 'latencys' (did you mean 'latency_s'?)"),
    ('statistic = "p90"', 'statistik = "p90"', "there is no label of the metric 'latency_s' 'statistik'"),
    ('statistic = "p90"', 'statistic = "p91"', "it must be said which statistic"),
    ('kind = "amount"', 'kind = "amont"', "there is no kind of test 'amont' (did you mean 'amount'?)"),
    ('kind = "amount"', "", "a test has no kind (one of amount, comparison"),
    ("below = 50", "", "it does not say what is claimed (give one of above, below)"),
    ("below = 50", "belov = 50", "test 1, key 'belov': unknown key (did you mean 'below'?)"),
    ("below = 50", 'below = "50"', "key 'below': Expected `float"),
    ('unit = "ms"', 'unit = "min"', "'min' is no unit of 'latency_s' (one of s, ms, us, µs)"),
    ('unit = "ms"', "", "key 'unit': missing key"),
    ('server = "torchserve"', 'server = "torchserv"', "there is no server 'torchserv' (did you mean 'torchserve'?)"),
    ('stage = "serve"', 'scenari = "serve"', "key 'scenari': unknown key (did you mean 'scenario'?)"),
    ('id = "p90-below-50-ms"', 'id = "eight-bits"', "claim 'eight-bits': two claims have this id"),
    ('source = "https://vendor.example/benchmarks, table 3"', "", "key 'source': missing key"),
    ("title =", "titel =", "key 'titel': unknown key (did you mean 'title'?)"),
)


@pytest.mark.parametrize(("old", "new", "said"), BAD)
def test_a_wrong_file_is_refused_in_one_line_with_what_is_near(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    assert old in text
    (tmp_path / "bad.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError) as found:
        reading.load(tmp_path / "bad.toml")
    told = f"{found.value.message} ({found.value.remedy})"
    assert said in told
    assert told.startswith(str(tmp_path / "bad.toml"))
    assert "\n" not in told


def test_an_unknown_question_is_refused_and_one_of_the_runs_own_is_not(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = "Mine"\n[[claims]]\nid = "a"\nstatement = "a"\nsource = "b"\n[[claims.tests]]\n'
        'kind = "comparison"\nquestion = "latancy"\nahead = "pytorch"\n'
    )
    with pytest.raises(UsageError, match="line 3, claim 'a', test 1: there is no question 'latancy'") as found:
        reading.load(path)
    assert found.value.remedy == "did you mean 'latency'?"
    card = bare(comparisons=(msgspec.structs.replace(compared(), question="latancy"),))
    assert reading.load(path, card).claims[0].id == "a"


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ('kind = "criteria"\ncriteria = "article_reserch"\nahead = "pytorch"', "did you mean 'article_research'?"),
        ('kind = "maintained"', "give one of server, component"),
        ('kind = "maintained"\nserver = "torchserve"\ncomponent = "torchserve"', "give one of server, component"),
        ('kind = "maintained"\ncomponent = "torchserv"', "did you mean 'torchserve'?"),
    ],
)
def test_criteria_and_components_are_named_as_they_are(test: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    about = 'title = "Mine"\n[[claims]]\nid = "a"\nstatement = "a"\nsource = "b"\n[[claims.tests]]\n'
    path.write_text(f"{about}{test}\n")
    with pytest.raises(UsageError, match="line 3, claim 'a', test 1: ") as found:
        reading.load(path)
    assert found.value.remedy == said


def test_the_report_shows_each_verdict_and_the_terminal_counts_them() -> None:
    card = sample_scorecard.scorecard()
    counted = "5 claims of others: 1 supported, 1 contradicted, 1 mixed, 1 undecided, 1 not testable here."
    assert _claims.of_others(card) == counted
    assert _claims.of_others(msgspec.structs.replace(card, claims=card.claims[:1])).startswith("1 claim of others: 1 ")
    assert _claims.of_others(msgspec.structs.replace(card, claims=())) == ""
    assert counted in markdown.render(card).split("## ")[1]
    untested = tuple(each for each in card.claims if each.verdict == NOT_TESTABLE)
    alone = msgspec.structs.replace(card, claims=untested)
    assert section.plugin.brief(alone) == ()
    (_, said, *_) = section.plugin.blocks(alone)
    assert "None of 1 claims could be tested by this run." in str(said)


def test_verdicts_travel_as_json() -> None:
    found = claims.audit(fakes.scorecard(), reading.builtin())
    assert msgspec.json.decode(msgspec.json.encode(found), type=tuple[Audited, ...]) == found
    assert {each["verdict"] for each in json.loads(msgspec.json.encode(found))} <= set(VERDICTS)
    assert _terminal.rendered(section.table(found)) is not None
