"""What a run says of claims that others made: supported, contradicted, mixed, undecided, or not testable here. Pure.

A claim is about all that it names: nothing less than all of its parts supports it. "Faster" is supported by the answer
"different" in that direction alone, contradicted by the other direction and by "equivalent", and undecided without an
interval. What a stand-in for a server did says nothing of the server. Missing evidence never helps a claim: with it,
the verdict is at best undecided.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from math import isclose
from typing import Any

import msgspec

from evaluator.core import answers, catalogue, criteria, metrics, registry
from evaluator.core.claims import (
    CONTRADICTED,
    MIXED,
    NOT_TESTABLE,
    SUPPORTED,
    UNDECIDED,
    VERDICTS,
    AmountTest,
    AnyTest,
    Audited,
    Claim,
    Claims,
    ComparisonTest,
    CriteriaTest,
    ExportsTest,
    FactTest,
    FindingTest,
    Instance,
    MaintainedTest,
    Need,
    RatioTest,
    ScoreTest,
    Verdict,
)
from evaluator.core.coordinates import DEVICE
from evaluator.core.quantities import quantity, share, significant
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import CategoryScore, Comparison, Finding, Interval, Scorecard
from evaluator.core.upkeep import MEANINGS, Standing, Status, register
from evaluator.judging import claimed, scoring
from evaluator.judging.evidence import Entry

POINTS = 10.0  # of a score
RATIO = " / ".join(answers.NAMES[name] for name in FRAMEWORKS)
_OTHER = dict(zip(FRAMEWORKS, reversed(FRAMEWORKS), strict=True))
_TIES: Mapping[str, Verdict] = {"supports": SUPPORTED, "contradicts": CONTRADICTED, "tells nothing": UNDECIDED}
_NOT_APART = "what was tried does not tell them apart"


def audit(card: Scorecard, files: Iterable[Claims], entries: Iterable[Entry] = ()) -> tuple[Audited, ...]:
    """Judge the claims of files by a scorecard, and by the samples and blocks behind its cells where they are given."""
    measured = claimed.Measured(card, {entry.folder: entry for entry in entries})
    return tuple(_audited(card, measured, file.title, claim) for file in files for claim in file.claims)


def counted(claims: Iterable[Audited]) -> dict[Verdict, int]:
    """Return how many claims have each verdict, of those that occur."""
    found = Counter(each.verdict for each in claims)
    return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}


def _audited(card: Scorecard, measured: claimed.Measured, title: str, claim: Claim) -> Audited:
    tests = [(test, _instances(card, measured, test)) for test in claim.tests]
    found = [(_over_places([each.verdict for each in instances], test.need), instances) for test, instances in tests]
    facts = [isinstance(test, FactTest) and not test.part for test, _ in tests]
    counting = [each for each, fact in zip(found, facts, strict=True) if not fact or all(facts)]
    verdict = together([verdict for verdict, _ in counting])
    instances = tuple(instance for _, each in found for instance in each)
    return Audited(
        file=title,
        id=claim.id,
        statement=claim.statement,
        source=claim.source,
        date=claim.date,
        figure=claim.figure,
        verdict=verdict,
        reason=_reason([instance for _, each in counting for instance in each]),
        tests=instances,
        readings=tuple(test.reading for test in claim.tests if test.reading),
        cites=claim.cites,
    )


def together(parts: Sequence[Verdict]) -> Verdict:
    """Combine the verdicts of the parts of a claim, each of which says something else.

    A part that is contradicted beside others that are not makes it mixed; one that nobody tested takes no side, and
    keeps a claim from being supported.
    """
    tested = {each for each in parts if each != NOT_TESTABLE}
    if not tested:
        return NOT_TESTABLE
    if CONTRADICTED in tested or MIXED in tested:
        return CONTRADICTED if tested == {CONTRADICTED} else MIXED
    return SUPPORTED if set(parts) == {SUPPORTED} else UNDECIDED


def _over_places(found: Sequence[Verdict], need: Need) -> Verdict:
    """Combine what a test found in its places: the same is said of all of them, and one counterexample denies it.

    "most" is more than half of them, those that are not known included.
    """
    if all(each == NOT_TESTABLE for each in found):
        return NOT_TESTABLE
    if need == "all":
        denied = CONTRADICTED in found and SUPPORTED not in found
        return CONTRADICTED if denied else together(found)
    half, yes, no = len(found) / 2, found.count(SUPPORTED), found.count(CONTRADICTED)
    if yes > half:
        return SUPPORTED
    return CONTRADICTED if no >= half else UNDECIDED


def _reason(instances: Sequence[Instance]) -> str:
    """Say in a sentence what a verdict rests on: of one part its own reason, of several how many there are of each."""
    if len({(each.verdict, each.reason) for each in instances}) == 1:
        return instances[0].reason
    told = [_told(verdict, [each.reason for each in instances if each.verdict == verdict]) for verdict in VERDICTS]
    return f"{len(instances)} parts: {', '.join(filter(None, told))}"


def _told(verdict: Verdict, reasons: Sequence[str]) -> str:
    """Write how many parts have a verdict, and why: of many the first reason, and none where all is well."""
    if not reasons:
        return ""
    others = len(set(reasons)) - 1
    if verdict == SUPPORTED and others:
        return f"{len(reasons)} {verdict}"
    return f"{len(reasons)} {verdict} ({reasons[0]}{'; and others' if others else ''})"


def _instances(card: Scorecard, measured: claimed.Measured, test: AnyTest) -> tuple[Instance, ...]:
    """Ask a test in every place that it is about."""
    if isinstance(test, RatioTest):
        return claimed.ratios(measured, test)
    if isinstance(test, AmountTest):
        return claimed.amounts(measured, test)
    if isinstance(test, FactTest):
        asked_of = "what no run tests" if test.part else "cited only"
        return (Instance(asked=asked_of, verdict=NOT_TESTABLE, reason=test.why),)
    asked: Any = _ASKED[type(test)]  # a function of the card and this very kind of test
    found: tuple[Instance, ...] = asked(card, test)
    return found


def _compared(card: Scorecard, test: ComparisonTest) -> tuple[Instance, ...]:
    """Set the answers of comparisons against who is claimed to be ahead."""
    found = [
        each
        for each in card.comparisons
        if fnmatchcase(each.question, test.question)
        and fnmatchcase(each.scenario, test.scenario)
        and fnmatchcase(each.device, test.device)
        and (test.path is None or fnmatchcase(each.path or "", test.path))
    ]
    if found:
        return tuple(_comparison(card, test, each) for each in found)
    where = ", ".join(
        each for each in (test.question, test.scenario, test.path, test.device) if each not in (None, "*")
    )
    reason, missing = _not_asked(card, test.scenario, test.device)
    return (Instance(asked=where, verdict=NOT_TESTABLE, reason=reason, missing=missing),)


def _not_asked(card: Scorecard, scenario: str, device: str = "*") -> tuple[str, str]:
    """Say why a run has nothing of what a test asks about, and what would have it."""
    if scenario != "*" and not any(fnmatchcase(name, scenario) for name in card.scenarios):
        had = ", ".join(card.scenarios) or "none"
        return f"the scenario {scenario} is not part of this run (it has {had})", f"fweval full {scenario}"
    alone = {score.candidate for score in card.scores}
    if len(alone) == 1:
        return (
            f"this run evaluated {answers.NAMES.get(min(alone), min(alone))} alone: there is nothing to compare",
            claimed.ONE_ALONE,
        )
    if device not in ("*", DEVICE):
        return f"nothing was measured on the device {device}", f"run on a machine that has it: --device {device}"
    return "this run did not ask it", f"fweval full {' '.join(card.scenarios)}".rstrip()


def _comparison(card: Scorecard, test: ComparisonTest, made: Comparison) -> Instance:
    ratio = made.ratio
    verdict, reason, missing = _of_comparison(card, test, made)
    return Instance(
        asked=", ".join(
            filter(None, (made.question, made.scenario, made.path, made.device if made.device != DEVICE else ""))
        ),
        verdict=verdict,
        reason=f"{reason}{_held(ratio, test.claimed) if verdict != NOT_TESTABLE else ''}",
        value=None if ratio is None else ratio.value,
        low=None if ratio is None else ratio.low,
        high=None if ratio is None else ratio.high,
        ratio=RATIO,
        claimed=test.claimed,
        inside=inside(ratio, test.claimed, exact=made.counted) if verdict != NOT_TESTABLE else None,
        evidence=(made.id,),
        missing=missing,
    )


def _of_comparison(card: Scorecard, test: ComparisonTest, made: Comparison) -> tuple[Verdict, str, str]:
    """Return verdict, reason, and what is missing."""
    if made.provisional:
        return NOT_TESTABLE, "a stand-in answered for a server", "serve it by the real server: fweval doctor"
    if made.ratio is None:
        return NOT_TESTABLE, made.statement, _remedy(card, made)
    if made.ahead is not None:
        return (SUPPORTED if made.ahead == test.ahead else CONTRADICTED), made.statement, ""
    if made.answer == "equivalent" or made.slight:
        told = answers.told(made) or f"equivalent: within {answers.margin(made)}"
        return (SUPPORTED if test.tie == "supports" else CONTRADICTED), told, ""
    remedies = {"disturbed": answers.REMEDY, "undecided": answers.decided_by(made)}
    bare = f"undecided: {made.statement}, without an interval"  # scorecards of before there were answers
    return UNDECIDED, answers.told(made) or bare, remedies.get(str(made.answer), "three rounds: --profile quick")


def _remedy(card: Scorecard, made: Comparison) -> str:
    """Return what a finding of the same place says is to be done."""
    place = (made.metric, made.scenario, made.path, made.device)
    found = [f for f in card.findings if f.remedy and f.score is None and (f.scenario, f.path, f.device) == place[1:]]
    exact = [f for f in found if f.metric in (None, made.metric)]
    return next((str(f.remedy) for f in (*exact, *found)), "")


def inside(ratio: Interval | None, told: float | None, *, exact: bool = False) -> bool | None:
    """Tell whether a claimed figure lies in an interval; None where there is none, or nothing is claimed."""
    if ratio is None or told is None:
        return None
    if ratio.low is None or ratio.high is None:
        return isclose(ratio.value, told, rel_tol=0.005) if exact else None
    return ratio.low <= told <= ratio.high


def _held(ratio: Interval | None, told: float | None) -> str:
    """Say whether the claimed ratio lies in the interval."""
    if told is None or ratio is None:
        return ""
    found = inside(ratio, told)
    claim = f"claimed is a ratio of {significant(told)}"
    if found is None:
        return f"; {claim}, measured {answers.ends(ratio)} without an interval"
    return f"; {claim}, which lies {'in' if found else 'outside of'} the interval {answers.ends(ratio)}"


def _exported(card: Scorecard, test: ExportsTest) -> tuple[Instance, ...]:
    """Compare the shares of exports that were proven, scenario by scenario; each is a count."""
    scenarios = [name for name in card.scenarios if fnmatchcase(name, test.scenario)]
    found = tuple(_exports(card, test, name) for name in scenarios)
    if found:
        return found
    reason, missing = _not_asked(card, test.scenario)
    return (Instance(asked="exports", verdict=NOT_TESTABLE, reason=reason, missing=missing),)


def _exports(card: Scorecard, test: ExportsTest, scenario: str) -> Instance:
    asked = f"exports that are proven, {scenario}"
    tried = {
        name: [c for c in card.matrix if _tried(c.state) and (c.scenario, c.origin) == (scenario, name)]
        for name in FRAMEWORKS
    }
    if not all(tried.values()):
        reason, missing = _not_asked(card, scenario)
        return Instance(asked=asked, verdict=NOT_TESTABLE, reason=reason, missing=missing)
    passed = {name: sum(cell.state == "passed" for cell in cells) for name, cells in tried.items()}
    shares = {name: passed[name] / len(tried[name]) for name in FRAMEWORKS}
    told = " and ".join(f"{passed[name]} of {len(tried[name])} from {answers.NAMES[name]}" for name in FRAMEWORKS)
    ahead, behind = shares[test.ahead], shares[_OTHER[test.ahead]]
    evidence = tuple(cell.evidence for cells in tried.values() for cell in cells)
    margin = card.policy.margin
    missing = ""
    if ahead == behind == 1:
        verdict, missing = UNDECIDED, "more exporters and precisions: fweval export --matrix"
        told = f"{told}: what was tried does not tell them apart"
    elif max(ahead, behind) <= (1 + margin) * min(ahead, behind):
        verdict, told = (
            (SUPPORTED if test.tie == "supports" else CONTRADICTED),
            f"{told}: equal within ±{100 * margin:.3g} %",
        )
    else:
        verdict = SUPPORTED if ahead > behind else CONTRADICTED
    return Instance(asked=asked, verdict=verdict, reason=f"proven right are {told}", evidence=evidence, missing=missing)


def _tried(state: str) -> bool:
    return state not in ("unavailable", "not run")


def _scored(card: Scorecard, test: ScoreTest) -> tuple[Instance, ...]:
    if test.category is not None and test.category not in card.policy.categories:
        card = _weighing(card, test.category)
    return (_score_test(card, test),)


def _weighing(card: Scorecard, category: str) -> Scorecard:
    """Return the scores of a category that the criteria of the run weigh nothing: a claim may be about it."""
    policy = msgspec.structs.replace(card.policy, categories={category: 1.0}, paths=())
    frameworks = tuple(dict.fromkeys(score.candidate for score in card.scores))
    scores = scoring.score_candidates(card.findings, frameworks, tuple(card.scenarios), policy)
    weighed: Scorecard = msgspec.structs.replace(card, policy=policy, scores=scores)
    return weighed


def _by_criteria(card: Scorecard, test: CriteriaTest) -> tuple[Instance, ...]:
    """Compare the scores that the same findings have under other criteria; what nobody asked the run is missing."""
    other = scoring.rescored(card, criteria.built_in(test.criteria), whole=True)
    found = _score_test(other, ScoreTest(ahead=test.ahead, tie=test.tie))
    return (msgspec.structs.replace(found, asked=f"score under the criteria “{test.criteria}”"),)


def _score_test(card: Scorecard, test: ScoreTest) -> Instance:
    """Compare two scores by the bounds that missing evidence leaves: they must not overlap."""
    what = test.category or "all categories"
    asked = f"score in {what}{f', {test.scenario}' if test.scenario else ''}"
    found = {name: _score(card, name, test) for name in FRAMEWORKS}
    lacking = {name: each for name, each in found.items() if each is None or each.coverage < card.policy.least_coverage}
    if lacking:
        reason, missing = _uncovered(card, test, lacking)
        return Instance(asked=asked, verdict=NOT_TESTABLE, reason=reason, missing=missing)
    ours, theirs = found[test.ahead], found[_OTHER[test.ahead]]
    assert ours is not None and theirs is not None  # noqa: S101, PT018  # neither is lacking
    told = " and ".join(f"{answers.NAMES[name]} {_bounded(found[name])}" for name in FRAMEWORKS)
    evidence = tuple(f.id for f in card.findings if _counts(card, f, test))
    apart = POINTS * card.policy.margin
    if any(f.provisional and _counts(card, f, test) for f in card.findings):
        return Instance(
            asked=asked, verdict=UNDECIDED, reason=f"{told}: a stand-in for a server is part of it", evidence=evidence
        )
    if ours.lower - theirs.upper > apart:
        verdict, reason = SUPPORTED, told
    elif theirs.lower - ours.upper > apart:
        verdict, reason = CONTRADICTED, told
    elif max(ours.upper - theirs.lower, theirs.upper - ours.lower) <= apart:
        verdict = SUPPORTED if test.tie == "supports" else CONTRADICTED
        reason = f"{told}: equal within {significant(apart)} points"
    else:
        verdict, reason = UNDECIDED, f"{told}: what was not measured could turn the order, or make them equal"
    missing = "what is missing stands under “What could not be measured”" if verdict == UNDECIDED else ""
    return Instance(asked=asked, verdict=verdict, reason=reason, evidence=evidence, missing=missing)


def _score(card: Scorecard, candidate: str, test: ScoreTest) -> CategoryScore | None:
    """Return the score that is asked about, with its bounds; None where there is none."""
    for each in card.scores:
        if (each.candidate, each.scenario) == (candidate, test.scenario):
            if test.category is None:
                named = CategoryScore(
                    category="",
                    weight=1.0,
                    score=each.overall,
                    lower=each.lower,
                    upper=each.upper,
                    coverage=each.coverage,
                )
                return named if each.overall is not None else None
            return next((c for c in each.categories if c.category == test.category and c.score is not None), None)
    return None


def _counts(card: Scorecard, finding: Finding, test: ScoreTest) -> bool:
    """Tell whether a finding is part of the score."""
    return (
        finding.score is not None
        and finding.category in (card.policy.categories if test.category is None else (test.category,))
        and card.policy.about(finding.path)
        and test.scenario in (None, finding.scenario)
    )


def _bounded(score: CategoryScore | None) -> str:
    if score is None or score.score is None:
        return "not scored"
    return f"{score.score:.1f} ({score.lower:.1f} to {score.upper:.1f})"


def _uncovered(card: Scorecard, test: ScoreTest, lacking: Mapping[str, CategoryScore | None]) -> tuple[str, str]:
    """Say of which framework too little was measured for a score that counts, and what would change that."""
    if test.scenario is not None and test.scenario not in card.scenarios:
        return _not_asked(card, test.scenario)
    absent = [name for name in lacking if not any(score.candidate == name for score in card.scores)]
    if absent:
        return _not_asked(card, "*")
    told = " and ".join(
        f"{share(0.0 if each is None else each.coverage)} of {answers.NAMES[name]}'s" for name, each in lacking.items()
    )
    of = f" on {test.category}" if test.category else ""
    reason = f"insufficient evidence{of}: {told} is there, {share(card.policy.least_coverage)} is needed"
    categories = card.policy.categories if test.category is None else (test.category,)
    asked = {f.category for f in card.findings}
    stages = [f"fweval {name}" for name in scoring.OF_A_STAGE if name in categories and name not in asked]
    remedies = (
        str(f.remedy)
        for f in card.findings
        if f.score is None and f.remedy and f.candidate in lacking and f.category in categories
    )
    return reason, next(iter((*stages, *remedies)), "evaluate again with this version: fweval full")


def _found(card: Scorecard, test: FindingTest) -> tuple[Instance, ...]:
    """Compare the figures of a check's findings, place by place."""
    places: dict[tuple[str, str | None, str, str | None], dict[str, Finding]] = {}
    for each in card.findings:
        if (
            each.check == test.check
            and fnmatchcase(each.scenario, test.scenario)
            and fnmatchcase(each.device, test.device)
            and (test.path is None or fnmatchcase(each.path or "", test.path))
            and test.metric in (None, each.metric)
        ):
            places.setdefault((each.scenario, each.path, each.device, each.metric), {})[each.candidate] = each
    if places:
        return tuple(_findings(card, test, place, both) for place, both in places.items())
    reason, missing = _not_asked(card, test.scenario)
    stage = _stage_of(test.check)
    if stage and not any(each.check == test.check for each in card.findings):
        reason, missing = f"this run did not look at {stage}", f"fweval {stage}"
    return (Instance(asked=test.check, verdict=NOT_TESTABLE, reason=reason, missing=missing),)


