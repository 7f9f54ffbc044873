from dataclasses import replace
from math import log, log10
from random import Random
from typing import Any

import msgspec
import pytest

from evaluator.checks._comparable import Place
from evaluator.checks._measured import Measurement
from evaluator.checks._training import trained
from evaluator.checks.export_success import plugin as export_success
from evaluator.checks.latency import plugin as latency
from evaluator.checks.memory import plugin as memory
from evaluator.checks.parity import plugin as parity
from evaluator.checks.serving_load import plugin as serving_load
from evaluator.checks.serving_operations import plugin as serving_operations
from evaluator.checks.serving_readiness import plugin as serving_readiness
from evaluator.checks.size import plugin as size
from evaluator.checks.training_time import plugin as training_time
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, LabelValue, Value
from evaluator.core.scorecard import Comparison, Finding
from evaluator.judging.contract import STAND_IN, Check
from evaluator.judging.evidence import Entry, Evidence
from evaluator.report import _format
from tests import fakes

MISSING = (Outcome.UNAVAILABLE, None)


def one(check: Check, evidence: Evidence, **wanted: Any) -> Finding:
    """The only CPU finding with these fields."""
    wanted = {"device": "cpu"} | wanted
    (found,) = (f for f in check.judge(evidence) if all(getattr(f, name) == value for name, value in wanted.items()))
    return found


def versus(check: Check, evidence: Evidence, **wanted: Any) -> Comparison:
    wanted = {"device": "cpu"} | wanted
    (found,) = (c for c in check.compare(evidence) if all(getattr(c, name) == value for name, value in wanted.items()))
    return found


def timed(evidence: Evidence, runtime: str, seconds: float, **fields: Any) -> Evidence:
    """The run with every latency of a runtime on the CPU overwritten."""
    steps = fakes.is_step(stage="run", runtime=runtime, device="cpu", **fields)
    return fakes.resample(evidence, steps, "latency", (seconds,) * 20)


@pytest.mark.parametrize(("seconds", "points"), [(0.001, 10), (0.01, 10), (0.1**1.5, 5), (0.1, 0), (1.0, 0)])
def test_latency_is_scored_by_the_time_that_a_request_may_take(seconds: float, points: float) -> None:
    """A scenario that says nothing allows 100 ms; a tenth of it has full marks, between them the logarithm counts."""
    run = timed(fakes.complete_run(), "tensorflow", seconds)
    found = one(latency, run, candidate="tensorflow", path="server")
    assert found.state is Outcome.PASSED
    assert found.score == pytest.approx(points)
    assert found.target is not None
    assert [found.target.full, found.target.none] == pytest.approx([0.01, 0.1])
    assert "serve.slo_s, 100 ms" in found.target.source
    assert found.formula == "10 * log(none / value) / log(none / full), from 0 to 10"
    assert "full marks at 10.0 ms, none at 100 ms" in found.reason
    assert one(latency, fakes.complete_run(), candidate="pytorch", path="server") == one(
        latency, run, candidate="pytorch", path="server"
    ), "what the other framework takes is no matter"


def declared(evidence: Evidence, **declares: Any) -> Evidence:
    """The run of a scenario that declares these."""
    scenarios = {name: {**about, **declares} for name, about in evidence.run.scenarios.items()}
    return replace(evidence, run=msgspec.structs.replace(evidence.run, scenarios=scenarios))


def test_targets_are_the_scenarios_own_where_it_declares_them() -> None:
    run = timed(fakes.complete_run(), "torch_jit", 0.02)
    goal = {"full": 0.005, "none": 0.08, "source": "what users bear"}
    found = one(latency, declared(run, targets={"latency": goal}), candidate="pytorch", path="server")
    assert found.score == pytest.approx(5)
    assert found.target is not None
    assert found.target.source == "the scenario's [targets.latency]: what users bear"
    slower = one(latency, declared(run, serve={"slo_s": 0.04}), candidate="pytorch", path="server")
    assert slower.score == pytest.approx(10 * log(2) / log(10))
    big = {"full": 1e9, "none": 4e10}
    assert one(memory, declared(run, targets={"memory": big}), candidate="pytorch", path="server").score == 10


@pytest.mark.parametrize(
    "goal", [7, {}, {"full": 1}, {"full": 2, "none": 1}, {"full": 1, "none": 1}, {"full": -1, "none": 1}, {"full": "x"}]
)
def test_a_damaged_target_is_none(goal: object) -> None:
    found = one(latency, declared(fakes.complete_run(), targets={"latency": goal}), candidate="pytorch", path="server")
    assert found.target is not None
    assert found.target.source.startswith("built in: ")


