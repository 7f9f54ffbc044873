"""What became of every export of the run: made, verified in each runtime, timed; and why something did not pass."""

from collections.abc import Iterable
from typing import ClassVar

from evaluator.core import quality
from evaluator.core.coordinates import Part
from evaluator.core.outcome import Outcome
from evaluator.core.records import Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import _causes, _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Folded,
    FrameworkName,
    Heading,
    Item,
    Items,
    Legend,
    Lines,
    Table,
    Text,
    Tile,
    column,
    item,
    lines,
    missing,
    soft,
)

# From the best to the worst: what one word for several rounds is chosen by.
_BADNESS = (
    Outcome.PASSED,
    Outcome.NOT_APPLICABLE,
    Outcome.UNAVAILABLE,
    Outcome.UNSUPPORTED,
    Outcome.ERROR,
    Outcome.TIMED_OUT,
    Outcome.FAILED,
    Outcome.CRASHED,
)


_IN_BRIEF = 2  # causes that the terminal names
_PLACE: tuple[Part, ...] = ("place",)
_DONE = {"export": "exported", "verify": "proven", "run": "timed"}  # what the stages do to an artifact


class Exports(Section):
    """The formats of every run, each with the steps that its artifact went through."""

    name: ClassVar[str] = "exports"
    title: ClassVar[str] = "Exports"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return a tile for every step, what the letters mean, and what did not pass."""
        reading = soft(
            "Each artifact is exported, verified against its origin in its own runtime, and only then timed."
        )
        if not formats(card):
            return (reading, missing("No export was made."))
        table = Table(
            caption="What became of every export, by scenario, framework and format",
            columns=(column("Scenario, framework"), *(column(card.title("format", name)) for name in formats(card))),
            rows=_rows(card),
            layout="wide",
            shown_caption=True,
        )
        tiles = tuple(_tile(outcome) for outcome in Outcome)
        refused = _causes.of_cells(card, not_passed(card.cells))
        why = (Heading(text="What did not pass, by cause"), Items(items=tuple(map(_causes.entry, refused))))
        return (reading, table, Legend(tiles=tiles), *(why if refused else ()), *_unasked(card))

    def brief(self, card: Scorecard) -> tuple[Block, ...]:
        """Return what did not pass, of any stage, by cause: those that concern most."""
        causes = sorted(_causes.of_cells(card, not_passed(card.cells)), key=lambda each: -len(each.affected))
        if not causes:
            return ()
        steps = sum(len(each.affected) for each in causes)
        aside = f"{steps} steps for {len(causes)} reasons, of which" if len(causes) > _IN_BRIEF else ""
        told = tuple(map(_in_brief, causes[:_IN_BRIEF]))
        return (Heading(text="Did not pass", aside=aside), Items(items=told))


def _in_brief(cause: _causes.Cause) -> Item:
    """Return a cause in two lines of a terminal."""
    what = cause.affected[0] if len(cause.affected) == 1 else f"{len(cause.affected)} steps"
    return item(f"{_format.words(cause.outcome)}: {_format.clipped(f'{what}: {cause.reason}')}")


def formats(card: Scorecard) -> tuple[str, ...]:
    """Return the formats that occur in every run, in the order of the plan."""
    return tuple(dict.fromkeys(c.format for c in _cells.select(card, "export") if c.format))


def steps(card: Scorecard) -> tuple[Cell, ...]:
    """Return the export, verify and run steps. Several rounds of a step are one entry: the worst of them."""
    made = [cell for stage in ("export", "verify", "run") for cell in _cells.select(card, stage)]
    return tuple(max(same, key=lambda c: _BADNESS.index(c.outcome)) for same in _cells.by_subject(made))


def not_passed(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """Return the cells that say something against their subject: failed, unsupported, crashed, timed out."""
    return tuple(c for c in cells if c.standard and c.outcome.is_answer and c.outcome is not Outcome.PASSED)


def _rows(card: Scorecard) -> tuple[tuple[Lines, ...], ...]:
    entries = steps(card)
    order = _cells.scenarios(card)
    subjects = sorted(dict.fromkeys((c.scenario, c.framework) for c in entries), key=lambda row: order.index(row[0]))
    return tuple(
        (
            lines(scenario, FrameworkName(framework)),
            *(
                _tiles(card, [c for c in entries if (c.scenario, c.framework, c.format) == (scenario, framework, name)])
                for name in formats(card)
            ),
        )
        for scenario, framework in subjects
    )


def _tiles(card: Scorecard, cells: list[Cell]) -> Lines:
    if not cells:
        return lines(Text("not offered", "soft"))
    return lines(*(_tile(cell.outcome, _where(card, cell)) for cell in cells))


def _where(card: Scorecard, cell: Cell) -> str:
    place = cell.title(card.names, parts=_PLACE, separator=" on ")
    found = quality.read(cell)
    done = _DONE.get(cell.stage, card.title("stage", cell.stage))
    return _cells.joined((done, place, None if found is None else found.short))


def _tile(outcome: Outcome, text: str = "") -> Tile:
    return Tile(letter=_format.LETTERS[outcome], word=_format.words(outcome), tone=_format.TONES[outcome], text=text)


def _unasked(card: Scorecard) -> tuple[Block, ...]:
    """Say why other steps have no answer; what this machine lacks stands in a section of its own, too."""
    found = [cell for cell in steps(card) if not cell.outcome.is_answer]
    items = tuple(_causes.entry(cause) for cause in _causes.of_cells(card, found))
    title = f"Why others have no answer: {_causes.counted(cell.outcome for cell in found)}"
    return (Folded(title=title, blocks=(Items(items=items),)),) if items else ()


plugin = Exports()
