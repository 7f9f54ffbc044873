"""The exit codes of commands that assess something: `fweval --help` says what each means."""

from collections.abc import Sequence

from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Scorecard


def of_scorecard(scorecard: Scorecard) -> int:
    """Return 0 when a framework is ready, 3 when evidence is missing to say so, else 1."""
    verdicts = {score.verdict for score in scorecard.scores if score.scenario is None}
    if "ready" in verdicts:
        return 0
    return 3 if "insufficient evidence" in verdicts or not verdicts else 1


def of_steps(endings: Sequence[Outcome]) -> int:
    """Return 1 when a step of a stage did not pass, 3 when none could or one hit a bug of ours, else 0."""
    if any(ending.is_answer and ending is not Outcome.PASSED for ending in endings):
        return 1
    return 0 if Outcome.PASSED in endings and Outcome.ERROR not in endings else 3