def test_an_interval_that_holds_a_target_gives_its_middle_and_says_so() -> None:
    steps = fakes.is_step(stage="run", runtime="torch_jit", device="cpu")
    run = fakes.resample(fakes.complete_run(rounds=1), steps, "latency", tuple(0.05 + 0.005 * n for n in range(20)))
    found = one(latency, run, candidate="pytorch", path="server")
    assert found.interval is not None
    low, high = found.interval.low, found.interval.high
    assert low is not None
    assert high is not None
    assert low < 0.1 < high
    assert found.score == pytest.approx(5 * log10(0.1 / low))  # the middle of what the lower end has, and of nothing
    assert "; uncertain: " in found.reason
    assert found.formula is not None
    assert found.formula.startswith("the middle of both ends of the interval by ")


def test_without_the_counterpart_there_is_a_score_and_no_comparison() -> None:
    run = fakes.without(fakes.complete_run(), fakes.is_step(stage="run", runtime="tensorflow", device="cpu"))
    before = one(latency, fakes.complete_run(), candidate="pytorch", path="server")
    assert one(latency, run, candidate="pytorch", path="server") == before
    assert versus(latency, run, path="server", question="latency").statement.startswith("not comparable")


def test_one_missing_round_is_missing_evidence() -> None:
    run = fakes.without(fakes.complete_run(), fakes.is_step(stage="run", runtime="tensorflow", device="cpu", round=2))
    assert one(latency, run, candidate="tensorflow", path="server").score is None


def test_a_crash_while_running_is_a_failure() -> None:
    steps = fakes.is_step(stage="run", runtime="tensorflow", device="cpu", round=2)
    found = one(latency, fakes.end(fakes.complete_run(), steps, Outcome.CRASHED), candidate="tensorflow", path="server")
    assert (found.state, found.score) == (Outcome.CRASHED, 0.0)


def test_no_time_counts_until_parity_is_proven() -> None:
    steps = fakes.is_step(stage="verify", runtime="tensorflow", device="cpu")
    run = fakes.end(fakes.complete_run(), steps, Outcome.FAILED, "outputs differ")
    found = one(latency, run, candidate="tensorflow", path="server")
    assert (found.state, found.score) == (Outcome.FAILED, 0.0)
    assert "outputs differ" in found.reason


def test_the_mobile_path_uses_the_faster_proven_runtime_and_names_it() -> None:
    found = one(latency, fakes.complete_run(), candidate="tensorflow", path="mobile")
    assert "LiteRT (ai-edge-litert)" in found.subject
    refused = fakes.is_step(stage="verify", runtime="ai_edge_litert")
    run = fakes.end(fakes.complete_run(), refused, Outcome.UNSUPPORTED)
    found = one(latency, run, candidate="tensorflow", path="mobile")
    assert "tflite-runtime" in found.subject
    assert "tflite-runtime" in found.reason
    assert found.state is Outcome.PASSED


def test_a_runtime_that_was_not_asked_may_be_the_faster_one() -> None:
    run = fakes.without(fakes.complete_run(), fakes.is_step(stage="run", runtime="ai_edge_litert"))
    assert one(latency, run, candidate="tensorflow", path="mobile").score is None
    assert one(latency, run, candidate="pytorch", path="mobile").score is not None


def test_throughput_is_compared_in_its_own_direction() -> None:
    steps = fakes.is_step(stage="run", runtime="tensorflow", device="cpu")
    run = fakes.resample(fakes.complete_run(), steps, "throughput", (1e-6,) * 20)
    found = versus(latency, run, path="server", question="throughput")
    assert found.winner == "tensorflow"
    assert not found.lower_is_better


def test_training_needs_the_same_start() -> None:
    steps = fakes.is_step(stage="train", framework="tensorflow", device="cpu")
    run = fakes.change(
        fakes.complete_run(), steps, Figure(name="max_rel_diff", value=0.5, labels={"between": "frameworks"})
    )
    for candidate in ("pytorch", "tensorflow"):
        found = one(training_time, run, candidate=candidate)
        assert (found.state, found.score) == (Outcome.FAILED, 0.0)
        assert "differ before training" in found.reason


def test_training_must_reach_its_target() -> None:
    steps = fakes.is_step(stage="train", framework="pytorch", device="cpu")
    run = fakes.change(fakes.complete_run(), steps, heldout_accuracy=0.2)
    found = one(training_time, run, candidate="pytorch")
    assert (found.state, found.score) == (Outcome.FAILED, 0.0)
    assert "20.0 %" in found.reason
    assert found.remedy
    assert one(training_time, run, candidate="tensorflow").score is not None


