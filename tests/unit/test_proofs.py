"""Proofs in exact numbers: what an artifact may lose at each precision, what is looked at, what tools left out."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.core.errors import FwevalError
from evaluator.core.outcome import Outcome
from evaluator.core.records import Measured
from evaluator.stages import export, verify
from evaluator.stages._evidence import calibration_rows
from tests import engine, scripted_exports
from tests.scripted_exports import CLASSES, EDGE_CASES, Logits, one_hot

ROWS = 400  # examples that were held out
VERIFIED = engine.PROFILE.verify_samples  # of them, the first
CALIBRATION = slice(VERIFIED, VERIFIED + 128)
UNSEEN = ROWS - 128  # what a quantized artifact is judged by
# Relative to the scale of the output, which is ten; "int8_dynamic" and "int8" are judged by direction and accuracy.
TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2}
QUANTIZED = ("int8_dynamic", "int8")


def prove(candidate: Logits, precision: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> Measured:
    """Prove an artifact that computes these rows (held-out examples, then edge cases)."""
    scripted_exports.trained(place, one_hot(ROWS + EDGE_CASES))
    scripted_exports.exported(place)
    scripted_exports.install(monkeypatch, runtime=scripted_exports.ScriptedRuntime(candidate))
    return verify.plugin.work(scripted_exports.work(place, "verify", precision))


def sound() -> Logits:
    return one_hot(ROWS + EDGE_CASES)


def mistaken(logits: Logits, rows: slice | list[int]) -> Logits:
    """Answer these rows with the next class."""
    logits[rows] = np.roll(logits[rows], 1, axis=1)
    return logits


def turned(logits: Logits, cosine: float) -> Logits:
    """Turn every row away from where it points until that cosine, evenly to all sides: the largest stays the same."""
    across = np.where(logits > 0, 0.0, 10 / np.sqrt(CLASSES - 1))
    return np.array(cosine * logits + np.sqrt(1 - cosine**2) * across, np.float32)


@pytest.mark.parametrize("precision", [*TOLERANCE, *QUANTIZED])
def test_what_computes_the_same_is_proven(precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = prove(sound(), precision, tmp_path, monkeypatch)
    assert (found.outcome, found.reason) == (Outcome.PASSED, None)
    assert (found.metrics["accuracy"], found.metrics["origin_accuracy"], found.metrics["answers_lost"]) == (1, 1, 0)
    assert found.metrics["cases"] == (UNSEEN if precision in QUANTIZED else VERIFIED)


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize(("share", "passes"), [(0.9, True), (1.1, False)])
@pytest.mark.parametrize("row", [0, VERIFIED - 1, ROWS + EDGE_CASES - 1])
def test_no_element_of_a_float_may_leave_the_tolerance(  # what is asked
    precision: str, share: float, *, passes: bool, row: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = sound()
    candidate[row, 5] += 10 * TOLERANCE[precision] * share
    found = prove(candidate, precision, tmp_path, monkeypatch)
    assert found.outcome is (Outcome.PASSED if passes else Outcome.FAILED)
    assert passes or str(found.reason).startswith("outputs differ from the origin's: output 'logits' at [")


@pytest.mark.parametrize("precision", QUANTIZED)
def test_what_is_quantized_must_point_where_the_origin_points(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "near").mkdir()
    near = prove(turned(sound(), 0.905), precision, tmp_path / "near", monkeypatch)
    assert (near.outcome, near.metrics["answers_lost"]) == (Outcome.PASSED, 0)
    assert near.metrics["cosine"] == pytest.approx(0.905)
    far = prove(turned(sound(), 0.895), precision, tmp_path / "far", monkeypatch)
    assert (far.outcome, far.metrics["answers_lost"]) == (Outcome.FAILED, 0)
    assert far.reason == "outputs differ from the origin's: the cosine between them is 0.895, at least 0.9 is asked for"


@pytest.mark.parametrize("precision", QUANTIZED)
@pytest.mark.parametrize("lost", [2, 4, 5])
def test_what_is_quantized_must_answer_as_well(
    precision: str, lost: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of 272 are less than one per cent; four may be chance (1/16 by McNemar's test), five are not (1/32)."""
    found = prove(mistaken(sound(), slice(ROWS - lost, ROWS)), precision, tmp_path, monkeypatch)
    assert (found.metrics["answers_lost"], found.metrics["answers_gained"]) == (lost, 0)
    assert found.reason == ("accuracy fell from 100 % to 98.2 %" if lost == 5 else None)
    assert found.outcome is (Outcome.FAILED if lost == 5 else Outcome.PASSED)


