import re
from dataclasses import replace
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.core.outcome import Outcome
from evaluator.core.policy import STANDARD, Policy
from evaluator.core.scorecard import CandidateScore, CategoryScore, Finding, Risk
from evaluator.core.turns import Blocks
from evaluator.judging import scoring
from tests import fakes

EPSILON = 1e-9


def finding(**fields: object) -> Finding:
    base = Finding(
        id="a/b",
        check="a_check",
        category="serving",
        risk=Risk.HIGH,
        candidate="pytorch",
        scenario="bert",
        subject="something",
        state=Outcome.PASSED,
        score=10.0,
        reason="because",
    )
    return msgspec.structs.replace(base, **fields)


def score(findings: list[Finding]) -> CandidateScore:
    (only, _) = scoring.score_candidates(findings, ("pytorch",), ("bert",), STANDARD)
    return only


MEASURED = st.builds(
    lambda category, risk, points, provisional: finding(
        category=category,
        risk=risk,
        score=points,
        provisional=provisional,
        state=Outcome.PASSED if points is not None else Outcome.UNAVAILABLE,
    ),
    st.sampled_from(list(STANDARD.categories)),
    st.sampled_from(list(Risk)),
    st.none() | st.floats(0, 10),
    st.booleans(),
)
FINDINGS = st.lists(MEASURED, min_size=1, max_size=12)


def _at_least(high: float | None, low: float | None) -> bool:
    return low is None or (high is not None and high >= low - EPSILON)


@given(FINDINGS, st.data())
def test_more_passes_never_lower_a_score(findings: list[Finding], data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, len(findings) - 1))
    better = list(findings)
    better[chosen] = msgspec.structs.replace(findings[chosen], state=Outcome.PASSED, score=10.0)
    before, after = score(findings), score(better)
    assert _at_least(after.lower, before.lower)
    assert _at_least(after.coverage, before.coverage)
    for old, new in zip(before.categories, after.categories, strict=True):
        assert _at_least(new.score, old.score)
    if all(c.score is not None for c in before.categories if c.category == findings[chosen].category):
        assert _at_least(after.overall, before.overall)


@given(FINDINGS, st.randoms(use_true_random=False))
def test_the_order_of_findings_changes_no_score(findings: list[Finding], random: Random) -> None:
    """To the last digit: sums that round as they go differ from one order, and from one Python, to the next."""
    shuffled = random.sample(findings, len(findings))
    assert score(shuffled) == score(findings)


@given(FINDINGS, st.data())
def test_removing_evidence_never_raises_the_lower_bound(findings: list[Finding], data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, len(findings) - 1))
    poorer = list(findings)
    poorer[chosen] = msgspec.structs.replace(findings[chosen], state=Outcome.UNAVAILABLE, score=None)
    before, after = score(findings), score(poorer)
    assert after.lower <= before.lower + EPSILON
    assert after.upper >= before.upper - EPSILON
    assert after.coverage <= before.coverage + EPSILON


@given(FINDINGS)
def test_bounds_hold_the_score_and_coverage_is_a_share(findings: list[Finding]) -> None:
    whole = score(findings)
    parts: list[tuple[float | None, CategoryScore | CandidateScore]] = [(c.score, c) for c in whole.categories]
    for value, part in [(whole.overall, whole), *parts]:
        assert 0 <= part.coverage <= 1 + EPSILON
        assert 0 <= part.lower <= part.upper <= 10 + EPSILON
        assert value is None or part.lower - EPSILON <= value <= part.upper + EPSILON


@given(FINDINGS)
def test_the_weakest_category_stands_beside_the_mean(findings: list[Finding]) -> None:
    whole = score(findings)
    measured = {c.category: c.score for c in whole.categories if c.score is not None}
    if measured:
        assert whole.weakest_score == min(measured.values())
        assert measured[str(whole.weakest)] == whole.weakest_score
        assert whole.overall is not None
        assert whole.overall >= min(measured.values()) - EPSILON
    else:
        assert whole.weakest is None
        assert whole.overall is None