@pytest.mark.parametrize("bad", [1, 2])
def test_every_round_of_training_counts(bad: int) -> None:
    """The first is no better than the others: an accuracy missed in any of them is missed."""
    (first,) = fakes.complete_run().select("train", framework="pytorch", device="cpu")
    run = fakes.complete_run()
    run = replace(run, entries=(*run.entries, replace(first, step=msgspec.structs.replace(first.step, round=2))))
    both = trained(run, Place(scenario="resnet50", path=None, device="cpu"), "pytorch")
    assert isinstance(both, Measurement)
    assert len(both.rounds) == len(both.entries) == 2
    steps = fakes.is_step(stage="train", framework="pytorch", device="cpu", round=bad)
    found = one(training_time, fakes.change(run, steps, heldout_accuracy=0.2), candidate="pytorch")
    assert (found.state, found.score) == (Outcome.FAILED, 0.0)


def test_training_on_a_missing_gpu_is_missing_evidence() -> None:
    found = one(training_time, fakes.complete_run(), candidate="pytorch", device="gpu")
    assert (found.state, found.score) == MISSING
    assert "GPU" in found.reason


_FULL, _NONE = 64_000 + 1.05 * fakes.WEIGHTS_BYTES, 512_000 + 2 * fakes.WEIGHTS_BYTES


@pytest.mark.parametrize(
    ("size_bytes", "points"),
    [(_FULL / 2, 10.0), (_FULL, 10.0), ((_FULL * _NONE) ** 0.5, 5.0), (_NONE, 0.0), (2 * _NONE, 0.0)],
)
def test_size_is_judged_against_the_raw_weights(size_bytes: float, points: float) -> None:
    steps = fakes.is_step(stage="export", format="torchscript")
    run = fakes.change(fakes.complete_run(), steps, size_bytes=int(size_bytes))
    found = one(size, run, candidate="pytorch", path="server")
    assert found.score == pytest.approx(points, abs=1e-6)
    assert found.baseline == pytest.approx(_FULL)


def test_of_a_model_that_is_not_trained_the_weights_are_those_that_were_exported() -> None:
    run = fakes.without(fakes.complete_run(), fakes.is_step(stage="train"))
    run = fakes.change(run, fakes.is_step(stage="export"), trained_weights_bytes=fakes.WEIGHTS_BYTES)
    trained = one(size, fakes.complete_run(), candidate="pytorch", path="server")
    exported = one(size, run, candidate="pytorch", path="server")
    assert (exported.score, exported.target) == (trained.score, trained.target)


def test_the_size_of_an_unproven_artifact_does_not_count() -> None:
    steps = fakes.is_step(stage="verify", format="torchscript")
    run = fakes.end(fakes.complete_run(), steps, Outcome.FAILED)
    assert one(size, run, candidate="pytorch", path="server").score == 0


def test_size_without_the_weights_is_unmeasured() -> None:
    run = fakes.without(fakes.complete_run(), fakes.is_step(stage="train", framework="pytorch"))
    assert one(size, run, candidate="pytorch", path="server").score is None
    assert one(size, run, candidate="tensorflow", path="server").score is not None


def test_memory_is_that_of_the_runtime_that_latency_chose() -> None:
    run = fakes.change(fakes.complete_run(), fakes.is_step(stage="run", runtime="tflite_runtime"), peak_rss_bytes=1)
    found = one(memory, run, candidate="tensorflow", path="mobile")
    assert "LiteRT" in found.subject
    assert found.value != 1


def test_training_memory_is_compared_too() -> None:
    run = fakes.change(
        fakes.complete_run(), fakes.is_step(stage="train", framework="tensorflow"), peak_rss_bytes=10 * 2**30
    )
    found = one(memory, run, candidate="tensorflow", path=None)
    assert found.target is not None
    assert (found.target.full, found.target.none) == (500e6 + 4 * 94.3e6, 16e9 + 16 * 94.3e6)
    assert found.score == pytest.approx(10 * log(17.5088e9 / (10 * 2**30)) / log(17.5088e9 / 877.2e6))
    assert found.score != one(memory, run, candidate="pytorch", path=None).score
    assert "less memory" in versus(memory, run, path=None).statement


