"""What the checks of servers share: which attempt counts, and what is said when there is none.

A step that fweval stopped at its time limit says nothing about its server: whatever a server may keep us waiting for
(its start, an answer, its stop) has a limit of its own, which ends as a failure in words.
"""

from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Risk
from evaluator.judging.contract import Answer, not_asked
from evaluator.judging.evidence import Entry

_TRIED = (Outcome.TIMED_OUT, Outcome.ERROR)


def chosen(entries: tuple[Entry, ...]) -> Entry | None:
    """Return the attempt that says something about the subject, a real server before the reference one."""
    answers = [entry for entry in entries if _is_answer(entry)]
    return min(answers, key=lambda entry: entry.reference, default=None)


def missing(entries: tuple[Entry, ...], what: str, risk: Risk | None = None) -> Answer:
    """Say why nothing was served: what came of an attempt says more than why there was none."""
    if not entries:
        return not_asked(what, risk)
    result = min(entries, key=_untried).result
    reason = result.reason or f"the step ended as {result.outcome.value.replace('_', ' ')}"
    if result.outcome is Outcome.TIMED_OUT:
        reason = f"fweval stopped the step, which says nothing of the server: {reason}"
    return Answer(state=Outcome.UNAVAILABLE, score=None, reason=reason, remedy=result.remedy, risk=risk)


def _is_answer(entry: Entry) -> bool:
    return entry.result.outcome.is_answer and entry.result.outcome is not Outcome.TIMED_OUT


def _untried(entry: Entry) -> tuple[bool, bool]:
    """Rank a step that came to no answer: before those that never began come those that did."""
    return entry.result.outcome not in _TRIED, not entry.result.started_at
