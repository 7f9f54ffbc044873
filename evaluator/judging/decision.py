"""Who is to be taken, why, how firm that is, and what would change it: sentences made of findings. Pure.

Everything here follows from the scorecard as it stands, so that it can be computed again from that alone. How often
who leads is `firmness`, what speaks for and against is `merits`, what is missing is `missing`.
"""

import math
from collections.abc import Mapping, Sequence
from math import fsum

import msgspec

from evaluator.core.answers import NAMES
from evaluator.core.decision import Acceptability, Decision, Outcome, TippingPoint
from evaluator.core.policy import Policy
from evaluator.core.quantities import percent
from evaluator.core.scorecard import CandidateScore, Robustness, Scorecard
from evaluator.judging import firmness, merits, missing
from evaluator.judging.firmness import Firmness

LEADS = 0.8  # of the draws: who scores highest in fewer is not named as the one to take
_MOST_GAPS = 8
_EQUAL = 1e-9
_GAP = 0.05  # points: categories that differ by less are not named as reasons


def decided(card: Scorecard) -> Scorecard:
    """Return the scorecard with its decision, and with how robust that is."""
    sums = firmness.tallies(card.findings, card.policy)
    firm = firmness.firmness(card.findings, card.scores, card.policy, sums)
    overall = tuple(score for score in card.scores if score.scenario is None)
    leader = firmness.leader(overall, card.policy)
    tips = firmness.tipping(overall, leader, NAMES, card.policy) if leader is not None and firm.measured else ()
    robust = None
    if leader is not None and firm.measured is not None:
        robust = _robustness(firm.measured, (leader, overall), tips, card.policy)
    scored = msgspec.structs.replace(card, robustness=robust)
    gaps = missing.gaps(scored, sums, leader)
    outcome, chosen = _outcome(overall, firm)
    decision = Decision(
        outcome=outcome,
        chosen=chosen,
        statement=_statement(outcome, chosen, overall),
        because=_because(scored, overall, firm, leader),
        whole=firm.whole,
        ready=firm.ready,
        tipping=tips,
        merits=tuple(merits.merits(scored, score.candidate) for score in overall),
        gaps=gaps[:_MOST_GAPS],
        more_gaps=max(0, len(gaps) - _MOST_GAPS),
    )
    return msgspec.structs.replace(scored, decision=decision)


def _robustness(
    measured: Acceptability, order: tuple[str, Sequence[CandidateScore]], tips: Sequence[TippingPoint], policy: Policy
) -> Robustness:
    """Say in how many of the draws the one that leads by the chosen weights scores highest."""
    leader, overall = order
    drawn = f"{policy.draws:,} random weightings of the categories, figures drawn within their intervals, too"
    if measured.first[leader] < 0.5 + _EQUAL:
        statement = f"Neither framework scores higher in most of {drawn}."
    else:
        share = percent(measured.first[leader])
        statement = f"{_name(leader)} scores higher in {share} of {drawn}.{_first_turn(tips)}"
    common = firmness.compared(overall, policy)
    if len(common) < len(policy.categories):
        statement += f" Compared on {', '.join(common)} only: the rest is not measured for both alike."
    return Robustness(
        draws=measured.draws,
        seed=measured.seed,
        over="weights and intervals",
        first=measured.first,
        error=measured.error,
        compared=tuple(common),
        statement=statement,
    )


def _first_turn(tips: Sequence[TippingPoint]) -> str:
    """Say which change of one weight turns the order soonest; empty where none does."""
    turning = [(abs(each.turns_at - each.share), each) for each in tips if each.turns_at is not None]
    if not turning:
        return ""
    _, tip = min(turning, key=lambda each: (each[0], each[1].category))
    at = 0.0 if tip.turns_at is None else tip.turns_at
    return f" It scores lower when {tip.category} has {tip.direction} than {percent(at)} of the weight."


def _outcome(overall: Sequence[CandidateScore], firm: Firmness) -> tuple[Outcome, str | None]:
    """Say who is to be taken: of those that are ready the one that leads, if one does."""
    ready = [score.candidate for score in overall if score.verdict == "ready"]
    if not ready:
        unready = bool(overall) and all(score.verdict == "not ready" for score in overall)
        return ("not ready" if unready else "insufficient evidence"), None
    if len(overall) == 1:
        return "ready", ready[0]
    if len(ready) == 1:
        return "only ready", ready[0]
    first = {} if firm.measured is None else {name: firm.measured.first[name] for name in ready}
    leading = [name for name, share in first.items() if share >= LEADS]
    return ("ahead", leading[0]) if leading else ("level", None)


def _statement(outcome: Outcome, chosen: str | None, overall: Sequence[CandidateScore]) -> str:
    names = " and ".join(_name(score.candidate) for score in overall)
    if outcome == "ahead":
        return f"Take {_name(chosen)}: it is ready, and scores higher."
    if outcome == "only ready":
        return f"Take {_name(chosen)} as things stand: it alone is shown to be ready. {_others(overall, chosen)}"
    if outcome == "level":
        return (
            f"Either will do: {names} are ready, and neither scores higher in most of what may be. "
            "Decide by the questions that matter most."
        )
    if outcome == "ready":
        return f"{names} is ready."
    if outcome == "not ready":
        return f"{names} {'is' if len(overall) == 1 else 'are'} not ready."
    return _nobody(overall)


