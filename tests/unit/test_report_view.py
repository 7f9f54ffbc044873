"""What reports show, worked out once; how numbers are dressed; the summary in the terminal."""

import io
import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from evaluator.core import criteria, metrics, registry
from evaluator.core.criteria import CriteriaUsed
from evaluator.core.metrics import key, number
from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import CandidateScore, Comparison, Interval, Scorecard
from evaluator.report import _base, _candidates, _cells, _claims, _format, _servers, _svg, html, markdown
from evaluator.report import _terminal as terminal
from evaluator.report.sections import ORDER, comparison, exports, gaps, plots, verdict
from evaluator.report.sections import cells as steps
from tests import sample_scorecard

CARD = sample_scorecard.scorecard()


def scored(candidate: str, overall: float | None, **changes: object) -> CandidateScore:
    base = next(s for s in CARD.scores if s.scenario is None)
    fields = {"lower": (overall or 0.0) - 0.1, "upper": (overall or 0.0) + 0.1, "gates": (), "verdict": "ready"}
    return msgspec.structs.replace(base, candidate=candidate, overall=overall, **(fields | changes))


def with_scores(*scores: CandidateScore) -> Scorecard:
    return msgspec.structs.replace(CARD, scores=scores)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 s"),
        (0.000_000_85, "850 ns"),
        (0.001_234, "1.23 ms"),
        (0.999_9, "1.00 s"),
        (0.0998, "99.8 ms"),
        (2.3, "2.30 s"),
        (204.4, "3 min 24 s"),
        (7384.0, "2 h 3 min"),
        (172_799.0, "47 h 59 min"),
        (4_756_336.0, "55.1 days"),
    ],
)
def test_seconds(value: float, text: str) -> None:
    assert _format.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (97_800_000, "97.8 MB"), (999_900_000, "1.00 GB"), (2e12, "2,000 GB")],
)
def test_sizes(value: float, text: str) -> None:
    assert _format.size(value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("throughput_per_s", 1234.5, "1,230 per s"),
        ("latency_s", 0.0123, "12.3 ms"),
        ("size_bytes", 1_000, "1.00 kB"),
        ("queries", 6636, "6,636"),
        ("max_abs_diff", 3.8e-6, "3.8e-06"),
        ("reference", False, "no"),
        ("device_name", "cpu", "cpu"),
        ("latency_s", None, "not measured"),
    ],
)
def test_metrics_wear_the_unit_that_the_vocabulary_gives_them(name: str, value: float | str | None, text: str) -> None:
    assert _format.metric(name, value) == text


def test_coverage_is_never_rounded_up() -> None:
    assert _format.coverage(0.996) == "99 %"
    assert _format.coverage(0.29) == "29 %"
    assert _format.coverage(1.0) == "100 %"


@pytest.mark.parametrize(
    ("low", "high"), [(0.001, 0.001), (0.003, 0.9), (0.0071, 0.0254), (1.0, 10.0), (5e-7, 40.0), (1e-307, 2e-307)]
)
def test_log_axis_holds_its_values(low: float, high: float) -> None:
    ticks = _format.log_ticks(low, high)
    assert 2 <= len(ticks) <= 10
    assert ticks[0] <= low * (1 + 1e-9)
    assert ticks[-1] >= high * (1 - 1e-9)


@pytest.mark.parametrize(("low", "high"), [(5e-324, 5e-324), (1e-320, 1.0), (5e-324, 1e150)])
def test_log_axis_of_what_is_next_to_nothing_begins_above_nothing(low: float, high: float) -> None:
    ticks = _format.log_ticks(low, high)
    assert ticks[0] > 0
    assert ticks[-1] >= high


@pytest.mark.parametrize("high", [1e-7, 0.3, 1.0, 7.9, 81.0, 2.07e8])
def test_linear_axis_holds_its_values(high: float) -> None:
    ticks = _format.linear_ticks(high)
    assert 2 <= len(ticks) <= 5
    assert ticks[0] == 0
    assert high * (1 - 1e-9) <= ticks[-1] <= 2 * high