@pytest.mark.parametrize("ending", [Outcome.FAILED, Outcome.UNSUPPORTED, Outcome.CRASHED, Outcome.TIMED_OUT])
def test_an_export_that_fails_scores_nothing_and_is_a_gate(ending: Outcome) -> None:
    run = fakes.end(fakes.really_served(), fakes.is_step(stage="export", format="torchmobile"), ending)
    found = one(export_success, run, candidate="pytorch", path="mobile")
    assert (found.state, found.score, found.gate) == (ending, 0.0, True)
    verdicts = {s.candidate: s.verdict for s in fakes.scorecard(run).scores}
    assert verdicts == {"pytorch": "not ready", "tensorflow": "ready"}


@pytest.mark.parametrize("ending", [Outcome.UNAVAILABLE, Outcome.ERROR])
def test_an_export_that_could_not_be_asked_is_unmeasured(ending: Outcome) -> None:
    run = fakes.end(fakes.complete_run(), fakes.is_step(stage="export", format="torchmobile"), ending)
    assert one(export_success, run, candidate="pytorch", path="mobile").score is None


def test_a_failed_parity_is_a_gate() -> None:
    run = fakes.end(fakes.complete_run(), fakes.is_step(stage="verify", runtime="tflite_runtime"), Outcome.FAILED)
    found = one(parity, run, subject="TFLite in tflite-runtime")
    assert (found.score, found.gate) == (0.0, True)


def test_a_refusing_runtime_is_no_gate_while_another_reads_the_format() -> None:
    refused = fakes.is_step(stage="verify", runtime="tflite_runtime")
    run = fakes.end(fakes.complete_run(), refused, Outcome.UNSUPPORTED)
    found = one(parity, run, subject="TFLite in tflite-runtime")
    assert (found.score, found.gate) == (0.0, False)
    run = fakes.end(run, fakes.is_step(stage="verify", runtime="ai_edge_litert"), Outcome.UNSUPPORTED)
    assert one(parity, run, subject="TFLite in tflite-runtime").gate


def serving(run: Evidence, candidate: str = "pytorch") -> Finding:
    served, _container = (f for f in serving_readiness.judge(run) if f.candidate == candidate)
    return served


def test_a_server_that_does_everything_gets_all_points() -> None:
    found = serving(fakes.complete_run())
    assert (found.state, found.score, found.provisional) == (Outcome.PASSED, 10, False)


def test_a_stand_in_speaks_for_protocol_and_parity_only() -> None:
    found = serving(fakes.complete_run(), "tensorflow")
    assert (found.state, found.score, found.provisional) == (Outcome.PASSED, 10, True)
    assert "a clean stop, and that nothing is left behind: not measured: stand-in" in found.reason
    for comparison in serving_readiness.compare(fakes.complete_run()):
        assert comparison.winner is None
        assert "not measured: stand-in" in comparison.statement


@pytest.mark.parametrize(("metric", "value"), [("stop_s", "never"), ("leftovers", 2)])
def test_a_stand_in_is_not_blamed_for_its_own_program(metric: str, value: float | str) -> None:
    run = fakes.change(fakes.complete_run(), fakes.is_step(stage="serve", launcher="embedded"), **{metric: value})
    found = serving(run, "tensorflow")
    assert (found.state, found.score) == (Outcome.PASSED, 10)


def test_wrong_answers_of_a_stand_in_count() -> None:
    steps = fakes.is_step(stage="serve", launcher="embedded")
    found = serving(fakes.change(fakes.complete_run(), steps, over_rest("max_rel_diff", 0.5)), "tensorflow")
    assert (found.state, found.score, found.gate) == (Outcome.FAILED, 7.5, True)
    assert found.formula == "10 / 8 * (bundle 1 + ready 3 + parity over REST 2 + parity over gRPC 2)"


@pytest.mark.parametrize("words", ["was not ready after 90 s", "the server answered TIMEOUT: timed out"])
def test_a_server_that_fails_is_accused_of_what_was_seen_only(words: str) -> None:
    """The step ended before there was a stop to look at, and keeps no figures."""
    steps = fakes.is_step(stage="serve", server="torchserve", launcher="process")
    found = serving(fakes.end(fakes.complete_run(), steps, Outcome.FAILED, words))
    assert (found.state, found.score, found.gate, found.reason) == (Outcome.FAILED, 0, True, words)


