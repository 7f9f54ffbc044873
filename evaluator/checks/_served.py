"""What the checks of servers share: which attempt counts, and what is said when there is none."""

from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Risk
from evaluator.judging.contract import Answer, not_asked
from evaluator.judging.evidence import Entry


def chosen(entries: tuple[Entry, ...]) -> Entry | None:
    """Return the attempt that says something about the subject, a real server before the reference one."""
    answers = [entry for entry in entries if entry.result.outcome.is_answer]
    return min(answers, key=lambda entry: entry.reference, default=None)


def missing(entries: tuple[Entry, ...], what: str, risk: Risk | None = None) -> Answer:
    """Say why nothing was served."""
    if not entries:
        return not_asked(what, risk)
    result = entries[0].result
    reason = result.reason or result.outcome.value
    return Answer(state=Outcome.UNAVAILABLE, score=None, reason=reason, remedy=result.remedy, risk=risk)
