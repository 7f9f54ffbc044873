"""The figures of two runs, side by side: which of them really moved. Pure.

Two runs were not measured in turns: what happened to the machine between them is in every figure, and no interval of
either run knows of it. So a figure counts as moved only where its ratio lies beyond the margin, with one error rate
over all figures (Holm). The interval is that of two independent measurements: the standard errors of both logarithms,
combined. From three rounds on the rounds carry each; with fewer it is what the run's own interval says, and what two
starts differ by (`measure.pairs`). Without either nothing is told, and that is said.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from math import hypot, log, sqrt
from statistics import NormalDist, fmean, stdev
from typing import Any, Literal

from evaluator.core import metrics
from evaluator.core.coordinates import axes
from evaluator.core.records import Cell, Record
from evaluator.core.scorecard import Candidate, Finding, Interval, PathChoice, Scorecard, relative_difference
from evaluator.measure import pairs
from evaluator.measure.pairs import Estimate

Moved = Literal["better", "worse", "changed", "equivalent", "undecided", "not told"]
_NORMAL = NormalDist().inv_cdf((1 + pairs.CONFIDENCE) / 2)


class FigureChange(Record, frozen=True, kw_only=True):
    """One figure of both runs."""

    id: str  # of its finding, or of the question and the path that it belongs to
    subject: str
    metric: str
    unit: str
    lower_is_better: bool | None  # None: neither direction is better
    values: tuple[Interval, Interval]
    ratio: Interval | None  # after / before; None where it is not told
    moved: Moved
    why: str

    @property
    def shown(self) -> bool:
        """Whether it is shown to differ."""
        return self.moved in ("better", "worse", "changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFigure:
    """One figure of one run."""

    id: str
    scenario: str
    subject: str
    metric: str
    unit: str
    value: Interval
    rounds: Mapping[int, float] = field(default_factory=dict)
    disturbed: bool = False  # others had the machine: it says nothing

    @property
    def counted(self) -> bool:
        """Whether it is exact."""
        about = metrics.known(self.metric)
        return about is not None and about.provenance == metrics.COUNTED

    @property
    def estimate(self) -> Estimate | None:
        """The logarithm with its standard error; None where nothing is known of how far it is off."""
        if self.disturbed:
            return None
        count = len(self.rounds)
        if count >= pairs.CARRYING:
            logs = [log(each) for each in self.rounds.values()]
            error = stdev(logs) / sqrt(count)
            return Estimate(log=fmean(logs), error=error, freedom=count - 1, pairs=count, rounds=count)
        low, high = self.value.low, self.value.high
        if low is None or high is None or low <= 0:
            return None
        within = (log(high) - log(low)) / (2 * _NORMAL)
        error = hypot(within, pairs.START_DEVIATION / sqrt(max(1, count)))
        return Estimate(log=log(self.value.value), error=error, pairs=1, rounds=max(1, count))


def compare(before: Scorecard, after: Scorecard, *, here: bool, other: Collection[str]) -> tuple[FigureChange, ...]:
    """Set the figures that both runs have side by side.

    Without a ratio where the machines differ (not `here`), and in scenarios that mean something `other`.
    """
    mine, others = (of(card) for card in (before, after))
    both = [name for name in mine if name in others and mine[name].metric == others[name].metric]
    ratios = {name: _ratio(mine[name], others[name]) for name in both if here and mine[name].scenario not in other}
    sampled = [name for name, each in ratios.items() if each is not None and each.error]
    margin = before.policy.margin
    beyond = pairs.holm([_beyond(ratios[name], margin) for name in sampled])
    rejected = {name for name, each in zip(sampled, beyond, strict=True) if each}
    return tuple(
        _moved(mine[name], others[name], ratios.get(name), margin=margin, beyond=name in rejected, here=name in ratios)
        for name in both
    )


def _beyond(ratio: Estimate | None, margin: float) -> float:
    """Return the p of a difference in either direction."""
    if ratio is None:
        return 1.0
    return min(1.0, 2 * min(ratio.beyond(margin), ratio.inverse.beyond(margin)))


def _ratio(one: MeasuredFigure, two: MeasuredFigure) -> Estimate | None:
    """Return after / before of two independent measurements; None where it cannot be told."""
    if one.value.value <= 0 or two.value.value <= 0:
        return None
    if one.counted:
        return Estimate(log=log(two.value.value) - log(one.value.value), error=0.0, pairs=1, rounds=1)
    mine, other = one.estimate, two.estimate
    return None if mine is None or other is None else other.times(mine.inverse)


def _moved(
    one: MeasuredFigure, two: MeasuredFigure, ratio: Estimate | None, *, margin: float, beyond: bool, here: bool
) -> FigureChange:
    about = metrics.known(one.metric)
    lower = None if about is None or about.better == "neither" else about.better == "lower"
    interval = None if ratio is None else ratio.interval() if ratio.error else _exact(ratio)
    moved, why = _verdict(interval, margin, beyond=beyond, lower=lower)
    if not here:
        why = "without a ratio: another machine, or another scenario of this name"
    elif one.disturbed or two.disturbed:
        why = "too disturbed to rank in one of the runs: not told"
    elif one.subject != two.subject:
        why = f"{why}; of {two.subject}, before of {one.subject}"
    return FigureChange(
        id=one.id,
        subject=two.subject,
        metric=one.metric,
        unit=one.unit,
        lower_is_better=lower,
        values=(one.value, two.value),
        ratio=interval,
        moved=moved,
        why=why,
    )


def _exact(ratio: Estimate) -> Interval:
    return Interval(value=ratio.interval().value, low=None, high=None)


def _verdict(interval: Interval | None, margin: float, *, beyond: bool, lower: bool | None) -> tuple[Moved, str]:
    """Say how a figure moved, and in words what that rests on."""
    if interval is None:
        return "not told", "no interval: not told"
    exact = interval.low is None
    grew = interval.value > 1
    if beyond or (exact and relative_difference(interval.value) > margin):
        if lower is None:
            return "changed", f"{interval.value:.2f} times what it was"
        return ("worse" if grew is lower else "better"), f"{interval.value:.2f} times what it was"
    if exact or pairs.answer(interval, margin) == "equivalent":
        return "equivalent", f"within the margin of {100 * margin:.3g} %"
    return "undecided", "not shown to differ by more than the margin"


def of(card: Scorecard) -> dict[str, MeasuredFigure]:
    """Return the figures that a scorecard's findings and paths rest on, by id."""
    cells = {cell.evidence: cell for cell in card.cells}
    alike: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in card.cells:
        alike.setdefault(_place(cell), []).append(cell)
    found = {each.id: each for finding in card.findings for each in _of_finding(finding, cells, alike)}
    known = {(each.metric, each.scenario, each.value.value) for each in found.values()}
    for choice in card.paths:
        for candidate in (*choice.best, *choice.others, *choice.unranked):
            for each in _of_path(choice, candidate, cells, alike):
                if (each.metric, each.scenario, each.value.value) not in known:
                    found.setdefault(each.id, each)
    return found


