"""The same questions to every section of the report, in all three outputs that show it."""

import io
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from evaluator import report
from evaluator.contracts.reporting import in_markdown, in_the_terminal, on_the_page
from evaluator.core import registry
from evaluator.core.scorecard import Scorecard
from evaluator.report import _terminal, html
from evaluator.report._base import Section, sections
from tests import sample_scorecard

NAMES = registry.names("section")
TEMPLATES = Path(str(report.__file__)).with_name("templates")
MARKUP = "<i>[i]*x*|`"
Show = Callable[[Section, Scorecard], str]


def hostile() -> Scorecard:
    """Return the sample with markup of all three outputs wherever a scenario, a server or a format is named."""
    text = msgspec.json.encode(sample_scorecard.scorecard()).decode()
    for name in ("resnet50", "torchserve", "savedmodel"):
        text = text.replace(f'"{name}"', f'"{MARKUP}{name}"')
    return msgspec.json.decode(text, type=Scorecard)


OUTPUTS: tuple[Show, ...] = (on_the_page, in_markdown, in_the_terminal)
CARDS = (sample_scorecard.empty, sample_scorecard.scorecard, sample_scorecard.hostile, hostile)


@cache
def _addresses(make: Callable[[], Scorecard]) -> list[str]:
    """Return every address of the whole page."""
    return re.findall(r' id="([^"]+)"', html.page(make(), sections()))


@pytest.fixture(params=NAMES)
def section(request: pytest.FixtureRequest) -> Section:
    found = registry.load("section", request.param)
    assert isinstance(found, Section)
    return found


def test_file_name_is_the_name_and_there_is_a_title(section: Section) -> None:
    assert section.name in NAMES
    assert section.title
    assert not section.template or (TEMPLATES / section.template).is_file()


def test_each_is_read_once_in_its_order() -> None:
    assert sorted(each.name for each in sections()) == sorted(NAMES)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("make", CARDS)
def test_every_output_shows_any_scorecard(section: Section, make: Callable[[], Scorecard], output: Show) -> None:
    card = make()
    again = msgspec.json.decode(msgspec.json.encode(card), type=Scorecard)
    assert output(section, card) == output(section, again)


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_has_something_to_show_shows_it_everywhere(section: Section, output: Show) -> None:
    card = sample_scorecard.scorecard()
    assert section.blocks(card), "the sample has everything: add to it what this section is about"
    assert output(section, card).strip()


@pytest.mark.parametrize("make", CARDS)
def test_the_page_has_its_anchor_and_its_links_lead_somewhere(section: Section, make: Callable[[], Scorecard]) -> None:
    shown = on_the_page(section, make())
    if section.blocks(make()):
        assert shown.count(f'id="{section.name}"') == 1
    links = re.findall(r'href="#([^"]+)"', shown)
    found = _addresses(make)  # axes and evidence, which several share, stand elsewhere on the page
    assert all(found.count(link) == 1 for link in links)


def test_markup_in_names_is_text_on_the_page(section: Section) -> None:
    shown = on_the_page(section, hostile())
    assert "<i>" not in shown
    if not section.template:  # which may leave out what the blocks say
        assert ("&lt;i&gt;" in shown) == (MARKUP in str(section.blocks(hostile())))


def test_markup_in_names_is_text_in_markdown(section: Section) -> None:
    shown = in_markdown(section, hostile())
    assert not re.search(r"(?<!\\)[<`]", shown)
    assert not re.search(r"(?<!\\)\*x(?<!\\)\*", shown)
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert all(row.endswith(" |") for row in rows)


def test_markup_in_names_is_text_in_the_terminal(section: Section) -> None:
    shown = in_the_terminal(section, hostile())
    assert ("[i]" in shown) == (MARKUP in str((section.blocks(hostile()), section.brief(hostile()))))


@pytest.mark.parametrize("make", CARDS)
def test_what_it_says_in_brief_fits_a_terminal(section: Section, make: Callable[[], Scorecard]) -> None:
    console = Console(width=80, no_color=True, file=io.StringIO())
    console.print(_terminal.rendered(section.brief(make())))
    assert isinstance(console.file, io.StringIO)
    assert all(len(line) <= 80 for line in console.file.getvalue().splitlines())


def test_importing_them_imports_no_framework() -> None:
    code = (
        "import sys; from evaluator.core import registry; registry.load_all('section');"
        "assert not {'torch', 'tensorflow', 'onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