@pytest.mark.parametrize(
    ("ending", "said", "words"),
    [
        (Outcome.TIMED_OUT, "was stopped at its time limit of 180 s", "fweval stopped the step, which says nothing"),
        (Outcome.CRASHED, "ran out of memory (limit 8.0 GiB)", "fweval's own process died, which says nothing"),
        (Outcome.ERROR, "a bug in fweval: KeyError: 'x'", "the step did not come to its end"),
    ],
)
@pytest.mark.parametrize("stage", ["serve", "load", "probe"])
def test_what_ends_the_step_says_nothing_of_its_server(stage: str, ending: Outcome, said: str, words: str) -> None:
    steps = fakes.is_step(stage=stage, server="torchserve", launcher="process")
    run = fakes.end(fakes.complete_run(), steps, ending, said)
    check: Check = {"serve": serving_readiness, "load": serving_load, "probe": serving_operations}[stage]
    found = next(f for f in check.judge(run) if f.candidate == "pytorch")
    assert (found.state, found.score, found.gate) == (*MISSING, False)
    assert found.reason.startswith(words)
    assert found.reason.endswith(f": {said}")
    assert found.remedy


def test_a_server_without_its_figures_is_unmeasured() -> None:
    steps = fakes.is_step(stage="serve", server="torchserve", launcher="process")
    found = serving(fakes.end(fakes.complete_run(), steps, Outcome.PASSED))
    assert (found.state, found.score, found.gate) == (*MISSING, False)
    assert "no bundle, not ready" in found.reason


@pytest.mark.parametrize(
    ("metric", "value", "points", "words"),
    [
        ("max_rel_diff wire=rest", 0.5, 8, "no parity over REST"),
        ("max_rel_diff wire=grpc", 0.5, 8, "no parity over gRPC"),
        ("leftovers", 2, 9, "something left behind"),
        ("stop_s", "never", 9, "no clean stop"),
        ("stop_s", 10.02, 9, "no clean stop"),
        ("ready_s", "never", 7, "not ready"),
    ],
)
def test_each_failing_of_a_server_costs_points(metric: str, value: float | str, points: float, words: str) -> None:
    name, _, wire = metric.partition(" wire=")
    changes = (Figure(name=name, value=value, labels={"wire": wire}),) if wire else ()
    steps = fakes.is_step(server="torchserve", launcher="process")
    run = fakes.change(fakes.complete_run(), steps, *changes, **({} if wire else {metric: value}))
    found = serving(run)
    assert (found.state, found.score) == (Outcome.FAILED, points)
    assert found.gate is (points < 9)  # a server that answers rightly but leaves something behind caps no verdict
    assert words in found.reason
    assert found.remedy


def over_rest(name: str, value: float) -> Figure:
    return Figure(name=name, value=value, labels={"wire": "rest"})


def test_the_tolerance_of_the_step_holds_over_the_wire() -> None:
    steps = fakes.is_step(server="torchserve", launcher="process")
    run = fakes.change(fakes.complete_run(), steps, over_rest("max_rel_diff", 1e-5))
    assert serving(run).score == 10
    assert serving(fakes.change(run, steps, over_rest("tolerance", 1e-6))).score == 8


def test_a_server_that_dies_is_a_gate() -> None:
    steps = fakes.is_step(server="torchserve", launcher="process")
    said = "TorchServe ended before its model was ready"
    found = serving(fakes.end(fakes.complete_run(), steps, Outcome.FAILED, said))
    assert (found.state, found.score, found.gate, found.reason) == (Outcome.FAILED, 0, True, said)


def test_without_docker_the_container_is_missing_evidence() -> None:
    _, container = (f for f in serving_readiness.judge(fakes.complete_run()) if f.candidate == "pytorch")
    assert (container.state, container.score) == MISSING
    assert container.reason == "no Docker engine"


def test_findings_lead_to_their_evidence() -> None:
    found = one(latency, fakes.complete_run(), candidate="pytorch", path="server")
    assert found.reproduce == f"sh {found.evidence[0].path.removesuffix('/result.json')}/reproduce.sh"
    assert all(ref.sha256 for ref in found.evidence)
    assert len(found.evidence) == 3 + 1  # three rounds and the proof


def test_trainings_whose_first_losses_differ_are_not_compared() -> None:
    wanted = fakes.is_step(stage="train", framework="tensorflow", device="cpu")
    run = fakes.resample(fakes.complete_run(), wanted, "loss", (2.3, 2.1, 1.2))
    for candidate in ("pytorch", "tensorflow"):
        found = one(training_time, run, candidate=candidate)
        assert found.state is Outcome.FAILED
        assert "first 3 losses differ by" in found.reason
    late = fakes.resample(fakes.complete_run(), wanted, "loss", (2.3, 2.231, 2.164, 0.5))
    assert one(training_time, late, candidate="tensorflow").state is Outcome.PASSED


