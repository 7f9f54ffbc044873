"""What lowers the trust in the figures of this run, with what to do about it."""

from typing import ClassVar

from evaluator.core.scorecard import Scorecard
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Heading, Items, item


class Warnings(Section):
    """The warnings of the run."""

    name: ClassVar[str] = "warnings"
    title: ClassVar[str] = "Warnings"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing when there are none."""
        return (Items(items=tuple(item(warning) for warning in card.warnings)),) if card.warnings else ()

    def brief(self, card: Scorecard) -> tuple[Block, ...]:
        """Return them all."""
        return (Heading(text=self.title), *self.blocks(card)) if card.warnings else ()


plugin = Warnings()
