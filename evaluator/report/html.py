"""`scorecard.html`: what a board sees first. One file, nothing loaded from anywhere, whole without its one script.

The page lives in templates/: `page.html.j2` (what surrounds the sections), `blocks.html.j2` (each kind of block),
`scorecard.css`, and the templates that sections bring. All text is escaped by Jinja; the pictures come from
`evaluator.report._svg`. `weights.js` moves the weights of categories; the page's policy names its digest, and a browser
runs nothing else.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from evaluator.core.scorecard import Scorecard
from evaluator.report import _format, _plain, _svg
from evaluator.report._base import Report, Section, sections

# What pictures share: a grid, or what is written along an axis.
_AXES = re.compile(r'(?:<line [^>]*class="grid"/>){2,}|(?:<text x[^<]*</text>){2,}')
_GAPS = re.compile(r"\s*\n\s*(?=<)")  # a third of a large page would be indentation


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
    written = _template().render(card=card, shown=shown, below=below, unprinted=unprinted, policy=_policy())
    return _shared(_GAPS.sub("\n", written))


def brief(card: Scorecard) -> str:
    """Return what each section says in brief, as a piece of somebody else's page: without our style."""
    blocks = [block for section in sections() for block in section.brief(card)]
    written: Any = _template().environment.get_template("blocks.html.j2").module
    return str(written.all(blocks)).strip()


def _shared(written: str) -> str:
    """Say once what a hundred pictures have in common: the lines of their grids, the figures at their axes."""
    known: dict[str, str] = {}

    def used(found: re.Match[str]) -> str:
        return f'<use href="#{known.setdefault(found[0], f"axis-{len(known) + 1}")}"/>'

    body = _AXES.sub(used, written)
    groups = "".join(f'<g id="{name}">{drawn}</g>' for drawn, name in known.items())
    defined = f'<svg class="hidden" aria-hidden="true"><defs>{groups}</defs></svg>\n'
    return body.replace("<main ", f"{defined}<main ", 1) if known else body


@cache
def _script() -> str:
    return files("evaluator.report").joinpath("templates", "weights.js").read_text(encoding="utf-8")


@cache
def _policy() -> str:
    """Return the page's policy of content: its own style, and the one script that has this digest."""
    digest = b64encode(sha256(_script().encode()).digest()).decode()
    allowed = f"style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _template() -> Template:
    return template("page.html.j2")


@cache
def template(name: str) -> Template:
    """Return one of the templates, with what they share."""
    environment = Environment(
        loader=PackageLoader("evaluator.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["kind"] = lambda found: type(found).__name__
    environment.globals.update(css_titles=_plain.css_titles, f=_format, svg=_svg, script=Markup(_script()))  # noqa: S704  # a file of ours
    return environment.get_template(name)


plugin = Html()
