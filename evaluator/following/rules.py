"""What a gate may ask: one record per kind of question, which is a table of a policy file. Pure.

Each rule says what it wants, looks at a scorecard, and yields one ruling or more: passed, failed, or missing where the
evidence does not tell. A name that nothing bears is a mistake of the policy, never an answer.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from evaluator.core import metrics, registry
from evaluator.core.coordinates import axes
from evaluator.core.errors import UsageError
from evaluator.core.records import Cell, LabelValue, Record, Title
from evaluator.core.scorecard import CandidateScore, Finding, Risk, Scorecard
from evaluator.following.differences import Told, compare

Outcome = Literal["passed", "failed", "missing"]
ANY, ALL = "any", "all"  # of the candidates
_NAMED = 5  # of several; of the others their number is told
_VERDICTS = ("not ready", "insufficient evidence", "ready")  # the better the later
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Points = Annotated[float, msgspec.Meta(ge=0, le=10)]
Few = Annotated[int, msgspec.Meta(ge=0, le=10**6)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a rule is shown: the run, the one before, and the findings that somebody answers for."""

    run: Told
    baseline: Told | None = None
    waived: frozenset[str] = frozenset()

    @property
    def card(self) -> Scorecard:
        """The scorecard of the run."""
        return self.run.card


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a rule found: measured and wanted in words."""

    outcome: Outcome
    measured: str
    wanted: str
    about: str = ""  # what exactly, where a rule is about several
    waived: tuple[str, ...] = field(default=())  # findings that would have made it fail


class Rule(Record, frozen=True, kw_only=True):
    """The base of all rules."""

    asks: ClassVar[str]  # what `ask` says in the file
    needs_baseline: ClassVar[bool] = False

    why: Title  # the reason that is shown where the rule fails
    missing: Literal["fail", "warn"] = "fail"  # what it means when the evidence does not tell

    def answers(self, seen: Seen) -> Iterator[Answer]:
        """Look at a run; `UsageError` for a name that nothing bears."""
        raise NotImplementedError


class _OfScores(Rule, frozen=True, kw_only=True):
    """Rules about a candidate's scores: of any candidate, of all, or of one."""

    candidate: str = ANY
    scenario: str | None = None  # None: over all scenarios

    def _over(self, seen: Seen, judge: Callable[[CandidateScore], Answer]) -> Iterator[Answer]:
        known = sorted({each.candidate for each in seen.card.scores})
        one_of("candidate", self.candidate, (ANY, ALL, *known))
        if self.scenario is not None:
            one_of("scenario", self.scenario, seen.card.scenarios)
        chosen = [
            each
            for each in seen.card.scores
            if each.scenario == self.scenario and self.candidate in (ANY, ALL, each.candidate)
        ]
        found = [judge(each) for each in chosen]
        if self.candidate == ANY and found:
            found = [min(found, key=lambda each: ("passed", "missing", "failed").index(each.outcome))]
        yield from found or (Answer(outcome="missing", measured="no scores", wanted="scores"),)


class AtLeastVerdict(_OfScores, frozen=True, kw_only=True):
    """The verdict of a candidate."""

    asks: ClassVar[str] = "verdict"
    at_least: Literal["not ready", "insufficient evidence", "ready"] = "ready"

    def answers(self, seen: Seen) -> Iterator[Answer]:
        """Rule on verdicts; one for want of evidence is missing where more would do."""
        wanted = f"at least {self.at_least}"

        def judge(one: CandidateScore) -> Answer:
            enough = _VERDICTS.index(one.verdict) >= _VERDICTS.index(self.at_least)
            thin = one.verdict == "insufficient evidence"
            gates = f": {'; '.join(one.gates)}" if one.gates else ""
            return Answer(
                outcome="passed" if enough else "missing" if thin else "failed",
                measured=f"{one.verdict}{gates}",
                wanted=wanted,
                about=one.candidate,
            )

        yield from self._over(seen, judge)


