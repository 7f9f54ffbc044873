"""How a step can end, and whose failure it is."""

from enum import StrEnum


class Outcome(StrEnum):
    """The eight endings of a step; only `PASSED` makes its figures count."""

    PASSED = "passed"
    FAILED = "failed"  # the subject did not do what it should
    UNSUPPORTED = "unsupported"  # the subject says that it cannot
    UNAVAILABLE = "unavailable"  # this machine cannot ask
    NOT_APPLICABLE = "not_applicable"  # the question makes no sense here
    CRASHED = "crashed"  # the child died (signal, abort)
    TIMED_OUT = "timed_out"  # the child was stopped at its time limit
    ERROR = "error"  # our own bug

    @property
    def is_answer(self) -> bool:
        """True when the ending says something about the subject; the others leave evidence missing."""
        return self in _ANSWERS


_ANSWERS = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.UNSUPPORTED, Outcome.CRASHED, Outcome.TIMED_OUT})
