"""How well the trained models do on examples they have not seen, framework beside framework."""

from typing import ClassVar

from evaluator.core.metrics import key
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells
from evaluator.report._base import Section
from evaluator.report._blocks import Bars, Block, Figures, Heading, soft


class Accuracy(Section):
    """A bar for each training; rounds are shown by their median."""

    name: ClassVar[str] = "accuracy"
    title: ClassVar[str] = "Accuracy"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return the bars of each scenario; nothing when no accuracy was measured."""
        blocks: list[Block] = []
        for scenario in _cells.scenarios(card):
            bars = _cells.bars(card, _cells.select(card, "train", scenario), key("heldout_accuracy"))
            if bars:
                picture = Bars(title="Share of held-out examples that are right", unit="", bars=bars)
                blocks += [Heading(text=scenario), Figures(figures=(picture,))]
        return (soft("Trained and asked with the same examples."), *blocks) if blocks else ()


plugin = Accuracy()