def test_answer_names_who_is_ready() -> None:
    both = verdict.headline(with_scores(scored("pytorch", 7.0), scored("tensorflow", 8.0)))
    assert (both.sentence, both.support) == ("PyTorch and TensorFlow are ready.", "")
    gates = ("bert: parity of ONNX: it differs", "bert: parity of TFLite: it differs")
    failed = scored("pytorch", 9.0, verdict="not ready", gates=gates)
    answer = verdict.headline(with_scores(failed, scored("tensorflow", 8.0)))
    assert answer.sentence == "TensorFlow is ready; PyTorch is not ready."
    assert answer.support == "PyTorch: bert: parity of ONNX: it differs (1 more below)."


def test_answer_does_not_decide_on_insufficient_evidence() -> None:
    poor = {"verdict": "insufficient evidence", "coverage": 0.5}
    answer = verdict.headline(with_scores(scored("pytorch", 9.0, **poor), scored("tensorflow", 8.0)))
    assert answer.sentence == "TensorFlow is ready; PyTorch has too little evidence."
    assert "50 % for PyTorch" in answer.support
    neither = verdict.headline(with_scores(scored("pytorch", 9.0, **poor), scored("tensorflow", 8.0, **poor)))
    assert neither.sentence == "Insufficient evidence to decide."


@pytest.mark.parametrize("card", [sample_scorecard.empty(), with_scores(scored("pytorch", None, verdict="not ready"))])
def test_answer_without_scores(card: Scorecard) -> None:
    assert verdict.headline(card).sentence.startswith("Insufficient evidence")


def test_answer_for_a_single_framework() -> None:
    assert verdict.headline(with_scores(scored("pytorch", 8.0))).sentence == "PyTorch is ready."


def test_rounds_are_one_bar_and_noise_repeats_none() -> None:
    cells = _cells.select(CARD, "run", "resnet50")
    same = [c for c in cells if c.runtime == "torchjit" and c.device == "cpu"]
    assert len(same) == 3
    p50 = key("latency_s", statistic="p50")
    (bar,) = _cells.bars(CARD, same, p50)
    found = [metrics.find(c, p50) for c in same if not c.control]
    rounds = [number(figure.value) or 0.0 for figure in found if figure is not None]
    assert bar.value == pytest.approx(sum(rounds) / 2)


def test_rows_of_a_framework_stand_together() -> None:
    cells = tuple(reversed(CARD.cells))
    card = msgspec.structs.replace(CARD, cells=cells)
    for plot in plots.plots(card, "bert")[:2]:
        names = [bar.framework for bar in plot.bars if bar.label != "raw weights"]
        assert names == sorted(names)
    assert [c.framework for c in _servers.served(card)] == ["pytorch"] * 2 + ["tensorflow"] * 2 + ["pytorch"] * 2 + [
        "tensorflow"
    ] * 2


def test_matrix_shows_the_worst_round() -> None:
    of_one = (c for c in _cells.select(CARD, "run", "resnet50") if (c.runtime, c.device) == ("torchjit", "cpu"))
    first, second, _ = of_one
    crashed = msgspec.structs.replace(second, outcome="crashed", reason="signal 9")
    export = next(c for c in CARD.cells if c.stage == "export")
    entries = exports.steps(msgspec.structs.replace(CARD, cells=(export, first, crashed)))
    assert [str(cell.outcome) for cell in entries] == ["passed", "crashed"]


def test_gaps_group_what_has_the_same_reason() -> None:
    reasons = [gap.reason for gap in gaps.unmeasured(CARD)]
    assert len(reasons) == len(set(reasons))
    gpu = next(gap for gap in gaps.unmeasured(CARD) if gap.reason == sample_scorecard.NO_GPU[0])
    assert len(gpu.affected) == sum(cell.reason == gpu.reason for cell in CARD.cells)


