"""What is really different between two runs: verdicts, findings, answers, figures, paths, packages, criteria. Pure.

A score that moved with its figure has really changed only where the figure has (`figures`). Comparing a run with itself
finds nothing, and exchanging the two mirrors all that is found; tests hold that.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import msgspec

from evaluator.core.outcome import Outcome
from evaluator.core.records import Machine, Record, RunRecord
from evaluator.core.scorecard import Comparison, Finding, PathChoice, Scorecard, relative_difference
from evaluator.following import figures as side_by_side
from evaluator.following.figures import FigureChange

Change = Literal["appeared", "went", "state", "score"]
_SAME_MEMORY = 0.02  # relative: a machine that was started anew has a little more, or less
_SHIFTED = 5  # figures that must have an interval before it is said that all of them moved together
_SCORES = 1e-9


class Side(Record, frozen=True, kw_only=True):
    """One of the two runs."""

    run: str
    created_at: str
    fweval: str
    profile: str
    machine: str


class VerdictChange(Record, frozen=True, kw_only=True):
    """A framework's verdict, score and coverage in one scenario, or over all; None where a run has none."""

    candidate: str
    scenario: str | None
    verdicts: tuple[str | None, str | None]
    scores: tuple[float | None, float | None]
    coverages: tuple[float | None, float | None]


class FindingChange(Record, frozen=True, kw_only=True):
    """A finding that appeared, went, ended otherwise or has another score, and why."""

    id: str
    subject: str
    change: Change
    states: tuple[Outcome | None, Outcome | None]
    scores: tuple[float | None, float | None]
    cause: str
    shown: bool  # False: its score moved with a figure that is not shown to differ


class AnswerChange(Record, frozen=True, kw_only=True):
    """A comparison of the frameworks that is answered otherwise."""

    id: str
    answers: tuple[str | None, str | None]  # "different", "equivalent", … ; None: not compared
    winners: tuple[str | None, str | None]
    statements: tuple[str, str]


class PathChange(Record, frozen=True, kw_only=True):
    """A question whose set of the best paths is another."""

    question: str
    scenario: str
    device: str
    best: tuple[tuple[str, ...], tuple[str, ...]]
    entered: tuple[str, ...]
    left: tuple[str, ...]


class NamedChange(Record, frozen=True, kw_only=True):
    """Something that has a name and another value: a package's version, a part of the criteria."""

    name: str
    values: tuple[str | None, str | None]


class Differences(Record, frozen=True, kw_only=True):
    """All that is different from a first run to a second one."""

    before: Side
    after: Side
    same_machine: bool
    cautions: tuple[str, ...]
    shift: float | None  # the median of all ratios that have an interval
    verdicts: tuple[VerdictChange, ...]
    findings: tuple[FindingChange, ...]
    comparisons: tuple[AnswerChange, ...]
    figures: tuple[FigureChange, ...]  # all that both runs have, also those that are not shown to differ
    paths: tuple[PathChange, ...]
    packages: tuple[NamedChange, ...]
    criteria: tuple[NamedChange, ...]

    @property
    def nothing(self) -> bool:
        """Whether nothing is shown to be different."""
        said = (self.verdicts, self.comparisons, self.paths, self.packages, self.criteria)
        shown = any(each.shown for each in self.findings) or any(each.shown for each in self.figures)
        return not any(said) and not shown


@dataclass(frozen=True, slots=True)
class Told:
    """What is looked at of one run: its scorecard, and what it was asked for."""

    card: Scorecard
    run: RunRecord


def compare(before: Told, after: Told) -> Differences:
    """Return what is different from one run to another."""
    here = same_machine(before.card.machine, after.card.machine)
    other = {name for name, _ in _otherwise(before, after)}
    figures = side_by_side.compare(before.card, after.card, here=here, other=other)
    known = {each.id: each for each in figures}
    told = [each.ratio.value for each in figures if each.ratio is not None and each.ratio.low is not None]
    shift = median(told) if len(told) >= _SHIFTED else None
    return Differences(
        before=_side(before.card),
        after=_side(after.card),
        same_machine=here,
        cautions=tuple(_cautions(before, after, here=here, shift=shift)),
        shift=shift,
        verdicts=tuple(_verdicts(before.card, after.card)),
        findings=tuple(_findings(before.card, after.card, known)),
        comparisons=tuple(_answers(before.card.comparisons, after.card.comparisons)),
        figures=figures,
        paths=tuple(_paths(before.card.paths, after.card.paths)),
        packages=tuple(_named(_packages(before), _packages(after))),
        criteria=tuple(_named(_criteria(before.card), _criteria(after.card))),
    )


