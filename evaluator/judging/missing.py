"""What was not measured, grouped by what would change that, and whether it could change the answer. Pure.

Bounds arithmetic: a group of missing findings could turn the order where the leader falls behind a rival when what it
lacks in the group scores nothing, what the rival lacks has full marks, and everything else stays as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import fsum

from evaluator.core.answers import NAMES
from evaluator.core.decision import Gap
from evaluator.core.policy import Policy
from evaluator.core.quantities import share
from evaluator.core.scorecard import Finding, Scorecard
from evaluator.judging.firmness import Place, Tally, alike

STAND_IN = "a stand-in answered in place of the real server, which counts in part"
REAL = "serve it by the real server: fweval doctor says what its container or process lacks here"
_KINDS = ("undecided", "too disturbed to rank", "too disturbed to score")  # whose figures differ in each
_LEAST = 1e-9  # points: equal is not behind


def gaps(card: Scorecard, sums: Mapping[Place, Tally], leader: str | None) -> tuple[Gap, ...]:
    """Return what is missing, reason by reason: first what could turn the order, then by weight."""
    groups: dict[tuple[str, str | None], list[Finding]] = {}
    names = tuple(dict.fromkeys(score.candidate for score in card.scores))
    for each in card.findings:
        if each.candidate not in names or not each.counts(card.policy):
            continue
        if each.score is None:
            groups.setdefault((_reason(each), each.remedy), []).append(each)
        elif each.provisional:
            groups.setdefault((STAND_IN, REAL), []).append(each)
    arithmetic = _Arithmetic(card, sums, names, leader)
    found = [_gap(card, about, missing, arithmetic) for about, missing in groups.items()]
    found.sort(key=lambda gap: (not gap.turns, not gap.decides, -max(gap.weight.values()), gap.finding))
    return tuple(found)


def _reason(finding: Finding) -> str:
    """Return why a finding is missing, without the figures of an undecided comparison, which differ in each."""
    kind, _, _ = finding.reason.partition(":")
    return kind if kind in _KINDS else finding.reason


class _Arithmetic:
    """What missing findings could do to scores."""

    def __init__(self, card: Scorecard, sums: Mapping[Place, Tally], names: Sequence[str], leader: str | None) -> None:
        self.policy, self.names, self._leader = card.policy, names, leader
        self._known = {place: (tally.measured, tally.earned) for place, tally in sums.items()}
        self._applicable = {place: fsum((tally.measured, *tally.missing)) for place, tally in sums.items()}
        self._coverage = {each.candidate: each.coverage for each in card.scores if each.scenario is None}
        self._verdicts = {each.candidate: each.verdict for each in card.scores if each.scenario is None}

    def share(self, finding: Finding) -> float:
        """Return the share of all weight that is missing with a finding."""
        policy, place = self.policy, (finding.candidate, finding.category)
        part = policy.categories[finding.category] / fsum(policy.categories.values())
        return part * weight(finding, policy) / self._applicable[place]

    def decides(self, candidate: str, gained: float) -> bool:
        """Tell whether a candidate would have evidence enough for a verdict with so much more."""
        if self._verdicts.get(candidate) != "insufficient evidence":
            return False
        return self._coverage[candidate] < self.policy.least_coverage <= self._coverage[candidate] + gained + 1e-12

    def turns(self, findings: Iterable[Finding]) -> bool:
        """Tell whether findings could turn the order of the leader and a rival."""
        if self._leader is None:
            return False
        added: dict[Place, list[float]] = {}
        for each in findings:
            added.setdefault((each.candidate, each.category), []).append(weight(each, self.policy))
        rivals = [name for name in self.names if name != self._leader]
        return any(self._lead(rival, {}) > _LEAST and self._lead(rival, added) < -_LEAST for rival in rivals)

    def _lead(self, rival: str, added: Mapping[Place, Sequence[float]]) -> float:
        """Return the leader's advantage, in the categories that can be compared, with the worst that is added."""
        lead, weights = [], []
        for category, importance in self.policy.categories.items():
            own, covered = self._score((str(self._leader), category), added, 0.0)
            other, covered_too = self._score((rival, category), added, 10.0)
            if alike((covered, covered_too), self.policy):
                lead.append(importance * (own - other))
                weights.append(importance)
        return fsum(lead) / (fsum(weights) or 1.0)

    def _score(self, place: Place, added: Mapping[Place, Sequence[float]], points: float) -> tuple[float, float]:
        """Return the score of a category, and its coverage; twice nothing where nothing is known of it."""
        measured, earned = self._known.get(place, (0.0, 0.0))
        more = fsum(added.get(place, ()))
        if not measured + more:
            return 0.0, 0.0
        return (earned + more * points) / (measured + more), (measured + more) / self._applicable[place]


def weight(finding: Finding, policy: Policy) -> float:
    """Return what of a finding's weight is missing: of one that rests on a stand-in a part."""
    risk = policy.risks[finding.risk]
    return risk if finding.score is None else risk * (1 - policy.provisional_share)


def _gap(card: Scorecard, about: tuple[str, str | None], missing: Sequence[Finding], sums: _Arithmetic) -> Gap:
    reason, remedy = about
    shares = {
        name: fsum(sums.share(each) for each in missing if each.candidate == name)
        for name in sums.names
        if any(each.candidate == name for each in missing)
    }
    weighed = {name: min(1.0, each) for name, each in shares.items()}
    first = min(missing, key=lambda each: (-weight(each, card.policy), each.id))
    whose = ", ".join(f"{_share(each)} of {NAMES.get(name, name)}'s weight" for name, each in weighed.items())
    subject = first.subject if len(missing) == 1 else f"{len(missing)} findings, such as {first.subject}"
    return Gap(
        reason=reason,
        remedy=remedy,
        command=first.reproduce,
        finding=first.id,
        count=len(missing),
        weight=weighed,
        turns=sums.turns(missing),
        decides=tuple(name for name, each in weighed.items() if sums.decides(name, each)),
        gates=sum(each.gate and each.score is None for each in missing),
        text=f"{subject} ({whose}): {reason.rstrip('.')}.",
    )


def _share(value: float) -> str:
    return "less than 1 %" if value < 0.005 else share(value)
