"""How firm an order is: over other weights, over what figures may be as well, and over what is missing. Pure.

Stochastic multicriteria acceptability analysis (SMAA-2: Lahdelma and Salminen, Operations Research 49, 2001): weights
are drawn from a Dirichlet distribution around the chosen ones (its mean is theirs, its total concentration the number
of categories), and each figure that has an interval and a target from the log-normal distribution whose middle 95 % is
that interval; what it scores follows by its target. The share of the draws in which a candidate scores highest is its
first-rank acceptability. Draws that end equal are shared.

*As measured* compares the categories in which every candidate has a score that rests on about as much evidence as the
others', so that candidates are ranked on the same evidence. *Whatever is missing* compares all categories, with every
missing finding, and the missing part of one that rests on a stand-in, drawn evenly from 0 to 10: who leads there leads
whatever the missing evidence would show.

Draws are seeded by the policy, category by category in the order of the findings' ids: a finding that has nothing to
draw changes none of the others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum, log, sqrt
from typing import Literal, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from evaluator.core.decision import Acceptability, TippingPoint
from evaluator.core.policy import Policy
from evaluator.core.quantities import percent
from evaluator.core.scorecard import CandidateScore, Finding
from evaluator.core.targets import Target

Draws: TypeAlias = NDArray[np.float64]
Single: TypeAlias = NDArray[np.float32]
Place = tuple[str, str]  # candidate and category
_Z = 1.959963984540054  # of the ends of an interval of 95 %
_SURE = 5.0  # standard deviations: what is clipped for all figures nearer than that is no matter of chance
_EQUAL = 1e-9
_OWN = 32  # series of draws of one place that are drawn for themselves
_STRIDE = 7_919  # a prime, as no place should come twice soon


@dataclass(frozen=True, slots=True)
class Varying:
    """A finding whose points may as well be others: `middle + spread * z` for a standard normal z, from 0 to 10."""

    weight: float
    middle: float
    spread: float


@dataclass(slots=True)
class Tally:
    """What one candidate has in one category: weights and points, of what is known and of what is missing."""

    fixed: list[tuple[float, float]] = field(default_factory=list)  # weight, points
    varying: list[Varying] = field(default_factory=list)
    known: list[tuple[float, float]] = field(default_factory=list)  # weight, points as scored: of both
    missing: list[float] = field(default_factory=list)  # weights

    @property
    def measured(self) -> float:
        """The weight of what is known."""
        return fsum(weight for weight, _ in self.known)

    @property
    def earned(self) -> float:
        """What that earned."""
        return fsum(weight * points for weight, points in self.known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmness:
    """What the draws show."""

    measured: Acceptability | None  # None without a rival, and where too little is measured for both
    whole: Acceptability | None  # None without a rival
    ready: dict[str, float]  # candidate -> share of the draws in which it scores enough


def tallies(findings: Iterable[Finding], policy: Policy) -> dict[Place, Tally]:
    """Sort findings by candidate and category; within each by their ids."""
    found: dict[Place, Tally] = {}
    for finding in sorted(findings, key=lambda each: each.id):
        if not finding.counts(policy):
            continue
        tally = found.setdefault((finding.candidate, finding.category), Tally())
        risk = policy.risks[finding.risk]
        if finding.score is None:
            tally.missing.append(risk)
            continue
        weight = risk * (policy.provisional_share if finding.provisional else 1.0)
        tally.known.append((weight, finding.score))
        spread = _spread(finding)
        if spread is None:
            tally.fixed.append((weight, finding.score))
        else:
            tally.varying.append(Varying(weight, *spread))
        if weight < risk:
            tally.missing.append(risk - weight)
    return found


def _spread(finding: Finding) -> tuple[float, float] | None:
    """Return the middle and the spread of the points of a figure, before they are cut off at 0 and 10.

    None where they are the same for all that it may be, and where its score follows from more than its target.
    """
    target, interval = finding.target, finding.interval
    if target is None or interval is None or interval.low is None or interval.high is None or finding.score is None:
        return None
    low, high = interval.low, interval.high
    if not 0 < low < high or abs(_scored(target, interval.value, low, high) - finding.score) > _EQUAL:
        return None
    slope = 10 / (log(target.none) - log(target.full))
    middle = slope * (log(target.none) - (log(low) + log(high)) / 2)
    spread = abs(slope) * (log(high) - log(low)) / (2 * _Z)
    certain = middle - _SURE * spread >= 10 or middle + _SURE * spread <= 0
    return None if certain else (middle, spread)


def _scored(target: Target, value: float, low: float, high: float) -> float:
    """Return what a figure scores by its target alone."""
    return target.points(value) if target.straddled(low, high) is None else target.within(low, high)


def firmness(
    findings: Iterable[Finding],
    scores: Iterable[CandidateScore],
    policy: Policy,
    sums: Mapping[Place, Tally] | None = None,
) -> Firmness:
    """Draw weights and figures, and count who scores highest, and who scores enough."""
    overall = [score for score in scores if score.scenario is None]
    names = [score.candidate for score in overall]
    sums = tallies(findings, policy) if sums is None else sums
    weights = _weights(policy)
    own = {
        (name, category): _points(sums[name, category], _generator(policy, "figures", name, category), policy.draws)
        for name in names
        for category in policy.categories
        if (name, category) in sums and sums[name, category].known
    }
    common = compared(overall, policy)
    enough = len(names) > 1 and bool(common) and _share(common, policy) >= policy.least_coverage
    measured = (
        [_total(weights, {each: own[name, each][0] for each in common}, policy) for name in names] if enough else []
    )
    return Firmness(
        measured=_acceptability(names, measured, policy) if enough else None,
        whole=_acceptability(names, [_whole(name, own, sums, weights, policy) for name in names], policy)
        if len(names) > 1 and policy.categories
        else None,
        ready={name: _ready(name, own, weights, policy) for name in names},
    )


def compared(overall: Sequence[CandidateScore], policy: Policy) -> list[str]:
    """Return the categories in which every candidate has a score that rests on about as much as the others'."""
    tables = [
        {each.category: each.coverage for each in score.categories if each.score is not None} for score in overall
    ]
    return [name for name in policy.categories if tables and alike([table.get(name, 0.0) for table in tables], policy)]


