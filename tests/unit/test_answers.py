"""Three answers to "which is better?": what each of them lets a comparison say."""

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from evaluator.core import answers
from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Comparison, Interval, Reply
from evaluator.report import _claims, _svg, html, markdown
from evaluator.report import _terminal as terminal
from evaluator.report.sections import gaps
from tests import sample_scorecard

CARD = sample_scorecard.scorecard()
BEFORE = sample_scorecard.before_answers(CARD)
FIRST = next(each for each in CARD.comparisons if (each.question, each.path) == ("latency", "portable"))


def compared(answer: Reply | None, ratio: Interval, **changes: object) -> Comparison:
    return msgspec.structs.replace(FIRST, answer=answer, ratio=ratio, noise_floor=None, **changes)


LEFT_OUT = "96 % of the blocks had to be left out, other guests of its host, or heat, slowed this machine"
CLEAR = Interval(value=0.5, low=0.4, high=0.6)


@pytest.mark.parametrize(
    ("answer", "ahead", "better", "doubt"),
    [
        ("different", "pytorch", "pytorch", None),
        ("equivalent", None, None, None),
        ("undecided", None, "pytorch", "undecided"),
        ("disturbed", None, None, "disturbed"),
    ],
)
def test_only_what_is_different_has_somebody_ahead(
    answer: Reply, ahead: str | None, better: str | None, doubt: str | None
) -> None:
    found = compared(answer, CLEAR)
    assert (found.ahead, found.better, found.doubt) == (ahead, better, doubt)


def test_a_stand_in_leads_nobody_ahead_and_what_is_counted_needs_no_interval() -> None:
    assert compared("different", CLEAR, provisional=True).ahead is None
    exact = Interval(value=2.0, low=None, high=None)
    assert compared("different", exact, metric="size_bytes").ahead == "tensorflow"


def test_a_scorecard_without_answers_is_judged_by_the_rules_of_its_day() -> None:
    assert compared(None, CLEAR).ahead == "pytorch"
    assert compared(None, CLEAR, unsettled=("pytorch",)).doubt == "unsettled"
    assert compared("different", CLEAR, unsettled=("pytorch",)).doubt is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("different", "ahead"),
        ("equivalent", "equivalent"),
        ("undecided", "undecided"),
        ("disturbed", "too disturbed"),
    ],
)
def test_a_claim_is_of_the_answers_kind(answer: Reply, kind: str) -> None:
    assert _claims.claim(CARD, compared(answer, CLEAR)).kind == kind


SPAN = Interval(value=1.01, low=0.93, high=1.1)


@pytest.mark.parametrize(
    ("answer", "changes", "said"),
    [
        ("equivalent", {"ratio": Interval(value=1.0, low=0.98, high=1.03)}, "equivalent: within ±5 % (0.98 to 1.03)"),
        ("equivalent", {"ratio": Interval(value=0.98, low=None, high=None)}, "equivalent: within ±5 % (2.04 % apart)"),
        ("equivalent", {"margin": 0.025}, "equivalent: within ±2.5 % (0.93 to 1.10)"),
        ("undecided", {"more": 3.2}, "undecided: 0.93 to 1.10; about 3 times as much measuring would decide it"),
        ("undecided", {"more": 1.44}, "undecided: 0.93 to 1.10; about 1.4 times as much measuring would decide it"),
        (
            "undecided",
            {"more": 700.0},
            "undecided: 0.93 to 1.10; more than 100 times as much measuring would decide it",
        ),
        ("undecided", {"rounds": 1}, "undecided: 0.93 to 1.10; 3 rounds would tell more (profile quick)"),
        (
            "undecided",
            {"ratio": Interval(value=7.45, low=None, high=None), "rounds": 1},
            "undecided: too little was measured for an interval; 3 rounds would tell more (profile quick)",
        ),
        ("undecided", {"ratio": CLEAR}, "undecided: 0.40 to 0.60; but not against each of the other's candidates"),
        ("undecided", {"rounds": 3}, "undecided: 0.93 to 1.10; more of the same would not decide it"),
        (
            "disturbed",
            {"others": 0.38, "disturbed": 0.7},
            "too disturbed to rank: 38 % of this machine's time went to others, 70 % of the blocks had to be left out",
        ),
        (
            "disturbed",
            {"others": 0.006, "disturbed": 0.96},
            f"too disturbed to rank: 1 % of this machine's time went to others, {LEFT_OUT}",
        ),
        (
            "disturbed",
            {"repeats": {"pytorch": Interval(value=1.04, low=1.02, high=1.06)}},
            "too disturbed to rank: PyTorch differs from itself (1.02 to 1.06 times)",
        ),
    ],
)
def test_an_answer_says_what_it_rests_on_or_what_would_tell(
    answer: Reply, changes: dict[str, object], said: str
) -> None:
    bare: dict[str, object] = {"others": None, "disturbed": None, "more": None, "repeats": {}}
    assert answers.told(compared(answer, **{"ratio": SPAN, **bare, **changes})) == said  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [None, "different"])
def test_what_the_check_says_itself_is_not_said_again(answer: Reply | None) -> None:
    assert answers.told(compared(answer, CLEAR)) == ""


