"""What speaks for and against a candidate: strengths, weaknesses and risks, each made of findings. Pure.

What is shown is what weighs most: the points of the overall score that it brings, costs or may cost. The rest is
counted. Figures are not interpreted beyond what a finding or a comparison says.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import fsum

from evaluator.core.answers import WORDS
from evaluator.core.coordinates import DEVICE
from evaluator.core.decision import Kind, Merits, Point
from evaluator.core.quantities import significant
from evaluator.core.scorecard import Comparison, Finding, Interval, Scorecard

MOST: dict[Kind, int] = {"strength": 4, "weakness": 4, "risk": 4}
HIGH = 8.0  # points: from here on it is a strength
UPKEEP = "upkeep"  # the category whose low points are risks: nothing is wrong today
# Built-in checks -> what good answers of theirs mean, for people who know no machine learning.
_MEANS = {
    "parity": "Converted models compute what the trained one does",
    "export_success": "The model can be converted for deployment",
    "latency": "Answers come in good time",
    "memory": "Little memory is needed",
    "size": "The files are small",
    "edge_fit": "It fits the classes of devices that were named",
    "serving_readiness": "The server starts, answers rightly and stops cleanly",
    "serving_operations": "The server bears what operators fear",
    "serving_load": "The server keeps up with the rate that was asked for",
    "training_time": "The planned training is short",
}
_PATHS = {"server_answer": "a server", "phone": "a phone", "browser": "a browser"}
_SLIGHT = 0.01  # points: what costs less at most is no risk worth a line
_TARGETS = {"mobile": "phone", "web": "browser", "server": "server", "portable": "portable", None: ""}


def merits(card: Scorecard, candidate: str) -> Merits:
    """Return what speaks for and against one candidate."""
    weights = _Weights(card, candidate)
    found: dict[Kind, list[Point]] = {
        "strength": [*_sorted(_ahead(card, candidate, weights))[:2], *_sorted(_high(card, weights))],
        "weakness": _sorted(_low(card, weights)),
        "risk": _sorted(_risks(card, candidate, weights)),
    }
    ahead = _sorted(_ahead(card, candidate, weights))
    found["strength"] += ahead[2:]
    points = tuple(point for kind, points in found.items() for point in points[: MOST[kind]])
    more = {kind: len(points) - MOST[kind] for kind, points in found.items() if len(points) > MOST[kind]}
    return Merits(candidate=candidate, points=points, more=more)


class _Weights:
    """What share of the overall score's weight each finding of a candidate has."""

    def __init__(self, card: Scorecard, candidate: str) -> None:
        policy = card.policy
        self.findings = tuple(each for each in card.findings if each.candidate == candidate and each.counts(policy))
        total = fsum(policy.categories.values())
        risks: dict[str, list[float]] = {}
        for each in self.findings:
            risks.setdefault(each.category, []).append(policy.risks[each.risk])
        sums = {name: fsum(found) for name, found in risks.items()}
        self._shares = {
            each.id: policy.categories[each.category] / total * policy.risks[each.risk] / sums[each.category]
            for each in self.findings
        }

    def of(self, findings: Iterable[Finding]) -> float:
        """Return the share of some findings together."""
        return fsum(self._shares[each.id] for each in findings)

    def lost(self, findings: Iterable[Finding]) -> float:
        """Return the points of the overall score that they lack of full marks."""
        return fsum(self._shares[each.id] * (10 - (each.score or 0.0)) for each in findings)

    def earned(self, findings: Iterable[Finding]) -> float:
        """Return the points of the overall score that they bring."""
        return fsum(self._shares[each.id] * (each.score or 0.0) for each in findings)


def _sorted(points: Iterable[Point]) -> list[Point]:
    return sorted(points, key=lambda each: (-each.effect, each.finding, each.text))


def _ahead(card: Scorecard, candidate: str, weights: _Weights) -> Iterator[Point]:
    """Yield what the candidate is shown to be ahead in."""
    scores = {(each.candidate, *_about(each)): each.score for each in card.findings if each.metric is not None}
    for made in card.comparisons:
        if made.ahead != candidate or made.ratio is None:
            continue
        matching = [each for each in weights.findings if each.metric is not None and _about(each) == _asked(made)]
        rivals = [scores.get((rival, *_asked(made))) for rival in made.values if rival != candidate]
        best = max((each for each in rivals if each is not None), default=None)
        gain = (
            fsum((each.score or 0.0) - best for each in matching if each.score is not None) if best is not None else 0.0
        )
        where = ", ".join(
            filter(None, (made.scenario, _TARGETS.get(made.path, made.path), _beside_cpu(card, made.device)))
        )
        yield Point(
            kind="strength",
            text=f"Ahead ({where}): {made.statement.rstrip('.')}{_ends(made.ratio)}.",
            effect=max(0.0, gain) * weights.of(matching[:1]),
            finding=made.id,
            evidence=_evidence(matching),
        )