def _nobody(overall: Sequence[CandidateScore]) -> str:
    """Say why nobody can be taken where nobody is ready, and not all are known to be unready."""
    out = [_name(score.candidate) for score in overall if score.verdict == "not ready"]
    if not out:
        return "No decision can rest on this run: too little of what was asked was measured."
    rest = " and ".join(_name(score.candidate) for score in overall if score.verdict != "not ready")
    return f"Take neither by this run: {' and '.join(out)} is not ready, and of {rest} too little is known."


def _others(overall: Sequence[CandidateScore], chosen: str | None) -> str:
    told = []
    for score in (each for each in overall if each.candidate != chosen):
        if score.verdict == "not ready":
            told.append(f"{_name(score.candidate)} is not.")
        else:
            told.append(f"Of {_name(score.candidate)} too little is known.")
    return " ".join(told)


def _because(card: Scorecard, overall: Sequence[CandidateScore], firm: Firmness, leader: str | None) -> tuple[str, ...]:
    return (
        *(_standing(score, card) for score in overall),
        *_how_firm(overall, firm, leader),
        *_by_category(card, overall, leader),
    )


def _standing(score: CandidateScore, card: Scorecard) -> str:
    """Say how a candidate does, and what the missing evidence could make of that."""
    name, policy = _name(score.candidate), card.policy
    if score.overall is None:
        return f"{name}: nothing could be scored."
    if score.gates:
        count = len(score.gates)
        fail = "a must-have fails" if count == 1 else f"{count} must-haves fail, such as"
        return f"{name} is not ready: {fail}{':' if count == 1 else ''} {score.gates[0].rstrip('.')}."
    covered = f"{math.floor(round(100 * score.coverage, 6))} %"
    figures = f"{score.overall:.1f} of 10 on {covered} of the evidence"
    bounds = f"{score.lower:.1f} to {score.upper:.1f} whatever the rest may show"
    if score.verdict == "insufficient evidence" and score.open_gates and score.coverage >= policy.least_coverage:
        return f"{name} has {figures} ({bounds}), and must-haves that nothing answers: {score.open_gates[0]}."
    if score.verdict == "insufficient evidence":
        return f"{name} has {figures} ({bounds}): a verdict needs {_percents(policy.least_coverage)} of it."
    return f"{name} is {score.verdict}: {figures} ({bounds}); {policy.least_score:g} are enough."


def _how_firm(overall: Sequence[CandidateScore], firm: Firmness, leader: str | None) -> tuple[str, ...]:
    """Say in how much of what may be the leader leads; of one candidate alone, in how much of it it is good enough."""
    if len(overall) == 1 and overall[0].overall is not None:
        enough = _percents(firm.ready[overall[0].candidate])
        return (f"It scores enough in {enough} of the draws of weights, and of figures within their intervals.",)
    if leader is None or firm.whole is None:
        return ()
    missing = f"with everything that is missing drawn as well, in {_percents(firm.whole.first[leader])}"
    if firm.measured is None:
        return (f"Too little is measured of both alike to say who leads; {_name(leader)} does, {missing}.",)
    share, error = firm.measured.first[leader], 100 * firm.measured.error[leader]
    firmly = "" if share >= LEADS else "Nobody leads firmly: "
    drawn = f"{firm.measured.draws:,} draws of weights, and of figures within their intervals"
    return (f"{firmly}{_name(leader)} scores higher in {_percents(share)} (±{error:.1f}) of {drawn}; {missing}.",)


def _by_category(card: Scorecard, overall: Sequence[CandidateScore], leader: str | None) -> tuple[str, ...]:
    """Name the categories in which the leader differs most from the best rival, by what they weigh."""
    rivals = [score for score in overall if score.candidate != leader and score.overall is not None]
    own = next((score for score in overall if score.candidate == leader), None)
    if own is None or not rivals:
        return ()
    rival = max(rivals, key=lambda score: score.overall or 0.0)
    common = firmness.compared((own, rival), card.policy)
    points = [{each.category: each.score or 0.0 for each in score.categories} for score in (own, rival)]
    total = fsum(card.policy.categories[name] for name in common)
    lead = {name: (points[0][name] - points[1][name]) for name in common}
    weighed = sorted(common, key=lambda name: -abs(lead[name]) * card.policy.categories[name] / (total or 1.0))
    ahead = [_figures(name, points) for name in weighed if lead[name] > _GAP]
    behind = [_figures(name, points) for name in weighed if lead[name] < -_GAP]
    told = [f"more in {' and '.join(ahead[:2])}"] if ahead else []
    told += [f"less in {' and '.join(behind[:2])}"] if behind else []
    return (f"{_name(own.candidate)} scores {', '.join(told)}, of 10.",) if told else ()


def _figures(category: str, points: Sequence[Mapping[str, float]]) -> str:
    return f"{category.replace('_', ' ')} ({points[0][category]:.1f} to {points[1][category]:.1f})"


def _percents(share: float) -> str:
    """Write a share as whole per cent; neither all nor nothing unless it is."""
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{100 * share:.1f} %"
    return f"{100 * share:.0f} %"


def _name(candidate: str | None) -> str:
    return NAMES.get(candidate or "", candidate or "")