def _stage_of(check: str) -> str:
    """Return the stage that a check's question came with; empty where it has none, or none of that name is here."""
    found: str = registry.load("check", check).stage if check in registry.names("check") else ""
    return found


def _findings(
    card: Scorecard, test: FindingTest, place: tuple[str, str | None, str, str | None], both: Mapping[str, Finding]
) -> Instance:
    scenario, path, device, metric = place
    about = None if metric is None else metrics.known(metric)
    title = card.title("check", test.check)
    asked = ", ".join(filter(None, (title, metric or "", scenario, path, device if device != DEVICE else "")))
    evidence = tuple(each.id for each in both.values())
    if metric is None and len(both) == len(FRAMEWORKS) and all(_pointed(each) for each in both.values()):
        return _points(card, test, both, asked)
    lacking = [name for name in FRAMEWORKS if name not in both or both[name].value is None or both[name].provisional]
    if lacking or about is None or about.better == "neither":
        first = next((both[name] for name in lacking if name in both), None)
        reason = "there is no figure to compare" if first is None else first.reason
        missing = "" if first is None else str(first.remedy or "")
        return Instance(asked=asked, verdict=NOT_TESTABLE, reason=reason, evidence=evidence, missing=missing)
    exact = about.provenance in (metrics.COUNTED, metrics.DECLARED)
    told = " and ".join(f"{answers.NAMES[name]} {quantity(both[name].value or 0.0, about.unit)}" for name in FRAMEWORKS)
    ratio = _quotient(both[FRAMEWORKS[0]], both[FRAMEWORKS[1]], exact=exact)
    if ratio is None:
        ours, theirs = both[test.ahead].value or 0.0, both[_OTHER[test.ahead]].value or 0.0
        zero: Verdict = NOT_TESTABLE
        if exact:  # no ratio has a zero in it, and counts need none
            ahead = ours < theirs if about.better == "lower" else ours > theirs
            zero = _TIES[test.tie] if ours == theirs else SUPPORTED if ahead else CONTRADICTED
        reason = told if exact else f"{told}: one of the figures is zero"
        reason = f"{told}: {_NOT_APART}" if zero == UNDECIDED else reason
        return Instance(asked=asked, verdict=zero, reason=reason, evidence=evidence)
    verdict = claimed.against(
        ratio, lower=(test.ahead == FRAMEWORKS[0]) is (about.better == "lower"), margin=card.policy.margin
    )
    apart = "the intervals do not tell them apart"
    if verdict is None:
        verdict, apart = _TIES[test.tie], _NOT_APART
        told = f"{told}: equivalent within ±{100 * card.policy.margin:.3g} %"
    return Instance(
        asked=asked,
        verdict=verdict,
        reason=told if verdict != UNDECIDED else f"{told}: {apart}",
        value=ratio.value,
        low=None if exact else ratio.low,
        high=None if exact else ratio.high,
        ratio=RATIO,
        evidence=evidence,
    )