def _about(finding: Finding) -> tuple[str, ...]:
    return str(finding.metric), finding.scenario, finding.path or "", finding.device


def _asked(made: Comparison) -> tuple[str, ...]:
    return made.metric, made.scenario, made.path or "", made.device


def _beside_cpu(card: Scorecard, device: str) -> str:
    return "" if device == DEVICE else card.title("device", device)


def _ends(ratio: Interval) -> str:
    """Write the ends of a ratio as those of a factor: " (1.21 to 1.37)"; nothing for what is exact."""
    if ratio.low is None or ratio.high is None or ratio.low <= 0 or ratio.low == ratio.high:
        return ""
    low, high = (ratio.low, ratio.high) if ratio.value >= 1 else (1 / ratio.high, 1 / ratio.low)
    return f" ({significant(low)} to {significant(high)})"


def _high(card: Scorecard, weights: _Weights) -> Iterator[Point]:
    """Yield the checks of which every answer is good."""
    for check, found in _grouped(weights.findings, lambda each: (each.check,)):
        measured = [each for each in found if each.score is not None and not each.provisional]
        if not measured or len(measured) < len([each for each in found if each.score is not None]):
            continue
        least = min(each.score or 0.0 for each in measured)
        if least < HIGH or measured[0].category == UPKEEP:
            continue
        means = _MEANS.get(check[0], card.title("check", check[0]))
        marks = "full marks" if least == 10 else f"{significant(least)} of 10 or more"
        of = "" if len(measured) == len(found) else f" that could be measured, of {len(found)}"
        cases = "the only case" if len(measured) == 1 else f"all {len(measured)} cases"
        yield Point(
            kind="strength",
            text=f"{means}: {marks} in {cases}{of}.",
            effect=weights.earned(measured),
            finding=measured[0].id,
            evidence=_evidence(measured),
            count=len(measured),
        )


def _low(card: Scorecard, weights: _Weights) -> Iterator[Point]:
    """Yield what failed or scored too little, the same in several scenarios once."""
    low = [each for each in weights.findings if _is_low(card, each) and each.category != UPKEEP]
    for _, found in _grouped(low, lambda each: (each.check, each.subject)):
        first = min(found, key=lambda each: (not each.gate, each.score or 0.0, each.id))
        must = "A must-have fails: " if first.gate else ""
        yield Point(
            kind="weakness",
            text=f"{must}{first.subject}{_in(card, found)}: {first.reason.rstrip('.')}.",
            effect=weights.lost(found),
            finding=first.id,
            evidence=_evidence(found),
            count=len(found),
        )


def _is_low(card: Scorecard, finding: Finding) -> bool:
    return finding.state.is_answer and finding.score is not None and finding.score < card.policy.least_score


def _risks(card: Scorecard, candidate: str, weights: _Weights) -> Iterator[Point]:
    yield from _upkeep(card, weights)
    yield from _archived(card, candidate, weights)
    yield from _stand_ins(card, weights)
    yield from _open(card, weights)
    yield from _near(card, weights)
    yield from _only_way(card, candidate)


def _upkeep(card: Scorecard, weights: _Weights) -> Iterator[Point]:
    """Yield what is not kept up by its makers, by the check that asks so."""
    low = [each for each in weights.findings if each.category == UPKEEP and _is_low(card, each)]
    for _, found in _grouped(low, lambda each: (each.check, each.subject, each.reason)):
        yield Point(
            kind="risk",
            text=f"{found[0].subject}{_in(card, found)}: {found[0].reason.rstrip('.')}.",
            effect=weights.lost(found),
            finding=found[0].id,
            evidence=_evidence(found),
            count=len(found),
        )


def _archived(card: Scorecard, candidate: str, weights: _Weights) -> Iterator[Point]:
    """Yield the servers that their makers no longer maintain, where no check of upkeep said so."""
    if any(each.category == UPKEEP for each in weights.findings):
        return
    served = [each for each in card.cells if each.framework == candidate and each.server in card.archived]
    for server in dict.fromkeys(str(each.server) for each in served):
        title = card.title("server", server)
        resting = [each for each in weights.findings if each.subject.startswith(title)]
        yield Point(
            kind="risk",
            text=f"{title} is archived: its makers mend nothing any more, security included ({card.archived[server]}).",
            effect=10 * weights.of(resting),
            finding=resting[0].id if resting else "",
            evidence=next(each.evidence for each in served if each.server == server),
            count=len(resting) or 1,
        )


