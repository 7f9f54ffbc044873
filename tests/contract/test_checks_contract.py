"""The same questions to every check."""

import dataclasses
from collections.abc import Callable

import msgspec
import pytest

from evaluator.contracts import Question, cases, judging
from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.policy import CATEGORIES, STANDARD
from evaluator.judging.contract import Check
from evaluator.judging.evidence import Evidence
from tests import fakes

ALL = registry.names("check")


def load(name: str) -> Check:
    plugin = registry.load("check", name)
    assert isinstance(plugin, Check)
    return plugin


def broken_run() -> Evidence:
    """Every stage has failed somewhere, and some of the evidence is gone."""
    run = fakes.complete_run()
    run = fakes.end(run, fakes.is_step(stage="train", framework="pytorch", device="cpu"), Outcome.CRASHED)
    run = fakes.end(run, fakes.is_step(stage="export", format="tflite"), Outcome.UNSUPPORTED)
    run = fakes.end(run, fakes.is_step(stage="verify", runtime="onnx_runtime", device="cpu"), Outcome.FAILED)
    run = fakes.end(run, fakes.is_step(stage="run", runtime="tensorflow", device="cpu"), Outcome.TIMED_OUT)
    run = fakes.end(run, fakes.is_step(stage="serve", launcher="embedded"), Outcome.ERROR)
    return fakes.without(run, fakes.is_step(runtime="torch_jit", device="cpu"))


def lone_run() -> Evidence:
    """Only one framework was asked for."""
    run = fakes.complete_run()
    return dataclasses.replace(
        run,
        run=msgspec.structs.replace(run.run, frameworks=("pytorch",)),
        entries=tuple(entry for entry in run.entries if entry.step.framework == "pytorch"),
    )


def metricless_run() -> Evidence:
    """Steps passed, but left no figures."""
    return fakes.end(fakes.complete_run(), lambda step: step.device == "cpu", Outcome.PASSED)


RUNS: dict[str, Callable[[], Evidence]] = {
    "complete": fakes.complete_run,
    "one round": lambda: fakes.complete_run(rounds=1),
    "two scenarios": lambda: fakes.complete_run(scenarios=("resnet50", "bert")),
    "empty": fakes.empty_run,
    "broken": broken_run,
    "lone": lone_run,
    "without metrics": metricless_run,
}


def test_the_seven_questions_are_there() -> None:
    assert set(ALL) >= {
        "export_success",
        "latency",
        "memory",
        "parity",
        "serving_readiness",
        "size",
        "training_time",
    }


def test_every_category_has_a_check() -> None:
    found = {load(name).category for name in ALL}
    assert set(STANDARD.categories) <= found <= set(CATEGORIES)


@pytest.mark.parametrize(("question", "plugin"), cases("check"), ids=lambda each: each.name)
def test_it_answers_what_every_plug_in_is_asked(question: Question, plugin: Check) -> None:
    todo = question(plugin)
    assert todo is None, f"{question.sentence} {todo}"


@pytest.mark.parametrize("name", ALL)
def test_without_evidence_nothing_is_measured(name: str) -> None:
    evidence = fakes.empty_run()
    assert {f.score for f in load(name).judge(evidence)} <= {None}
    assert {c.ratio for c in load(name).compare(evidence)} <= {None}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", ALL)
def test_findings_are_whole_whatever_the_evidence(name: str, run: str) -> None:
    assert judging.findings_are_whole(load(name), RUNS[run]()) is None


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", ALL)
def test_comparisons_state_a_winner_or_why_there_is_none(name: str, run: str) -> None:
    assert judging.comparisons_are_whole(load(name), RUNS[run]()) is None


@pytest.mark.parametrize("name", ALL)
def test_a_complete_run_answers_every_question_about_the_cpu(name: str) -> None:
    for finding in load(name).judge(fakes.really_served()):
        if finding.device == "cpu" and "container" not in finding.subject:
            assert finding.state is Outcome.PASSED
            assert finding.score is not None
            assert finding.reproduce
            assert finding.evidence


def test_findings_and_comparisons_have_ids_of_their_own_that_do_not_hang_on_what_came_out() -> None:
    checks, run = registry.load_all("check"), fakes.complete_run()
    broken = fakes.end(run, lambda step: step.stage in ("verify", "serve"), Outcome.FAILED)
    findings = [finding.id for check in checks for finding in check.judge(run)]
    comparisons = [comparison.id for check in checks for comparison in check.compare(run)]
    assert len(set(findings)) == len(findings)
    assert len(set(comparisons)) == len(comparisons)
    assert findings == [finding.id for check in checks for finding in check.judge(broken)]
    assert comparisons == [comparison.id for check in checks for comparison in check.compare(broken)]
