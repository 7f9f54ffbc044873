"""The decision in words: who is to be taken, what speaks for and against, what could change it."""

import msgspec
import pytest

from evaluator.core.decision import Decision, Gap, Point
from evaluator.core.outcome import Outcome
from evaluator.core.policy import STANDARD
from evaluator.core.scorecard import Candidate, Finding, Interval, PathChoice, Risk, Scorecard
from evaluator.judging import decision, scoring
from tests import fakes, sample_scorecard
from tests.unit.test_firmness import BOTH, TARGET, everywhere, finding

POLICY = msgspec.structs.replace(STANDARD, draws=2_000)
BARE = msgspec.structs.replace(sample_scorecard.empty(), policy=POLICY, archived={}, decision=None, paths=())
GONE = {"score": None, "state": Outcome.UNAVAILABLE}


def decided(findings: list[Finding], names: tuple[str, ...] = BOTH, **fields: object) -> Scorecard:
    scores = scoring.score_candidates(findings, names, ("bert",), POLICY)
    card = msgspec.structs.replace(BARE, scenarios={"bert": ""}, findings=tuple(findings), scores=scores, **fields)
    return decision.decided(card)


def made(findings: list[Finding], names: tuple[str, ...] = BOTH, **fields: object) -> Decision:
    found = decided(findings, names, **fields).decision
    assert found is not None
    return found


def points(found: Decision, kind: str, candidate: str = "pytorch") -> list[Point]:
    (merits,) = (each for each in found.merits if each.candidate == candidate)
    return [each for each in merits.points if each.kind == kind]


def test_of_two_that_are_ready_the_one_that_scores_higher_is_taken() -> None:
    found = made(everywhere({"pytorch": 9.0, "tensorflow": 8.0}))
    assert (found.outcome, found.chosen) == ("ahead", "pytorch")
    assert found.statement == "Take PyTorch: it is ready, and scores higher."
    assert found.because[0] == (
        "PyTorch is ready: 9.0 of 10 on 100 % of the evidence (9.0 to 9.0 whatever the rest may show); 5 are enough."
    )
    assert found.because[2] == (
        "PyTorch scores higher in 100 % (±0.1) of 2,000 draws of weights, and of figures within their intervals; "
        "with everything that is missing drawn as well, in 100 %."
    )


def test_nobody_is_taken_where_neither_scores_higher_in_most_draws() -> None:
    one = everywhere({"pytorch": 8.0, "tensorflow": 8.0})
    unlike = {("pytorch", "serving"): 9.0, ("tensorflow", "performance"): 9.0}
    found = made(
        [msgspec.structs.replace(each, score=unlike.get((each.candidate, each.category), each.score)) for each in one]
    )
    assert (found.outcome, found.chosen) == ("level", None)
    assert found.because[-1] == "PyTorch scores more in serving (9.0 to 8.0), less in performance (8.0 to 9.0), of 10."
    assert "Nobody leads firmly: PyTorch scores higher in " in found.because[2]


def test_who_alone_is_ready_is_taken_even_if_another_scores_higher() -> None:
    """A higher score on half of the evidence is not more."""
    findings = everywhere({"pytorch": 7.0, "tensorflow": 9.0})
    findings += [finding(1, candidate="tensorflow", category=name, **GONE) for name in POLICY.categories]
    found = made(findings)
    assert (found.outcome, found.chosen) == ("only ready", "pytorch")
    assert found.statement.endswith("Of TensorFlow too little is known.")
    assert (
        "TensorFlow has 9.0 of 10 on 50 % of the evidence (4.5 to 9.5 whatever the rest may show)" in found.because[1]
    )


def test_a_failed_must_have_is_named() -> None:
    failed = finding(9, gate=True, score=0.0, state=Outcome.FAILED, reason="it differs")
    found = made([*everywhere({"pytorch": 9.0, "tensorflow": 8.0}), failed])
    assert (found.outcome, found.chosen) == ("only ready", "tensorflow")
    assert found.because[0].startswith(
        "PyTorch is not ready: a must-have fails: bert: a check of something: it differs"
    )
    assert points(found, "weakness")[0].text == "A must-have fails: something: it differs."


def test_where_one_fails_and_of_the_other_too_little_is_known_neither_is_taken() -> None:
    failed = finding(9, gate=True, score=0.0, state=Outcome.FAILED, reason="it differs")
    known = everywhere({"pytorch": 9.0, "tensorflow": 8.0})
    unknown = [msgspec.structs.replace(each, **GONE) if each.candidate == "tensorflow" else each for each in known]
    found = made([*unknown, failed])
    assert found.outcome == "insufficient evidence"
    assert found.statement == "Take neither by this run: PyTorch is not ready, and of TensorFlow too little is known."


