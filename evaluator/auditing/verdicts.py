"""What a verification finds: one `Checked` for each question, with a `Problem` for whatever is not as it must be."""

from typing import Literal

from evaluator.core.coordinates import Record

# "missing" is evidence that is not there: the run is half a copy, or not finished. The others are no such thing.
Kind = Literal["changed", "added", "missing", "refused", "damaged", "differs", "untraced"]
VERIFIED, DIFFERS, INCOMPLETE = 0, 1, 3


class Problem(Record, frozen=True, kw_only=True):
    """What is amiss with one file of a run."""

    kind: Kind
    file: str  # relative to the run folder
    field: str = ""  # a JSON pointer (RFC 6901), or a line: where in the file
    said: str

    def __str__(self) -> str:
        """Return it as one line: the file, the field, and what is amiss."""
        return f"{' '.join(filter(None, (self.file, self.field)))}: {self.said}"


class Checked(Record, frozen=True, kw_only=True):
    """One question to a run, and how it was answered."""

    name: str  # "digests", "records", "scores", "reports", "signature"
    proves: str = ""  # what may be stated when it holds; empty where too little is known for that
    said: str  # what was looked at, counted
    count: int = 0
    problems: tuple[Problem, ...] = ()
    skipped: str = ""  # why it could not be asked
    notes: tuple[str, ...] = ()  # what it says nothing about

    @property
    def holds(self) -> bool:
        """Tell whether all is as it must be."""
        return not self.problems and not self.skipped


class Verification(Record, frozen=True, kw_only=True):
    """A run and all that was asked of it."""

    run: str
    verifier: str  # which fweval asked
    checks: tuple[Checked, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return what is amiss: of one file and kind what was said first, for later questions repeat it."""
        found: dict[tuple[str, str, str], Problem] = {}
        for each in (problem for check in self.checks for problem in check.problems):
            found.setdefault((each.kind, each.file, each.field), each)
        return tuple(found.values())

    @property
    def code(self) -> int:
        """Return the exit code: a difference outweighs what is missing."""
        if any(each.kind != "missing" for each in self.problems):
            return DIFFERS
        return VERIFIED if all(each.holds for each in self.checks) else INCOMPLETE