class AtLeastScore(_OfScores, frozen=True, kw_only=True):
    """The score of a candidate, overall or in one category."""

    asks: ClassVar[str] = "score"
    category: str | None = None
    at_least: Points

    def answers(self, seen: Seen) -> Iterator[Answer]:
        """Rule on scores; what is unmeasured has none."""

        def judge(one: CandidateScore) -> Answer:
            score = _part(one, self.category, lambda each: each.overall, lambda each: each.score)
            outcome: Outcome = "missing" if score is None else "passed" if score >= self.at_least else "failed"
            measured = "not measured" if score is None else f"{score:.2f}"
            return Answer(outcome=outcome, measured=measured, wanted=f"at least {self.at_least:g}", about=one.candidate)

        yield from self._over(seen, judge)


class AtLeastCoverage(_OfScores, frozen=True, kw_only=True):
    """How much of the evidence there is, overall or in one category."""

    asks: ClassVar[str] = "coverage"
    category: str | None = None
    at_least: Share

    def answers(self, seen: Seen) -> Iterator[Answer]:
        """Rule on coverage: too little of it fails, because that is what is asked."""

        def judge(one: CandidateScore) -> Answer:
            covered = _part(one, self.category, lambda each: each.coverage, lambda each: each.coverage) or 0.0
            return Answer(
                outcome="passed" if covered >= self.at_least else "failed",
                measured=f"{100 * covered:.1f} %",
                wanted=f"at least {100 * self.at_least:g} %",
                about=one.candidate,
            )

        yield from self._over(seen, judge)


def _part(
    one: CandidateScore,
    category: str | None,
    whole: Callable[[CandidateScore], float | None],
    part: Callable[[Any], float | None],
) -> float | None:
    if category is None:
        return whole(one)
    named = {each.category: each for each in one.categories}
    one_of("category", category, named)
    return part(named[category])


class Limit(Rule, frozen=True, kw_only=True):
    """A metric of every step that is selected, by its coordinates and labels."""

    asks: ClassVar[str] = "metric"
    metric: str
    labels: dict[str, LabelValue] = msgspec.field(default_factory=dict)
    where: dict[str, str | int | bool] = msgspec.field(default_factory=dict)  # coordinate -> value
    at_most: float | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        """Refuse a rule without a limit."""
        if (self.at_most is None) is (self.at_least is None):
            raise ValueError("give at_most or at_least, one of them")

    def answers(self, seen: Seen) -> Iterator[Answer]:
        """Rule on each step that is selected and measured it; others of the same stages lack it."""
        about = metrics.known(self.metric)
        if about is None:
            raise registry.unknown("metric", self.metric, sorted(metrics.METRICS))
        for label in self.labels:
            one_of(f"label of {self.metric}", label, about.labels)
        wanted = f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"
        wanted = f"{wanted} {about.unit}"
        cells = self._selected(seen.card)
        found = [(cell, self._figure(cell)) for cell in cells]
        measuring = {cell.stage for cell, number in found if number is not None}
        lacking = [cell.title(seen.card.names) for cell, number in found if number is None and cell.stage in measuring]
        if lacking or not measuring:
            measured = f"none of {len(cells)} steps has it" if not measuring else f"{len(lacking)} steps do not have it"
            named = f": {', '.join(lacking[:_NAMED])}" if lacking else ""
            yield Answer(outcome="missing", measured=measured + named, wanted=wanted)
        for cell, number in found:
            if number is not None:
                yield Answer(
                    outcome="passed" if self._holds(number) else "failed",
                    measured=f"{number:.4g} {about.unit}",
                    wanted=wanted,
                    about=cell.title(seen.card.names),
                )

    def _selected(self, card: Scorecard) -> list[Cell]:
        known = {axis.name: axis.kinds for axis in axes(Cell)}
        for name, value in self.where.items():
            one_of("coordinate", name, known)
            here = {getattr(cell, name) for cell in card.cells}
            if value not in here and not any(value in registry.names(kind) for kind in known[name]):
                raise registry.unknown(name, str(value), sorted(map(str, here - {None})))
        kept = (cell for cell in card.cells if all(getattr(cell, name) == at for name, at in self.where.items()))
        return [cell for cell in kept if "control" in self.where or not cell.control]

    def _figure(self, cell: Cell) -> float | None:
        if not cell.outcome.is_answer:
            return None
        found = metrics.find(cell, metrics.Key(self.metric, self.labels))
        return None if found is None else metrics.number(found.value)

    def _holds(self, number: float) -> bool:
        return (self.at_most is None or number <= self.at_most) and (self.at_least is None or number >= self.at_least)


