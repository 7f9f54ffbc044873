"""What a report and a section of it are: pure functions from a scorecard to text, and to blocks."""

from abc import ABC, abstractmethod
from typing import ClassVar

from evaluator.core import registry
from evaluator.core.scorecard import Scorecard
from evaluator.report._blocks import Block
from evaluator.report.sections import ORDER


class Report(ABC):
    """One output. The same scorecard always gives the same bytes: no clock, no machine, no environment is read."""

    name: ClassVar[str]  # equals the module's file name
    filename: ClassVar[str]  # where the text lies inside the run folder
    lossless: ClassVar[bool] = False  # True: read by machines, which get every text as it is, not `core.text.cleaned`

    @abstractmethod
    def render(self, scorecard: Scorecard) -> str:
        """Return the whole text of the file."""


class Section(ABC):
    """One topic, shown by every output. Like a report it reads nothing but the scorecard."""

    name: ClassVar[str]  # equals the module's file name; on the page it is the section's anchor
    title: ClassVar[str]
    short: ClassVar[str] = ""  # in the list of contents, where the title is too long for it
    template: ClassVar[str] = ""  # of its own, in templates/: the page shows it instead of the blocks
    appendix: ClassVar[bool] = False  # not printed: long, said elsewhere, or the same in every run
    opening: ClassVar[bool] = False  # its template is the first screen of the page, and shows leading sections there
    leading: ClassVar[bool] = False  # stands on the first screen, right below the headline
    page_only: ClassVar[bool] = False  # too much for a text that goes into pull requests and mail

    @abstractmethod
    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return what is shown; without any block the section is left out."""

    def screen(self, card: Scorecard) -> tuple[Block, ...]:
        """Return what the first screen of the page shows of a leading section: few words, and the rest folded."""
        return self.blocks(card)

    def context(self, card: Scorecard) -> dict[str, object]:
        """Return what a template of its own is given beside the scorecard."""
        del card
        return {}

    def brief(self, card: Scorecard) -> tuple[Block, ...]:
        """Return what the summary in the terminal shows, at 80 columns: nothing, unless a section has news there."""
        del card
        return ()


def sections() -> tuple[Section, ...]:
    """Return all sections in their order; those that ORDER does not name come last."""
    names = registry.names("section")
    ordered = (*(name for name in ORDER if name in names), *(name for name in names if name not in ORDER))
    return tuple(registry.load("section", name) for name in ordered)