def test_risk_weighs_as_written() -> None:
    one = score([finding(risk=Risk.CRITICAL, score=10.0), finding(risk=Risk.LOW, score=0.0)])
    serving = next(c for c in one.categories if c.category == "serving")
    assert serving.score == pytest.approx(10 * 10 / 12.5)
    assert serving.coverage == 1


def test_the_bounds_count_what_is_missing_as_zero_and_as_ten() -> None:
    one = score([finding(score=8.0), finding(score=None, state=Outcome.UNAVAILABLE)])
    serving = next(c for c in one.categories if c.category == "serving")
    assert (serving.score, serving.coverage) == (8.0, 0.5)
    assert (serving.lower, serving.upper) == (4.0, 9.0)


def test_what_lies_on_other_paths_counts_for_nothing() -> None:
    """A server that its makers have ended says nothing against a framework on phones."""
    ended = finding(category="upkeep", path="server", state=Outcome.FAILED, score=0.0, gate=True)
    known = [finding(category=name, path="mobile") for name in STANDARD.categories]
    phones = msgspec.structs.replace(STANDARD, categories={**STANDARD.categories, "upkeep": 1.0}, paths=("mobile",))
    (asked, _) = scoring.score_candidates([*known, ended], ("pytorch",), ("bert",), phones)
    everywhere = msgspec.structs.replace(phones, paths=())
    (whole, _) = scoring.score_candidates([*known, ended], ("pytorch",), ("bert",), everywhere)
    assert (asked.verdict, asked.gates, whole.verdict) == ("ready", (), "not ready")
    assert next(each.score for each in asked.categories if each.category == "upkeep") is None
    assert next(each.score for each in whole.categories if each.category == "upkeep") == 0


def test_nothing_but_a_stand_in_leaves_a_must_have_open() -> None:
    strict = msgspec.structs.replace(STANDARD, stand_in_suffices=False)
    known = [finding(category=name) for name in STANDARD.categories for _ in range(3)]
    ready = {"check": "serving_readiness", "gate": True, "path": "server", "subject": "TF Serving (container)"}
    real, stand_in = finding(**ready), finding(**ready, provisional=True)

    def judged(*found: Finding, policy: Policy = strict) -> CandidateScore:
        return scoring.score_candidates([*known, *found], ("pytorch",), ("bert",), policy)[0]

    assert judged(real).verdict == judged(real, stand_in).verdict == "ready"
    assert judged(stand_in).verdict == "insufficient evidence"
    assert judged(stand_in).open_gates == (
        "bert: only a stand-in answers the must-have serving readiness (TF Serving (container))",
    )
    assert judged(msgspec.structs.replace(stand_in, state=Outcome.FAILED, score=0.0)).verdict == "not ready"
    assert judged(msgspec.structs.replace(stand_in, device="gpu")).verdict == "ready"
    assert judged(stand_in, policy=STANDARD).verdict == "ready", "as it was before there were criteria"


def test_a_provisional_finding_counts_half_in_coverage() -> None:
    one = score([finding(provisional=True)])
    serving = next(c for c in one.categories if c.category == "serving")
    assert (serving.score, serving.coverage) == (10.0, STANDARD.provisional_share)


def test_a_category_without_findings_counts_as_missing() -> None:
    one = score([finding()])
    assert one.overall == 10
    assert one.coverage == pytest.approx(STANDARD.categories["serving"] / sum(STANDARD.categories.values()))
    assert one.verdict == "insufficient evidence"


def test_what_does_not_apply_is_left_out() -> None:
    one = score([finding(), finding(state=Outcome.NOT_APPLICABLE, score=None)])
    assert next(c for c in one.categories if c.category == "serving").coverage == 1


def _everything(points: float) -> list[Finding]:
    return [finding(category=name, score=points) for name in STANDARD.categories]


