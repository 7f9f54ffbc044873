"""What operators, clients and networks do to a server, done to each: every probe on every server."""

from typing import ClassVar

from evaluator.core import metrics
from evaluator.core.metrics import key
from evaluator.core.outcome import Outcome
from evaluator.core.records import Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells, _format, _servers
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Chip,
    Column,
    Folded,
    Item,
    Items,
    Table,
    column,
    item,
    lines,
    soft,
)

READING = (
    "What operators, clients and networks do to a server, done to each of these; the findings below say what to do "
    "about it."
)


class Probes(Section):
    """A row per probe, a column per server."""

    name: ClassVar[str] = "probes"
    title: ClassVar[str] = "Operations"
    appendix: ClassVar[bool] = True

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing when no server was probed."""
        cells = _servers.served(card, "probe")
        names = probed(cells)
        if not names:
            return ()
        heads = (Column(title=_servers.head(card, cell)) for cell in cells)
        rows = tuple(
            (lines(card.title("probe", name)), *(lines(_chip(showed(cell, name)[0])) for cell in cells))
            for name in names
        )
        caption = "Every probe on every server"
        table = Table(caption=caption, columns=(column("Probe"), *heads), rows=rows, layout="wide")
        return (soft(READING), table, *_reasons(card, cells, names))


def _reasons(card: Scorecard, cells: tuple[Cell, ...], names: tuple[str, ...]) -> tuple[Block, ...]:
    """Say what happened: of what did not pass, and folded of what did."""
    told: dict[bool, list[Item]] = {True: [], False: []}
    for name in names:
        for cell in cells:
            outcome, reason = showed(cell, name)
            about = f" {card.title('probe', name)} · {_format.framework(cell.framework)} · {cell.scenario}: {reason}"
            told[outcome is Outcome.PASSED].append(item((_chip(outcome), about)))
    failed, passed = (Items(items=tuple(told[each])) for each in (False, True))
    return (
        *((Folded(title=f"What did not pass: {len(failed.items)}", blocks=(failed,)),) if failed.items else ()),
        *((Folded(title=f"What passed: {len(passed.items)}", blocks=(passed,)),) if passed.items else ()),
    )


def probed(cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """Return the probes that left an outcome in any of the cells."""
    found = (figure for cell in cells for figure in metrics.select(cell.figures, "outcome"))
    return tuple(dict.fromkeys(str(figure.labels["probe"]) for figure in found))


def showed(cell: Cell, probe: str) -> tuple[Outcome, str]:
    """Return what one probe showed on one server, and what happened."""
    ended, told = (metrics.find(cell, key(name, probe=probe)) for name in ("outcome", "reason"))
    outcome = Outcome.UNAVAILABLE if ended is None else Outcome(str(ended.value))
    reason = _cells.NO_REASON if told is None else str(told.value)
    return outcome, reason


def _chip(outcome: Outcome) -> Chip:
    return Chip(_format.words(outcome), _format.TONES[outcome])


plugin = Probes()
