"""What a section is made of: a few kinds of blocks that every output knows how to write.

Text inside a block is a line of pieces. A piece says what it *is* (a framework's name, an outcome, something missing),
never how it looks: the page colours it, Markdown and the terminal write it out. Nothing here is escaped; each output
does that for all pieces alike. (After hyperfine's `export/markup.rs`: one builder of tables, several syntaxes.)
"""

from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

from evaluator.core.scorecard import Curve
from evaluator.report._format import Tone

# "figure": a number with its unit, never broken apart; "missing": where one would stand; "flag": a caution beside one.
Style = Literal["plain", "strong", "soft", "code", "figure", "missing", "flag"]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text; with a link, one that leads to a file of the run folder, relative to it."""

    text: str
    style: Style = "plain"
    link: str = ""


@dataclass(frozen=True, slots=True)
class FrameworkName:
    """A framework, by its raw name: with its mark where there are colours."""

    name: str


@dataclass(frozen=True, slots=True)
class Chip:
    """An outcome or verdict: a sign and a word."""

    word: str
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """An outcome where there is room for a letter only, and what it is about. A legend explains the letters."""

    letter: str
    word: str
    tone: Tone
    text: str = ""
    link: str = ""  # name of the item, in the same section, that tells more


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture on the page, and nothing elsewhere: it never says more than the text beside it."""

    svg: Markup


Piece = str | Text | FrameworkName | Chip | Tile | Drawing
Line = tuple[Piece, ...]
Lines = tuple[Line, ...]  # what stands in one place of a table or list


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A title inside a section; 3 is the level below the section's own."""

    text: str
    aside: str = ""
    level: Literal[3, 4] = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """A paragraph."""

    line: Line
    soft: bool = False
    picture: bool = False  # explains pictures: left out where there are none


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How a column of a table is headed and set."""

    title: Lines
    right: bool = False  # numbers, in the terminal
    whole: bool = False  # never broken over lines, in the terminal
    picture: bool = False  # holds drawings only: left out where there are none
    half: bool = False  # on a narrow page two such stand side by side, each below its title


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows below columns. In a row with fewer cells than columns the last one takes the room of the rest."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Lines, ...], ...]
    otherwise: str = ""  # said instead of a table without rows
    layout: Literal["plain", "wide", "stacked"] = "plain"  # "stacked": on a narrow page each row becomes a block
    shown_caption: bool = False  # else it is for screen readers


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry of a list, with what can be unfolded below it."""

    lines: Lines
    again: Lines = ()  # said elsewhere too: the page says it where its links lead, other outputs do not
    anchor: str = ""  # what a tile's link leads to
    more_title: str = ""
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list."""

    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names and what stands for them, a row each."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """What the letters of tiles mean."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of a plot: from zero to `value`, or from `value` to `end` when there is an end.

    `between` is where the value lies with the usual confidence, and drawn over its end.
    """

    label: str
    framework: str
    value: float
    end: float | None = None
    between: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Bars on one axis: of one quantity, in one scenario."""

    title: str
    unit: str
    bars: tuple[Bar, ...]
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Lines over a common pair of axes; with `log`, both grow by powers of ten."""

    title: str
    lines: tuple[Curve, ...]
    log: bool = False
    mark: float | None = None  # a place along the axis that is set apart
    mark_title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Pictures that stand side by side where there is room."""

    figures: tuple[Bars | Curves, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """Blocks behind a title that opens them."""

    title: str
    blocks: "tuple[Block, ...]" = field(default=())
    open: bool = False


Block = Heading | Prose | Table | Items | Facts | Legend | Figures | Folded


def lines(*given: Piece | Line) -> Lines:
    """Put pieces, or lines of pieces, below each other."""
    return tuple(line if isinstance(line, tuple) else (line,) for line in given)


def column(*title: Piece, right: bool = False, whole: bool = False) -> Column:
    """Head a column by a line, or by several below each other."""
    return Column(title=lines(*title), right=right, whole=whole)


def item(*given: Piece | Line) -> Item:
    """Make an entry of a list of lines below each other."""
    return Item(lines=lines(*given))


def soft(text: str) -> Prose:
    """Make a paragraph that explains what follows it."""
    return Prose(line=(text,), soft=True)


def missing(text: str) -> Prose:
    """Make a paragraph that says what is not there."""
    return Prose(line=(Text(text, "missing"),))