def test_the_verdict_follows_gates_coverage_and_score_in_that_order() -> None:
    broken = finding(gate=True, state=Outcome.FAILED, score=0.0, subject="TorchScript", reason="all outputs differ")
    missing = finding(gate=True, state=Outcome.UNAVAILABLE, score=None, risk=Risk.LOW)
    assert score(_everything(10.0)).verdict == "ready"
    assert score(_everything(4.9)).verdict == "not ready"
    assert score([*_everything(10.0), missing]).verdict == "ready"
    assert score([*_everything(10.0), broken]).verdict == "not ready"
    assert score([broken]).verdict == "not ready"
    assert score([broken]).gates == ("bert: a check of TorchScript: all outputs differ",)
    assert score([finding()]).verdict == "insufficient evidence"


def test_the_score_over_all_scenarios_weighs_all_findings() -> None:
    findings = [finding(scenario="bert", score=10.0), finding(scenario="resnet50", score=0.0)]
    scores = scoring.score_candidates(findings, ("pytorch",), ("bert", "resnet50"), STANDARD)
    assert [(s.scenario, s.overall) for s in scores] == [("bert", 10.0), ("resnet50", 0.0), (None, 5.0)]


def test_a_complete_run_without_gpu_and_docker_has_enough_coverage() -> None:
    scores = fakes.scorecard(fakes.really_served()).scores
    assert {s.candidate for s in scores} == {"pytorch", "tensorflow"}
    for one in scores:
        assert one.coverage >= STANDARD.least_coverage
        assert one.verdict == "ready"


def test_a_stand_in_lowers_the_coverage() -> None:
    """Of one finding of readiness it shows a half; what operators fear, and the load, it leaves open."""
    serving = {s.candidate: next(c for c in s.categories if c.category == "serving") for s in fakes.scorecard().scores}
    assert serving["pytorch"].coverage > 0.8
    assert serving["tensorflow"].coverage == 0.125
    assert (serving["tensorflow"].lower, serving["tensorflow"].upper) == (1.25, 10)


def test_the_same_evidence_gives_the_same_bytes() -> None:
    first, second = (msgspec.json.encode(fakes.scorecard(fakes.complete_run())) for _ in range(2))
    assert first == second


def test_an_empty_run_decides_nothing() -> None:
    card = fakes.scorecard(fakes.empty_run())
    assert {s.verdict for s in card.scores} == {"insufficient evidence"}
    assert {s.overall for s in card.scores} == {None}
    assert card.robustness is None
    assert card.warnings == ()


def test_a_scorecard_travels_as_json() -> None:
    card = fakes.scorecard()
    assert msgspec.json.decode(msgspec.json.encode(card), type=type(card)) == card


def test_no_removed_step_raises_a_lower_bound() -> None:
    run = fakes.complete_run(rounds=3)
    before = {(s.candidate, s.scenario): s.lower for s in fakes.scorecard(run).scores}
    steps = [entry.step for entry in run.entries if entry.passed]
    for step in steps:
        after = fakes.scorecard(fakes.without(run, fakes.is_step(id=step.id))).scores
        for one in after:
            assert one.lower <= before[one.candidate, one.scenario] + EPSILON, f"without {step.id}"


def test_capped_measurements_are_warned_of() -> None:
    assert not any("time cap" in text for text in fakes.scorecard().warnings)
    run = fakes.change(fakes.complete_run(), lambda step: step.stage == "run", capped=True)
    assert any("time cap" in text for text in fakes.scorecard(run).warnings)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ((1.0,) * 20 + (1.3,) * 20 + (1.6,) * 20, "had not settled"),
        ((1.0, 1.1, 0.9) * 20, "vary by more than 2.5 %"),
        ((1.0, 1.001, 0.999) * 20 + (3.0,), "outliers"),
    ],
)
def test_doubtful_samples_are_warned_of(samples: tuple[float, ...], words: str) -> None:
    assert not any(words in text for text in fakes.scorecard().warnings)
    run = fakes.resample(fakes.complete_run(), fakes.is_step(runtime="torch_jit", stage="run"), "latency", samples)
    assert any(words in text for text in fakes.scorecard(run).warnings)


def test_one_round_and_the_reference_server_are_warned_of() -> None:
    warnings = fakes.scorecard(fakes.complete_run(rounds=1)).warnings
    assert any("measures 1 round: intervals are of blocks" in text for text in warnings)
    assert any("embedded reference server" in text for text in warnings)