def timed(**changes: object) -> Comparison:
    """Return a comparison of before there were answers, in which PyTorch has half the latency, in three rounds."""
    first = next(c for c in CARD.comparisons if (c.question, c.path) == ("latency", "portable"))
    about: dict[str, object] = {
        "path": "server",
        "answer": None,
        "repeats": {},
        "pairs": 0,
        "ratio": Interval(value=0.5, low=0.4, high=0.625),
        "winner": "pytorch",
        "noise_floor": 0.03,
    }
    return msgspec.structs.replace(first, **(about | changes))


def test_who_is_ahead_is_said_with_what_by_how_much_and_how_surely() -> None:
    found = _claims.claim(CARD, timed())
    assert (found.kind, found.framework) == ("ahead", "pytorch")
    assert found.amount == "2.00 times lower latency (1.60 to 2.50, three rounds)"
    slightly = timed(ratio=Interval(value=1.04, low=1.02, high=1.06), winner="tensorflow")
    assert _claims.claim(CARD, slightly).amount == "4.00 % lower latency (2.00 % to 6.00 %, three rounds)"
    size = timed(
        question="size", metric="size_bytes", noise_floor=0.0, rounds=1, ratio=Interval(value=0.5, low=None, high=None)
    )
    assert _claims.claim(CARD, size).amount == "2.00 times smaller (exact)"


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"ratio": Interval(value=0.5, low=None, high=None), "rounds": 1}, "one round"),
        ({"ratio": Interval(value=0.5, low=None, high=None), "rounds": 0}, "no interval"),
        ({"unsettled": ("tensorflow",)}, "had not settled"),
        ({"provisional": True}, "a stand-in server"),
    ],
)
def test_nobody_is_ahead_on_figures_that_do_not_carry_it(changes: dict[str, object], doubt: str) -> None:
    found = _claims.claim(CARD, timed(**changes))
    assert (found.kind, found.doubt) == ("not sure", doubt)
    card = msgspec.structs.replace(CARD, comparisons=(timed(**changes),))
    (server, *_) = verdict.targets(card).rows
    assert "PyTorch" not in repr(server[1])
    assert f"Not sure ({doubt})" in repr(server[2])
    picture = _svg.advantage(timed(**changes), 3.0)
    assert picture is not None
    assert "tie" in picture


@pytest.mark.parametrize("ratio", [None, Interval(value=0.0, low=None, high=None), Interval(value=1, low=0, high=3)])
def test_what_has_no_ratio_is_not_compared(ratio: Interval | None) -> None:
    assert _claims.claim(CARD, timed(ratio=ratio)).kind == "not compared"


@pytest.mark.parametrize(("value", "kind"), [(1.04, "no difference"), (0.96, "no difference"), (1.06, "ahead")])
def test_nobody_is_ahead_by_a_few_bytes(value: float, kind: str) -> None:
    exact = Interval(value=value, low=None, high=None)
    size = timed(question="size", metric="size_bytes", unit="bytes", ratio=exact, winner="tensorflow")
    found = _claims.claim(CARD, size)
    assert (found.kind, found.question) == (kind, "size" if kind == "ahead" else "size (within 5 %)")


def test_an_older_scorecard_that_names_a_winner_of_one_round_is_read_as_naming_none() -> None:
    old = timed(ratio=Interval(value=0.5, low=None, high=None), rounds=1, winner="pytorch")
    assert (old.winner, old.better, old.ahead) == ("pytorch", "pytorch", None)


def test_findings_of_one_cause_are_one_entry_of_a_text_and_what_passed_is_a_row() -> None:
    first = next(f for f in CARD.findings if f.state is Outcome.PASSED and f.reproduce)
    remedied = msgspec.structs.replace(first, state=Outcome.FAILED, score=0.0, reason="it took 12 s", remedy="wait")
    twice = (remedied, msgspec.structs.replace(remedied, id="other", subject="another", reason="it took 13 s"))
    passed = tuple(f for f in CARD.findings if f.category == first.category and f.state is Outcome.PASSED)
    text = markdown.plugin.render(msgspec.structs.replace(CARD, findings=(*twice, *passed)))
    assert text.count("Remedy: wait") == 1
    assert "2 findings: " in text
    assert f"{first.category.capitalize()}, what passed: {len(passed)}" in text
    assert not any(f.reproduce in text for f in passed if f.reproduce)