@pytest.mark.parametrize(
    ("rest", "grpc", "points", "state"),
    [
        (48.0, 10.0, 10, Outcome.PASSED),
        (4.0, 10**0.5, 10 * log10(4), Outcome.FAILED),
        (0.5, 1.0, 0, Outcome.FAILED),
        (0.0, 0.0, 0, Outcome.FAILED),
    ],
)
def test_the_rate_in_time_is_set_against_the_scenarios(rest: float, grpc: float, points: float, state: Outcome) -> None:
    steps = fakes.is_step(stage="load", server="torchserve", launcher="process")
    over_grpc = Figure(name="in_time_per_s", value=grpc, labels={"wire": "grpc"})
    run = fakes.change(fakes.complete_run(), steps, over_rest("in_time_per_s", rest), over_grpc)
    found = one(serving_load, run, candidate="pytorch")
    assert (found.state, found.value) == (state, max(rest, grpc))
    assert found.score == pytest.approx(points)
    assert "with p90 within 100 ms" in found.reason
    assert bool(found.remedy) is (state is Outcome.FAILED)
    assert not found.gate


def test_rates_in_time_are_compared_and_more_is_better() -> None:
    steps = fakes.is_step(stage="load", server="torchserve", launcher="process")
    run = fakes.change(fakes.complete_run(), steps, over_rest("in_time_per_s", 96.0))
    stood_in = versus(serving_load, run, question="throughput in time over REST")
    assert (stood_in.winner, stood_in.ratio) == (None, None)
    assert "(not measured: stand-in" in stood_in.statement
    run = fakes.change(run, fakes.is_step(launcher="embedded", stage="load"), reference=False)
    found = versus(serving_load, run, question="throughput in time over REST")
    assert (found.better, found.winner, found.provisional) == ("pytorch", None, False)
    assert found.statement == (
        "undecided: too little was measured for an interval; 3 rounds would tell more (profile quick)"
    )


def test_what_servers_sustain_is_compared_in_pairs_of_turns_and_more_is_better() -> None:
    steps = fakes.is_step(stage="load", server="torchserve", launcher="process")
    twice = Figure(name="saturation_per_s", value=160.0, labels={"wire": "rest", "batching": False})
    run = fakes.change(fakes.resample(fakes.really_served(), steps, "rest", (1 / 160,) * 15), steps, twice)
    found = versus(serving_load, run, question="requests per second sustained over REST")
    assert (found.answer, found.winner, found.pairs) == ("different", "pytorch", 15)
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(2, rel=0.05)
    assert "sustains" in found.statement
    assert versus(serving_load, run, question="requests per second sustained over gRPC").winner is None


def test_what_a_stand_in_sustains_is_set_beside_nothing() -> None:
    questions = {each.question for each in serving_load.compare(fakes.complete_run())}
    assert questions == {"throughput in time over REST", "throughput in time over gRPC"}


def loaded(evidence: Evidence, *figures: Figure) -> Finding:
    """What is found of TorchServe when nothing but these figures came of its load."""
    steps = fakes.is_step(stage="load", server="torchserve", launcher="process")
    run = fakes.change(fakes.end(evidence, steps, Outcome.PASSED), steps, *figures, tail="p99")
    return one(serving_load, run, candidate="pytorch")


def offered(wire: str, rate: float, **told: float | str) -> list[Figure]:
    labels: dict[str, LabelValue] = {"wire": wire, "share": 0.3}
    tail = (
        [Figure(name="latency_s", value=told.pop("p99"), labels={**labels, "statistic": "p99"})]
        if "p99" in told
        else []
    )
    return tail + [
        Figure(name=name, value=value, labels=labels) for name, value in {"rate_per_s": rate, **told}.items()
    ]