def _stand_ins(card: Scorecard, weights: _Weights) -> Iterator[Point]:
    found = [each for each in weights.findings if each.provisional]
    if found:
        part = 1 - card.policy.provisional_share
        yield Point(
            kind="risk",
            text=f"{found[0].subject} stood in for the real server{_in(card, found)}: how that behaves is not known.",
            effect=10 * part * weights.of(found),
            finding=found[0].id,
            evidence=_evidence(found),
            count=len(found),
        )


def _open(card: Scorecard, weights: _Weights) -> Iterator[Point]:
    """Yield what is not known of who is better, once for each kind of answer."""
    for reply in ("undecided", "disturbed"):
        made = [each for each in card.comparisons if each.answer == reply]
        if not made:
            continue
        asked = {_asked(each) for each in made}
        resting = [each for each in weights.findings if each.metric is not None and _about(each) in asked]
        questions = ", ".join(dict.fromkeys(each.question for each in made))
        total = len([each for each in card.comparisons if each.answer is not None])
        yield Point(
            kind="risk",
            text=f"{WORDS[reply].capitalize()} in {len(made)} of {total} comparisons ({questions}): either framework "
            "may be the better there.",
            effect=weights.of(resting),
            finding=made[0].id,
            evidence=_evidence(resting),
            count=len(made),
        )


def _near(card: Scorecard, weights: _Weights) -> Iterator[Point]:
    """Yield figures of which it is not known on which side of a target's end they lie."""
    for each in weights.findings:
        target, interval = each.target, each.interval
        if target is None or interval is None or interval.low is None or interval.high is None or each.score is None:
            continue
        if target.straddled(interval.low, interval.high) is None:
            continue
        effect = abs(target.points(interval.low) - target.points(interval.high)) * weights.of([each])
        if effect < _SLIGHT:
            continue
        yield Point(
            kind="risk",
            text=f"Close to a target{_in(card, [each])}: {each.reason.rstrip('.')}.",
            effect=effect,
            finding=each.id,
            evidence=_evidence([each]),
        )


def _only_way(card: Scorecard, candidate: str) -> Iterator[Point]:
    """Yield where one exporter alone was proven to lead: nothing else is known to work if that goes."""
    where: dict[tuple[str, str], list[str]] = {}
    evidence: dict[tuple[str, str], str] = {}
    for choice in card.paths:
        if choice.question not in _PATHS:
            continue
        proven = [each for each in (*choice.best, *choice.others, *choice.unranked) if each.framework == candidate]
        exporters = {each.exporter for each in proven if each.exporter is not None and not each.baseline}
        if len(exporters) == 1:
            first = next(each for each in proven if each.exporter is not None)
            key = (_PATHS[choice.question], card.title("exporter", str(first.exporter)))
            where.setdefault(key, []).append(choice.scenario)
            evidence.setdefault(key, first.evidence)
    for (target, exporter), scenarios in where.items():
        names = ", ".join(dict.fromkeys(scenarios))
        yield Point(
            kind="risk",
            text=f"Only one way to {target} was proven ({names}): {exporter}. "
            "Nothing else is known to work if it goes.",
            effect=0.0,
            evidence=evidence[target, exporter],
            count=len(scenarios),
        )


def _in(card: Scorecard, findings: Sequence[Finding]) -> str:
    """Name the scenarios, where a run has several, and the devices that do not go without saying."""
    several = len(card.scenarios) > 1
    scenarios = dict.fromkeys(each.scenario for each in findings) if several else {}
    devices = dict.fromkeys(_beside_cpu(card, each.device) for each in findings)
    told = ", ".join((*scenarios, *filter(None, devices)))
    return f" ({told})" if told else ""


def _evidence(findings: Sequence[Finding]) -> str:
    return next((ref.path for each in findings for ref in each.evidence), "")


def _grouped(
    findings: Iterable[Finding], key: Callable[[Finding], tuple[str, ...]]
) -> Iterable[tuple[tuple[str, ...], list[Finding]]]:
    found: dict[tuple[str, ...], list[Finding]] = {}
    for each in findings:
        found.setdefault(key(each), []).append(each)
    return found.items()