def test_nothing_measured_decides_nothing() -> None:
    for card in (sample_scorecard.empty(), fakes.scorecard(fakes.empty_run())):
        assert card.decision is not None
        assert (card.decision.outcome, card.decision.chosen) == ("insufficient evidence", None)
        assert card.robustness is None


def test_one_framework_alone_is_judged_by_itself() -> None:
    found = made(
        [each for each in everywhere({"pytorch": 8.0, "tensorflow": 1.0}) if each.candidate == "pytorch"], BOTH[:1]
    )
    assert (found.outcome, found.chosen, found.statement) == ("ready", "pytorch", "PyTorch is ready.")
    assert found.because[1].startswith("It scores enough in 100 % of the draws")
    assert (found.whole, found.tipping) == (None, ())


def test_robustness_names_the_first_and_when_the_order_turns() -> None:
    scored = {"training": (4.0, 10.0), "performance": (7.0, 7.0), "portability": (7.0, 7.0), "serving": (9.0, 5.0)}
    findings = [
        finding(candidate=name, category=category, score=score)
        for category, both in scored.items()
        for name, score in zip(BOTH, both, strict=True)
    ]
    found = decided(findings).robustness
    assert found is not None
    assert found.over == "weights and intervals"
    assert found.first["pytorch"] > found.first["tensorflow"] > 0
    assert found.statement.startswith("PyTorch scores higher in ")
    assert "It scores lower when training has more than 18.2 % of the weight" in found.statement
    assert "Compared on training, performance, portability, serving only" in found.statement


def test_who_leads_in_a_small_part_of_the_categories_is_not_told() -> None:
    """Another run, in which others are undecided, has another part: two would name two leaders."""
    card = decided([finding(candidate=name) for name in BOTH])
    assert card.robustness is None
    assert card.decision is not None
    assert card.decision.whole is not None


def test_equal_candidates_share_the_first_place() -> None:
    found = decided(everywhere({"pytorch": 8.0, "tensorflow": 8.0})).robustness
    assert found is not None
    assert found.first == {"pytorch": 0.5, "tensorflow": 0.5}
    assert found.statement.startswith("Neither framework scores higher")


def test_strengths_and_weaknesses_weigh_by_the_points_that_they_bring_and_cost() -> None:
    findings = [
        *(finding(number, check="latency", score=8.5) for number in range(3)),
        finding(
            5, check="size", risk=Risk.LOW, subject="TorchScript", score=2.0, reason="200 MB", category="footprint"
        ),
        finding(6, check="memory", risk=Risk.MEDIUM, score=None, state=Outcome.UNAVAILABLE, category="footprint"),
    ]
    found = made(findings, ("pytorch",))
    (strength,), (weakness,) = points(found, "strength"), points(found, "weakness")
    assert strength.text == "Answers come in good time: 8.50 of 10 or more in all 3 cases."
    assert strength.effect == pytest.approx(2 / 8 * 8.5)  # all of serving, a quarter of the weight
    assert (strength.count, strength.finding) == (3, "a_check/pytorch/serving/0")
    assert weakness.text == "TorchScript: 200 MB."
    assert weakness.effect == pytest.approx(1 / 8 * 2.5 / 7.5 * 8)


def test_the_same_weakness_in_two_scenarios_is_one_sentence() -> None:
    findings = [finding(name, scenario=name, score=0.0, state=Outcome.FAILED) for name in ("bert", "resnet50")]  # type: ignore[arg-type]
    found = made(findings, ("pytorch",))
    assert [each.count for each in points(found, "weakness")] == [2]


def test_more_than_a_few_are_counted() -> None:
    findings = [finding(number, subject=f"no {number}", score=number / 10) for number in range(9)]
    found = made(findings, ("pytorch",))
    assert [each.text for each in points(found, "weakness")] == [f"no {number}: because." for number in range(4)]
    assert found.merits[0].more == {"weakness": 5}