def test_loss_curves_are_drawn_for_both_frameworks() -> None:
    curves = [c for c in fakes.scorecard().curves if c.name == "training loss"]
    assert [(c.framework, c.device, len(c.x)) for c in curves] == [("pytorch", "cpu", 60), ("tensorflow", "cpu", 60)]


def test_latencies_are_drawn_against_the_rate_for_every_server() -> None:
    curves = [c for c in fakes.scorecard().curves if c.x_name == "requests per second"]
    assert {(c.subject, c.name) for c in curves} == {
        (server, f"latency over {wire}, p90")
        for server in ("TorchServe (process on this machine)", "TensorFlow Serving API (embedded reference server)")
        for wire in ("REST", "gRPC")
    }
    assert {(c.x, c.y) for c in curves} == {((24.0, 48.0), (0.03, 0.06))}  # at 90 % no latency was measured


def test_an_image_on_a_system_without_fixes_is_a_warning() -> None:
    steps = fakes.is_step(stage="serve", server="torchserve", launcher="process")
    for date, warned in (("2025-12-31", True), ("2026-01-02", False)):  # the run was made on 2026-01-01
        run = fakes.change(fakes.complete_run(), steps, image_end_of_life=date)
        assert any("security support has ended" in text for text in scoring.warnings(run)) is warned


def test_warnings_count_one_as_one_and_several_as_several() -> None:
    steps = fakes.is_step(stage="serve", server="torchserve", launcher="process")
    run = fakes.change(fakes.complete_run(rounds=1), steps, image_end_of_life="2025-12-31")
    told = " ".join(scoring.warnings(run))
    assert "[" not in told
    assert "(s)" not in told
    assert "measures 1 round: " in told
    assert "container image" in told
    assert not re.search(r"\b1 (measurements|servers|container images) ", told)


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"disturbed_share": 0.38}, "others had the machine during some blocks, which are left out"),
        ({"idle_cores": 0.4}, "did not sleep while others were asked"),
        ({"own_cores": 8.0}, "used more cores than given"),
    ],
)
def test_who_disturbs_and_what_was_disturbed_is_a_warning(metrics: dict[str, float], said: str) -> None:
    (entry,) = fakes.complete_run(rounds=1).select("run", scenario="resnet50", runtime="torch_jit", device="cpu")
    for share, warned in ((1.0, True), (0.0, False)):
        told = msgspec.structs.replace(entry.result, metrics={name: share * at for name, at in metrics.items()})
        step = msgspec.structs.replace(entry.step, settings={"threads": 2})
        run = replace(fakes.complete_run(), entries=(replace(entry, step=step, result=told),))
        assert [said in text for text in scoring.warnings(run) if "profile" not in text.lower()] == [True] * warned


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([("a", "b"), ("a", "b")], None),
        ([("a", "b"), ("a", "c")], "were measured in 2 groups, compared through a:"),
        ([("a",), ("b",)], "were measured in 2 groups, which share nothing to compare them through:"),
    ],
)
def test_what_was_not_measured_together_is_a_warning(groups: list[tuple[str, ...]], said: str | None) -> None:
    run = fakes.complete_run(rounds=1)
    entries = [
        replace(entry, blocks=Blocks(together=group))
        for entry, group in zip(run.select("run", scenario="resnet50", device="cpu"), groups, strict=False)
    ]
    told = [text for text in scoring.warnings(replace(run, entries=tuple(entries))) if "groups" in text]
    assert [said in text for text in told if said] == [True] * bool(said)
    assert len(told) == bool(said)


def test_what_carries_the_intervals_of_few_rounds_is_said() -> None:
    run = fakes.complete_run(rounds=1)
    told = " ".join(scoring.warnings(run))
    assert "measures 1 round: intervals are of blocks within one start, widened" in told
    before = " ".join(scoring.warnings(fakes.one_after_the_other(run)))
    assert "measures 1 round: what is not measured in turns has an interval from three on only" in before
