"""What scoring decides by is data: the scorecard alone suffices to compute every score of it again."""

import dataclasses
import json
from math import log
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.core.policy import STANDARD, Risk
from evaluator.core.scorecard import Scorecard
from evaluator.core.targets import Target
from evaluator.judging import scoring
from evaluator.report.json import plugin as json_report
from tests import fakes, old_run

Card = dict[str, Any]


def made_up() -> Scorecard:
    return fakes.scorecard(fakes.complete_run(scenarios=("resnet50", "bert")))


@pytest.fixture(params=[made_up, old_run.scorecard, lambda: fakes.scorecard(fakes.empty_run())])
def card(request: pytest.FixtureRequest) -> Card:
    """Return a scorecard as plain JSON: what a stranger has in hand."""
    read: Card = json.loads(json_report.render(request.param()))
    return read


def shares(card: Card, candidate: str, scenario: str | None, category: str) -> list[tuple[float, float, float | None]]:
    """Return weight, measured share and score of the applicable findings of a category."""
    policy = card["policy"]
    return [
        (policy["risks"][f["risk"]], policy["provisional_share"] if f["provisional"] else 1.0, f["score"])
        for f in card["findings"]
        if (f["candidate"], f["category"]) == (candidate, category)
        and scenario in (None, f["scenario"])
        and f["state"] != "not_applicable"
    ]


def test_every_category_can_be_computed_again(card: Card) -> None:
    for score in card["scores"]:
        assert [c["category"] for c in score["categories"]] == list(card["policy"]["categories"])
        for category in score["categories"]:
            own = shares(card, score["candidate"], score["scenario"], category["category"])
            applicable = sum(weight for weight, _, _ in own)
            measured = sum(weight * share for weight, share, points in own if points is not None)
            earned = sum(weight * share * points for weight, share, points in own if points is not None)
            coverage = measured / applicable if applicable else 0.0
            assert category["weight"] == card["policy"]["categories"][category["category"]]
            assert category["coverage"] == pytest.approx(coverage)
            assert category["score"] == (pytest.approx(earned / measured) if measured else None)
            assert category["lower"] == pytest.approx(earned / applicable if measured else 0.0)
            assert category["upper"] == pytest.approx(category["lower"] + 10 * (1 - coverage))


def test_every_score_and_verdict_can_be_computed_again(card: Card) -> None:
    weights, policy = card["policy"]["categories"], card["policy"]
    for score in card["scores"]:
        parts = {c["category"]: c for c in score["categories"]}
        measured = {name: part["score"] for name, part in parts.items() if part["score"] is not None}
        total = sum(weights.values())
        for bound in ("lower", "upper", "coverage"):
            assert score[bound] == pytest.approx(sum(weights[name] * parts[name][bound] for name in weights) / total)
        if not measured:
            assert (score["overall"], score["verdict"]) == (None, "insufficient evidence")
            continue
        overall = sum(weights[name] * points for name, points in measured.items()) / sum(map(weights.get, measured))
        assert score["overall"] == pytest.approx(overall)
        ready = "ready" if overall >= policy["least_score"] else "not ready"
        enough = score["coverage"] >= policy["least_coverage"]
        assert score["verdict"] == ("not ready" if score["gates"] else ready if enough else "insufficient evidence")


def test_the_robustness_can_be_computed_again(card: Card) -> None:
    """Weights and figures are drawn again by the rules of rigour.md; other draws of the figures differ by chance."""
    overall = [score for score in card["scores"] if score["scenario"] is None]
    tables = [{c["category"]: c for c in s["categories"] if c["score"] is not None} for s in overall]
    names, share = [*card["policy"]["categories"]], card["policy"]["comparable_share"]
    older = card["robustness"] is not None and card["robustness"]["over"] == "weights"
    coverages = {name: [table[name]["coverage"] if name in table else 0 for table in tables] for name in names}
    common = [name for name, covered in coverages.items() if min(covered) > 0 and min(covered) >= share * max(covered)]
    if not common:
        assert card["robustness"] is None
        return
    if not older:
        assert card["robustness"]["compared"] == common
    weights, draws = np.array([card["policy"]["categories"][name] for name in names]), card["policy"]["draws"]
    drawn = np.random.default_rng(card["policy"]["seed"]).dirichlet(weights / weights.sum() * len(names), size=draws)
    random = np.random.default_rng(1)
    totals = np.zeros((draws, len(overall)))
    for which, score in enumerate(overall):
        for name in common:
            own = [f for f in card["findings"] if (f["candidate"], f["category"]) == (score["candidate"], name)]
            totals[:, which] += drawn[:, names.index(name)] * _points(own, card["policy"], None if older else random)
    best = np.isclose(totals, totals.max(axis=1, keepdims=True))
    first = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    for score, found in zip(overall, first, strict=True):
        name = score["candidate"]
        error = 1e-4 if older else 3 * card["robustness"]["error"][name]
        assert card["robustness"]["first"][name] == pytest.approx(found, abs=error)


