"""How to read the page: what scores, bounds, gates and words mean."""

from typing import ClassVar

from evaluator.core.scorecard import Scorecard
from evaluator.report import _claims, _format
from evaluator.report._base import Section
from evaluator.report._blocks import Block, soft


class Reading(Section):
    """The explanations, on the page only: they are the same for every run."""

    name: ClassVar[str] = "reading"
    title: ClassVar[str] = "How to read this"
    template: ClassVar[str] = "reading.html.j2"
    appendix: ClassVar[bool] = True
    page_only: ClassVar[bool] = True

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Say where the explanations are."""
        del card
        return (soft("scorecard.html explains what scores, bounds, coverage, gates and percentiles mean."),)

    def context(self, card: Scorecard) -> dict[str, object]:
        """Return the weights and the threshold that the text names."""
        policy = card.policy
        heaviest_first = sorted(policy.risks.items(), key=lambda each: -each[1])
        weights = ", ".join(f"{risk} {_format.tick(weight, None)}" for risk, weight in heaviest_first)
        return {
            "answered": _claims.answered(card),
            "weights": weights,
            "needed": _format.coverage(policy.least_coverage),
        }


plugin = Reading()