@pytest.mark.parametrize("precision", QUANTIZED)
def test_an_artifact_is_not_judged_by_what_it_was_fitted_to(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = prove(mistaken(sound(), CALIBRATION), precision, tmp_path, monkeypatch)
    assert (found.outcome, found.metrics["accuracy"], found.metrics["max_abs_diff"]) == (Outcome.PASSED, 1, 0)


@pytest.mark.parametrize("precision", [*TOLERANCE, *QUANTIZED])
@pytest.mark.parametrize("row", [0, ROWS + EDGE_CASES - 1], ids=["an example", "at the edges"])
def test_what_is_not_finite_is_refused(
    precision: str, row: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = sound()
    candidate[row, 0] = np.nan
    found = prove(candidate, precision, tmp_path, monkeypatch)
    assert found.outcome is Outcome.FAILED
    assert "of the candidate is nan at [" in str(found.reason)


def test_only_what_was_exported_is_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_exports.trained(tmp_path, sound())
    scripted_exports.exported(tmp_path)
    (tmp_path / "artifact" / "model").write_bytes(b"another")
    scripted_exports.install(monkeypatch, runtime=scripted_exports.ScriptedRuntime(sound()))
    with pytest.raises(FwevalError, match="the artifact is not the one that was exported: its digest differs"):
        verify.plugin.work(scripted_exports.work(tmp_path, "verify", "fp32"))


@given(count=st.integers(2, 2000), verified=st.integers(1, 500))
def test_no_row_is_both_fitted_to_and_looked_at(count: int, verified: int) -> None:
    """Of floats, the first so many are looked at; of what is quantized, all but the rows for calibration."""
    fitted = range(count)[calibration_rows(count, verified)]
    assert 1 <= len(fitted) <= 128
    assert fitted[0] >= min(verified, count // 2)
    assert len(fitted) <= (count + 1) // 2, "half of few examples are left to judge by"


def export_by(
    place: Path, precision: str, weights: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> tuple[Measured, scripted_exports.ScriptedExporter]:
    exporter = scripted_exports.ScriptedExporter()
    scripted_exports.trained(place, one_hot(ROWS + EDGE_CASES))
    scripted_exports.install(
        monkeypatch,
        framework=scripted_exports.ScriptedFramework(),
        exporter=exporter,
        format=scripted_exports.ScriptedFormat(weights),
    )
    return export.plugin.work(scripted_exports.work(place, "export", precision)), exporter


def test_quantizers_are_calibrated_with_what_no_proof_looks_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, exporter = export_by(tmp_path, "int8", {"int8": 1}, monkeypatch)
    taken = exporter.origin.calibration["image"][:, 0, 0, 0].astype(int).tolist()
    assert taken == list(range(ROWS)[CALIBRATION])


@pytest.mark.parametrize(
    ("precision", "weights", "left"),
    [
        ("fp32", {"float32": 400}, None),
        ("fp16", {"float32": 400}, "the tool left 100 % of the weights at more than fp16"),
        ("fp16", {"float32": 4 * 91, "float16": 2 * 9}, "the tool left 91.0 % of the weights at more than fp16"),
        ("fp16", {"float32": 4 * 90, "bfloat16": 2 * 10}, None),
        ("int8_dynamic", {"float32": 4 * 95, "int8": 5}, "the tool left 95.0 % of the weights at more than int8"),
        ("int8", {"float16": 2 * 95, "uint8": 5}, "the tool left 95.0 % of the weights at more than int8"),
        ("int8", {"float32": 4 * 50, "int8": 50, "int32": 4000}, None),
    ],
)
def test_a_tool_that_left_the_weights_as_they_were_has_failed(
    precision: str, weights: dict[str, int], left: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = export_by(tmp_path, precision, weights, monkeypatch)
    assert (found.outcome, found.reason) == (Outcome.PASSED if left is None else Outcome.FAILED, left)