def _points(findings: list[Card], policy: Card, random: np.random.Generator | None) -> Any:
    """Return the weighted mean of what some findings score in each draw."""
    earned, weighed = np.zeros(policy["draws"]), 0.0
    for found in findings:
        if found["score"] is None:
            continue
        weight = policy["risks"][found["risk"]] * (policy["provisional_share"] if found["provisional"] else 1)
        interval, target = found["interval"] or {"low": None}, found["target"]
        points: Any = found["score"]
        if random and target and interval["low"] and interval["low"] < interval["high"]:
            low, high, full = log(interval["low"]), log(interval["high"]), target["full"]
            figures = np.exp(random.normal((low + high) / 2, (high - low) / 2 / 1.96, size=policy["draws"]))
            points = np.clip(10 * np.log(target["none"] / figures) / log(target["none"] / full), 0, 10)
        earned += weight * points
        weighed += weight
    return earned / weighed


def test_the_points_of_figures_can_be_computed_again(card: Card) -> None:
    """By the target that stands with each; where its interval holds a figure of the target, the middle of both ends."""
    for finding in (each for each in card["findings"] if each["target"] is not None and each["score"] is not None):
        full, none = finding["target"]["full"], finding["target"]["none"]

        def points(value: float, full: float = full, none: float = none) -> float:
            return min(10, max(0, 10 * log(none / value) / log(none / full)))

        interval = finding["interval"] or {"low": None, "high": None}
        low, high = interval["low"], interval["high"]
        doubtful = low is not None and any(low < each < high for each in (full, none))
        expected = (points(low) + points(high)) / 2 if doubtful else points(finding["value"])
        assert finding["score"] == pytest.approx(expected)
        assert finding["formula"].endswith("10 * log(none / value) / log(none / full), from 0 to 10")
        assert finding["target"]["source"]


def test_built_in_targets_can_be_computed_again() -> None:
    card: Card = json.loads(json_report.render(made_up()))
    needs = {"latency": 0.1, "size": fakes.WEIGHTS_BYTES, "training_time": 1, "serving_load": 10.0}
    names = {"training_time": "training", "serving_load": "load"}
    checked = set()
    for finding in (each for each in card["findings"] if each["target"] and each["check"] in needs):
        band, need = card["policy"]["bands"][names.get(finding["check"], finding["check"])], needs[finding["check"]]
        for end in ("full", "none"):
            assert finding["target"][end] == pytest.approx(band[end]["fixed"] + band[end]["times"] * need)
        checked.add(finding["check"])
    assert checked == set(needs)


def test_another_policy_is_another_score_of_the_same_findings() -> None:
    evidence = fakes.complete_run()
    before = fakes.scorecard(evidence)
    strict = msgspec.structs.replace(STANDARD, least_coverage=0.99, categories={"serving": 1.0}, seed=7)
    after = scoring.assemble(
        dataclasses.replace(evidence, policy=strict),
        before.findings,
        before.comparisons,
        before.cells,
    )
    assert after.policy == strict
    assert {score.verdict for score in after.scores} == {"insufficient evidence"}
    assert all([c.category for c in score.categories] == ["serving"] for score in after.scores)


def test_findings_on_a_gpu_weigh_low_by_policy() -> None:
    """The checks say what a finding is worth; the policy lowers it, and only the scorecard has it lowered."""
    card = fakes.scorecard()
    on_gpu = [finding for finding in card.findings if finding.device == "gpu"]
    assert on_gpu
    assert {finding.risk for finding in on_gpu} == {Risk.LOW}
    assert STANDARD.risk(Risk.CRITICAL, "gpu") is Risk.LOW
    assert STANDARD.risk(Risk.CRITICAL, "cpu") is Risk.CRITICAL


def test_points_fall_with_the_logarithm_from_full_marks_to_none() -> None:
    less = Target(full=1, none=100)
    assert [less.points(value) for value in (0, 0.5, 1, 10, 100, 1e9)] == [10, 10, 10, pytest.approx(5), 0, 0]
    more = Target(full=100, none=1)
    assert [more.points(value) for value in (0, 0.5, 1, 10, 100, 1e9)] == [0, 0, 0, pytest.approx(5), 10, 10]
    assert less.within(10, 1000) == pytest.approx(2.5)
    assert [less.straddled(*ends) for ends in ((2, 50), (0.5, 2), (50, 200), (0.5, 200), (1, 100))] == [
        *(None, 1, 100, 1, None)
    ]
    with pytest.raises(ValueError, match="the same figure"):
        Target(full=1, none=1)


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9), st.floats(1e-9, 1e9), st.floats(1.001, 1e6))
def test_what_is_better_never_has_fewer_points(one: float, other: float, full: float, apart: float) -> None:
    lower, higher = Target(full=full, none=full * apart), Target(full=full * apart, none=full)
    better, worse = sorted((one, other))
    assert 0 <= lower.points(worse) <= lower.points(better) <= 10
    assert 0 <= higher.points(better) <= higher.points(worse) <= 10
