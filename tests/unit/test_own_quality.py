"""Artifacts of somebody's own model: judged by their measure, in exact numbers, with scripted outputs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from evaluator.core import files, quality
from evaluator.core.outcome import Outcome
from evaluator.core.records import Measured, Result, Signature, TensorSpec
from evaluator.stages import verify
from scenarios.loading import Scenario, load_scenario
from scenarios.own.form import Described, Own
from tests import engine, scripted_exports
from tests.scripted_exports import CLASSES, EDGE_CASES, SIDE, Logits, one_hot

ROWS = 400
VERIFIED = engine.PROFILE.verify_samples
UNSEEN = ROWS - 128  # rows that no artifact was calibrated with
MINE = """
def share(outputs, labels):
    return (outputs.argmax(-1) == labels).mean()

def mistakes(outputs, labels):
    return (outputs.argmax(-1) != labels).mean()
mistakes.higher_is_better = False

def nothing(outputs, labels):
    return float("nan")
"""


def scenario(folder: Path, **told: Any) -> Scenario:
    """Return one whose model takes images and gives logits; nobody builds it."""
    (folder / "mine.py").write_text(MINE)
    signature = Signature(
        inputs=(TensorSpec(name="image", dtype="float32", shape=(None, SIDE, SIDE, 1)),),
        outputs=(TensorSpec(name="logits", dtype="float32", shape=(None, CLASSES)),),
    )
    own = Own(tensorflow="model.keras", found={"tensorflow": Described(signature=signature)}, **told)
    usual = load_scenario("tiny")
    return Scenario(
        name="mine",
        title="Mine",
        summary="Mine.",
        settings=msgspec.to_builtins(own),
        tolerance=usual.tolerance,
    )


def prove(
    candidate: Logits, precision: str, place: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any] | None = None
) -> Measured:
    """Prove an artifact that computes these rows, of an origin that has all right, by the measure that is told."""
    folder = place / "own"
    folder.mkdir(parents=True)
    told = {"quality": "share"} if told is None else told
    placed = {key: f"{folder / 'mine.py'}:{each}" if key == "quality" else each for key, each in told.items()}
    scripted_exports.trained(folder, one_hot(len(candidate)))
    scripted_exports.exported(folder)
    result = Result(step="trained", outcome=Outcome.PASSED, started_at="2026-01-01T00:00:00+00:00", seconds=1.0)
    files.write_record(folder / "trained" / "result.json", result)
    scripted_exports.install(monkeypatch, runtime=scripted_exports.ScriptedRuntime(candidate))
    work = scripted_exports.work(folder, "verify", precision)
    made = msgspec.to_builtins(scenario(folder, **placed))
    step = msgspec.structs.replace(work.step, settings={**work.step.settings, "scenario": made})
    return verify.plugin.work(replace(work, step=step))


def sound(rows: int = ROWS) -> Logits:
    return one_hot(rows + EDGE_CASES)


def mistaken(count: int) -> Logits:
    """Answer the last rows with the next class."""
    logits = sound()
    logits[ROWS - count : ROWS] = np.roll(logits[ROWS - count : ROWS], 1, axis=1)
    return logits


def turned(logits: Logits, cosine: float) -> Logits:
    """Turn every row away from where it points until that cosine; the largest stays the same."""
    across = np.where(logits > 0, 0.0, 10 / np.sqrt(CLASSES - 1))
    return np.array(cosine * logits + np.sqrt(1 - cosine**2) * across, np.float32)


def of(measured: Measured) -> quality.Quality:
    found = quality.read(measured)
    assert found is not None
    return found


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize(("name", "best"), [("share", 1.0), ("mistakes", 0.0)])
def test_all_labelled_rows_that_nothing_was_fitted_to_are_looked_at(
    precision: str, name: str, best: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"quality": name, "allowed_loss": 0.01}
    measured = prove(sound(), precision, tmp_path, monkeypatch, told)
    assert (measured.outcome, measured.reason) == (Outcome.PASSED, None)
    found = of(measured)
    assert (found.measure, found.value, found.origin, found.rows) == (f"mine.py:{name}", best, best, UNSEEN)
    assert (found.verdict, found.loss, found.allowed) == ("kept", 0.0, 0.01)
    assert measured.metrics["cases"] == (UNSEEN if precision == "int8" else VERIFIED)
    assert "accuracy" not in measured.metrics, "the built-in rule is not asked"


def test_the_measure_decides_about_what_is_quantized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What answers as well may point elsewhere; what answers worse is refused, however near it points."""
    passed = prove(turned(sound(), 0.8), "int8", tmp_path / "elsewhere", monkeypatch)
    assert passed.outcome is Outcome.PASSED
    assert passed.metrics["cosine"] == pytest.approx(0.8)
    lost = prove(mistaken(30), "int8", tmp_path / "worse", monkeypatch)
    assert lost.outcome is Outcome.FAILED
    assert str(lost.reason).startswith("quality fell: mine.py:share 0.890 (origin 1.00): a loss of 0.110 (")
    assert "--allowed-loss" in str(lost.remedy)


@pytest.mark.parametrize(("allowed", "outcome"), [(0.3, Outcome.PASSED), (0.01, Outcome.FAILED)])
@pytest.mark.parametrize("name", ["share", "mistakes"])
def test_how_much_may_be_lost_is_the_persons_to_say(
    name: str, allowed: float, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"quality": name, "allowed_loss": allowed}
    assert prove(mistaken(30), "int8", tmp_path, monkeypatch, told).outcome is outcome


@pytest.mark.parametrize(("cosine", "outcome"), [(0.905, Outcome.PASSED), (0.895, Outcome.FAILED)])
@pytest.mark.parametrize("told", [{}, {"quality": "share"}], ids=["without a measure", "with few rows"])
def test_the_direction_decides_where_no_measure_does(
    told: dict[str, Any], cosine: float, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = prove(turned(sound(10), cosine), "int8", tmp_path, monkeypatch, told)
    assert measured.outcome is outcome
    assert measured.metrics.get("quality_verdict") == ("in doubt" if told else None)
    if told:
        assert "too few labelled rows" in str(measured.metrics["quality_doubt"])
    else:
        assert quality.read(measured) is None


def test_a_measure_without_a_value_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = prove(sound(), "int8", tmp_path, monkeypatch, {"quality": "nothing"})
    assert measured.outcome is Outcome.PASSED
    assert measured.metrics["quality_doubt"] == "mine.py:nothing returned nan"
    assert quality.read(measured) is None


def test_what_computes_something_else_is_refused_whatever_its_quality(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = sound()
    candidate[0, 5] += 1
    measured = prove(candidate, "fp32", tmp_path, monkeypatch)
    assert measured.outcome is Outcome.FAILED
    assert of(measured).verdict == "kept"
    assert str(measured.reason).startswith("outputs differ from the origin's")
