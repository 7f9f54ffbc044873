"""The set of the best: who is in it, who is slower, and how often anybody is called slower who is not."""

import dataclasses
from collections.abc import Mapping
from math import exp, sqrt

import numpy as np
import pytest

from evaluator.core.scorecard import Ranking
from evaluator.judging import ranking
from evaluator.judging.evidence import Evidence
from tests import fakes

RUNTIMES = {
    "torch_jit": "TorchScript in torch.jit",
    "torch_mobile": "TorchMobile in PyTorch lite interpreter",
    "tensorflow": "SavedModel in TensorFlow",
    "ai_edge_litert": "TFLite in LiteRT (ai-edge-litert)",
    "tflite_runtime": "TFLite in tflite-runtime",
}
ONNX = tuple(f"ONNX in ONNX Runtime (of {name})" for name in ("PyTorch", "TensorFlow"))


def run_of(seconds: Mapping[str, float], rounds: int = 2) -> Evidence:
    run = fakes.complete_run(rounds=rounds)
    for runtime, each in seconds.items():
        steps = fakes.is_step(stage="run", runtime=runtime, device="cpu")
        for track in ("latency", "throughput"):
            run = fakes.resample(run, steps, track, (each,) * 45)
    return run


def ranked(run: Evidence, question: str = "latency") -> Ranking:
    (found,) = (each for each in ranking.rankings(run) if (each.question, each.device) == (question, "cpu"))
    return found


LEVELS = {
    "torch_jit": 0.010,
    "ai_edge_litert": 0.0101,
    "torch_mobile": 0.0103,
    "tensorflow": 0.020,
    "tflite_runtime": 0.030,
    "onnx_runtime": 0.040,
}


def test_who_cannot_be_told_apart_is_said_in_words() -> None:
    found = ranked(run_of(LEVELS))
    best = ("torch_jit", "torch_mobile", "ai_edge_litert")
    assert set(found.best) == {RUNTIMES[name] for name in best}
    assert set(found.slower) == {RUNTIMES["tensorflow"], RUNTIMES["tflite_runtime"], *ONNX}
    assert found.statement.startswith("these three cannot be told apart, the others are slower: ")
    assert found.unranked == ()
    assert found.error == pytest.approx(0.05)
    assert found.ratios[RUNTIMES["torch_jit"]].value == 1
    assert found.ratios[RUNTIMES["tensorflow"]].value == pytest.approx(2)


def test_a_rate_is_the_other_way_round() -> None:
    found = ranked(run_of(LEVELS), "throughput")
    assert RUNTIMES["torch_jit"] in found.best
    assert found.ratios[RUNTIMES["tensorflow"]].value == pytest.approx(0.5)
    assert RUNTIMES["tensorflow"] in found.slower


def test_one_that_is_ahead_of_all_is_the_best() -> None:
    found = ranked(run_of({**LEVELS, "torch_jit": 0.005}))
    assert found.best == (RUNTIMES["torch_jit"],)
    assert found.statement == "TorchScript in torch.jit is the best; the other six are slower"


def test_who_differs_from_itself_or_took_no_turns_is_not_ranked() -> None:
    run = run_of(LEVELS, rounds=1)
    steps = fakes.is_step(stage="run", runtime="torch_jit", device="cpu")
    run = fakes.resample(run, steps, "latency", tuple(0.010 if turn % 4 in (1, 2) else 0.013 for turn in range(15)))
    run = fakes.disturb(run, fakes.is_step(stage="run", runtime="tensorflow", device="cpu"), range(15))
    found = ranked(run)
    assert set(found.unranked) == {RUNTIMES["torch_jit"], RUNTIMES["tensorflow"]}
    assert found.statement.endswith(f"; not ranked: {', '.join(found.unranked)}")
    disturbed = fakes.disturb(run, lambda step: step.stage == "run" and step.device == "cpu", range(15))
    few = fakes.disturb(run, lambda step: step.stage == "run" and step.device == "cpu", range(12))
    for each in (disturbed, few):
        assert ranked(each).best == ()
        assert ranked(each).statement.startswith("too disturbed to rank, or not measured in the same turns: ")


def test_a_run_without_turns_ranks_nobody() -> None:
    assert ranking.rankings(fakes.one_after_the_other(fakes.complete_run())) == ()
    assert ranking.rankings(fakes.empty_run()) == ()


def test_a_scorecard_has_its_rankings() -> None:
    card = fakes.scorecard(run_of(LEVELS))
    assert card.rankings == ranking.rankings(run_of(LEVELS))
    assert {each.question for each in card.rankings} == {"latency", "throughput"}


def test_with_many_equals_hardly_anybody_is_called_slower() -> None:
    """Seven that differ by 4 % at the most, by start and by block: in at most one run in twenty anybody is slower."""
    rng = np.random.default_rng(11)
    levels = dict(zip(LEVELS, np.linspace(1.0, 1.04, len(LEVELS)), strict=True))
    alarms, unlike = 0, 0
    for _ in range(60):
        run = fakes.complete_run(rounds=3)
        for number in (1, 2, 3):
            machine = np.cumsum(rng.standard_normal(15)) * 0.05
            for runtime, level in levels.items():
                start = level * exp(0.02 * float(rng.standard_normal()))
                seconds = start * np.exp(machine + 0.03 * rng.standard_t(3, 15) / sqrt(3)) / 100
                steps = fakes.is_step(stage="run", runtime=runtime, device="cpu", round=number)
                run = fakes.resample(run, steps, "latency", tuple(map(float, seconds)))
        found = ranked(run)
        alarms += bool(found.slower)
        unlike += len(found.unranked)
    assert alarms <= 5  # of 60; with a true rate of 5 % six or more would be seen in one of eleven such tests
    assert unlike <= 8


def test_the_order_of_the_plan_changes_nothing_but_the_order() -> None:
    run = run_of(LEVELS)
    turned = dataclasses.replace(run, entries=run.entries[::-1])
    first, second = ranked(run), ranked(turned)
    assert (set(first.best), set(first.slower)) == (set(second.best), set(second.slower))
