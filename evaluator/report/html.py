"""`scorecard.html`: what a board sees first. One file, no script, nothing loaded from anywhere.

The page lives in templates/: `page.html.j2` (what surrounds the sections), `blocks.html.j2` (each kind of block),
`scorecard.css`, and the templates that sections bring. All text is escaped by Jinja; the pictures come from
`evaluator.report._svg`.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from evaluator.core.scorecard import Scorecard
from evaluator.report import _format, _svg
from evaluator.report._base import Report, Section, sections


class Html(Report):
    """The scorecard as a self-contained page."""

    name: ClassVar[str] = "html"
    filename: ClassVar[str] = "scorecard.html"

    def render(self, scorecard: Scorecard) -> str:
        """Return the page."""
        return page(scorecard, sections())


def page(card: Scorecard, chosen: Iterable[Section]) -> str:
    """Return the page with some of the sections; those without blocks are left out."""
    found = [(section, section.blocks(card)) for section in chosen]
    shown = [(section, blocks) for section, blocks in found if blocks]
    opened = any(section.opening for section, _ in shown)
    below = [(section, blocks) for section, blocks in shown if not (opened and section.leading)]
    unprinted = [f"“{section.title}”" for section, _ in shown if section.appendix]
    return _template().render(card=card, shown=shown, below=below, unprinted=unprinted)


def brief(card: Scorecard) -> str:
    """Return what each section says in brief, as a piece of somebody else's page: without our style."""
    blocks = [block for section in sections() for block in section.brief(card)]
    written: Any = _template().environment.get_template("blocks.html.j2").module
    return str(written.all(blocks)).strip()


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
    environment.filters["kind"] = lambda found: type(found).__name__
    environment.globals.update(f=_format, svg=_svg)
    return environment.get_template("page.html.j2")


plugin = Html()