def _place(cell: Cell) -> tuple[Any, ...]:
    """Return what cells have in common that are rounds of one measurement."""
    return tuple(getattr(cell, axis.name) for axis in axes(Cell) if axis.name != "round")


_Cells = Mapping[str, Cell]
_Alike = Mapping[tuple[Any, ...], list[Cell]]


def _of_finding(finding: Finding, cells: _Cells, alike: _Alike) -> Iterator[MeasuredFigure]:
    if finding.value is None or finding.metric is None or finding.unit is None:
        return
    folders = [ref.path.rpartition("/")[0] for ref in finding.evidence]
    value = finding.interval or Interval(value=finding.value, low=None, high=None)
    first = next((cells[folder] for folder in folders if folder in cells), None)
    yield MeasuredFigure(
        id=finding.id,
        scenario=finding.scenario,
        subject=finding.subject,
        metric=finding.metric,
        unit=finding.unit,
        value=value,
        rounds=_rounds(first, alike, finding.metric),
        disturbed=not finding.state.is_answer,
    )


def _of_path(choice: PathChoice, candidate: Candidate, cells: _Cells, alike: _Alike) -> Iterator[MeasuredFigure]:
    if candidate.figure is None:
        return
    yield MeasuredFigure(
        id=f"{choice.question}/{choice.scenario}/{choice.device}/{candidate.title}",
        scenario=choice.scenario,
        subject=candidate.title,
        metric=choice.metric,
        unit=choice.unit,
        value=candidate.figure,
        rounds=_rounds(cells.get(candidate.evidence), alike, choice.metric),
        disturbed=candidate in choice.unranked,
    )


def _rounds(first: Cell | None, alike: _Alike, metric: str) -> dict[int, float]:
    """Return the figure round by round, where a step has one of that name: a median where it is a sample."""
    told: dict[int, float] = {}
    for cell in () if first is None else alike[_place(first)]:
        plain = metrics.number(cell.metrics.get(metric))
        medians = metrics.select(cell.figures, metric, statistic="median")
        number = plain if plain is not None or len(medians) != 1 else metrics.number(medians[0].value)
        if number is not None and number > 0:
            told[cell.round] = number
    return told
