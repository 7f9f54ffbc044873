"""What outputs without pictures show: every block as headings, paragraphs, tables and lists, every piece as words."""

from collections.abc import Iterable, Iterator

from markupsafe import Markup

from evaluator.report import _format
from evaluator.report._blocks import (
    Bars,
    Block,
    Chip,
    Column,
    Curves,
    Drawing,
    Facts,
    Figures,
    Folded,
    FrameworkName,
    Heading,
    Item,
    Items,
    Legend,
    Piece,
    Prose,
    Table,
    Text,
    Tile,
    column,
    item,
    lines,
    soft,
)

Plain = Heading | Prose | Table | Items


def words(piece: Piece) -> str:
    """Return what a piece says; a drawing says nothing."""
    match piece:
        case str():
            return piece
        case Text():
            return piece.text
        case FrameworkName():
            return _format.framework(piece.name)
        case Chip():
            return piece.word
        case Tile():
            return f"{piece.letter} {piece.text}".rstrip()
        case Drawing():
            return ""


def css_titles(columns: Iterable[Column]) -> Markup:
    """Return the columns' titles as custom properties (`--c2` …): on a phone each figure is named by its column.

    Said once for each table, not in each of a thousand rows. Titles may be strangers' names: whatever is no ASCII
    letter or digit is written as a number.
    """
    titles = {number: _title(head) for number, head in enumerate(columns, start=1)}
    told = (f"--c{number}:'{title}'" for number, title in titles.items() if number > 1 and title)
    return Markup(";".join(told))  # noqa: S704  # nothing is left in it that means anything in CSS or HTML


def _title(head: Column) -> str:
    """Return a column's title as the inside of a CSS string; nothing for pictures, which have their axis below them."""
    if head.picture:
        return ""
    text = " ".join(filter(None, ("".join(map(words, line)) for line in head.title)))
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign == " ") else f"\\{ord(sign):x} " for sign in text)


def plain(blocks: Iterable[Block]) -> Iterator[Plain]:
    """Yield the same content in the four kinds of blocks that any text can hold."""
    for block in blocks:
        yield from _simpler(block)


def _simpler(block: Block) -> Iterator[Plain]:
    match block:
        case Heading():
            yield block
        case Prose():
            yield from () if block.picture else (block,)
        case Table():
            yield from _table(block)
        case Items():
            yield Items(items=tuple(_unfolded(each) for each in block.items))
        case Facts():
            rows = tuple((lines(name), lines(value)) for name, value in block.rows)
            yield Table(caption="", columns=(column("What"), column("Which")), rows=rows)
        case Legend():
            yield soft(", ".join(f"{tile.letter} {tile.word}" for tile in block.tiles) + ".")
        case Figures():
            yield from _figures(block)
        case Folded():
            yield from (Heading(text=block.title), *plain(block.blocks))


def _figures(block: Figures) -> Iterator[Plain]:
    for found in block.figures:
        yield Heading(text=found.title, level=4)
        yield from _bars(found) if isinstance(found, Bars) else _curves(found)


def _table(block: Table) -> Iterable[Plain]:
    """Leave out columns of pictures; instead of a table without rows say so."""
    if not block.rows:
        return (Prose(line=(block.otherwise,)),) if block.otherwise else ()
    kept = [number for number, head in enumerate(block.columns) if not head.picture]
    rows = tuple(tuple(row[number] for number in kept if number < len(row)) for row in block.rows)
    columns = tuple(block.columns[number] for number in kept)
    caption = (soft(block.caption),) if block.shown_caption else ()
    return (*caption, Table(caption=block.caption, columns=columns, rows=rows))


def _unfolded(found: Item) -> Item:
    """Write out what an entry holds folded."""
    more = (f"{found.more_title}: {'; '.join(found.more)}",) if found.more else ()
    return Item(lines=(*found.lines, *((part,) for part in more)))


def _bars(found: Bars) -> Iterable[Plain]:
    """Write bars as a table: the figures that the picture only repeats."""
    noted = any(bar.note for bar in found.bars)
    rows = tuple(
        (
            *(lines(FrameworkName(bar.framework)), lines(bar.label)),
            *(lines(_format.bar(bar.value, bar.end, found.unit)), *((lines(bar.note),) if noted else ())),
        )
        for bar in found.bars
    )
    columns = tuple(column(title) for title in ("Framework", "Subject", "Value", *(("",) if noted else ())))
    table = Table(caption=found.title, columns=columns, rows=rows, otherwise=_format.NOT_MEASURED)
    return _table(table)


def _curves(found: Curves) -> Iterable[Plain]:
    """Write where each curve begins and ends."""
    told = (f"{curve.subject or _format.framework(curve.framework)} {_format.ends(curve)}" for curve in found.lines)
    return (Items(items=tuple(item(line) for line in told)),)
