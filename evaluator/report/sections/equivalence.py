"""Whether both frameworks take the same training step: how far apart their first steps are, and what rounding does."""

from typing import ClassVar

from evaluator.core import metrics
from evaluator.core.metrics import Key
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import percent
from evaluator.core.records import Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Column, FrameworkName, Lines, Table, Text, column, lines, soft

READING = (
    "Both frameworks take the first steps from the same weights on the same batches. What rounding alone does to them "
    "is measured in each: once more, and from weights that are nudged in their last digits. A difference is shown as a "
    "share of what that explains; above 100 % it is another training, and its time is compared with nothing."
)
_PARTS = (
    ("Forward", "forward_parity", "forward_noise"),
    ("Gradients", "gradient_parity", "gradient_noise"),
    ("Updates", "update_parity", "update_noise"),
    ("Statistics", "statistics_parity", "statistics_noise"),
    ("Loss", "curve_parity", "curve_noise"),
)


class Equivalence(Section):
    """A row for each framework, scenario and device."""

    name: ClassVar[str] = "equivalence"
    title: ClassVar[str] = "Equivalence of training"
    short: ClassVar[str] = "Equivalence"
    appendix: ClassVar[bool] = True

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return a table; nothing where no step looked at it."""
        cells = _cells.select(card, "equivalence")
        if not cells:
            return ()
        table = Table(
            caption="The first training steps of both frameworks",
            columns=(
                column("Training"),
                *(Column(title=lines(title), half=True) for title, _, _ in _PARTS),
                column("Optimizer keeps"),
            ),
            rows=tuple(_row(card, cell) for cell in cells),
            layout="stacked",
        )
        return (soft(READING), table)


def _row(card: Scorecard, cell: Cell) -> tuple[Lines, ...]:
    where = _cells.joined((cell.scenario, _cells.device(card, cell.device)))
    about = lines((FrameworkName(cell.framework), f" {where}"))
    wrong = () if cell.outcome is Outcome.PASSED else (Text(cell.reason or _cells.NO_REASON, "missing"),)
    if cell.outcome is not Outcome.PASSED and not cell.metrics:
        return (about, lines(_cells.chip(cell), *wrong))
    kept = metrics.number(cell.metrics.get("optimizer_numbers"))
    numbers = "" if kept is None else f"{kept:,.0f} numbers"
    first = (*about, *((_cells.chip(cell),),), *(wrong,)) if wrong else about
    return (first, *(_part(cell, parity, noise) for _, parity, noise in _PARTS), lines(Text(numbers, "soft")))


def _part(cell: Cell, parity: str, noise: str) -> Lines:
    """Say how far it is from the other framework's, and what rounding does to it."""
    found = metrics.find(cell, Key(parity, {"between": "frameworks"}))
    share = None if found is None else metrics.number(found.value)
    alone = metrics.number(cell.metrics.get(noise))
    told = () if alone is None else (Text(f"rounding {alone:.1e}", "soft"),)
    if share is None:
        return lines(*told) if told else lines(Text("", "soft"))
    return lines(Text(percent(share), "figure"), *told)


plugin = Equivalence()