def leader(overall: Sequence[CandidateScore], policy: Policy) -> str | None:
    """Return who scores highest by the chosen weights in the categories that can be compared; None without a rival."""
    common = compared(overall, policy)
    if len(overall) < 2 or not common:
        return None
    scores = {each.candidate: {c.category: c.score or 0.0 for c in each.categories} for each in overall}
    totals = {name: fsum(policy.categories[each] * points[each] for each in common) for name, points in scores.items()}
    return max(totals, key=lambda name: totals[name])


def alike(coverages: Sequence[float], policy: Policy) -> bool:
    """Tell whether candidates that are covered so much in a category can be compared there."""
    return min(coverages) > 0 and min(coverages) >= policy.comparable_share * max(coverages) - _EQUAL


def _share(categories: Iterable[str], policy: Policy) -> float:
    return fsum(policy.categories[name] for name in categories) / fsum(policy.categories.values())


def _weights(policy: Policy) -> dict[str, Draws]:
    """Return drawn weights, category by category; those of all together are 1 in each draw."""
    chosen = np.array([weight for weight in policy.categories.values() if weight])
    random = np.random.default_rng(policy.seed)
    drawn = random.dirichlet(chosen / chosen.sum() * len(chosen), size=policy.draws)
    weighed = (name for name, weight in policy.categories.items() if weight)
    return dict.fromkeys(policy.categories, np.zeros(policy.draws)) | dict(zip(weighed, drawn.T, strict=True))


def _generator(policy: Policy, *about: str) -> np.random.Generator:
    """Return the source of chance of one place: what is drawn elsewhere changes nothing there."""
    return np.random.default_rng([policy.seed, crc32("\0".join(about).encode())])


def _points(tally: Tally, random: np.random.Generator, draws: int) -> tuple[Draws, Draws]:
    """Return what a category scores in each draw, and what that is a sum of."""
    earned = np.full(draws, fsum(weight * points for weight, points in tally.fixed))
    drawn = np.empty(draws, np.float32)
    for each, normal in zip(tally.varying, _series(random.standard_normal, len(tally.varying), draws), strict=True):
        np.multiply(normal, np.float32(each.spread), out=drawn)
        np.add(drawn, np.float32(each.middle), out=drawn)
        np.clip(drawn, np.float32(0), np.float32(10), out=drawn)
        np.multiply(drawn, np.float32(each.weight), out=drawn)
        earned += drawn
    return earned / tally.measured, earned


def _series(draw: Callable[..., Single], count: int, draws: int) -> Iterator[Single]:
    """Yield as many series of draws: the first ones their own, the rest as pieces of these from changing places on.

    No two of them are in step, so that within a draw they are as good as independent; drawing is what takes the time.
    """
    own = min(count, _OWN)
    pool = draw(own * draws, dtype=np.float32)
    for number in range(count):
        start = number * draws if number < own else (number * _STRIDE) % (len(pool) - draws)
        yield pool[start : start + draws]


