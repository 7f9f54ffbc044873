"""A history in the terminal: the runs as a table, a figure as a plot with its values."""

import click
from rich.console import Console

from evaluator.core.text import line
from evaluator.following import _plotted
from evaluator.following.history import History, Past, Series
from evaluator.report import _format, _terminal
from evaluator.report._blocks import Block, Chip, Items, Line, Lines, Table, column, item, lines, missing


def show(found: History) -> None:
    """Print it."""
    _terminal.show_blocks(*blocks(found))
    if found.series:
        click.echo("")
        click.echo(_plotted.terminal(found.series, Console().width))
        for each in _plotted.legend(found.series):
            click.echo(line(each))
        left = len(found.series) - _plotted.MOST
        if left > 0:
            click.echo(f"and {left} more, which are not drawn")


def blocks(found: History) -> tuple[Block, ...]:
    """Return the runs, the oldest first, or the points of a figure; and what could not be read."""
    notes = (Items(items=tuple(map(item, found.notes))),) if found.notes else ()
    if not found.runs:
        return (*notes, missing(f"There is no run with a scorecard below {found.below}."))
    return (*notes, _points(found) if found.series else _runs(found))


def _runs(found: History) -> Table:
    columns = (*(column(title, whole=True) for title in ("Made", "Run")), *map(column, ("By", "Verdicts", "Machine")))
    return Table(caption="Runs", columns=columns, rows=tuple(map(_run, found.runs)), layout="stacked")


def _run(each: Past) -> tuple[Lines, ...]:
    scores: tuple[Line, ...] = tuple(
        (
            f"{_format.framework(score.candidate)} ",
            Chip(score.verdict, _format.VERDICTS.get(score.verdict, "none")),
            f" {_format.score(score.overall)}, {_format.coverage(score.coverage)}",
        )
        for score in each.scores
    )
    made = f"fweval {each.fweval}, {each.profile}"
    return (lines(each.created_at[:10]), lines(each.folder), lines(made), lines(*scores), lines(each.machine))


def _points(found: History) -> Table:
    columns = tuple(column(title) for title in ("Made", "Run", "Figure", "Value", "Interval"))
    rows = tuple(row for each in found.series for row in _rows(each))
    return Table(caption="Figures", columns=columns, rows=rows, layout="stacked")


def _rows(each: Series) -> tuple[tuple[Lines, ...], ...]:
    return tuple(
        (
            lines(point.created_at[:10]),
            lines(point.run),
            lines(each.id),
            lines(_format.quantity(point.value.value, each.unit)),
            lines(
                ""
                if point.value.low is None or point.value.high is None
                else " to ".join(_format.quantity(end, each.unit) for end in (point.value.low, point.value.high))
            ),
        )
        for point in each.points
    )
