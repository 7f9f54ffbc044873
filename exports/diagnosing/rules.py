"""From how a tool failed to why: class, culprit and remedy. Pure, by rules that are data (`evaluator.core.causes`).

A rule's pattern is looked for in the step's reason first, then in what the step wrote to stderr, because many tools put
the cause there and raise something general. What no rule knows is told by how the step ended.
"""

import re
from dataclasses import dataclass

from evaluator.core.causes import OTHER_EXPORTER, Rule, around, matches, shortened
from evaluator.core.matrix import Diagnosis, Kind
from evaluator.core.outcome import Outcome

TAIL_BYTES = 16_384  # of stderr that are worth looking at: tools end with what went wrong
_LONGEST = 240  # characters of what a tool said
_SEE = "see steps/"  # how a remedy begins that only says where to look


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A step that did not pass, and the end of what it wrote to stderr."""

    outcome: Outcome
    reason: str | None
    remedy: str | None = None
    stderr: str = ""
    layer: str | None = None  # where outputs begin to differ from the origin's
    declared: bool = False  # the exporter says of itself that it cannot: nothing was tried
    ready_made: bool = False  # the artifact was not made here: it cannot be exported in another way


# What the ending alone tells, where no rule knows the message.
_ENDINGS: dict[Outcome, Kind] = {
    Outcome.UNAVAILABLE: "missing on this machine",
    Outcome.UNSUPPORTED: "unsupported code",
    Outcome.TIMED_OUT: "resource",
    Outcome.ERROR: "bug in fweval",
}
_PLACES = (  # where in the model's code, or where in the tool's own
    re.compile(r"File \"(?:[^\"]*/)?([^\"/]+)\", (line \d+)\n[^\n]*\n[^\n]*<--- HERE"),
    re.compile(r"File \"[^\"]*/(?:site|dist)-packages/([^\"]+)\", (line \d+)"),
)
_ASIDE = re.compile(  # what is written at the levels of information: Python's, glog's (Abseil, JAX) and TensorFlow's
    r"^(?:(?:INFO|DEBUG)\b|I\d{4} |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: I )[^\n]*\n?", re.MULTILINE
)
_MACHINES = ("missing on this machine", "resource")  # what is not there, which ends a step as unavailable
_DECIDED = frozenset({Outcome.UNAVAILABLE, Outcome.ERROR, Outcome.TIMED_OUT})  # whatever the step has written


def diagnose(failure: Failure) -> Diagnosis:
    """Say why a step did not pass."""
    reason = failure.reason or f"no reason was recorded: the step ended as {failure.outcome.value.replace('_', ' ')}"
    said = _shortened(reason)
    told = None if failure.remedy is None or failure.remedy.startswith(_SEE) else failure.remedy
    if failure.declared:
        return Diagnosis(kind="unsupported precision", said=said, remedy=told or "use another exporter or precision")
    if failure.outcome in _DECIDED:
        return _decided(failure, said, told)
    for rule, found in matches(reason, _ASIDE.sub("", failure.stderr)):
        if failure.outcome is Outcome.UNSUPPORTED and found.string is not reason and rule.kind in _MACHINES:
            continue
        culprit = _culprit(rule, found)
        if rule.kind in ("wrong result", "accuracy loss"):
            culprit = failure.layer or culprit
        elif rule.kind in ("unsupported code", "tool bug"):
            culprit = culprit or _place(failure.stderr)
        if found.string is not reason:
            said = _shortened(f"{reason.rstrip(':')}: {around(found, _LONGEST)}")
        return Diagnosis(kind=rule.kind, said=said, culprit=culprit or None, remedy=_remedy(failure, rule.remedy, told))
    kind = _ENDINGS.get(failure.outcome, "unknown cause" if failure.ready_made else "tool bug")
    remedy = told or (None if failure.ready_made else OTHER_EXPORTER)
    return Diagnosis(kind=kind, said=said, culprit=_place(failure.stderr) or None, remedy=remedy)


def _decided(failure: Failure, said: str, told: str | None) -> Diagnosis:
    """Say why, where the ending tells the class; the reason may name what it hangs on."""
    kinds = (_ENDINGS[failure.outcome], *(("resource",) if failure.outcome is Outcome.UNAVAILABLE else ()))
    known = next((pair for pair in matches(failure.reason or "") if pair[0].kind in kinds), None)
    if known is None:
        return Diagnosis(kind=_ENDINGS[failure.outcome], said=said, remedy=told)
    return Diagnosis(kind=known[0].kind, said=said, culprit=_culprit(*known) or None, remedy=told or known[0].remedy)


def _culprit(rule: Rule, found: re.Match[str]) -> str:
    return rule.culprit or " ".join(group for group in found.groups() if group)


def _remedy(failure: Failure, ruled: str | None, told: str | None) -> str | None:
    """Return what can be done: who only has an artifact cannot export it again, and knows its inputs best."""
    if not failure.ready_made:
        return ruled or told
    return told or ("get it again" if ruled == "export it again" else ruled)


def _place(stderr: str) -> str:
    """Return the file and line that a tool points at, or the innermost of its own; empty without any."""
    for pattern in _PLACES:
        *_, last = [None, *pattern.finditer(stderr)]
        if last is not None:
            return " ".join(last.groups())
    return ""


def _shortened(text: str) -> str:
    return shortened(text, _LONGEST).removesuffix(":")