def _total(weights: Mapping[str, Draws], points: Mapping[str, Draws], policy: Policy) -> Draws:
    """Return the weighted mean of some categories in each draw."""
    total, weighed = np.zeros(policy.draws), np.zeros(policy.draws)
    for name, each in points.items():
        total += weights[name] * each
        weighed += weights[name]
    return total / weighed


def _whole(
    name: str,
    own: Mapping[Place, tuple[Draws, Draws]],
    sums: Mapping[Place, Tally],
    weights: Mapping[str, Draws],
    policy: Policy,
) -> Draws:
    """Return what a candidate scores in each draw with all that is missing drawn, too."""
    points = {}
    for category in policy.categories:
        tally = sums.get((name, category), Tally(missing=[1.0]))  # nothing was asked: anything may be
        random = _generator(policy, "missing", name, category)
        earned = own[name, category][1].copy() if tally.known else np.zeros(policy.draws)
        drawn = np.empty(policy.draws, np.float32)
        for weight, even in zip(tally.missing, _series(random.random, len(tally.missing), policy.draws), strict=True):
            np.multiply(even, np.float32(10 * weight), out=drawn)
            earned += drawn
        points[category] = earned / fsum((tally.measured, *tally.missing))
    return _total(weights, points, policy)


def _ready(name: str, own: Mapping[Place, tuple[Draws, Draws]], weights: Mapping[str, Draws], policy: Policy) -> float:
    points = {category: own[name, category][0] for category in policy.categories if (name, category) in own}
    if not points:
        return 0.0
    return round(float((_total(weights, points, policy) >= policy.least_score).mean()), 4)


def _acceptability(names: Sequence[str], totals: Sequence[Draws], policy: Policy) -> Acceptability:
    """Count who scores highest; what ends equal is shared."""
    table = np.stack(totals, axis=1)
    best = np.isclose(table, table.max(axis=1, keepdims=True))
    shares = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    first = {name: round(float(share), 4) for name, share in zip(names, shares, strict=True)}
    error = {name: round(_error(share, policy.draws), 4) for name, share in first.items()}
    return Acceptability(first=first, error=error, draws=policy.draws, seed=policy.seed)


def _error(share: float, draws: int) -> float:
    """Return half of Wilson's interval of a share that was counted: also at 0 and 1 there is one."""
    return _Z * sqrt(share * (1 - share) / draws + (_Z / (2 * draws)) ** 2) / (1 + _Z**2 / draws)


def tipping(
    overall: Sequence[CandidateScore], leader: str, names: Mapping[str, str], policy: Policy
) -> tuple[TippingPoint, ...]:
    """Return for each rival and category from which weight on the order turns.

    The other categories keep their proportions. With d the leader's advantage in the category and D its advantage over
    the rest, its advantage at a share s is s d + (1 - s) D: the order turns at the share D / (D - d), if that is one.
    """
    tables = {each.candidate: {c.category: c.score or 0.0 for c in each.categories} for each in overall}
    common = {name: policy.categories[name] for name in compared(overall, policy)}
    found = []
    for rival in (name for name in tables if name != leader):
        lead = {name: tables[leader][name] - tables[rival][name] for name in common}
        for name, weight in common.items():
            rest = [(other, lead[n]) for n, other in common.items() if n != name]
            others = fsum(w for w, _ in rest)
            ahead = fsum(w * d for w, d in rest) / others if others else 0.0
            found.append(_tip((rival, name), weight / fsum(common.values()), (ahead, lead[name]), names))
    return tuple(found)


def _tip(about: Place, share: float, advantages: tuple[float, float], names: Mapping[str, str]) -> TippingPoint:
    (rival, category), (rest, own) = about, advantages
    turns = (rest > _EQUAL and own < -_EQUAL) or (rest < -_EQUAL and own > _EQUAL)
    at = rest / (rest - own) if turns else None
    word = category.replace("_", " ")
    if at is None:
        statement = f"no weighting of {word} turns it"
    else:
        side = "more" if own < 0 else "less"
        statement = f"turns to {names.get(rival, rival)} when {word} has {side} than {percent(at)} of the weight"
    direction: Literal["more", "less"] | None = None if at is None else "more" if own < 0 else "less"
    return TippingPoint(
        rival=rival, category=category, share=share, turns_at=at, direction=direction, statement=statement
    )