class _OfFindings(Rule, frozen=True, kw_only=True):
    """Rules about findings: all, or those whose ids match one of some patterns (`parity/*`), and of one candidate."""

    findings: tuple[str, ...] = ()
    candidate: str | None = None
    risk_at_least: Risk = Risk.LOW
    at_most: Few = 0

    def _chosen(self, card: Scorecard) -> list[Finding]:
        ids = [each.id for each in card.findings]
        for pattern in self.findings:
            if not any(fnmatchcase(each, pattern) for each in ids):
                raise registry.unknown("finding", pattern, ids)
        if self.candidate is not None:
            one_of("candidate", self.candidate, {each.candidate for each in card.findings})
        order = list(Risk)  # the gravest first
        return [
            each
            for each in card.findings
            if (not self.findings or any(fnmatchcase(each.id, pattern) for pattern in self.findings))
            and self.candidate in (None, each.candidate)
            and order.index(each.risk) <= order.index(self.risk_at_least)
        ]

    def _counted(self, found: Sequence[Finding], unmeasured: int, seen: Seen, what: str) -> Answer:
        """Rule on findings that must not be; those that somebody answers for are left out, and named."""
        waived = tuple(each.id for each in found if each.id in seen.waived)
        left = [each.id for each in found if each.id not in seen.waived]
        outcome: Outcome = "failed" if len(left) > self.at_most else "missing" if unmeasured else "passed"
        measured = f"{len(left)} {what}" + (f": {', '.join(left[:_NAMED])}" if left else "")
        measured += f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        measured += f"; {unmeasured} not measured" if unmeasured else ""
        return Answer(outcome=outcome, measured=measured, wanted=f"at most {self.at_most}", waived=waived)


class NoFailures(_OfFindings, frozen=True, kw_only=True):
    """No finding fails: what could not be measured is missing."""

    asks: ClassVar[str] = "findings"

    def answers(self, seen: Seen) -> Iterator[Answer]:
        """Count what failed."""
        chosen = self._chosen(seen.card)
        unmeasured = sum(not each.state.is_answer for each in chosen)
        yield self._counted([each for each in chosen if failing(each)], unmeasured, seen, "failing")


class NoNewFailures(_OfFindings, frozen=True, kw_only=True):
    """No finding fails that did not fail in the baseline."""

    asks: ClassVar[str] = "new_failures"
    needs_baseline: ClassVar[bool] = True

    def answers(self, seen: Seen) -> Iterator[Answer]:
        """Count what fails now and did not then; what passed then and was not measured now is missing."""
        before = {each.id: each for each in baseline(seen).card.findings}
        chosen = self._chosen(seen.card)
        failed = [each for each in chosen if failing(each) and not (each.id in before and failing(before[each.id]))]
        lost = [each for each in chosen if not each.state.is_answer and _passed(before.get(each.id))]
        here = {each.id for each in seen.card.findings}
        gone = sum(_passed(each) for name, each in before.items() if name not in here and self._means(each))
        yield self._counted(failed, len(lost) + gone, seen, "new")

    def _means(self, one: Finding) -> bool:
        named = not self.findings or any(fnmatchcase(one.id, pattern) for pattern in self.findings)
        return named and self.candidate in (None, one.candidate)


