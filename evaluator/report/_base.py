"""What a report is: a pure function from a scorecard to the text of one file."""

from abc import ABC, abstractmethod
from typing import ClassVar

from evaluator.core.scorecard import Scorecard


class Report(ABC):
    """One output. The same scorecard always gives the same bytes: no clock, no machine, no environment is read."""

    name: ClassVar[str]  # equals the module's file name
    filename: ClassVar[str]  # where the text lies inside the run folder

    @abstractmethod
    def render(self, scorecard: Scorecard) -> str:
        """Return the whole text of the file."""
