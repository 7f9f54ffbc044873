"""The cells of stages that start servers, as sections show them: a column each, with the same figures side by side."""

from evaluator.core import metrics
from evaluator.core.metrics import Key
from evaluator.core.records import Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import _causes, _cells, _format
from evaluator.report._blocks import Block, Column, FrameworkName, Items, Line, Lines, Table, Text, column, lines

Figures = tuple[tuple[str, tuple[Key, ...]], ...]  # a title, and the figures that stand below each other


def served(card: Scorecard, stage: str = "serve") -> tuple[Cell, ...]:
    """Return the cells of a stage that starts servers, those of one scenario and framework together.

    Under load and probes, only what was tried: why the others were not stands in the rows of `serve`.
    """
    order = _cells.scenarios(card)
    cells = [cell for cell in _cells.select(card, stage) if stage == "serve" or cell.outcome.is_answer]
    return tuple(sorted(cells, key=lambda cell: (order.index(cell.scenario), _cells.place(cell.framework))))


def blocks(card: Scorecard, stage: str, figures: Figures, caption: str) -> tuple[Block, ...]:
    """Return a column for every server of a stage that left figures, and why the others left none."""
    cells = served(card, stage)
    measured = [cell for cell in cells if cell.metrics]
    heads = (Column(title=(*head(card, cell), (_cells.chip(cell),))) for cell in measured)
    table = Table(
        caption=caption,
        columns=(column("Figure"), *heads),
        rows=tuple(
            (lines(title), *(_figures(cell, wanted) for cell in measured)) for title, wanted in figures if measured
        ),
        otherwise="No server could be measured.",
        layout="wide",
        shown_caption=True,
    )
    gone = tuple(map(_causes.entry, _causes.of_cells(card, (cell for cell in cells if not cell.metrics))))
    return (table, *((Items(items=gone),) if gone else ()))


def head(card: Scorecard, cell: Cell) -> Lines:
    """Head a server's column: scenario, framework, server."""
    return (*lines(cell.scenario, FrameworkName(cell.framework)), *name(card, cell))


def name(card: Scorecard, cell: Cell) -> Lines:
    """Name a server and how it was started; one that is only a stand-in says so."""
    how = card.title("launcher", cell.launcher) if cell.launcher else ""
    started = ", ".join(part for part in (how, _cells.device(card, cell.device)) if part)
    caution: tuple[Line, ...] = ((_cells.provisional(),),) if _cells.is_provisional(card, cell) else ()
    return (
        (card.title("server", cell.server) if cell.server else _format.NOT_MEASURED,),
        (Text(started, "soft"),),
        *caution,
    )


def _figures(cell: Cell, wanted: tuple[Key, ...]) -> Lines:
    """Return the figures below each other; those that are missing among them keep their place."""
    if any(metrics.find(cell, name) for name in wanted):
        return lines(*(_cells.shown(cell, name) for name in wanted))
    return lines(Text(_format.NOT_MEASURED, "missing"))