def on_server(**changes: object) -> Comparison:
    return msgspec.structs.replace(FIRST, path="server", **changes)


BESIDE = Interval(value=1.2, low=1.1, high=1.3)


def test_where_the_order_turns_beside_a_neighbour_the_first_screen_says_both() -> None:
    alone = on_server(answer="different", ratio=CLEAR)
    beside = on_server(question="latency beside a neighbour", answer="different", ratio=BESIDE)
    card = msgspec.structs.replace(CARD, comparisons=(alone, beside))
    said = (
        "resnet50, server: alone PyTorch has 2.00 times lower latency, "
        "beside a neighbour TensorFlow has 1.20 times lower latency"
    )
    assert _claims.turns(card) == (said,)
    page = html.plugin.render(card)
    assert page.index(said) < page.index("Who is ahead, for what")
    assert said in markdown.plugin.render(card)
    screen = io.StringIO()
    Console(file=screen, width=200).print(terminal.summary(card, Path("x")))
    assert said in screen.getvalue()


@pytest.mark.parametrize("beside", ["equivalent", "undecided", "disturbed"])
def test_an_order_that_is_not_shown_has_not_turned(beside: Reply) -> None:
    alone = on_server(answer="different", ratio=CLEAR)
    other = on_server(question="latency beside a neighbour", answer=beside, ratio=BESIDE)
    same = on_server(question="latency beside a neighbour", answer="different", ratio=CLEAR)
    assert _claims.turns(msgspec.structs.replace(CARD, comparisons=(alone, other))) == ()
    assert _claims.turns(msgspec.structs.replace(CARD, comparisons=(alone, same))) == ()


def test_undecided_and_disturbed_questions_are_counted_before_the_figures() -> None:
    rows = (
        on_server(answer="different", ratio=CLEAR),
        on_server(question="memory", metric="peak_rss_bytes", answer="undecided", ratio=SPAN, more=3.0),
        on_server(question="throughput", answer="disturbed", ratio=SPAN, others=0.38),
    )
    card = msgspec.structs.replace(CARD, comparisons=rows, cells=(), archived={})
    disturbed, undecided = (each.sentence for each in _claims.cautions(card))
    assert disturbed.startswith(
        "This machine, of whose time up to 38 % went to others, was too disturbed to rank 1 of 3"
    )
    assert answers.REMEDY in disturbed.lower()
    assert undecided.startswith("1 of 3 questions is undecided, which is not “the same”: memory (server).")


def test_what_is_undecided_is_one_gap_whatever_its_figures() -> None:
    asked = on_server(answer="undecided", ratio=SPAN)
    finding = next(f for f in CARD.findings if f.path == "server" and f.scenario == asked.scenario)
    about = {"score": None, "metric": asked.metric, "state": Outcome.UNAVAILABLE, "remedy": "more rounds"}
    first, second = (msgspec.structs.replace(finding, **about, reason=f"it took {n} ms: undecided") for n in (1, 2))
    told = gaps.unmeasured(msgspec.structs.replace(CARD, comparisons=(asked,), findings=(first, second), cells=()))
    assert [(each.reason, len(each.affected)) for each in told] == [("undecided which framework is better", 2)]


def test_the_words_of_before_are_kept_for_scorecards_of_before_and_only_for_these() -> None:
    now, then = (f"{html.plugin.render(card)}{markdown.plugin.render(card)}" for card in (CARD, BEFORE))
    for word in ("No difference shown", "Noise floor", "indistinguishable", "the noise of this machine", "noise ±"):
        assert word in then
        assert word not in now
    for word in ("Equivalent", "Undecided", "Too disturbed to rank", "The grey band is the margin", "Three answers"):
        assert word in now
        assert word not in then


def test_the_band_of_a_picture_is_the_margin() -> None:
    narrow, wide = (str(_svg.advantage(compared("different", CLEAR, margin=at), 2.0)) for at in (0.05, 0.2))
    assert narrow != wide
    assert 'class="noise"' in narrow


@pytest.mark.parametrize(("others", "helps"), [(None, True), (0.38, True), (0.05, True), (0.049, False), (0.0, False)])
def test_to_close_programs_is_advised_only_where_programs_were_seen(others: float | None, *, helps: bool) -> None:
    rows = (on_server(answer="disturbed", ratio=SPAN, others=others, disturbed=0.9),)
    (disturbed,) = _claims.cautions(msgspec.structs.replace(CARD, comparisons=rows, cells=(), archived={}))
    assert ("close other programs" in answers.remedy(others)) is helps
    assert ("Close other programs" in disturbed.sentence) is helps
    assert ("on a machine of its own" in disturbed.sentence) is not helps


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (Interval(value=7.77, low=None, high=None), False),
        (Interval(value=7.77, low=0.0001, high=9000.0), False),
        (Interval(value=7.77, low=0.8, high=12.0), True),
    ],
)
def test_an_undecided_ratio_that_rests_on_nothing_is_not_shown(ratio: Interval, *, shown: bool) -> None:
    card = msgspec.structs.replace(CARD, comparisons=(on_server(answer="undecided", ratio=ratio),))
    for report in (html.plugin, markdown.plugin):
        assert ("7.77" in report.render(card)) is shown
