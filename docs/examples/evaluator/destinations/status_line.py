"""An example of a destination: a line for each candidate, for a chat or a status page."""

from typing import ClassVar

from evaluator.core.answers import NAMES
from evaluator.destinations._base import FileDestination, Published


class StatusLine(FileDestination):
    """The verdicts, a line each."""

    name: ClassVar[str] = "status_line"
    title: ClassVar[str] = "verdicts, a line each"
    ending: ClassVar[str] = ".txt"

    def render(self, told: Published) -> bytes:
        """Return the lines; an unmeasured score is said to be so."""
        lines = [
            f"{told.card.run}: {NAMES.get(each.candidate, each.candidate)} is {each.verdict}, "
            f"{'not measured' if each.overall is None else f'{each.overall:.1f} of 10'}"
            for each in told.card.scores
            if each.scenario is None
        ]
        return "".join(f"{line}\n" for line in lines).encode()


plugin = StatusLine()
