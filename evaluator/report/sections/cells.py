"""All steps of the run with all their figures, as `fweval cells` prints them."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from evaluator.core import metrics, quality
from evaluator.core.metrics import Key, key
from evaluator.core.records import Cell, Figure
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Folded, Table, Text, column, lines, soft

_MANY = 300  # steps, from which on a page with all their figures could not be sent any more


def _shown(usual: str) -> tuple[Key, ...]:
    """Return what a step shows where there is room for little; all metrics are in the CSV and JSON forms."""
    trained = tuple(key(name) for name in ("step_s", "planned_training_s", "turning_point_steps", "heldout_accuracy"))
    learnt = (key("steps_to_target"), key("best_accuracy"))
    made = tuple(key(name) for name in ("export_s", "size_bytes", "max_rel_diff"))
    calls = tuple(key("latency_s", statistic=statistic) for statistic in (usual, "p90"))
    served = tuple(key("latency_s", wire=wire, statistic=usual) for wire in ("rest", "grpc"))
    return (*trained, *learnt, *made, *calls, key("cold_start_s"), key("ram_floor_bytes"), key("ready_s"), *served)


class Cells(Section):
    """One row per step; on the page only, for scorecard.csv has them better than a text could."""

    name: ClassVar[str] = "cells"
    title: ClassVar[str] = "All steps"
    appendix: ClassVar[bool] = True
    page_only: ClassVar[bool] = True

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return the table, folded: it is long."""
        cells = card.every_cell
        many = len(cells) > _MANY
        which = "the most important of their figures" if many else "all their figures"
        also = "has all of them" if many else "has them, too"
        reading = soft(f"{len(cells)} steps with {which}; `fweval cells {card.run} --csv` {also}.")
        shown = _shown(_cells.typical(cells))
        names = card.names
        nodes = any(cell.node for cell in cells)
        where = ("Node",) if nodes else ()
        titles = ("Stage", "Scenario", "Framework", "Subject", *where, "Outcome", "Figures or reason", "Evidence")
        rows = tuple(
            (
                *(lines(card.title("stage", cell.stage)), lines(cell.scenario)),
                *(lines(_format.framework(cell.framework)), lines(_cells.subject(cell, names))),
                *((lines(cell.node),) if nodes else ()),
                *(lines(_format.words(cell.outcome)), lines(_figures(cell, shown) if many else _everything(cell))),
                lines(Text(cell.evidence.rpartition("/")[2], "code", link=f"{cell.evidence}/")),
            )
            for cell in cells
        )
        table = Table(
            caption="One row per step",
            columns=tuple(column(title) for title in titles),
            rows=rows,
            layout="wide",
            shown_caption=True,
        )
        return (reading, Folded(title="Show the table", blocks=(table,))) if rows else (reading,)


def short(cells: Sequence[Cell], names: Mapping[str, str]) -> Table:
    """Return one line per cell for a terminal: what it was, how it ended, and why or its first figures.

    Stages and frameworks have the names by which commands select them.
    """
    nodes = any(cell.node for cell in cells)
    where = ("node",) if nodes else ()
    titles = (column(name) for name in ("stage", "scenario", "framework", "subject", *where))
    shown = (*_shown(_cells.typical(cells)), key("neighbour_slowdown"))
    return Table(
        caption="Steps",
        columns=(*titles, column("outcome", whole=True), column("reason or figures")),
        rows=tuple(
            (
                *(lines(part) for part in (cell.stage, cell.scenario, cell.framework, _cells.subject(cell, names))),
                *((lines(cell.node),) if nodes else ()),
                *(lines(_cells.chip(cell)), lines(_figures(cell, shown))),
            )
            for cell in cells
        ),
    )


def _everything(cell: Cell) -> str:
    told = (figure for figure in metrics.figures(cell) if not isinstance(figure.value, str))
    figures = (_figure(figure) for figure in told)
    return "; ".join((*((cell.reason,) if cell.reason else ()), *figures))


def _figures(cell: Cell, shown: Sequence[Key]) -> str:
    if cell.reason:
        return cell.reason
    found = (metrics.find(cell, wanted) for wanted in shown)
    good = quality.read(cell)
    told = [_figure(figure) for figure in found if figure is not None]
    return ", ".join([*told, *(() if good is None else (good.short,))])


def _figure(figure: Figure) -> str:
    return f"{_format.metric_name(figure.name, figure.labels)} {_format.metric(figure.name, figure.value)}"


plugin = Cells()
