"""What did not pass, cause by cause: each reason once, with all that it concerns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evaluator.core.outcome import Outcome
from evaluator.core.records import Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells, _format
from evaluator.report._blocks import Chip, Item, Line, Text, lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why something ended as it did, and what it concerns."""

    outcome: Outcome
    reason: str
    remedy: str | None
    affected: Sequence[str] = field(default_factory=list)


def of_cells(card: Scorecard, cells: Iterable[Cell]) -> tuple[Cause, ...]:
    """Group steps by how they ended and why."""
    found: dict[tuple[Outcome, str, str | None], list[str]] = {}
    for cell in cells:
        cause = (cell.outcome, cell.reason or _cells.NO_REASON, cell.remedy)
        found.setdefault(cause, []).append(_cells.told(card, cell))
    return tuple(_cause(key, what) for key, what in found.items())


def _cause(key: tuple[Outcome, str, str | None], affected: Sequence[str]) -> Cause:
    outcome, reason, remedy = key
    return Cause(outcome=outcome, reason=reason, remedy=remedy, affected=tuple(dict.fromkeys(affected)))


def entry(cause: Cause, things: str = "steps") -> Item:
    """Return a cause as one entry of a list: what happened, where, and what to do."""
    chip = Chip(_format.words(cause.outcome), _format.TONES[cause.outcome])
    remedy: tuple[Line, ...] = ((Text(f"Remedy: {cause.remedy}", "soft"),) if cause.remedy else (),)
    one = len(cause.affected) == 1
    head: Line = (chip, f" {cause.affected[0]}: {cause.reason}") if one else (chip, f" {cause.reason}")
    if one:
        return Item(lines=lines(head, *filter(None, remedy)))
    title = f"{len(cause.affected)} {things}"
    return Item(lines=lines(head, *filter(None, remedy)), more_title=title, more=tuple(cause.affected))


def counted(outcomes: Iterable[Outcome]) -> str:
    """Count endings: "7 failed, 23 passed, 2 unavailable"."""
    found: Mapping[Outcome, int] = _tally(outcomes)
    return ", ".join(f"{number} {_format.words(outcome)}" for outcome, number in found.items())


def _tally(outcomes: Iterable[Outcome]) -> dict[Outcome, int]:
    """Count in an order in which what speaks against the subject comes first."""
    given = list(outcomes)
    order = sorted(Outcome, key=lambda each: (each is Outcome.PASSED, not each.is_answer))
    return {outcome: given.count(outcome) for outcome in order if outcome in given}
