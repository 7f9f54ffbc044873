"""`scorecard.txt`: one line for each framework."""

from typing import ClassVar

from evaluator.core.scorecard import Scorecard
from evaluator.report._base import Report


class Text(Report):
    """The verdicts, and nothing else."""

    name: ClassVar[str] = "text"
    filename: ClassVar[str] = "scorecard.txt"

    def render(self, scorecard: Scorecard) -> str:
        """Return a line for each framework, over all scenarios."""
        overall = [score for score in scorecard.scores if score.scenario is None]
        return "".join(f"{score.candidate}: {score.verdict}\n" for score in overall) or "nothing was scored\n"


plugin = Text()