def same_machine(one: Machine, other: Machine) -> bool:
    """Tell whether two runs were made on machines of one kind: more is not recorded of a machine."""
    alike = all(getattr(one, name) == getattr(other, name) for name in ("cpu", "cores", "gpu", "cpu_quota_cores"))
    memory = (one.memory_bytes, other.memory_bytes)
    return alike and min(memory) > 0 and relative_difference(memory[0] / memory[1]) <= _SAME_MEMORY


def _side(card: Scorecard) -> Side:
    return Side(
        run=card.run,
        created_at=card.created_at,
        fweval=card.fweval,
        profile=card.profile,
        machine=card.machine.processor,
    )


def _cautions(before: Told, after: Told, *, here: bool, shift: float | None) -> Iterator[str]:
    """Say what keeps two runs from being compared as they stand."""
    one, two = before.card, after.card
    if here:
        yield (
            "the two runs were not measured in turns: what the machine did in between is in every figure, and in no "
            "interval; only differences beyond the margin and the interval count"
        )
    else:
        kinds = f"{one.machine.processor} and {two.machine.processor}"
        yield f"different machines ({kinds}): figures stand side by side, without ratios"
    margin = one.policy.margin
    if shift is not None and relative_difference(shift) > margin:
        yield (
            f"all figures together moved by a factor of {shift:.2f} (median): that speaks of the machine, or of what "
            "all of them rest on, rather than of one candidate"
        )
    if one.fweval != two.fweval:
        yield f"different versions of fweval ({one.fweval} and {two.fweval}): rules may differ, too"
    if one.profile != two.profile:
        yield f"different profiles ({one.profile} and {two.profile}): one was measured longer than the other"
    for name, what in _otherwise(before, after):
        yield f"the scenario {name} was defined otherwise ({what}): its figures stand side by side, without ratios"
    for what in ("system", "python", "threads_wished"):
        values = (getattr(one.machine, what), getattr(two.machine, what))
        if here and values[0] != values[1]:
            yield f"another {what.replace('threads_wished', 'OMP_NUM_THREADS')}: {values[0]} and {values[1]}"
    if before.run.seed != after.run.seed:
        yield f"different seeds ({before.run.seed} and {after.run.seed}): other weights and examples"


def _otherwise(before: Told, after: Told) -> Iterator[tuple[str, str]]:
    """Yield the scenarios that both runs have and that mean something else, and what of them does."""
    mine, other = before.run.scenarios, after.run.scenarios
    for name in (each for each in mine if each in other):
        apart = _keys(meaning(mine[name]), meaning(other[name]))
        if apart:
            yield name, ", ".join(apart[:3])