def test_too_slow_is_a_figure_and_its_limit() -> None:
    found = loaded(fakes.complete_run(), *offered("rest", 24.0, p99=0.101), *offered("grpc", 30.0, p99=0.25))
    assert (found.state, found.score) == (Outcome.FAILED, 0)
    assert found.reason == (
        "p99 was 101 ms at 24.0 requests per second over REST, against a limit of 100 ms; "
        "p99 was 250 ms at 30.0 requests per second over gRPC, against a limit of 100 ms"
    )
    assert found.remedy


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (offered("rest", 24.0, keeps_up=True), "too few calls for p99, at 24.0 requests per second"),
        (offered("rest", 24.0, invalid="the client was busy for 90% of one core"), "the client was busy for 90%"),
        (offered("rest", 24.0, p99=0.101), "p99 was 101 ms at 24.0 requests per second over REST"),
        ([], "over REST not measured: no rate was offered"),
    ],
)
def test_what_nobody_measured_is_not_too_slow(figures: list[Figure], words: str) -> None:
    """The better wire decides: one that was too slow says nothing while the other is unknown."""
    found = loaded(fakes.complete_run(), *figures)
    assert (found.state, found.score) == MISSING
    assert words in found.reason
    assert "over gRPC not measured: no rate was offered" in found.reason
    assert found.remedy


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"errors": 3, "invalid": "calls failed (503: 3)"}, "over REST calls failed (503: 3)"),
        (
            {"keeps_up": False, "achieved_per_s": 11.0},
            "did not keep up at 24.0 requests per second over REST: it answered 11.0",
        ),
    ],
)
def test_a_server_that_fails_or_falls_behind_is_too_slow(told: dict[str, Any], words: str) -> None:
    failed_at = [Figure(name="not_in_time_per_s", value=24.0, labels={"wire": wire}) for wire in ("rest", "grpc")]
    found = loaded(fakes.complete_run(), *offered("rest", 24.0, **told), *offered("grpc", 24.0, **told), *failed_at)
    assert (found.state, found.score) == (Outcome.FAILED, 0)
    assert words in found.reason


@pytest.mark.parametrize("rate", [0, -1, "many", None])
def test_a_scenario_that_asks_for_no_rate_is_no_bug(rate: object) -> None:
    run = fakes.complete_run()
    scenarios = {"resnet50": {**run.run.scenarios["resnet50"], "serve": {"rate_per_s": rate}}}
    run = replace(run, run=msgspec.structs.replace(run.run, scenarios=scenarios))
    assert one(serving_load, run, candidate="pytorch").score == 10


def test_a_server_that_was_not_loaded_is_missing_evidence() -> None:
    gone = fakes.end(fakes.complete_run(), fakes.is_step(stage="load"), Outcome.UNAVAILABLE)
    found = one(serving_load, gone, candidate="pytorch")
    assert (found.state, found.score) == MISSING


def test_every_probe_is_a_finding_with_its_own_risk() -> None:
    steps = fakes.is_step(stage="probe", server="torchserve", launcher="process")
    run = fakes.change(fakes.complete_run(), steps, Figure(name="outcome", value="failed", labels={"probe": "tls"}))
    found = [f for f in serving_operations.judge(run) if f.candidate == "pytorch"]
    assert [(f.subject, f.score, f.risk) for f in found] == [
        ("TorchServe (process on this machine): hot_swap", 10, "high"),
        ("TorchServe (process on this machine): tls", 0, "low"),
    ]
    assert not any(f.provisional for f in found)
    reference = [f for f in serving_operations.judge(fakes.complete_run()) if f.candidate == "tensorflow"]
    assert [(f.state, f.score, f.risk) for f in reference] == [(*MISSING, "high"), (*MISSING, "low")]
    assert all(f.reason.startswith("not measured: stand-in") and f.remedy for f in reference)


def test_a_stand_in_that_was_not_asked_has_a_row_for_every_probe() -> None:
    """The plan ends such a step at once; which probes there are, and what they weigh, stands in the catalogue."""
    steps = fakes.is_step(stage="probe", launcher="embedded")
    run = fakes.end(fakes.complete_run(), steps, Outcome.UNAVAILABLE, STAND_IN)
    probes = {"hot_swap": "high", "tls": "low"}
    run = replace(run, catalogue=msgspec.structs.replace(run.catalogue, probes=probes))
    found = [f for f in serving_operations.judge(run) if f.candidate == "tensorflow"]
    assert [(f.state, f.score, f.risk) for f in found] == [(*MISSING, "high"), (*MISSING, "low")]
    loaded = fakes.end(run, fakes.is_step(stage="load", launcher="embedded"), Outcome.UNAVAILABLE, STAND_IN)
    assert one(serving_load, loaded, candidate="tensorflow").reason == STAND_IN


def test_a_stand_in_answers_for_the_probes_of_protocol() -> None:
    """Which they are stands in the run's catalogue: the probes themselves say so by one attribute."""
    run = fakes.complete_run()
    run = replace(run, catalogue=msgspec.structs.replace(run.catalogue, protocol=("tls",)))
    swap, tls = (f for f in serving_operations.judge(run) if f.candidate == "tensorflow")
    assert (swap.state, swap.score) == MISSING
    assert (tls.state, tls.score, tls.provisional) == (Outcome.PASSED, 10, True)


