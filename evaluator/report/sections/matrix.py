"""Every exporter at every precision, each artifact proven in every runtime that reads it, or the reason why not."""

from collections.abc import Sequence
from typing import ClassVar

from evaluator.core.matrix import MatrixCell, State
from evaluator.core.scorecard import Scorecard
from evaluator.report import _format, _matrix
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Folded,
    FrameworkName,
    Heading,
    Item,
    Items,
    Legend,
    Line,
    Lines,
    Prose,
    Table,
    Text,
    Tile,
    column,
    item,
    lines,
    soft,
)

READING = (
    "Every exporter at every precision, each artifact proven in every runtime that reads it, or the reason why not. "
    "An int8 artifact is judged by its accuracy, or by the measure that was asked for. "
    "What was computed under an emulator is never timed."
)


class Matrix(Section):
    """The export matrix: marks, what they mean, runtimes, and every cell in words."""

    name: ClassVar[str] = "matrix"
    title: ClassVar[str] = "Export matrix"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing in a run of standard exports, which other sections show already."""
        cells = shown(card)
        if not cells:
            return ()
        unproven = [cell for cell in cells if _matrix.unproven(cell)]
        passed = [cell for cell in cells if not _matrix.unproven(cell)]
        causes = reasons(unproven)
        return (
            soft(READING),
            *map(soft, references(cells)),
            *whole(cells),
            *((Heading(text="What did not pass, by cause"), causes) if causes.items else ()),
            *_explained("Every cell that did not pass, with all its figures", unproven),
            *_explained("Every cell that passed, with all its figures", passed),
        )


def shown(card: Scorecard) -> tuple[MatrixCell, ...]:
    """Return the cells to show: none in a run of standard exports, which its other tables show already."""
    return card.matrix if any(not cell.standard for cell in card.matrix) else ()


def whole(cells: Sequence[MatrixCell]) -> tuple[Block, ...]:
    """Return counts, a mark for every cell with the size of its artifact, what the marks mean, and the runtimes."""
    classes = _matrix.classes(cells)
    return (
        Prose(line=(f"{_matrix.counts(cells)}.{f' By class: {classes}.' if classes else ''}",)),
        marks(cells),
        Legend(tiles=tuple(_letter(state) for state in _matrix.STATES)),
        runtimes(cells),
    )


def references(cells: Sequence[MatrixCell]) -> tuple[str, ...]:
    """Say of each reference of fweval's own for what it stands, and what it does not tell."""
    found = {proof.runtime: proof for cell in cells for proof in cell.proofs if proof.stands_for}
    return tuple(
        f"{proof.title or proof.runtime}: fweval's own reference stood in for {proof.stands_for}, which this machine "
        "cannot have. It tells that graph and weights are right; it was not timed, and nothing is said of "
        f"{proof.stands_for}'s speed, memory or rounding."
        for proof in found.values()
    )


def short(cells: Sequence[MatrixCell]) -> tuple[Block, ...]:
    """Return the matrix for a terminal: a table for each scenario, because two would be wider than it."""
    if not cells:
        return (Prose(line=("no export was planned",)),)
    scenarios = dict.fromkeys(cell.scenario for cell in cells)
    classes = _matrix.classes(cells)
    counts = f"{_matrix.counts(cells)}{f'; by class: {classes}' if classes else ''}"
    why = tuple(item(f"{_some(places)}: {line}") for line, places in _matrix.explanations(cells).items())
    return (
        *(marks([cell for cell in cells if cell.scenario == name]) for name in scenarios),
        Legend(tiles=tuple(_letter(state) for state in _matrix.STATES)),
        Prose(line=(Text(counts, "strong"),)),
        *((Heading(text="Why"), Items(items=why)) if why else ()),
        *map(soft, references(cells)),
        Heading(text="Runtimes"),
        runtimes(cells),
    )


def reasons(cells: Sequence[MatrixCell]) -> Items:
    """Return why cells did not pass: each cause once, with all the cells that it holds for."""
    return Items(items=tuple(map(_cause, _matrix.causes(cells))))


def marks(cells: Sequence[MatrixCell]) -> Table:
    """Return a mark for every cell: exporters format by format, precisions scenario by scenario."""
    columns = _matrix.columns(cells)
    heads = (column(scenario, _format.words(precision), whole=True) for scenario, precision in columns)
    rows: list[tuple[Lines, ...]] = []
    for group in _matrix.groups(cells):
        rows.append((lines(Text(group.title, "strong")),))
        rows += [(*_exporter(row), *(_mark(cell) for cell in row.cells)) for row in group.rows]
    return Table(
        caption="Exporters, format by format, at every precision",
        columns=(column("Exporter"), column("From", whole=True), *heads),
        rows=tuple(rows),
        layout="wide",
    )


def runtimes(cells: Sequence[MatrixCell]) -> Table:
    """Return how many artifacts each runtime was asked about."""
    titles = ("Runtime", "Passed", "Did not", "Could not be asked")
    return Table(
        caption="How many artifacts each runtime was asked about",
        columns=tuple(column(title) for title in titles),
        rows=tuple((lines(name), *(lines(str(n)) for n in tally)) for name, *tally in _matrix.runtimes(cells)),
        otherwise="No artifact was asked about.",
    )


def _exporter(row: _matrix.Row) -> tuple[Lines, ...]:
    route: Line = (Text(f" ({row.route})", "soft"),) if row.route else ()
    return (((row.title, *route),), lines(FrameworkName(row.origin)))


def _mark(cell: MatrixCell | None) -> Lines:
    if cell is None:
        return lines("")
    size = "" if cell.size_bytes is None else _format.size(cell.size_bytes)
    return lines(_letter(cell.state, text=size, link=_matrix.anchor(cell)))


def _letter(state: State, *, text: str = "", link: str = "") -> Tile:
    letter, tone = _matrix.LETTERS[state], _matrix.TONES[state]
    return Tile(letter=letter, word=state, tone=tone, text=text, link=link)


def _cause(cause: _matrix.Cause) -> Item:
    if len(cause.cells) == 1:
        return item((Text(cause.cells[0], "strong"), f": {cause.said}"))
    return Item(lines=lines(cause.said), more_title=f"{len(cause.cells)} cells", more=cause.cells)


def _explained(title: str, cells: Sequence[MatrixCell]) -> tuple[Block, ...]:
    if not cells:
        return ()
    items = Items(items=tuple(_in_words(cell) for cell in cells))
    return (Folded(title=f"{title}: {len(cells)}", blocks=(items,)),)


def _in_words(cell: MatrixCell) -> Item:
    first, *others = _matrix.words(cell)
    head: Line = (Text(_matrix.place(cell), "strong"), f": {first}")
    return Item(lines=lines(head, *others), again=lines(*_matrix.reasons(cell)), anchor=_matrix.anchor(cell))


def _some(places: Sequence[str]) -> str:
    return places[0] if len(places) == 1 else f"{len(places)} cells, such as {places[0]}"


plugin = Matrix()