def cautioned(card: Scorecard) -> list[str]:
    return [each.sentence for each in _claims.cautions(card)]


def test_what_the_figures_rest_on_is_said_before_them() -> None:
    bare = Interval(value=0.5, low=None, high=None)
    card = msgspec.structs.replace(CARD, comparisons=(timed(ratio=bare, rounds=1, noise_floor=4.1),))
    told = cautioned(card)
    assert any(line.startswith("One round gives no interval: ") and "quick measures three" in line for line in told)
    assert any("differed by 410 %" in line for line in told)
    assert any(line.startswith("TF Serving itself was not measured") for line in told)
    assert any(
        line.startswith("TorchServe is archived") and "https://github.com/pytorch/serve" in line for line in told
    )
    page = html.plugin.render(card)
    assert page.index("Read these figures with care") < page.index("Who is ahead")
    for claim in ("comes first", "could reverse the order", "PyTorch leads"):
        assert claim not in page
    partly = msgspec.structs.replace(CARD, comparisons=(timed(), timed(question="memory", ratio=bare, rounds=1)))
    assert any("no interval for memory (server)" in line for line in cautioned(partly))
    unsettled = msgspec.structs.replace(CARD, comparisons=(timed(unsettled=("pytorch",)),))
    assert any("had not settled: latency (server)" in line for line in cautioned(unsettled))


def test_figures_that_rest_on_enough_need_no_caution() -> None:
    sound = msgspec.structs.replace(CARD, comparisons=(timed(),), cells=(), archived={})
    assert _claims.cautions(sound) == ()
    assert "Read these figures with care" not in html.plugin.render(sound)


@pytest.mark.parametrize("question", ["latency", "throughput"])
def test_advantage_points_to_the_better_side(question: str) -> None:
    ratio = Interval(value=0.5, low=0.45, high=0.55)
    row = msgspec.structs.replace(next(c for c in CARD.comparisons if c.question == question), ratio=ratio)
    place = re.search(r'<circle cx="([\d.]+)%"', str(_svg.advantage(row, 3.0)))
    assert place is not None
    pytorch_is_better = question == "latency"  # half of it; half the throughput would be worse
    assert (float(place[1]) < 50) is pytorch_is_better


def test_no_picture_without_a_ratio() -> None:
    row = next(c for c in CARD.comparisons if c.ratio is None)
    assert _svg.advantage(row, 3.0) is None


@pytest.mark.parametrize(("factor", "reach"), [(1.0, 2.0), (2.7, 3.0), (1 / 80, 100.0), (5000.0, 100.0)])
def test_reach_is_round_and_bounded(factor: float, reach: float) -> None:
    row = msgspec.structs.replace(CARD.comparisons[0], ratio=Interval(value=factor, low=None, high=None))
    assert _svg.reach([row]) == reach


@pytest.mark.parametrize(("factor", "sign"), [(0.001, "◀"), (1000.0, "▶")])
def test_beyond_the_axis_is_an_arrow(factor: float, sign: str) -> None:
    row = msgspec.structs.replace(CARD.comparisons[0], ratio=Interval(value=factor, low=None, high=None))
    picture = str(_svg.advantage(row, 100.0))
    assert sign in picture
    assert "<circle" not in picture


def test_provisional_comparison_without_findings_labels_both_sides() -> None:
    row: Comparison = next(c for c in CARD.comparisons if c.provisional)
    assert comparison.provisional_sides(CARD, row) == ("tensorflow",)
    assert comparison.provisional_sides(msgspec.structs.replace(CARD, findings=()), row) == ("pytorch", "tensorflow")


def test_scenario_scores_do_not_repeat_the_overall_ones() -> None:
    assert tuple(_candidates.scenario_scores(CARD)) == tuple(CARD.scenarios)
    only = tuple(s for s in CARD.scores if s.scenario in (None, "bert"))
    assert _candidates.scenario_scores(with_scores(*only)) == {}
    assert _candidates.overall_scores(with_scores(*only[2:])) == only[2:]


