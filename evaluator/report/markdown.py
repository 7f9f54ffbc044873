"""`scorecard.md`: the scorecard for pull requests, wikis and mail: the same order as the page, without its pictures.

Written as GitHub-flavoured Markdown (https://github.github.com/gfm/). Text that comes from a run is escaped, so that no
name can break a table or become markup.
"""

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

from evaluator.core.scorecard import Scorecard
from evaluator.report import _format
from evaluator.report._base import Report, sections
from evaluator.report._blocks import Block, Heading, Items, Line, Lines, Piece, Prose, Table, Text
from evaluator.report._plain import Plain, plain, words

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


class Markdown(Report):
    """The scorecard as Markdown."""

    name: ClassVar[str] = "markdown"
    filename: ClassVar[str] = "scorecard.md"

    def render(self, scorecard: Scorecard) -> str:
        """Return the document."""
        written = [f"# Deployment readiness: {_escape(_format.frameworks(scorecard))}", ""]
        for section in sections():
            blocks = () if section.page_only else section.blocks(scorecard)
            if blocks:
                written += [f"## {_escape(section.title)}", "", *write(blocks)]
        return "\n".join(written).rstrip("\n") + "\n"


def write(blocks: Iterable[Block]) -> Iterable[str]:
    """Write blocks line by line, a blank line after each."""
    for block in plain(blocks):
        yield from _written(block)
        yield ""


def _written(block: Plain) -> Iterable[str]:
    match block:
        case Heading():
            aside = f": {_escape(block.aside)}" if block.aside else ""
            return (f"{'#' * block.level} {_escape(block.text)}{aside}",)
        case Prose():
            return (_line(block.line),)
        case Items():
            return (f"- {_lines(item.lines)}" for item in block.items)
        case Table():
            return _table(block)


def _table(block: Table) -> Iterable[str]:
    width = len(block.columns)
    yield _row([_lines(column.title) for column in block.columns], width)
    yield "|" + " --- |" * width
    yield from (_row([_lines(cell) for cell in row], width) for row in block.rows)


def _row(cells: Sequence[str], width: int) -> str:
    return "| " + " | ".join((*cells, *[""] * (width - len(cells)))) + " |"


def _lines(given: Lines) -> str:
    """Write what stands below each other on the page beside each other: a table's cell has one line."""
    return "; ".join(text for text in (_line(line).strip() for line in given) if text)


def _line(line: Line) -> str:
    return "".join(_piece(piece) for piece in line)


def _piece(piece: Piece) -> str:
    text = _escape(words(piece))
    strong = isinstance(piece, Text) and piece.style == "strong" and text.strip()
    written = f"**{text.strip()}**" if strong else text
    return f"[{written}]({_format.address(piece.link)})" if isinstance(piece, Text) and piece.link else written


def _escape(text: str) -> str:
    """Make text harmless in Markdown: markup characters escaped, everything on one line."""
    return _SPECIAL.sub(r"\\\1", re.sub(r"\s+", " ", text))


plugin = Markdown()
