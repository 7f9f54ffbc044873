"""How firm an order is: exact figures, and properties against brute force."""

import itertools
from math import fsum, log, sqrt

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from evaluator.core.outcome import Outcome
from evaluator.core.policy import STANDARD, Policy, Risk
from evaluator.core.scorecard import CandidateScore, Finding, Interval
from evaluator.core.targets import Target
from evaluator.judging import firmness, scoring
from evaluator.judging.firmness import Firmness

BOTH = ("pytorch", "tensorflow")
NAMES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}
QUICK = msgspec.structs.replace(STANDARD, draws=500)
TARGET = Target(full=0.01, none=0.1)


def finding(number: int = 0, **fields: object) -> Finding:
    about = {"candidate": "pytorch", "category": "serving"} | fields
    base = Finding(
        id=f"a_check/{about['candidate']}/{about['category']}/{number}",
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


def timed(candidate: str, low: float, high: float) -> Finding:
    value = sqrt(low * high)
    return finding(
        candidate=candidate,
        category="performance",
        score=TARGET.points(value),
        value=value,
        interval=Interval(value=value, low=low, high=high),
        target=TARGET,
    )


def scored(findings: list[Finding], policy: Policy = QUICK) -> tuple[CandidateScore, ...]:
    scores = scoring.score_candidates(findings, BOTH, ("bert",), policy)
    return tuple(each for each in scores if each.scenario is None)


def firm(findings: list[Finding], policy: Policy = QUICK) -> Firmness:
    return firmness.firmness(findings, scored(findings, policy), policy)


def only(*categories: str, draws: int = 10_000) -> Policy:
    return msgspec.structs.replace(STANDARD, categories=dict.fromkeys(categories, 1.0), draws=draws)


def everywhere(points: dict[str, float], policy: Policy = QUICK) -> list[Finding]:
    return [
        finding(candidate=name, category=category, score=score)
        for name, score in points.items()
        for category in policy.categories
    ]


def test_a_figure_is_drawn_within_its_interval() -> None:
    """Of two log-normal figures the quicker one is known in closed form; nothing of it hits the ends of the target."""
    first, second = (0.028, 0.034), (0.030, 0.036)
    found = firm([timed("pytorch", *first), timed("tensorflow", *second)], only("performance"))
    assert found.measured is not None
    middle = log(second[0] * second[1]) / 2 - log(first[0] * first[1]) / 2
    spread = sqrt(fsum((log(high / low) / (2 * 1.959963984540054)) ** 2 for low, high in (first, second)))
    assert found.measured.first["pytorch"] == pytest.approx(float(norm.cdf(middle / spread)), abs=0.015)
    assert found.measured.error["pytorch"] == pytest.approx(0.0065, abs=0.001)


def test_a_figure_far_beyond_its_target_has_full_marks_in_every_draw() -> None:
    found = firm([timed("pytorch", 0.001, 0.002), timed("tensorflow", 0.003, 0.004)], only("performance"))
    assert found.measured is not None
    assert found.measured.first == {"pytorch": 0.5, "tensorflow": 0.5}


def test_what_is_missing_is_drawn_evenly() -> None:
    """A score of 10 x 0.5 and a uniform half against 7.5 for sure: ahead in half of the draws."""
    policy = only("serving")
    findings = [
        finding(0, score=10.0),
        finding(1, score=None, state=Outcome.UNAVAILABLE),
        finding(0, candidate="tensorflow", score=7.5),
    ]
    found = firm(findings, policy)
    assert found.whole is not None
    assert found.whole.first["pytorch"] == pytest.approx(0.5, abs=0.015)
    assert found.measured is not None
    assert found.measured.first["pytorch"] == 1.0
    assert found.measured.error["pytorch"] == pytest.approx(0.0002, abs=0.0001)


def test_a_stand_in_is_missing_in_part() -> None:
    """Half of 4, and half of 0 to 10, against 6: ahead in a fifth of the draws."""
    findings = [finding(score=4.0, provisional=True), finding(candidate="tensorflow", score=6.0)]
    found = firm(findings, only("serving"))
    assert found.whole is not None
    assert found.whole.first["pytorch"] == pytest.approx(0.2, abs=0.012)


def test_a_candidate_of_which_nothing_is_known_may_be_anything() -> None:
    found = firm([finding(score=7.0)], only("serving"))
    assert found.measured is None
    assert found.whole is not None
    assert found.whole.first["pytorch"] == pytest.approx(0.7, abs=0.014)


def test_categories_are_compared_on_about_the_same_evidence() -> None:
    """Full marks in the one of three questions that was answered are not more than seven points in all three."""
    findings = everywhere({"pytorch": 7.0, "tensorflow": 7.0})
    findings += [finding(number, score=7.0) for number in (1, 2)]
    findings += [finding(number, candidate="tensorflow", score=None, state=Outcome.UNAVAILABLE) for number in (1, 2)]
    common = firmness.compared(scored(findings), QUICK)
    assert common == ["training", "performance", "footprint", "portability"]
    findings[-1] = finding(2, candidate="tensorflow", score=7.0)
    assert "serving" in firmness.compared(scored(findings), QUICK)


def test_the_share_in_which_a_candidate_is_good_enough() -> None:
    """Of two categories with 10 and 0 the first has more than half of the weight in half of the draws."""
    policy = only("serving", "training")
    found = firm([finding(score=10.0), finding(category="training", score=0.0)], policy)
    assert found.ready["pytorch"] == pytest.approx(0.5, abs=0.015)
    assert found.ready["tensorflow"] == 0.0


def test_without_weight_a_category_decides_nothing() -> None:
    policy = msgspec.structs.replace(only("serving"), categories={"serving": 1.0, "training": 0.0})
    findings = [
        *(finding(candidate=name, score=score) for name, score in zip(BOTH, (9.0, 8.0), strict=True)),
        *(finding(candidate=name, category="training", score=s) for name, s in zip(BOTH, (0.0, 10.0), strict=True)),
    ]
    found = firm(findings, policy)
    assert found.measured is not None
    assert found.measured.first == {"pytorch": 1.0, "tensorflow": 0.0}
    assert {tip.category for tip in firmness.tipping(scored(findings, policy), "pytorch", NAMES, policy)} == {
        "serving",
        "training",
    }


def test_tipping_points_of_both_directions() -> None:
    points = {"pytorch": (4.0, 9.0), "tensorflow": (10.0, 5.0)}
    findings = [
        finding(candidate=name, category=category, score=score)
        for name, (training, serving) in points.items()
        for category, score in (("training", training), ("serving", serving), ("performance", 7.0))
    ]
    policy = only("training", "serving", "performance")
    tips = {tip.category: tip for tip in firmness.tipping(scored(findings, policy), "tensorflow", NAMES, policy)}
    assert tips["training"].direction == "less"
    assert tips["training"].turns_at == pytest.approx(2 / 8)  # the rest leads by -2
    assert tips["training"].statement == "turns to PyTorch when training has less than 25.0 % of the weight"
    assert tips["serving"].direction == "more"
    assert tips["serving"].turns_at == pytest.approx(3 / 7)  # the rest leads by 3
    assert tips["performance"].turns_at is None
    assert tips["performance"].statement == "no weighting of performance turns it"


SCORE = st.floats(0, 10).map(lambda value: round(value, 3))
TABLE = st.lists(st.tuples(SCORE, SCORE), min_size=5, max_size=5)
WEIGHTS = st.lists(st.integers(1, 40), min_size=5, max_size=5)


@given(TABLE, WEIGHTS)
@settings(deadline=None, max_examples=60)
def test_tipping_points_agree_with_scoring_again(table: list[tuple[float, float]], weights: list[int]) -> None:
    """Give a category every share from 0 to 100 %: the order is that of the tipping point on either side of it."""
    names = [*STANDARD.categories]
    policy = msgspec.structs.replace(QUICK, categories={n: float(w) for n, w in zip(names, weights, strict=True)})
    findings = [
        finding(candidate=candidate, category=name, score=points[which])
        for name, points in zip(names, table, strict=True)
        for which, candidate in enumerate(BOTH)
    ]
    overall = scored(findings, policy)
    leader = firmness.leader(overall, policy)
    assert leader is not None
    for tip in firmness.tipping(overall, leader, NAMES, policy):
        own, rest = policy.categories[tip.category], fsum(policy.categories.values()) - policy.categories[tip.category]
        assert tip.share == pytest.approx(own / (own + rest))
        for share in (step / 25 for step in range(1, 25)):
            again = dict(policy.categories) | {tip.category: rest * share / (1 - share)}
            scores = {
                each.candidate: each.overall
                for each in scored(findings, msgspec.structs.replace(policy, categories=again))
            }
            lead = (scores[leader] or 0.0) - (scores[tip.rival] or 0.0)
            if abs(lead) < 1e-6 or (tip.turns_at is not None and abs(share - tip.turns_at) < 1e-6):
                continue
            beyond = tip.turns_at is not None and (share > tip.turns_at) is (tip.direction == "more")
            started = tip.turns_at is not None or _advantage(overall, leader, policy) > 1e-6
            assert not started or (lead < 0) is beyond


def _advantage(overall: tuple[CandidateScore, ...], leader: str, policy: Policy) -> float:
    scores = {each.candidate: each.overall or 0.0 for each in overall}
    return scores[leader] - max(score for name, score in scores.items() if name != leader)


MEASURED = st.builds(
    lambda candidate, category, risk, points, provisional: finding(
        candidate=candidate,
        category=category,
        risk=risk,
        score=points,
        provisional=provisional,
        state=Outcome.PASSED if points is not None else Outcome.UNAVAILABLE,
    ),
    st.sampled_from(BOTH),
    st.sampled_from([*STANDARD.categories]),
    st.sampled_from([*Risk]),
    st.none() | SCORE,
    st.booleans(),
)
FINDINGS = st.lists(MEASURED, min_size=1, max_size=14).map(
    lambda found: [msgspec.structs.replace(each, id=f"{each.id}{number}") for number, each in enumerate(found)]
)


@given(FINDINGS)
@settings(deadline=None, max_examples=60)
def test_acceptabilities_add_up_and_say_the_same_in_any_order(findings: list[Finding]) -> None:
    found = firm(findings)
    assert firm(findings[::-1]) == found
    for each in (found.measured, found.whole):
        if each is not None:
            assert sum(each.first.values()) == pytest.approx(1, abs=2e-4)
            assert all(0 <= share <= 1 for share in each.first.values())
            assert all(0 < error < 0.05 for error in each.error.values())


@given(FINDINGS, st.sampled_from([*STANDARD.categories]), st.sampled_from([*Risk]))
@settings(deadline=None, max_examples=60)
def test_a_passed_finding_never_lowers_ones_own_acceptability(
    findings: list[Finding], category: str, risk: Risk
) -> None:
    """Nor, on what was measured, where it changes nothing of what is compared."""
    more = [*findings, finding(99, category=category, risk=risk, score=10.0)]
    before, after = firm(findings), firm(more)
    assert before.whole is not None
    assert after.whole is not None
    assert after.whole.first["pytorch"] >= before.whole.first["pytorch"]
    same = firmness.compared(scored(findings), QUICK) == firmness.compared(scored(more), QUICK)
    if same and before.measured is not None and after.measured is not None:
        assert after.measured.first["pytorch"] >= before.measured.first["pytorch"]


def test_the_bounds_of_missing_evidence_hold_where_every_category_leads() -> None:
    findings = everywhere({"pytorch": 9.0, "tensorflow": 2.0})
    findings += [
        finding(1, candidate=name, category=each, risk=Risk.LOW, score=None, state=Outcome.UNAVAILABLE)
        for name, each in itertools.product(BOTH, STANDARD.categories)
    ]
    found = firm(findings)
    assert found.whole is not None
    assert found.whole.first == {"pytorch": 1.0, "tensorflow": 0.0}
