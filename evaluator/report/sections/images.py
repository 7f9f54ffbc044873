"""The container images that servers were started from: age, user, packages."""

from typing import ClassVar

from evaluator.core.records import Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Line, Lines, Table, Text, column, lines

FIGURES = (
    *("image", "image_digest", "image_architecture", "image_size_bytes", "image_os", "image_end_of_life"),
    *("image_long_term_end", "image_user", "image_packages"),
)
_LONGEST = 40  # letters that stand on one line; a longer digest is broken anywhere


class Images(Section):
    """A row per image."""

    name: ClassVar[str] = "images"
    title: ClassVar[str] = "Container images"
    appendix: ClassVar[bool] = True

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing when no server was started from an image."""
        cells = {c.metrics["image"]: c for c in _cells.select(card, "serve") if "image" in c.metrics}
        if not cells:
            return ()
        names = ("server", *(_format.metric_name(name.removeprefix("image_")) for name in FIGURES))
        table = Table(
            caption="The images that servers were started from",
            columns=tuple(column(name[0].upper() + name[1:]) for name in names),
            rows=tuple((_server(card, c), *(_figure(c, name) for name in FIGURES)) for c in cells.values()),
            layout="wide",
        )
        return (table,)


def _server(card: Scorecard, cell: Cell) -> Lines:
    caution: tuple[Line, ...] = ((_cells.provisional(),),) if _cells.is_provisional(card, cell) else ()
    return ((card.title("server", cell.server or ""),), *caution)


def _figure(cell: Cell, name: str) -> Lines:
    told = _format.metric(name, cell.metrics.get(name))
    return lines(Text(told, "code" if len(told) > _LONGEST else "plain"))


plugin = Images()
