"""What could not be measured, why, and how to get it: the honest half of every evaluation."""

from dataclasses import dataclass
from typing import ClassVar

from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Comparison, Scorecard
from evaluator.report import _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Item, Items, Line, Prose, Text, lines

# Answers that score nothing -> what is said once of all of them; the comparison has the figures of each.
_UNANSWERED = {
    "undecided": "undecided which framework is better",
    "disturbed": "this machine was too disturbed to tell which framework is better",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmeasured:
    """Something that could not be measured: why, what would change that, and what it concerns."""

    reason: str
    remedy: str | None
    affected: tuple[str, ...]


class Gaps(Section):
    """Reasons with their remedies, each once."""

    name: ClassVar[str] = "gaps"
    title: ClassVar[str] = "What could not be measured, and how to get it"
    short: ClassVar[str] = "Not measured"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return each reason with all that it concerns."""
        found = unmeasured(card)
        if not found:
            return (Prose(line=("Everything that was asked for was measured.",)),)
        return (Items(items=tuple(_item(each) for each in found)),)

    def brief(self, card: Scorecard) -> tuple[Block, ...]:
        """Return how much that is, and the reason that concerns most of it."""
        found = unmeasured(card)
        if not found:
            return ()
        most, count = max(found, key=lambda each: len(each.affected)), sum(len(each.affected) for each in found)
        reasons = "" if len(found) == 1 else f" for {len(found)} reasons, {len(most.affected)} of them"
        told = f"Not measured: {_counted(count)}{reasons}: {_format.clipped(most.reason)}"
        return (Prose(line=(told,)),)


def unmeasured(card: Scorecard) -> tuple[Unmeasured, ...]:
    """Return what could not be measured, grouped by reason and remedy; findings only where no cell says the same."""
    affected: dict[tuple[str, str | None], list[str]] = {}
    for cell in card.cells:
        if cell.standard and not cell.outcome.is_answer and cell.outcome is not Outcome.NOT_APPLICABLE:
            affected.setdefault((cell.reason or _cells.NO_REASON, cell.remedy), []).append(_cells.told(card, cell))
    known = {reason for reason, _ in affected}
    unanswered = {_place(each): each.answer for each in card.comparisons if each.answer in _UNANSWERED}
    for finding in card.findings:
        missing = finding.score is None and finding.state is not Outcome.NOT_APPLICABLE
        if missing and finding.reason not in known:
            answer = unanswered.get((str(finding.metric), finding.scenario, finding.path, finding.device))
            reason = _UNANSWERED[answer] if answer else finding.reason
            what = (
                card.title("check", finding.check),
                finding.scenario,
                _format.framework(finding.candidate),
                finding.subject,
            )
            affected.setdefault((reason, finding.remedy), []).append(_cells.joined(what))
    return tuple(Unmeasured(reason=why, remedy=how, affected=tuple(what)) for (why, how), what in affected.items())


def _place(asked: Comparison) -> tuple[str, str, str | None, str]:
    return asked.metric, asked.scenario, asked.path, asked.device


def _item(found: Unmeasured) -> Item:
    remedy: tuple[Line, ...] = ((f"To get it: {found.remedy}",),) if found.remedy else ()
    return Item(
        lines=lines(Text(found.reason, "strong"), *remedy),
        more_title=_counted(len(found.affected)),
        more=found.affected,
    )


def _counted(number: int) -> str:
    return f"{number} {'step or finding' if number == 1 else 'steps or findings'}"


plugin = Gaps()
