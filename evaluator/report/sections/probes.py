"""What operators, clients and networks do to a server, done to each: every probe on every server."""

from typing import ClassVar

from evaluator.core import metrics
from evaluator.core.metrics import key
from evaluator.core.outcome import Outcome
from evaluator.core.records import Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells, _format, _servers
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Chip, Column, FrameworkName, Table, column, lines, soft

READING = (
    "What operators, clients and networks do to a server, done to each of these; the findings below say what to do "
    "about it."
)


class Probes(Section):
    """A row per probe, a column per server."""

    name: ClassVar[str] = "probes"
    title: ClassVar[str] = "Operations"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing when no server was probed."""
        cells = _servers.served(card, "probe")
        names = probed(cells)
        if not names:
            return ()
        heads = (
            Column(title=(*lines(cell.scenario, FrameworkName(cell.framework)), *_servers.name(card, cell)))
            for cell in cells
        )
        rows = tuple((lines(_format.words(name)), *(lines(showed(cell, name)) for cell in cells)) for name in names)
        caption = "Every probe on every server"
        return (soft(READING), Table(caption=caption, columns=(column("Probe"), *heads), rows=rows, layout="wide"))


def probed(cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """Return the probes that left an outcome in any of the cells."""
    found = (figure for cell in cells for figure in metrics.select(cell.figures, "outcome"))
    return tuple(dict.fromkeys(str(figure.labels["probe"]) for figure in found))


def showed(cell: Cell, probe: str) -> Chip:
    """Return what one probe showed on one server, and what happened."""
    ended, told = (metrics.find(cell, key(name, probe=probe)) for name in ("outcome", "reason"))
    outcome = Outcome.UNAVAILABLE if ended is None else Outcome(str(ended.value))
    reason = _cells.NO_REASON if told is None else str(told.value)
    return Chip(_format.words(outcome), _format.TONES[outcome], note=reason)


plugin = Probes()
