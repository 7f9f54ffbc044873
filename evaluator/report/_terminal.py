"""What a person sees in the terminal: blocks, and the summary of a scorecard that is made of them.

Made to be right at 80 columns and without colour: words and signs carry the meaning, styles only help.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text as Styled

from evaluator.core import output
from evaluator.core.scorecard import Scorecard
from evaluator.core.text import cleaned, line
from evaluator.report import _format
from evaluator.report._base import sections
from evaluator.report._blocks import (
    Block,
    Chip,
    Column,
    Heading,
    Items,
    Line,
    Lines,
    Piece,
    Prose,
    Style,
    Table,
    Text,
    Tile,
)
from evaluator.report._format import Tone
from evaluator.report._plain import Plain, plain, words
from evaluator.report.html import plugin as html
from evaluator.report.json import plugin as json

_TONES: dict[Tone, str] = {"good": "green", "bad": "red", "warn": "yellow", "none": "dim"}
_STYLES: dict[Style, str] = {"strong": "bold", "soft": "dim", "missing": "dim", "flag": "yellow"}
_BETWEEN = 2  # spaces between columns
_LONGEST_NAME = 12  # that no column breaks
_WIDEST = 28  # of a column that is broken over lines; the last one takes the rest


def show(scorecard: Scorecard, folder: Path, *, as_json: bool, written: str = html.filename) -> None:
    """Print the scorecard: the summary for people and the file that was written, or the whole of it as JSON."""
    if as_json:
        output.write_data(json.render(scorecard))
    else:
        Console().print(summary(cleaned(scorecard), folder, written))


def summary(card: Scorecard, folder: Path, written: str = html.filename) -> RenderableType:
    """Return what each section says in brief and the file with all of it; the verdict is last, where one looks."""
    blocks = [block for section in reversed(sections()) for block in section.brief(card)]
    where = Styled(f"\nReport: {line(str(folder / written))}", overflow="fold")
    return Group(rendered(blocks[:-1]), where, rendered(blocks[-1:]))


def show_blocks(*blocks: Block) -> None:
    """Print blocks."""
    Console().print(rendered(blocks))


def rendered(blocks: Iterable[Block]) -> RenderableType:
    """Return blocks for the terminal; a table is set off from what follows it."""
    simple = list(plain(blocks))
    parts = [_shown(block) for block in simple[:1]]
    for above, block in pairwise(simple):
        if isinstance(above, Table) and not isinstance(block, Heading):
            parts.append(Styled(""))
        parts.append(_shown(block))
    return Group(*parts)


def _shown(block: Plain) -> RenderableType:
    match block:
        case Heading():
            return Styled(f"\n{block.text}{f': {block.aside}' if block.aside else ''}", style="bold")
        case Prose():
            return _line(block.line, "dim" if block.soft else "")
        case Items():
            return _list(block)
        case Table():
            return _Table(block)


def _list(block: Items) -> RenderableType:
    """Show a list whose further lines are indented under their first."""
    grid = Grid.grid(padding=(0, 1))
    for item in block.items:
        grid.add_row(Styled("-"), _lines(item.lines))
    return grid


class _Table:
    """A table, or its rows one below the other where there is no room for its columns: no name is ever cut."""

    def __init__(self, block: Table) -> None:
        self._block = block

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = self._block.columns
        cells = [[row[at] for row in self._block.rows if at < len(row)] for at in range(len(columns))]
        least = sum(_least_width(console, options, *each) for each in zip(columns, cells, strict=True))
        fits = least + _BETWEEN * (len(columns) - 1) <= options.max_width
        yield _grid(self._block) if fits else Group(*_stacked(self._block))


def _least_width(console: Console, options: ConsoleOptions, column: Column, cells: Sequence[Lines]) -> int:
    """Return how narrow a column can be without a name or a figure being broken; what is longer is no name."""
    measured = [Measurement.get(console, options, _lines(lines)) for lines in (column.title, *cells)]
    if column.whole:
        return max(each.maximum for each in measured)
    return max(min(each.minimum, _LONGEST_NAME) for each in measured)


def _stacked(block: Table) -> Iterator[RenderableType]:
    """Yield each row as its first cell, and the others below it with the titles of their columns."""
    for row in block.rows:
        yield _lines(row[0])
        for column, cell in zip(block.columns[1:], row[1:], strict=False):  # a row may have fewer
            text = _lines(cell)
            if text:
                title = _lines(column.title)
                yield Padding(Styled.assemble(title, ": " if title else "", text, overflow="fold"), (0, 0, 0, 2))


def _grid(block: Table) -> RenderableType:
    titles = [_lines(column.title) for column in block.columns]
    grid = Grid(box=None, pad_edge=False, header_style="bold", show_header=any(titles))
    for number, (title, column) in enumerate(zip(titles, block.columns, strict=True)):
        last = number == len(titles) - 1
        grid.add_column(
            title,
            justify="right" if column.right else "left",
            no_wrap=column.whole,
            overflow="fold",
            max_width=None if last or column.whole else _WIDEST,
            ratio=1 if last and not column.whole else None,
        )
    for row in block.rows:
        grid.add_row(*(_lines(cell) for cell in row))
    return grid


def _lines(given: Lines) -> Styled:
    return Styled("\n", overflow="fold").join(line for line in map(_line, given) if line)


def _line(line: Line, style: str = "") -> Styled:
    return Styled.assemble(*(_piece(piece) for piece in line), style=style, overflow="fold")


def _piece(piece: Piece) -> Styled:
    match piece:
        case Chip():
            return Styled(f"{_format.SIGNS[piece.tone]} {words(piece)}", style=_TONES[piece.tone])
        case Tile():
            return Styled(words(piece), style=_TONES[piece.tone])
        case Text():
            return Styled(piece.text, style=_STYLES.get(piece.style, ""))
        case _:
            return Styled(words(piece))
