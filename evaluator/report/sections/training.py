"""Training: how long a step took, and how the loss went down."""

from typing import ClassVar

from evaluator.core.metrics import key
from evaluator.core.scorecard import Curve, Scorecard
from evaluator.report import _cells
from evaluator.report._base import Section
from evaluator.report._blocks import Bars, Block, Curves, Figures, Heading
from evaluator.report._curves import SECOND, STEP, together


class Training(Section):
    """The time of a step, and the curves of training."""

    name: ClassVar[str] = "training"
    title: ClassVar[str] = "Training"
    appendix: ClassVar[bool] = True

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return the pictures of each scenario that was trained."""
        blocks: list[Block] = []
        for scenario in _cells.scenarios(card):
            bars = _cells.bars(card, _cells.select(card, "train", scenario), key("step_s"))
            drawn = (*together(card, scenario, STEP), *together(card, scenario, SECOND))
            curves = tuple(Curves(title=_title(card, lines), lines=lines) for lines in drawn)
            if bars or curves:
                time = Bars(title="Time of a training step", unit="s", bars=bars)
                blocks += [Heading(text=scenario), Figures(figures=(time, *curves))]
        return tuple(blocks)


def _title(card: Scorecard, lines: tuple[Curve, ...]) -> str:
    first = lines[0]
    device = _cells.device(card, first.device)
    unit = f" ({first.unit})" if first.unit and first.unit != "share" else ""  # which is written in per cent
    return f"{first.name.capitalize()}{unit} by {first.x_name}{f', {device}' if device else ''}"


plugin = Training()