def _pointed(found: Finding) -> bool:
    """Tell whether a finding has points, and no figure that they are of."""
    return found.value is None and found.score is not None and not found.provisional


def _points(card: Scorecard, test: FindingTest, both: Mapping[str, Finding], asked: str) -> Instance:
    """Compare what has no figure by its points."""
    ours, theirs = both[test.ahead].score or 0.0, both[_OTHER[test.ahead]].score or 0.0
    told = "; ".join(f"{answers.NAMES[n]} {both[n].score:.1f} points ({both[n].reason})" for n in FRAMEWORKS)
    if abs(ours - theirs) <= POINTS * card.policy.margin:
        verdict = _TIES[test.tie]
    else:
        verdict = SUPPORTED if ours > theirs else CONTRADICTED
    return Instance(asked=asked, verdict=verdict, reason=told, evidence=tuple(each.id for each in both.values()))


def _quotient(first: Finding, second: Finding, *, exact: bool) -> Interval | None:
    """Return the ratio of two figures, as far apart as their intervals allow; None where one is not above zero."""
    a, b = first.value or 0.0, second.value or 0.0
    if a <= 0 or b <= 0:
        return None
    if exact:
        return Interval(value=a / b, low=a / b, high=a / b)
    ends = [
        each for one in (first.interval, second.interval) if one for each in (one.low, one.high) if each and each > 0
    ]
    if len(ends) < 4:
        return Interval(value=a / b, low=None, high=None)
    return Interval(value=a / b, low=ends[0] / ends[3], high=ends[1] / ends[2])


