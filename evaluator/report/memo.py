"""`scorecard.memo.md`: the memo, for pull requests, mail and `fweval memo`."""

from typing import ClassVar

from evaluator.core.scorecard import Scorecard
from evaluator.report import markdown
from evaluator.report._base import Report
from evaluator.report._blocks import Heading, Prose
from evaluator.report._memo import memo


class MemoText(Report):
    """The decision on one page, as Markdown."""

    name: ClassVar[str] = "memo"
    filename: ClassVar[str] = "scorecard.memo.md"

    def render(self, scorecard: Scorecard) -> str:
        """Return the memo."""
        found = memo(scorecard)
        written = [*markdown.write((Heading(text=found.title), Prose(line=(found.run,))))]
        written[0] = written[0].removeprefix("##")
        for title, blocks in found.sections:
            written += [f"## {title}", "", *markdown.write(blocks)]
        return "\n".join(written).rstrip("\n") + "\n"


plugin = MemoText()
