"""The best of all candidates: in words, in numbers, and drawn."""

import io
import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from evaluator.core.scorecard import Interval, Ranking, Scorecard
from evaluator.report import _svg, html, markdown
from evaluator.report import _terminal as terminal
from evaluator.report.sections import rankings
from tests import sample_scorecard

CARD = sample_scorecard.scorecard()


def ranked(**changes: object) -> Scorecard:
    about: dict[str, object] = {"scenario": "bert", "device": "cpu", "question": "latency", "statement": "so it is"}
    return msgspec.structs.replace(CARD, paths=(), rankings=(Ranking(**(about | changes)),))  # type: ignore[arg-type]


def screen(card: Scorecard) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(terminal.summary(card, Path("x")))
    return out.getvalue()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"best": ("a", "b", "c"), "slower": ("d",)}, "3 may be the best, 1 worse"),
        ({"best": ("a",), "slower": ("b", "c")}, "a, 2 worse"),
        ({"best": ("a", "b"), "slower": (), "unranked": ("c",)}, "2 may be the best, 1 not ranked"),
        ({"best": (), "slower": (), "unranked": ("a", "b")}, "nobody, 2 not ranked"),
    ],
)
def test_the_terminal_has_one_line_for_each_question(changes: dict[str, object], said: str) -> None:
    assert re.search(rf"^bert, latency +{said} *$", screen(ranked(**changes)), flags=re.MULTILINE)


def test_the_table_says_who_is_among_the_best_and_how_far_the_others_are() -> None:
    ratios = {"a": Interval(value=1.0, low=0.97, high=1.03), "b": Interval(value=1.4, low=1.3, high=1.5)}
    card = ranked(best=("a", "c"), slower=("b",), ratios=ratios)
    text = markdown.plugin.render(card).partition("## Rankings")[2].partition("\n## ")[0]
    assert "**So it is**" in text
    assert "| a | may be the best | 1.00 (0.97 to 1.03) |" in text
    assert "| b | worse | 1.40 (1.30 to 1.50) |" in text
    assert "| c | may be the best | not known |" in text
    only = markdown.plugin.render(ranked(best=("a",), slower=("b",), ratios=ratios))
    assert "| a | the best | 1.00" in only


def test_an_interval_beyond_all_reason_is_said_to_be_one_and_the_first_has_none() -> None:
    ratios = {"a": Interval(value=1.0, low=1.0, high=1.0), "b": Interval(value=8.84, low=4.87e-35, high=1.6e36)}
    text = markdown.plugin.render(ranked(best=("a", "b"), slower=(), ratios=ratios))
    assert "| a | may be the best | 1.00 |" in text
    assert "| b | may be the best | 8.84 (below 0.01 to above 100) |" in text


def test_a_picture_has_a_dot_for_each_candidate_with_its_interval() -> None:
    section = html.plugin.render(CARD).partition('<section id="rankings">')[2].partition("</section>")[0]
    figures = sum(len(each.ratios) for each in CARD.rankings)
    assert section.count("<circle") == figures
    assert section.count('class="range s2"') == sum(len(each.best) for each in CARD.rankings)


def test_without_rankings_there_is_no_section() -> None:
    card = sample_scorecard.before_answers(CARD)
    assert rankings.plugin.blocks(card) == ()
    assert rankings.plugin.brief(card) == ()


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1.0, 1.08, (1.0, 1.1)),
        (0.98, 1.4, (0.7, 1.0, 1.5)),
        (0.3, 1.0, (0.2, 0.5, 1.0)),
        (1.0, 5000.0, (1.0, 10.0, 100.0)),
        (1.0, 1.0, (1.0, 1.1)),
        (1e-9, 1.0, (0.01, 0.1, 1.0)),
    ],
)
def test_the_axis_of_ratios_holds_one_and_all_of_them(low: float, high: float, ticks: tuple[float, ...]) -> None:
    scale = _svg.around_one([Interval(value=1.0, low=low, high=high)])
    assert scale is not None
    assert scale.ticks == pytest.approx(ticks)


def test_no_axis_without_ratios() -> None:
    assert _svg.around_one([]) is None