def test_report_names_the_threshold_that_scoring_uses() -> None:
    strict = msgspec.structs.replace(CARD.policy, least_coverage=0.83)
    short = with_scores(scored("pytorch", 8.0, verdict="insufficient evidence"))
    assert "83 % is needed" in verdict.headline(msgspec.structs.replace(short, policy=strict)).support


def test_every_comparison_is_shown_once() -> None:
    shown = [
        c for name in CARD.scenarios for c in (*comparison.compared(CARD, name), *comparison.incomparable(CARD, name))
    ]
    assert sorted(map(repr, shown)) == sorted(map(repr, CARD.comparisons))


def printed(renderable: object, width: int = 80) -> list[str]:
    console = Console(width=width, no_color=True, file=io.StringIO())
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_summary_fits_a_terminal_without_colour() -> None:
    lines = printed(terminal.summary(CARD, Path("runs/x")))
    text = "\n".join(lines)
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 44  # twelve are rankings, a planned training, where the order turns, and time to quality
    assert "\x1b" not in text
    for part in ("✗ not ready", "✓ ready", "Did not pass", "no GPU was found", "a stand-in for TF Serving"):
        assert part in text
    where = lines.index("Report: runs/x/scorecard.html")
    assert " ".join(lines[where + 1 :]).startswith(verdict.headline(CARD).sentence)


def test_the_summary_of_the_worst_stays_short() -> None:
    """Names and reasons of strangers may be of any length."""
    lines = printed(terminal.summary(sample_scorecard.hostile(), Path("runs/x")))
    assert len(lines) <= 46


def test_the_summary_says_who_is_ahead_in_what() -> None:
    ahead = msgspec.structs.replace(CARD, comparisons=(timed(), timed(question="memory")))
    shown = "\n".join(printed(terminal.summary(ahead, Path())))
    assert re.search(r"^Server +PyTorch in latency( \(\w+\))?, memory", shown, flags=re.MULTILINE)
    bare = timed(ratio=Interval(value=0.5, low=None, high=None), rounds=1)
    unsure = printed(terminal.summary(msgspec.structs.replace(CARD, comparisons=(bare,)), Path()))
    assert any(re.match(r"Server +nobody \(1 not sure\)", line) for line in unsure)


@pytest.mark.parametrize("width", [20, 40, 60, 100, 400])
def test_no_name_is_lost_where_there_is_little_room(width: int) -> None:
    """A table that does not fit shows its rows one below the other."""
    for shown in (terminal.summary(CARD, Path("x")), terminal.rendered((steps.short(CARD.cells, CARD.names),))):
        lines = printed(shown, width)
        assert max(map(len, lines)) <= width
        assert {"pytorch", "tensorflow"} <= set("\n".join(lines).lower().split())


def test_summary_of_nothing_says_so() -> None:
    assert printed(terminal.summary(sample_scorecard.empty(), Path("runs/x")))[-2].startswith("Insufficient evidence")


def test_summary_shows_markup_as_text() -> None:
    cells = tuple(msgspec.structs.replace(c, reason="[bold]not markup[/bold] [/]") for c in CARD.cells)
    card = msgspec.structs.replace(CARD, cells=cells)
    assert "[bold]not markup[/bold] [/]" in " ".join(" ".join(printed(terminal.summary(card, Path("x")))).split())


def test_cells_table_has_a_line_for_every_cell() -> None:
    lines = printed(terminal.rendered((steps.short(CARD.cells, CARD.names),)))
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith(registry.names("stage")) for line in lines) == len(CARD.cells)


def test_show_prints_the_scorecard_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show(CARD, Path("x"), as_json=True)
    assert msgspec.json.decode(capsys.readouterr().out.encode(), type=Scorecard) == CARD


def test_a_figure_has_the_ends_of_its_interval_where_there_are_any() -> None:
    overhead = key("overhead_s", wire="rest")
    cell = next(cell for cell in CARD.cells if metrics.find(cell, overhead))
    assert _cells.figure(cell, overhead) == "6.10 ms (5.20 ms to 7.10 ms)"
    assert _cells.figure(cell, key("ready_s")) == _format.metric("ready_s", cell.metrics["ready_s"])
    assert _cells.figure(cell, key("latency_s", wire="raw", statistic="p50")) == _format.NOT_MEASURED


