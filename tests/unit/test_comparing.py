"""From blocks to a verdict: what is said of two frameworks. What each scores is no matter of the other."""

import dataclasses
from collections.abc import Iterable
from itertools import cycle, islice
from math import log10

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.checks._measured import Measurement, weigh
from evaluator.checks.latency import plugin as latency
from evaluator.checks.memory import plugin as memory
from evaluator.checks.size import plugin as size
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Comparison, Finding
from evaluator.core.turns import Block
from evaluator.judging.contract import Check
from evaluator.judging.evidence import Entry, Evidence
from tests import fakes

EPSILON = 1e-9
PYTORCH = fakes.is_step(stage="run", runtime="torch_jit", device="cpu")
TENSORFLOW = fakes.is_step(stage="run", runtime="tensorflow", device="cpu")


def run_of(pytorch: Iterable[float], tensorflow: Iterable[float], rounds: int = 1, calls: int = 45) -> Evidence:
    """Return a run in which both frameworks' server runtimes took these seconds, again and again."""
    run = fakes.complete_run(rounds=rounds)
    for steps, seconds in ((PYTORCH, pytorch), (TENSORFLOW, tensorflow)):
        run = fakes.resample(run, steps, "latency", tuple(islice(cycle(seconds), calls)))
    return run


def versus(evidence: Evidence, question: str = "latency", check: Check = latency, path: str = "server") -> Comparison:
    wanted = (question, path, "cpu")
    (found,) = (each for each in check.compare(evidence) if (each.question, each.path, each.device) == wanted)
    return found


def findings(evidence: Evidence, check: Check = latency, path: str = "server") -> dict[str, Finding]:
    found = [each for each in check.judge(evidence) if (each.path, each.device) == (path, "cpu")]
    return {each.candidate: each for each in found}


def points(evidence: Evidence, **where: str) -> list[float | None]:
    found = findings(evidence, **where)  # type: ignore[arg-type]
    return [found[name].score for name in FRAMEWORKS]


def test_different_is_beyond_the_margin() -> None:
    run = run_of([0.010], [0.020])
    found = versus(run)
    assert (found.answer, found.winner, found.pairs, found.rounds) == ("different", "pytorch", 15, 1)
    assert found.statement == "PyTorch has 2.00 times lower latency"
    assert points(run) == [10, pytest.approx(10 * log10(5))]


def test_what_two_starts_differ_by_keeps_one_round_from_calling_anything_equivalent() -> None:
    assert versus(run_of([0.010], [0.010])).answer == "undecided"
    assert versus(run_of([0.010], [0.010], rounds=2)).answer == "equivalent"
    assert versus(run_of([0.010], [0.0108])).answer == "undecided"


def test_equivalents_are_within_the_margin() -> None:
    run = run_of([0.010], [0.0102], rounds=3)
    found = versus(run)
    assert (found.answer, found.winner, found.better) == ("equivalent", None, None)
    assert found.statement == "equivalent: within ±5 % (0.98 to 0.98)"


def test_undecided_says_how_much_longer_it_would_take_and_each_is_scored_all_the_same() -> None:
    run = run_of([0.010], [0.0108])
    found = versus(run)
    assert (found.answer, found.winner, found.better) == ("undecided", None, "pytorch")
    assert found.more is not None
    assert found.more > 1
    assert "as much measuring would decide it (as measured, PyTorch has 8.00 % lower latency)" in found.statement
    assert points(run) == [10, pytest.approx(10 * log10(0.1 / 0.0108))]


def test_a_drift_that_both_saw_decides_nothing() -> None:
    drift = [0.010 * 1.02**turn for turn in range(45)]
    found = versus(run_of(drift, [2 * seconds for seconds in drift]))
    assert found.answer == "different"
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(0.5)


