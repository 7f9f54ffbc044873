"""The page in a real browser, offline: it fits every screen and paper, and what moves computes what Python computes."""

import re
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from evaluator.core.scorecard import CandidateScore, Scorecard
from evaluator.judging import scoring
from evaluator.report.html import plugin as html
from tests import fakes, old_run, sample_scorecard

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine (Debian: apt install chromium)"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--host-resolver-rules=MAP * ~NOTFOUND"]
WIDTHS = (390, 768, 1120, 1920)
A4_PX = 710  # what the margins leave of its width, in the units of the screen
MOST_BYTES = 3_000_000  # of the page of a run with a thousand steps
Make = Callable[[], Scorecard]

# What the browser made of the page. `cut` counts what hides a part of itself, `uncued` what scrolls sideways without
# showing so, `unnamed` figures of cards that nothing names.
LOOK = """() => {
  const wider = [...document.querySelectorAll("main *:not(.hidden)")].filter((each) =>
    each.clientWidth && each.scrollWidth > each.clientWidth + 1);
  const style = (each) => getComputedStyle(each);
  return {
    width: document.documentElement.scrollWidth,
    cut: wider.filter((each) => ["hidden", "clip"].includes(style(each).overflowX)).length,
    uncued: wider.filter((each) =>
      ["auto", "scroll"].includes(style(each).overflowX) && style(each).backgroundImage == "none").length,
    height: document.documentElement.scrollHeight,
  };
}"""
UNFOLD = "document.querySelectorAll('details').forEach((each) => (each.open = true))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


class Opened:
    """A page, with all that it asked for and complained of."""

    def __init__(self, browser: Browser, folder: Path, card: Scorecard, **settings: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1120, "height": 800}, **settings})
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        path = folder / "scorecard.html"
        path.write_text(html.render(card))
        self.address = path.as_uri()
        self.page.goto(self.address)

    def close(self) -> None:
        """Close it: it asked for nothing but itself, and had nothing to complain of."""
        self.context.close()
        assert (self.asked, self.said) == ([self.address], [])


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    found: list[Opened] = []

    def open_(card: Scorecard, **settings: Any) -> Opened:
        found.append(Opened(browser, tmp_path, card, **settings))
        return found[-1]

    yield open_
    for each in found:
        each.close()


Open = Callable[..., Opened]


@pytest.mark.parametrize("make", [sample_scorecard.scorecard, old_run.scorecard, sample_scorecard.hostile])
def test_the_page_fits_every_screen(make: Make, opened: Open) -> None:
    page = opened(make()).page
    heights = {}
    for folded in (True, False):
        if not folded:
            page.evaluate(UNFOLD)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            seen = page.evaluate(LOOK)
            heights[width, folded] = seen["height"]
            assert (seen["width"], seen["cut"], seen["uncued"]) == (width, 0, 0), (width, folded)
    if make is old_run.scorecard:
        assert heights[1120, True] < heights[1120, False] / 3


@pytest.mark.parametrize("height", [800, 1688])
def test_who_reads_the_first_screen_only_knows_paths_amounts_and_what_is_missing(height: int, opened: Open) -> None:
    """A desktop's first screen, and two of a phone's."""
    width = 1120 if height == 800 else 390
    page = opened(sample_scorecard.scorecard(), viewport={"width": width, "height": height}).page
    parts = ("#verdict .answer", ".strip .big >> nth=1", ".careful summary >> nth=-1", "#paths tbody td >> nth=-1")
    for part in parts:
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height, part


def test_on_a_phone_a_figure_is_named_by_its_column(opened: Open) -> None:
    page = opened(sample_scorecard.scorecard(), viewport={"width": 390, "height": 800}).page
    page.evaluate(UNFOLD)
    cell = page.locator("#cells tbody td").nth(3)
    named = "(each) => getComputedStyle(each, '::before').content"
    assert cell.evaluate(named) == '"Outcome"'
    page.set_viewport_size({"width": 1120, "height": 800})
    assert cell.evaluate(named) == "none"


# What is shared, beside a copy of it that is drawn where it is used: how much wider and higher it comes out.
SHARED = """() => [...document.querySelectorAll("main use")].map((use) => {
  const copy = document.querySelector(use.getAttribute("href")).cloneNode(true);
  use.parentNode.append(copy);
  const [one, other] = [use, copy].map((each) => each.getBoundingClientRect());
  copy.remove();
  return Math.max(Math.abs(one.width - other.width), Math.abs(one.height - other.height));
})"""


def test_what_pictures_share_looks_as_if_each_had_its_own(opened: Open) -> None:
    page = opened(old_run.scorecard()).page
    page.evaluate(UNFOLD)
    differences = page.evaluate(SHARED)
    assert len(differences) > 10
    assert max(differences) < 1


# Weights -------------------------------------------------------------------------------------------------------------


def shown(page: Page) -> list[list[dict[str, Any]]]:
    """Return what stands below the sliders, group by group, in its order."""
    found: list[list[dict[str, Any]]] = page.eval_on_selector_all(
        "#ranked ol", "all => all.map(ol => [...ol.children].map(li => ({...li.dataset})))"
    )
    return found


def scored(card: Scorecard, weights: dict[str, float]) -> tuple[CandidateScore, ...]:
    """Return what Python makes of the same findings under other weights."""
    frameworks = tuple(dict.fromkeys(each.candidate for each in card.scores))
    policy = msgspec.structs.replace(card.policy, categories=weights)
    return scoring.score_candidates(card.findings, frameworks, tuple(card.scenarios), policy)