class NoRegressions(Rule, frozen=True, kw_only=True):
    """No figure is shown to be worse than in the baseline, by more than margin and interval."""

    asks: ClassVar[str] = "regressions"
    needs_baseline: ClassVar[bool] = True
    figures: tuple[str, ...] = ()  # patterns of their ids: of findings, or of questions and paths
    at_most: Few = 0

    def answers(self, seen: Seen) -> Iterator[Answer]:
        """Compare with the baseline; on another machine nothing is told."""
        found = compare(baseline(seen), seen.run)
        ids = [each.id for each in found.figures]
        for pattern in self.figures:
            if not any(fnmatchcase(each, pattern) for each in ids):
                raise registry.unknown("figure of both runs", pattern, ids)
        chosen = [each for each in found.figures if not self.figures or _matches(each.id, self.figures)]
        worse = [each for each in chosen if each.moved == "worse"]
        left = [each for each in worse if each.id not in seen.waived]
        told = [each for each in chosen if each.ratio is not None]
        named = ", ".join(f"{each.id} ({each.why})" for each in left[:_NAMED])
        measured = f"{len(left)} of {len(told)} shown to be worse" + (f": {named}" if named else "")
        measured = measured if found.same_machine else "runs of different machines: nothing is told"
        yield Answer(
            outcome="failed" if len(left) > self.at_most else "passed" if told else "missing",
            measured=measured,
            wanted=f"at most {self.at_most}",
            waived=tuple(each.id for each in worse if each.id in seen.waived),
        )


class NotArchived(Rule, frozen=True, kw_only=True):
    """Nothing that its makers no longer maintain served anything, of one candidate or of all."""

    asks: ClassVar[str] = "lifecycle"
    candidate: str | None = None

    def answers(self, seen: Seen) -> Iterator[Answer]:
        """Look at the servers that answered, and at what the register of upkeep says of the paths of the run."""
        if self.candidate is not None:
            one_of("candidate", self.candidate, {each.framework for each in seen.card.cells})
        cells = [cell for cell in seen.card.cells if self.candidate in (None, cell.framework)]
        used = sorted({cell.server for cell in cells if cell.server and cell.outcome.is_answer})
        gone = [f"{seen.card.title('server', each)} is archived" for each in used if each in seen.card.archived]
        known = () if seen.card.upkeep is None else seen.card.upkeep.paths
        ways = [each for each in known if self.candidate in (None, each.framework)]
        gone += [f"{each.title} rests on what is archived" for each in ways if each.status == "archived"]
        none = f"{len(used)} servers and {len(ways)} paths, none archived"
        measured = "; ".join(gone) or (none if used or ways else "no server answered")
        outcome: Outcome = "failed" if gone else "passed" if used or ways else "missing"
        yield Answer(outcome=outcome, measured=measured, wanted="nothing archived")


class CriteriaFixed(Rule, frozen=True, kw_only=True):
    """The criteria were fixed before the run; of a name, where one is given."""

    asks: ClassVar[str] = "criteria"
    name: str | None = None

    def answers(self, seen: Seen) -> Iterator[Answer]:
        """Rule on when the criteria were given; a run without a record of them does not tell."""
        used = seen.card.criteria
        wanted = "fixed before the run" if self.name is None else f"{self.name}, fixed before the run"
        if used is None:
            yield Answer(outcome="missing", measured="the run has no record of criteria", wanted=wanted)
            return
        right = used.fixed and self.name in (None, used.record.name)
        when = "fixed before the run" if used.fixed else "given after its results"
        measured = f"{used.record.name}, {when} (sha256 {used.sha256[:12]})"
        yield Answer(outcome="passed" if right else "failed", measured=measured, wanted=wanted)


RULES: Mapping[str, type[Rule]] = {
    kind.asks: kind
    for kind in (
        AtLeastVerdict,
        AtLeastScore,
        AtLeastCoverage,
        Limit,
        NoFailures,
        NoNewFailures,
        NoRegressions,
        NotArchived,
        CriteriaFixed,
    )
}


def failing(one: Finding) -> bool:
    """Tell whether a finding speaks against its subject."""
    return one.state.is_answer and one.state.value != "passed"


def baseline(seen: Seen) -> Told:
    """Return what a run is compared with; `UsageError` where nobody gave one."""
    if seen.baseline is None:
        raise UsageError("a rule compares with a baseline, and there is none", remedy="--baseline RUN")
    return seen.baseline


def one_of(what: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name that nothing bears, with the nearest one."""
    names = tuple(known)
    if name not in names:
        raise registry.unknown(what, name, names)


def _passed(one: Finding | None) -> bool:
    return one is not None and one.state.value == "passed"


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
