"""How to read the page: what scores, bounds, gates and words mean."""

from typing import ClassVar

from evaluator.core.scorecard import Risk, Scorecard
from evaluator.report import _format
from evaluator.report._base import Section
from evaluator.report._blocks import Block, soft
from evaluator.report.sections import verdict


class Reading(Section):
    """The explanations, on the page only: they are the same for every run."""

    name: ClassVar[str] = "reading"
    title: ClassVar[str] = "How to read this"
    template: ClassVar[str] = "reading.html.j2"
    page_only: ClassVar[bool] = True

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Say where the explanations are."""
        del card
        return (soft("scorecard.html explains what scores, bounds, coverage, gates and percentiles mean."),)

    def context(self, card: Scorecard) -> dict[str, object]:
        """Return the weights and the threshold that the text names."""
        del card
        weights = ", ".join(f"{risk} {_format.tick(risk.weight, None)}" for risk in Risk)
        return {"weights": weights, "needed": _format.percent(verdict.NEEDED_COVERAGE)}


plugin = Reading()