@pytest.mark.parametrize(
    "told",
    [
        {"outcome": "perhaps"},
        {"outcome": 7},
        {"outcome": ("passed",)},
        {"outcome": "passed"},
        {"outcome": "passed", "risk": "huge"},
        {"outcome": "failed", "reason": "", "risk": 3},
    ],
)
def test_a_damaged_reply_of_a_probe_is_no_bug(told: dict[str, Value]) -> None:
    steps = fakes.is_step(stage="probe", server="torchserve", launcher="process")
    figures = [Figure(name=name, value=value, labels={"probe": "tls"}) for name, value in told.items()]
    nameless = Figure(name="outcome", value="passed", labels={"wire": "rest"})
    run = fakes.change(fakes.end(fakes.complete_run(), steps, Outcome.PASSED), steps, *figures, nameless)
    (found,) = (f for f in serving_operations.judge(run) if f.candidate == "pytorch")
    assert found.reason
    assert (found.score is None) is (not found.state.is_answer)


_DAMAGE: tuple[Value, ...] = (0, -1, 1e308, True, "x", "", (1, "a"), (), 2**62, 0.1)


def damaged(entry: Entry, chance: Random) -> Entry:
    """What a step of a server left, with figures lost, added and overwritten."""
    if entry.step.stage not in ("serve", "load", "probe"):
        return entry
    told = {
        name: chance.choice((value, *_DAMAGE)) for name, value in entry.result.metrics.items() if chance.random() < 0.9
    }
    kept = [each for each in entry.result.figures if chance.random() < 0.9]
    names = (
        "in_time_per_s",
        "not_in_time_per_s",
        "rate_per_s",
        "latency_s",
        "errors",
        "outcome",
        "risk",
        "max_rel_diff",
    )
    labels: tuple[dict[str, LabelValue], ...] = ({}, {"wire": "rest"}, {"wire": "grpc", "share": "x"}, {"probe": 3})
    more = [Figure(name=name, value=chance.choice(_DAMAGE), labels=chance.choice(labels)) for name in names]
    figures = [msgspec.structs.replace(each, value=chance.choice((each.value, *_DAMAGE))) for each in (*kept, *more)]
    outcome = chance.choice((entry.result.outcome, *Outcome))
    result = msgspec.structs.replace(entry.result, metrics=told, figures=tuple(figures), outcome=outcome)
    return replace(entry, result=result)


@pytest.mark.parametrize(
    "check", [serving_load, serving_operations, serving_readiness], ids=lambda check: str(check.name)
)
def test_damaged_records_of_servers_are_no_bug(check: Check) -> None:
    chance, run = Random(1), fakes.complete_run(rounds=1)  # noqa: S311  # the same damage every time
    for _ in range(100):
        broken = replace(run, entries=tuple(damaged(entry, chance) for entry in run.entries))
        for found in check.judge(broken):
            assert found.reason
            assert (found.score is None) is (not found.state.is_answer)
            assert found.score is None or 0 <= found.score <= 10
        assert all(comparison.statement for comparison in check.compare(broken))


def test_a_server_that_was_not_probed_misses_what_each_probe_weighs() -> None:
    """One finding for all of them would weigh less than the probes do: less evidence, and a higher lower bound."""
    gone = fakes.end(fakes.complete_run(), fakes.is_step(stage="probe"), Outcome.UNAVAILABLE)
    place = (gone.scenarios[0], "tensorflow")
    found = [each for each in serving_operations.judge(gone) if (each.scenario, each.candidate) == place]
    assert [(each.state, each.score) for each in found] == [MISSING] * len(fakes.PROBED)
    assert [each.risk for each in found] == ["high", "low"]


def test_a_difference_in_percent_is_not_read_as_a_share() -> None:
    """ "10 % as much per second" would say the opposite of what was measured."""
    run = fakes.complete_run()
    for runtime, seconds in (("torch_jit", 0.0109), ("tensorflow", 0.0100)):
        steps = fakes.is_step(stage="run", runtime=runtime, device="cpu")
        run = fakes.resample(run, steps, "throughput", (seconds,) * 20)
    found = versus(latency, run, path="server", question="throughput")
    assert found.statement == "TensorFlow computes 9.00 % more per second"


def test_a_reason_writes_its_figure_as_the_report_does() -> None:
    """One figure that is dressed in two ways looks like two."""
    run = fakes.complete_run()
    for check in (latency, memory, size, training_time):
        found = [each for each in check.judge(run) if each.value is not None]
        assert found
        assert all(each.reason.startswith(f"{_format.quantity(each.value, each.unit)}") for each in found)
