"""`scorecard.html`: what a board sees first. One file, no script, nothing loaded from anywhere.

The page lives in templates/: `scorecard.html.j2` (the order of things), `macros.html.j2` (the repeated parts),
`scorecard.css`. All text is escaped by Jinja; the pictures come from `evaluator.report._svg`.
"""

from functools import cache
from typing import ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Risk, Scorecard
from evaluator.report import _format, _matrix, _svg, _view
from evaluator.report._base import Report


class Html(Report):
    """The scorecard as a self-contained page."""

    name: ClassVar[str] = "html"
    filename: ClassVar[str] = "scorecard.html"

    def render(self, scorecard: Scorecard) -> str:
        """Return the page."""
        return _template().render(card=scorecard)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("evaluator.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(f=_format, svg=_svg, view=_view, matrix=_matrix, Outcome=Outcome, Risk=Risk)
    return environment.get_template("scorecard.html.j2")


plugin = Html()