def test_blocks_beside_others_are_left_out() -> None:
    """Others slow PyTorch five times in six of fifteen turns, in which TensorFlow would win."""
    spoiled = [0.050 if turn // 3 in range(6) else 0.010 for turn in range(45)]
    run = fakes.disturb(run_of(spoiled, [0.020]), PYTORCH, range(6))
    found = versus(run)
    assert (found.answer, found.winner, found.pairs) == ("different", "pytorch", 9)
    assert found.disturbed == pytest.approx(0.4)
    assert found.others is not None
    scored = findings(run)["pytorch"]
    assert scored.value == pytest.approx(0.010), "nor do they cost points"


def test_with_too_few_quiet_blocks_nobody_is_ranked() -> None:
    run = fakes.disturb(run_of([0.010], [0.020]), lambda step: PYTORCH(step) or TENSORFLOW(step), range(11))
    found = versus(run)
    assert (found.answer, found.winner, found.better, found.pairs) == ("disturbed", None, None, 4)
    assert found.others == pytest.approx((11 * 0.9 + 4 * 0.05) / 15 / 2)
    assert found.statement == (
        "too disturbed to rank: 34 % of this machine's time went to others, 73 % of the blocks had to be left out"
    )
    assert points(run) == [None, None]
    assert "too disturbed to score" in findings(run)["pytorch"].reason
    assert "--wait-for-quiet" in str(findings(run)["pytorch"].remedy)


def test_few_blocks_that_nobody_disturbed_are_undecided() -> None:
    found = versus(run_of([0.010], [0.020], calls=4))
    assert (found.answer, found.pairs) == ("undecided", 4)
    assert found.more == pytest.approx(1.5)
    assert found.statement.startswith("undecided: too little was measured for an interval; about 1.5 times")


def test_every_candidate_is_its_own_pair() -> None:
    blocks = [0.012 if turn % 4 in (1, 2) else 0.010 for turn in range(15)]
    found = versus(run_of(blocks, [0.040], calls=15))
    assert found.answer == "disturbed"
    assert (found.repeats["tensorflow"].low, found.repeats["tensorflow"].high) == (1, 1)
    assert found.statement.endswith("PyTorch differs from itself (0.83 to 0.83 times)")


def test_what_was_not_measured_in_turns_is_undecided_without_rounds() -> None:
    run = fakes.one_after_the_other(run_of([0.010], [0.020]))
    found = versus(run)
    assert (found.answer, found.pairs, found.more) == ("undecided", 0, None)
    assert found.statement == (
        "undecided: too little was measured for an interval; 3 rounds would tell more (profile quick)"
    )
    assert findings(run)["pytorch"].value == pytest.approx(0.010)
    rounds = fakes.one_after_the_other(run_of([0.010], [0.020], rounds=3))
    assert (versus(rounds).answer, versus(rounds).rounds) == ("different", 3)


def test_what_is_counted_needs_no_interval() -> None:
    run = fakes.change(fakes.complete_run(rounds=1), fakes.is_step(format="torchscript"), size_bytes=200_000_000)
    found = versus(run, "size", size)
    assert (found.answer, found.winner) == ("different", "tensorflow")
    slight = versus(fakes.complete_run(rounds=1), "size", size)
    assert (slight.answer, slight.winner) == ("equivalent", None)
    assert slight.statement == "equivalent: within ±5 % (0.990 % apart)"


def test_one_round_of_memory_varies_by_what_starts_do() -> None:
    run = fakes.change(fakes.complete_run(rounds=1), TENSORFLOW, peak_rss_bytes=int(4e8 * (1 + 0.012 * 20)))
    assert versus(run, "memory", memory).answer == "equivalent"
    more = fakes.change(run, TENSORFLOW, peak_rss_bytes=10**9)
    assert (versus(more, "memory", memory).answer, versus(more, "memory", memory).winner) == ("different", "pytorch")


def test_the_margin_is_the_scenarios() -> None:
    run = run_of([0.010], [0.0115], rounds=3)
    assert versus(run).answer == "different"
    scenarios = {name: {**about, "margin": 0.2} for name, about in run.run.scenarios.items()}
    wider = dataclasses.replace(run, run=msgspec.structs.replace(run.run, scenarios=scenarios))
    assert (versus(wider).answer, versus(wider).margin) == ("equivalent", 0.2)


MOBILE = {
    name: fakes.is_step(stage="run", runtime=name) for name in ("torch_mobile", "ai_edge_litert", "tflite_runtime")
}


def on_phones(**seconds: float) -> Evidence:
    run = fakes.complete_run(rounds=2)
    for runtime, each in seconds.items():
        run = fakes.resample(run, MOBILE[runtime], "latency", (each,) * 45)
    return run


def test_what_is_said_of_the_better_candidate_must_hold_against_the_others() -> None:
    apart = versus(on_phones(torch_mobile=0.010, ai_edge_litert=0.020, tflite_runtime=0.021), path="mobile")
    assert (apart.answer, apart.winner) == ("different", "pytorch")
    assert apart.subjects["tensorflow"] == "TFLite in LiteRT (ai-edge-litert)"
    alike = versus(on_phones(torch_mobile=0.020, ai_edge_litert=0.0100, tflite_runtime=0.0101), path="mobile")
    assert (alike.answer, alike.winner) == ("different", "tensorflow")  # of its two either one is ahead


def test_an_equivalent_with_a_rival_that_may_be_better_is_undecided() -> None:
    run = on_phones(torch_mobile=0.0100, ai_edge_litert=0.0100, tflite_runtime=0.0102)
    assert versus(run, path="mobile").answer == "equivalent"
    shaky = fakes.resample(run, MOBILE["tflite_runtime"], "latency", tuple(islice(cycle([0.0085, 0.0125]), 45)))
    found = versus(shaky, path="mobile")
    assert found.answer == "undecided"
    assert "but not against each of the other's candidates" in found.statement


def test_several_candidates_share_one_error_rate() -> None:
    run = on_phones(torch_mobile=0.010, ai_edge_litert=0.0128, tflite_runtime=0.02)
    place = next(each for each in latency.places(run) if each.path == "mobile")
    both = {name: latency.measure(run, place, name) for name in FRAMEWORKS}
    alone = {name: dataclasses.replace(one, rivals=()) for name, one in both.items() if isinstance(one, Measurement)}
    shared, single = weigh(run, "latency_s", "resnet50", both), weigh(run, "latency_s", "resnet50", alone)
    assert shared is not None
    assert single is not None
    assert shared.ratio.value == single.ratio.value
    assert shared.ratio.low is not None
    assert single.ratio.low is not None
    assert shared.ratio.low < single.ratio.low


def test_groups_that_did_not_fit_into_memory_together_are_compared_over_the_one_that_was_in_both() -> None:
    """TensorFlow's turns are later ones, and ONNX Runtime took part in both."""
    run = run_of([0.010], [0.020])
    shared = fakes.is_step(stage="run", runtime="onnx_runtime", framework="pytorch", device="cpu")
    run = fakes.resample(run, shared, "latency", (0.005,) * 45)

    def later(entry: Entry) -> tuple[Block, ...]:
        return tuple(msgspec.structs.replace(each, turn=each.turn + 50) for each in entry.blocks.blocks)

    def regrouped(entry: Entry) -> Entry:
        if shared(entry.step):
            both = tuple(each for each in (*entry.blocks.blocks, *later(entry)) if each.track == "latency")
            blocks = msgspec.structs.replace(entry.blocks, blocks=both)
            return dataclasses.replace(entry, samples={"latency": entry.samples["latency"] * 2}, blocks=blocks)
        if TENSORFLOW(entry.step):
            return dataclasses.replace(entry, blocks=msgspec.structs.replace(entry.blocks, blocks=later(entry)))
        return entry

    run = dataclasses.replace(run, entries=tuple(map(regrouped, run.entries)))
    found = versus(run)
    assert (found.answer, found.winner) == ("different", "pytorch")
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(0.5)


def test_beside_a_neighbour_is_a_question_of_its_own_and_unscored() -> None:
    run = run_of([0.010], [0.020])
    assert not any("neighbour" in each.question for each in latency.compare(run))
    for steps, seconds in ((PYTORCH, 0.080), (TENSORFLOW, 0.030)):
        run = fakes.change(run, steps, neighbour_latency_s=seconds)
    found = versus(run, "latency beside a neighbour")
    assert (found.answer, found.better) == ("undecided", "tensorflow")
    assert points(run) == [10, pytest.approx(10 * log10(5))]


def test_what_is_too_disturbed_never_raises_the_lower_bound() -> None:
    run = fakes.complete_run()
    before = {(each.candidate, each.scenario): each for each in fakes.scorecard(run).scores}
    card = fakes.scorecard(fakes.disturb(run, TENSORFLOW, range(14)))
    answers = {each.id: each.answer for each in card.comparisons}
    assert answers["latency/resnet50/server/cpu"] == "disturbed"
    for each in card.scores:
        untouched = before[each.candidate, each.scenario]
        if each.candidate == "pytorch":
            assert each == untouched, "it was measured as before"
            continue
        assert each.lower <= untouched.lower + EPSILON
        assert each.upper >= untouched.upper - EPSILON
        assert each.coverage < untouched.coverage


SOMEBODY_ELSE = (
    *(fakes.is_step(framework="tensorflow", stage=stage) for stage in ("export", "verify", "run", "edge", "serve")),
    fakes.is_step(framework="tensorflow", stage="train", device="gpu"),
)


@given(st.lists(st.sampled_from(SOMEBODY_ELSE), min_size=1, unique=True), st.floats(1e-6, 1e3))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_one_candidate_more_changes_no_others_score(others: list[fakes.Wanted], seconds: float) -> None:
    """The other framework's steps are missing, or take any time: with them and without, PyTorch scores the same."""
    whole = fakes.complete_run(rounds=1)
    fewer, faster = whole, whole
    for wanted in others:
        fewer = fakes.without(fewer, wanted)
        faster = fakes.resample(faster, wanted, "latency", (seconds,) * 45)
    cards = [fakes.scorecard(run) for run in (whole, fewer, faster)]
    found = [[(f.id, f.score, f.reason) for f in card.findings if f.candidate == "pytorch"] for card in cards]
    scores = [[each for each in card.scores if each.candidate == "pytorch"] for card in cards]
    assert found[0] == found[1] == found[2]
    assert scores[0] == scores[1] == scores[2]


def test_one_runtime_more_changes_no_score_of_another_framework_and_lowers_none_of_its_own_that_is_timed() -> None:
    run = fakes.complete_run()
    fewer = dataclasses.replace(run, entries=tuple(e for e in run.entries if e.step.runtime != "ai_edge_litert"))
    more, less = findings(run, path="mobile"), findings(fewer, path="mobile")
    assert more["pytorch"] == less["pytorch"]
    own, without = more["tensorflow"].score, less["tensorflow"].score
    assert own is not None
    assert without is not None
    assert own >= without