def test_a_figure_close_to_its_target_a_stand_in_and_upkeep_are_risks() -> None:
    near = {
        "interval": Interval(value=0.01, low=0.008, high=0.0125),
        "target": TARGET,
        "value": 0.01,
        "metric": "latency_s",
    }
    policy = msgspec.structs.replace(POLICY, categories=POLICY.categories | {"upkeep": 1.0})
    findings = [
        finding(1, check="latency", score=9.5, **near),
        finding(2, subject="TF Serving (embedded reference server)", provisional=True),
        finding(3, subject="TorchServe", category="upkeep", score=1.0, state=Outcome.PASSED, reason="archived"),
    ]
    found = made(findings, ("pytorch",), policy=policy)
    risks = {each.finding[-1]: each for each in points(found, "risk")}
    assert risks["1"].text.startswith("Close to a target: ")
    assert risks["1"].effect == pytest.approx((10 - TARGET.points(0.0125)) * 2 / 9 / 2)
    assert risks["2"].text.startswith("TF Serving (embedded reference server) stood in for the real server: ")
    assert risks["3"].text == "TorchServe: archived."
    assert not points(found, "weakness")


def test_an_archived_server_is_a_risk_where_no_check_of_upkeep_says_so() -> None:
    found = sample_scorecard.scorecard().decision
    assert found is not None
    assert any("TorchServe is archived" in each.text for each in points(found, "risk"))


def test_a_path_that_one_exporter_alone_was_proven_to_lead_to_is_a_risk() -> None:
    def path(exporter: str) -> Candidate:
        return Candidate(title=exporter, framework="pytorch", exporter=exporter, evidence=f"steps/{exporter}")

    def choice(*exporters: str) -> PathChoice:
        return PathChoice(
            question="phone",
            title="Phone",
            scenario="bert",
            device="cpu",
            metric="latency_s",
            unit="s",
            lower_is_better=True,
            best=tuple(map(path, exporters)),
            separates="",
        )

    (risk,) = points(made([finding()], ("pytorch",), paths=(choice("one"),)), "risk")
    assert risk.text == "Only one way to a phone was proven (bert): one. Nothing else is known to work if it goes."
    assert risk.evidence == "steps/one"
    assert not points(made([finding()], ("pytorch",), paths=(choice("one", "two"),)), "risk")


def gap(found: Decision, number: int) -> Gap:
    return next(each for each in found.gaps if each.finding.endswith(f"/{number}"))


def test_what_could_turn_the_order_is_told_from_what_could_not() -> None:
    """A lead of 1 in every category: a missing half of one with a quarter of the weight takes 10 x 1/2 x 1/4 of it."""
    findings = everywhere({"pytorch": 8.0, "tensorflow": 7.0})
    missing = [
        finding(1, reason="no server", remedy="start one", reproduce="sh steps/a/reproduce.sh", **GONE),
        finding(2, category="footprint", risk=Risk.LOW, reason="no scales", **GONE),
    ]
    found = made([*findings, *missing])
    # serving: (8 + 0) / 2 = 4 against 7: -3 x 2/8, and 1 x 6/8 elsewhere: level, and not behind
    assert not gap(found, 1).turns
    findings[-1] = msgspec.structs.replace(findings[-1], score=7.2)
    found = made([*findings, *missing])
    assert gap(found, 1).turns
    assert not gap(found, 2).turns
    assert found.gaps[0].finding == "a_check/pytorch/serving/1"
    assert (found.gaps[0].remedy, found.gaps[0].command) == ("start one", "sh steps/a/reproduce.sh")
    assert found.gaps[0].weight == {"pytorch": pytest.approx(1 / 8)}
    assert found.gaps[0].text == "something (12 % of PyTorch's weight): no server."


def test_what_would_bring_a_verdict_is_named() -> None:
    findings = everywhere({"pytorch": 8.0})
    findings += [finding(1, category=name, reason="no GPU", **GONE) for name in POLICY.categories]
    (found,) = made(findings, ("pytorch",)).gaps
    assert found.decides == ("pytorch",)
    assert found.weight == {"pytorch": pytest.approx(0.5)}


def test_the_missing_half_of_a_stand_in_is_a_gap() -> None:
    findings = everywhere({"pytorch": 8.0, "tensorflow": 7.0})
    findings.append(finding(1, provisional=True, score=8.0))
    (found,) = made(findings).gaps
    assert found.weight == {"pytorch": pytest.approx(2 / 8 / 4)}
    assert found.gates == 0


def test_must_haves_that_were_not_asked_are_counted() -> None:
    findings = [*everywhere({"pytorch": 8.0, "tensorflow": 7.0}), finding(1, gate=True, **GONE)]
    assert made(findings).gaps[0].gates == 1


def test_a_made_up_run_is_decided_alike_twice() -> None:
    assert fakes.scorecard().decision == fakes.scorecard().decision