def _maintained(card: Scorecard, test: MaintainedTest) -> tuple[Instance, ...]:
    """Say whether the makers of a component still maintain it: by the run's register, else by its catalogue."""
    standing = next((each for each in card.upkeep.standings if _is_about(each, test)), None) if card.upkeep else None
    if standing is not None:
        return (_standing(card, standing),)
    title = card.title("server", test.server) if test.server else _component(str(test.component))
    asked = f"whether {title} is maintained"
    where = card.archived.get(test.server or "")
    if where is not None:
        reason = f"{title} is archived: its makers no longer maintain it ({where})"
        return (Instance(asked=asked, verdict=CONTRADICTED, reason=reason, evidence=(catalogue.NAME,)),)
    reason, missing = f"{title} is on none of the paths of this run", "read its makers' pages"
    if card.upkeep is None:
        reason = f"this run did not look at who maintains {title}; silence is no proof that somebody does"
        missing = "fweval upkeep"
    return (Instance(asked=asked, verdict=NOT_TESTABLE, reason=reason, missing=missing),)


def _component(name: str) -> str:
    return next((each.title for each in register().components if each.id == name), name)


def _is_about(standing: Standing, test: MaintainedTest) -> bool:
    found = standing.component
    return found.id == test.component if test.component else test.server in found.covers.servers


