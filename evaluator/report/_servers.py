"""The cells of stages that start servers, as sections show them: one row each, with the same figures side by side."""

from evaluator.core import metrics
from evaluator.core.metrics import Key
from evaluator.core.records import Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells, _format
from evaluator.report._blocks import FrameworkName, Line, Lines, Table, Text, column, lines

Columns = tuple[tuple[str, tuple[Key, ...]], ...]  # a title, and the figures that stand below each other


def served(card: Scorecard, stage: str = "serve") -> tuple[Cell, ...]:
    """Return the cells of a stage that starts servers, those of one scenario and framework together.

    Under load and probes, only what was tried: why the others were not stands in the rows of `serve`.
    """
    order = _cells.scenarios(card)
    cells = [cell for cell in _cells.select(card, stage) if stage == "serve" or cell.outcome.is_answer]
    return tuple(sorted(cells, key=lambda cell: (order.index(cell.scenario), _cells.place(cell.framework))))


def table(card: Scorecard, stage: str, columns: Columns, caption: str) -> Table:
    """Return a row for every server of a stage; where it left no figures, why not."""
    titles = ("Scenario, framework", "Server", "Outcome", *(title for title, _ in columns))
    return Table(
        caption=caption,
        columns=tuple(column(title) for title in titles),
        rows=tuple(_row(card, cell, columns) for cell in served(card, stage)),
        otherwise="No server was tried.",
        layout="wide",
        shown_caption=True,
    )


def name(card: Scorecard, cell: Cell) -> Lines:
    """Name a server and how it was started; one that is only a stand-in says so."""
    started = ", ".join(part for part in (cell.launcher, _format.device(cell.device)) if part)
    caution: tuple[Line, ...] = ((_cells.provisional(),),) if _cells.is_provisional(card, cell) else ()
    return ((cell.server or _format.NOT_MEASURED,), (Text(started, "soft"),), *caution)


def _row(card: Scorecard, cell: Cell, columns: Columns) -> tuple[Lines, ...]:
    head = (lines(cell.scenario, FrameworkName(cell.framework)), name(card, cell), lines(_cells.chip(cell)))
    if not cell.metrics:
        why = f": {cell.reason or _cells.NO_REASON}"
        return (*head, lines((Text(_format.NOT_MEASURED, "missing"), why)))
    return (*head, *(_figures(cell, names) for _, names in columns))


def _figures(cell: Cell, wanted: tuple[Key, ...]) -> Lines:
    found = tuple(_cells.shown(cell, name) for name in wanted if metrics.find(cell, name))
    return lines(*found) if found else lines(Text(_format.NOT_MEASURED, "missing"))
