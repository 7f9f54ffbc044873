"""What lowers the trust in the figures of this run, with what to do about it."""

from typing import ClassVar

from evaluator.core.scorecard import Scorecard
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Items, Prose, Text, item


class Warnings(Section):
    """The warnings of the run."""

    name: ClassVar[str] = "warnings"
    title: ClassVar[str] = "Warnings"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing when there are none."""
        return (Items(items=tuple(item(warning) for warning in card.warnings)),) if card.warnings else ()

    def brief(self, card: Scorecard) -> tuple[Block, ...]:
        """Return how many there are."""
        count = len(card.warnings)
        told = f"{count} {'warning stands' if count == 1 else 'warnings stand'} in the report."
        return (Prose(line=(Text(told, "flag"),)),) if count else ()


plugin = Warnings()
