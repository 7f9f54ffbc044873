"""`scorecard.memo.html`: the memo as a page that prints on one sheet, A4 or Letter; a browser makes a PDF of it."""

from typing import ClassVar

from evaluator.core.scorecard import Scorecard
from evaluator.report import html
from evaluator.report._base import Report
from evaluator.report._memo import memo


class MemoPage(Report):
    """The decision on one page, to print and to sign."""

    name: ClassVar[str] = "memo_page"
    filename: ClassVar[str] = "scorecard.memo.html"

    def render(self, scorecard: Scorecard) -> str:
        """Return the page."""
        return html.template("memo.html.j2").render(memo=memo(scorecard))


plugin = MemoPage()
