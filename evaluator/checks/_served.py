"""What the checks of servers share: which attempt counts, and what is said when there is none.

The process that a step is asks the server, and is not it. One that fweval stopped at its time limit, or that died,
says nothing about the server: what a server may keep us waiting for has a limit of its own, and one that dies is found
dead; both end as a failure in words.
"""

from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Risk
from evaluator.judging.contract import STAND_IN, Answer, not_asked
from evaluator.judging.evidence import Entry

_OURS = {
    Outcome.TIMED_OUT: "fweval stopped the step, which says nothing of the server",
    Outcome.CRASHED: "fweval's own process died, which says nothing of the server",
    Outcome.ERROR: "the step did not come to its end",
}


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
    if result.outcome in _OURS:
        reason = f"{_OURS[result.outcome]}: {reason}"
    return Answer(state=Outcome.UNAVAILABLE, score=None, reason=reason, remedy=result.remedy, risk=risk)


def _is_answer(entry: Entry) -> bool:
    return entry.result.outcome.is_answer and entry.result.outcome not in _OURS


def _untried(entry: Entry) -> tuple[bool, bool, bool]:
    """Rank a step that came to no answer: before those that never began come a stand-in's, and those that did begin."""
    return entry.result.reason != STAND_IN, entry.result.outcome not in _OURS, not entry.result.started_at