def meaning(scenario: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a scenario changes what is measured: not words, and not what figures are set against."""
    return {key: each for key, each in scenario.items() if key not in ("title", "summary", "targets", "margin")}


def _keys(one: Any, other: Any, prefix: str = "") -> list[str]:
    """Name what differs between two tables, the keys of either."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return [] if one == other else [prefix]
    names = sorted({*one, *other})
    return [key for each in names for key in _keys(one.get(each), other.get(each), f"{prefix}.{each}".lstrip("."))]


def _verdicts(before: Scorecard, after: Scorecard) -> Iterator[VerdictChange]:
    mine = {(each.candidate, each.scenario): each for each in before.scores}
    other = {(each.candidate, each.scenario): each for each in after.scores}
    for key in sorted({*mine, *other}, key=lambda each: (each[1] is not None, each[1] or "", each[0])):
        one, two = mine.get(key), other.get(key)
        verdicts = (one.verdict if one else None, two.verdict if two else None)
        if verdicts[0] != verdicts[1]:
            yield VerdictChange(
                candidate=key[0],
                scenario=key[1],
                verdicts=verdicts,
                scores=(one.overall if one else None, two.overall if two else None),
                coverages=(one.coverage if one else None, two.coverage if two else None),
            )


def _findings(before: Scorecard, after: Scorecard, figures: Mapping[str, FigureChange]) -> Iterator[FindingChange]:
    mine = {each.id: each for each in before.findings}
    other = {each.id: each for each in after.findings}
    for name in sorted({*mine, *other}):
        one, two = mine.get(name), other.get(name)
        found = _changed(one, two, figures.get(name))
        if found is not None:
            change, cause, shown = found
            yield FindingChange(
                id=name,
                subject=(two or one).subject,  # type: ignore[union-attr]  # one of them has the name
                change=change,
                states=(one.state if one else None, two.state if two else None),
                scores=(one.score if one else None, two.score if two else None),
                cause=cause,
                shown=shown,
            )


def _changed(one: Finding | None, two: Finding | None, figure: FigureChange | None) -> tuple[Change, str, bool] | None:
    """Say what is different about a finding, why, and whether that is shown; None where nothing is."""
    if one is None or two is None:
        known = two or one
        return ("appeared" if one is None else "went"), known.reason if known else "", True
    if one.state is not two.state or (one.score is None) is not (two.score is None):
        return "state", two.reason if one.state is not two.state else f"{one.reason} → {two.reason}", True
    if one.score is None or two.score is None or abs(one.score - two.score) <= _SCORES:
        return None
    causes = list(_causes(one, two))
    if causes or figure is None:
        return "score", "; ".join(causes) or f"{one.reason} → {two.reason}", True
    return "score", f"its figure: {figure.why}", figure.shown


def _causes(one: Finding, two: Finding) -> Iterator[str]:
    """Name what of a score is no figure."""
    if one.target != two.target:
        yield "another target"
    if one.provisional is not two.provisional:
        yield "a stand-in answered for a server in one of the runs"
    if one.metric != two.metric:
        yield "another metric"
    if one.formula != two.formula and one.target == two.target:
        yield "another formula"


def _answers(before: Iterable[Comparison], after: Iterable[Comparison]) -> Iterator[AnswerChange]:
    mine, other = ({each.id: each for each in side} for side in (before, after))
    for name in sorted({*mine, *other}):
        one, two = mine.get(name), other.get(name)
        answers = (one.answer if one else None, two.answer if two else None)
        winners = (one.winner if one else None, two.winner if two else None)
        if answers[0] != answers[1] or winners[0] != winners[1]:
            said = (one.statement if one else "not asked", two.statement if two else "not asked")
            yield AnswerChange(id=name, answers=answers, winners=winners, statements=said)


def _paths(before: Iterable[PathChoice], after: Iterable[PathChoice]) -> Iterator[PathChange]:
    def best(choices: Iterable[PathChoice]) -> dict[tuple[str, str, str], tuple[str, ...]]:
        return {(each.question, each.scenario, each.device): tuple(one.title for one in each.best) for each in choices}

    mine, other = best(before), best(after)
    for key in sorted({*mine, *other}):
        one, two = mine.get(key, ()), other.get(key, ())
        if set(one) != set(two):
            yield PathChange(
                question=key[0],
                scenario=key[1],
                device=key[2],
                best=(one, two),
                entered=tuple(title for title in two if title not in one),
                left=tuple(title for title in one if title not in two),
            )


def _packages(told: Told) -> dict[str, str]:
    """Return the versions of what was installed; of older runs those that the machine's record names."""
    return dict(told.run.packages or told.card.machine.versions)


def _criteria(card: Scorecard) -> dict[str, str]:
    """Return what scores were computed by, part by part."""
    whole = {"policy": card.policy, "criteria": getattr(card, "criteria", None)}
    return dict(_leaves(msgspec.to_builtins({name: each for name, each in whole.items() if each is not None})))


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(each, f"{prefix}.{name}".lstrip("."))
    else:
        yield prefix, value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _named(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[NamedChange]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield NamedChange(name=name, values=(before.get(name), after.get(name)))
