"""What a destination is: it takes a finished run and writes it where people already look. Nothing is measured."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from evaluator.core import files
from evaluator.core.errors import UsageError
from evaluator.core.records import RunRecord
from evaluator.core.scorecard import Scorecard


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What is published of a run. Every text in both records is one line that can be shown anywhere."""

    folder: Path  # of the run: to look whether a file is there, or to hand on reports
    card: Scorecard
    run: RunRecord


class Destination(ABC):
    """One destination."""

    name: ClassVar[str]  # equals the module's file name
    title: ClassVar[str]
    ending: ClassVar[str]  # how the name of what it writes ends, behind the run's: ".csv"
    environment: ClassVar[str | None] = None  # of tools whose pins clash with ours: exports/environments

    @abstractmethod
    def publish(self, told: Published, out: str) -> str:
        """Write to a file, or to whatever else `out` names; return what was written, in a line for people.

        Raises `Unavailable` when what it needs is not installed, `UsageError` when there is no writing to `out`.
        """


class FileDestination(Destination):
    """A destination that is one file: the same run gives the same bytes, no clock and no machine is read."""

    @abstractmethod
    def render(self, told: Published) -> bytes:
        """Return what stands in the file."""

    def publish(self, told: Published, out: str) -> str:
        """Write the file."""
        try:
            files.write_text(Path(out), self.render(told))
        except OSError as error:
            raise UsageError(f"{out} cannot be written: {error.strerror}", remedy="choose another --out") from error
        return out
