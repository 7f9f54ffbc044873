"""Everything that can go wrong on purpose: the exceptions that carry a message for a person.

Raised anywhere, printed in one place (`evaluator.cli`). Each says what happened and, in `remedy`, what to do next.
The two that a step raises inside its child (`Unsupported`, `Unavailable`) become outcomes, not exits.
"""


class FwevalError(Exception):
    """A failure that a person can understand and act on; `exit_code` follows the table of `fweval --help`."""

    exit_code = 3

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(FwevalError):
    """What was asked cannot be asked: an unknown name, a malformed file, a folder in use."""

    exit_code = 2


class IncompleteEvidence(FwevalError):
    """The question was fine, but the evidence to answer it is not there (or has been damaged)."""

    exit_code = 3


class Unsupported(FwevalError):
    """The subject itself says that it cannot do this (an operator without a converter, a format without a reader)."""


class Unavailable(FwevalError):
    """This machine cannot ask the question (no GPU, no Docker engine, a package that is not installed)."""