def _standing(card: Scorecard, found: Standing) -> Instance:
    """Judge by what the makers say: that they ended it, or name something else, denies that they maintain it."""
    about, status = found.component, found.counts_as
    reason = f"{about.title} is {status}: {MEANINGS[status]}"
    missing = ""
    if status == "unknown":
        why = "nobody looked at its makers' pages for too long" if found.stale else found.detected.said
        known = about.status != "unknown"
        reason = f"{about.title} was {about.status}, and counts as unknown: {why}" if known else reason
        missing = "read its makers' pages, and renew its entry in the register"
    elif about.quote:
        reason = f"{reason} (“{about.quote}”, {about.source}, {about.dated})"
    evidence = next((cell.evidence for cell in card.cells if cell.stage == "upkeep"), "")
    return Instance(
        asked=f"whether {about.title} is maintained",
        verdict=_BY_STATUS[status],
        reason=reason,
        evidence=(evidence,) if evidence else (),
        missing=missing,
    )


_BY_STATUS: Mapping[Status, Verdict] = {
    "active": SUPPORTED,
    "minimal": SUPPORTED,
    "limited": UNDECIDED,
    "deprecated": CONTRADICTED,
    "archived": CONTRADICTED,
    "unknown": NOT_TESTABLE,
}
_ASKED = {
    ComparisonTest: _compared,
    ExportsTest: _exported,
    ScoreTest: _scored,
    CriteriaTest: _by_criteria,
    FindingTest: _found,
    MaintainedTest: _maintained,
}