def test_every_section_has_its_place_in_the_order() -> None:
    assert sorted(ORDER) == sorted(registry.names("section"))


def test_a_section_without_a_place_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_base, "ORDER", ("gaps", "verdict", "gone"))
    names = [section.name for section in _base.sections()]
    assert names[:2] == ["gaps", "verdict"]
    assert names[2:] == sorted(set(registry.names("section")) - {"gaps", "verdict"})


def without_medians(card: Scorecard) -> Scorecard:
    """Return the scorecard of a run that was made before medians were kept."""
    cells = (
        msgspec.structs.replace(
            cell, figures=tuple(each for each in cell.figures if each.labels.get("statistic") != "median")
        )
        for cell in card.cells
    )
    return msgspec.structs.replace(card, cells=tuple(cells))


@pytest.mark.parametrize(("card", "usual"), [(CARD, "median"), (without_medians(CARD), "p50")])
def test_a_usual_call_is_told_by_one_statistic_and_it_is_named(card: Scorecard, usual: str) -> None:
    other = "p50" if usual == "median" else "median"
    written = markdown.plugin.render(card)
    row = next(line for line in written.splitlines() if line.startswith(f"| REST {usual}, p90 |"))
    assert f"#### Latency of a warm call, {usual} to p90" in written
    assert f"| gRPC {usual}, p90 |" in written
    assert "TensorFlow; TF Serving; embedded reference server; provisional: reference server" in written
    assert f"REST {other}" not in written
    assert f"| {'21.7' if usual == 'median' else '22.0'} ms; 26.8 ms |" in row
    (line,) = [cell for cell in card.cells if (cell.stage, cell.runtime, cell.round) == ("run", "torchjit", 2)]
    shown = "".join(printed(terminal.rendered((steps.short([line], card.names),))))
    assert f"latency {usual} " in re.sub(r"\s+", " ", shown)
    assert "latency p50 " not in re.sub(r"\s+", " ", shown) or usual == "p50"


def _first_screens(card: Scorecard) -> tuple[str, str, str]:
    """Return what stands first on the page, in Markdown, and in the terminal."""
    page = html.plugin.render(card)
    console = Console(width=400, file=io.StringIO(), record=True)
    console.print(terminal.summary(card, Path("run")))
    first = page[page.index('<header id="verdict"') : page.index("</header>")]
    return first, markdown.plugin.render(card).split("\n## ")[1], console.export_text()


def test_the_first_screen_says_by_which_criteria() -> None:
    card = msgspec.structs.replace(CARD, criteria=None)
    used = CriteriaUsed(record=criteria.built_in("balanced"), sha256="a" * 64, fixed=True)
    for first in _first_screens(card):
        assert first.count("No criteria record: the scores follow what is built in.") == 1
    for first in _first_screens(msgspec.structs.replace(card, criteria=used)):
        assert first.count(f"Criteria fixed before the first step: “{used.record.title}”.") == 1
    long = msgspec.structs.replace(used, record=msgspec.structs.replace(used.record, title="words " * 150))
    assert len(_claims.judged_by(msgspec.structs.replace(card, criteria=long))) < 170
    late = msgspec.structs.replace(used, fixed=False)
    for first in _first_screens(msgspec.structs.replace(card, criteria=late)):
        assert first.count("Criteria changed after the results") == 1
        assert "fixed before" not in first
        assert "No criteria record" not in first


def test_the_first_screen_counts_claims_of_others_and_leads_to_them() -> None:
    page, document, brief = _first_screens(CARD)
    said = _claims.of_others(CARD)
    assert said
    assert f'<a href="#claims">{said}</a>' in page
    assert document.count(said) == brief.count(said) == 1
    without, *_ = _first_screens(msgspec.structs.replace(CARD, claims=()))
    assert "#claims" not in without
