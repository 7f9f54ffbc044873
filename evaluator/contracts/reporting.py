"""What reports and sections are asked: they show any scorecard, and names in it are text."""

import io

from rich.console import Console

from evaluator.contracts import paper
from evaluator.contracts.asking import Answer, first, question
from evaluator.core.scorecard import Scorecard
from evaluator.report import _terminal, html, markdown
from evaluator.report._base import Report, Section


@question("report")
def renders_any_scorecard(report: Report) -> Answer:
    """Its text ends with a line end, and is the same again."""
    for name, card in paper.cards().items():
        text = report.render(card)
        if not text.endswith("\n"):
            return f"of a run {name}: end the text with a line end"
        if text != report.render(card):
            return f"of a run {name}: the second time it was another text"
    return None


@question("report")
def writes_a_file_that_is_called_scorecard(report: Report) -> Answer:
    """What it writes lies beside the other scorecards."""
    named = report.filename.startswith("scorecard.") and "/" not in report.filename
    return None if named else f"filename = '{report.filename}': scorecard.SUFFIX"


@question("section")
def every_output_shows_it_whatever_the_scorecard(section: Section) -> Answer:
    """Page, Markdown and terminal show it of any scorecard, and the same again."""
    for name, card in paper.cards().items():
        for output in (on_the_page, in_markdown, in_the_terminal):
            if output(section, card) != output(section, card):
                return f"of a run {name}: the second time it was another text"
    return None


@question("section")
def markup_in_names_is_text(section: Section) -> Answer:
    """A name with markup of the page is shown as text."""
    shown = on_the_page(section, paper.cards()["with markup in names"])
    return "it writes markup of names into the page: leave that to blocks" if "<i>" in shown else None


@question("section")
def what_it_says_in_brief_fits_a_terminal(section: Section) -> Answer:
    """The summary in the terminal has lines of 80 characters at most."""
    long = [
        line
        for card in paper.cards().values()
        for line in _drawn(_terminal.rendered(section.brief(card)), 80).splitlines()
        if len(line) > 80
    ]
    return first(*(f"`brief` has a line of {len(line)} characters" for line in long))


def on_the_page(section: Section, card: Scorecard) -> str:
    """Return what the page shows of a section, without what surrounds all of them."""
    return html.page(card, (section,)).partition("<main")[2].partition(">")[2].partition("</main>")[0]


def in_markdown(section: Section, card: Scorecard) -> str:
    """Return what Markdown shows of a section."""
    return "\n".join(markdown.write(section.blocks(card)))


def in_the_terminal(section: Section, card: Scorecard) -> str:
    """Return what the terminal shows of a section, without breaking lines."""
    return _drawn(_terminal.rendered((*section.blocks(card), *section.brief(card))), 2000)


def _drawn(shown: object, width: int) -> str:
    file = io.StringIO()
    Console(width=width, no_color=True, file=file).print(shown)
    return file.getvalue()