def same(page: Page, card: Scorecard, weights: dict[str, float]) -> None:
    """Compare with Python: every figure, every verdict, and the order."""
    told = [group for group in shown(page) if group]
    expected = scored(card, weights)
    places = [None, *(list(card.scenarios) if len(card.scenarios) > 1 else [])]
    assert len(told) == len(places)
    for group, place in zip(told, places, strict=True):
        found = {each["name"].lower(): each for each in group}
        for score in (each for each in expected if each.scenario == place):
            there = found.pop(score.candidate)
            figures = [float(there[name]) for name in ("lower", "upper", "coverage")]
            assert figures == pytest.approx([score.lower, score.upper, score.coverage], rel=1e-12)
            assert there["verdict"] == score.verdict
            if score.overall is None:
                assert there["overall"] == "null"
            else:
                assert float(there["overall"]) == pytest.approx(score.overall, rel=1e-12)
        assert found == {}
        order = [float(each["overall"]) for each in group if each["overall"] != "null"]
        assert all(first >= second for first, second in pairwise(order))


@pytest.mark.parametrize("make", [old_run.scorecard, lambda: fakes.scorecard(fakes.complete_run())])
def test_moved_weights_give_what_python_computes(make: Make, opened: Open) -> None:
    card = make()
    card = msgspec.structs.replace(card, scores=scored(card, card.policy.categories))
    page = opened(card).page
    weights = dict(card.policy.categories)
    same(page, card, weights)
    assert page.locator("#moved").inner_text() == "These are the weights of this run."
    for number, (name, value) in enumerate(zip(weights, (0, 3.3, 0.75, 6.5, 1.1), strict=False)):
        page.locator(f"#weight-{number}").evaluate(
            "(each, value) => { each.value = value; each.dispatchEvent(new Event('input')); }", value
        )
        weights[name] = float(page.locator(f"#weight-{number}").input_value())
        same(page, card, weights)
        assert page.locator("#moved").inner_text().startswith("Weights moved: not the criteria of this run.")
    page.locator("#reset").click()
    same(page, card, card.policy.categories)
    assert page.locator("#reset").is_disabled()


def test_weights_move_by_keys_and_the_page_itself_says_what_the_run_says(opened: Open) -> None:
    page = opened(old_run.scorecard()).page
    before = page.locator("#verdict").inner_text()
    slider = page.locator("#weight-0")
    slider.focus()
    first = float(slider.input_value())
    page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) > first
    assert "not the criteria of this run" in page.locator("#moved").inner_text()
    assert re.fullmatch(r"\d+ % of the weight", str(slider.get_attribute("aria-valuetext")))
    page.keyboard.press("Home")
    assert page.locator("output[for=weight-0]").inner_text() == "0 %"
    assert page.locator("#verdict").inner_text() == before


def test_all_weights_at_zero_rank_nobody(opened: Open) -> None:
    page = opened(old_run.scorecard()).page
    for slider in page.locator(".sliders input").all():
        slider.focus()
        page.keyboard.press("Home")
    assert {(each["overall"], each["verdict"]) for group in shown(page) for each in group} <= {
        ("null", "insufficient evidence"),
        ("null", "not ready"),
    }


def test_without_a_script_there_is_a_table_and_no_slider(opened: Open) -> None:
    page = opened(sample_scorecard.scorecard(), java_script_enabled=False).page
    assert page.locator("#weights").is_hidden()
    assert page.locator("#scores table").first.is_visible()


# Everybody -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), [(1120, "light"), (1120, "dark"), (390, "light")])
def test_contrast_names_and_order_are_those_that_wcag_asks_for(width: int, scheme: str, opened: Open) -> None:
    page = opened(sample_scorecard.scorecard(), viewport={"width": width, "height": 800}, color_scheme=scheme).page
    page.evaluate(UNFOLD)
    page.locator("#weight-0").press("End")
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert [
        (each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found.response["violations"]
    ] == []


def test_keys_lead_past_the_contents_and_show_where_they_are(opened: Open) -> None:
    page = opened(sample_scorecard.scorecard()).page
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    box = skip.bounding_box()
    assert box is not None
    assert box["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    for part in ("summary", "nav a", ".sliders input", ".scroll[tabindex]"):
        page.locator(part).first.focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", part


# Paper ---------------------------------------------------------------------------------------------------------------


def test_a_whole_run_prints_on_a_few_pages_and_nothing_is_cut(opened: Open) -> None:
    page = opened(old_run.scorecard()).page
    paper = page.pdf(prefer_css_page_size=True, print_background=True)
    assert 4 <= len(re.findall(rb"/Type /Page\b(?!s)", paper)) <= 10
    page.set_viewport_size({"width": A4_PX, "height": 1000})
    page.emulate_media(media="print")
    seen = page.evaluate(LOOK)
    assert (seen["width"], seen["cut"]) == (A4_PX, 0)
    assert page.locator("#weights").is_hidden()
    page.emulate_media(media="screen")
    page.locator("#weight-0").press("Home")
    page.emulate_media(media="print")
    assert page.locator("#moved").is_visible()  # who prints moved weights prints that they are moved


# Size ----------------------------------------------------------------------------------------------------------------


def test_a_thousand_steps_make_a_page_that_can_be_sent_and_opens(opened: Open) -> None:
    card = sample_scorecard.large()
    assert len(card.cells) >= 1000
    assert len(card.findings) >= 1000
    assert len(html.render(card).encode()) <= MOST_BYTES
    small, large = (opened(each).page for each in (sample_scorecard.scorecard(), card))
    count = "document.querySelectorAll('*').length"
    ready = "performance.getEntriesByType('navigation')[0].domComplete"
    more = large.evaluate(count) / small.evaluate(count)
    assert more < len(card.cells) / len(sample_scorecard.cells())
    assert large.evaluate(ready) / small.evaluate(ready) < 4 * more
