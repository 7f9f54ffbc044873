"""What somebody answers for, although it failed: with a reason, a name and an end. It changes no score."""

from datetime import date
from typing import ClassVar

from evaluator.core.scorecard import Scorecard
from evaluator.core.waivers import REASONS, Waiver
from evaluator.report import _format
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Chip, Lines, Table, Text, column, lines, soft


class Waivers(Section):
    """The waivers that lie in the run folder, and what each is of."""

    name: ClassVar[str] = "waivers"
    title: ClassVar[str] = "What somebody answers for"
    short: ClassVar[str] = "Waivers"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return a row for each waiver; without any there is nothing to show."""
        if not card.waivers:
            return ()
        columns = tuple(column(title) for title in ("Of", "In this run", "Reason", "Who", "Until"))
        rows = tuple(_row(card, each) for each in card.waivers.values())
        table = Table(caption="Waivers", columns=columns, rows=rows, layout="stacked")
        return (soft("A waiver changes no score: it keeps `fweval gate` from failing until its day."), table)


def _row(card: Scorecard, one: Waiver) -> tuple[Lines, ...]:
    found = next((each for each in card.findings if each.id == one.of), None)
    here: Lines = lines(Text("no finding of it", "missing"))
    if found is not None:
        here = lines(Chip(_format.words(found.state.value), _format.TONES[found.state]))
    ended = not one.counts(date.fromisoformat(card.created_at[:10]))
    until = (
        (one.until.isoformat(), Text(" ended before this run: no waiver", "flag"))
        if ended
        else (one.until.isoformat(),)
    )
    note = one.note or REASONS[one.reason]
    return (lines(Text(one.of, "code")), here, lines(one.reason, Text(note, "soft")), lines(one.who), lines(until))


plugin = Waivers()
