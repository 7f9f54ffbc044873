"""Does a candidate compute what is expected of it? Arrays against arrays, output by output.

Differences are relative to the scale of an output (the largest magnitude that is expected), not to each element:
near zero an element-wise relative difference says nothing (rigour.md, "Correctness before speed").
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evaluator.core.records import Metrics, Record
from evaluator.core.tensors import Array

Floats = NDArray[np.float64]


class Fidelity(Record, frozen=True, kw_only=True):
    """How close two sets of outputs are; of several outputs the worst figure counts.

    The figures are None when the outputs could not be compared: something missing, misshapen, empty or not finite.
    """

    passed: bool
    tolerance: float
    max_abs: float | None
    max_rel: float | None  # largest difference / largest magnitude that is expected of the same output
    cosine: float | None
    top1_agreement: float | None  # share of rows whose largest element is the same; None when no output has classes
    smallest_tolerance: float | None  # at which it would pass
    first_difference: str | None  # where the first element beyond the tolerance is, or what else is wrong

    def metrics(self) -> Metrics:
        """Return the figures under their names in `cells`; those that could not be had are left out."""
        figures = {
            "max_abs_diff": self.max_abs,
            "max_rel_diff": self.max_rel,
            "cosine": self.cosine,
            "top1_agreement": self.top1_agreement,
            "smallest_tolerance": self.smallest_tolerance,
            "tolerance": self.tolerance,
        }
        return {name: value for name, value in figures.items() if value is not None}


def compare(expected: Mapping[str, Array], candidate: Mapping[str, Array], tolerance: float) -> Fidelity:
    """Compare outputs by name; `tolerance` is relative to the scale of each output (rigour.md: 1e-4 in fp32)."""
    wrong = _incomparable(expected, candidate)
    if wrong is not None:
        return Fidelity(
            passed=False,
            tolerance=tolerance,
            max_abs=None,
            max_rel=None,
            cosine=None,
            top1_agreement=None,
            smallest_tolerance=None,
            first_difference=wrong,
        )
    pairs = {name: (_float(expected[name]), _float(candidate[name])) for name in expected}
    max_rel = max(_max_abs(ours, theirs) / _scale(ours) for ours, theirs in pairs.values())
    passed = max_rel <= tolerance
    agreements = [_top1(ours, theirs) for ours, theirs in pairs.values() if ours.ndim >= 2]
    return Fidelity(
        passed=passed,
        tolerance=tolerance,
        max_abs=max(_max_abs(ours, theirs) for ours, theirs in pairs.values()),
        max_rel=max_rel,
        cosine=min(cosine(ours, theirs) for ours, theirs in pairs.values()),
        top1_agreement=min(agreements, default=None),
        smallest_tolerance=max_rel,
        first_difference=None if passed else _first_difference(pairs, tolerance),
    )


def worst(found: Sequence[Fidelity]) -> Fidelity:
    """Return the comparison that came out worst: the first that could not be made, else the largest difference."""
    return max(found, key=lambda f: float("inf") if f.max_rel is None else f.max_rel)


def cosine(expected: Floats, candidate: Floats) -> float:
    """Return the cosine between two arrays as vectors: 1 for two zero vectors.

    It is 0 when only one is zero, or when one is not finite.
    """
    lengths = float(np.linalg.norm(expected)) * float(np.linalg.norm(candidate))
    if not np.isfinite(lengths):
        return 0.0
    if lengths == 0:
        return 1.0 if np.array_equal(expected, candidate) else 0.0
    return float(np.clip(np.vdot(expected, candidate) / lengths, -1, 1))


def _incomparable(expected: Mapping[str, Array], candidate: Mapping[str, Array]) -> str | None:
    """Say what keeps two sets of outputs from being compared, or None."""
    if not expected:
        return "no outputs are expected"
    for name in expected:
        if name not in candidate:
            return f"output '{name}' is missing; there is: {', '.join(candidate) or 'nothing'}"
    for name in candidate:
        if name not in expected:
            return f"output '{name}' was not expected; expected: {', '.join(expected)}"
    wrongs = (_incomparable_output(name, expected[name], candidate[name]) for name in expected)
    return next((wrong for wrong in wrongs if wrong is not None), None)


def _incomparable_output(name: str, expected: Array, candidate: Array) -> str | None:
    """Say what keeps one output from being compared, or None."""
    if candidate.shape != expected.shape:
        return f"output '{name}' has the shape {candidate.shape}, expected {expected.shape}"
    if candidate.dtype != expected.dtype:
        return f"output '{name}' has the dtype {candidate.dtype}, expected {expected.dtype}"
    if expected.dtype.kind not in "biuf":
        return f"output '{name}' has the dtype {expected.dtype}, which is not a real number"
    if expected.size == 0:
        return f"output '{name}' is empty: its shape is {expected.shape}"
    for who, array in (("what is expected", expected), ("the candidate", candidate)):
        values = _float(array)
        if not np.isfinite(values).all():
            where = _index(~np.isfinite(values))
            return f"output '{name}' of {who} is {values[where]} at {_text(where)}"
    return None


def _float(array: Array) -> Floats:
    return array.astype(np.float64)


def _max_abs(expected: Floats, candidate: Floats) -> float:
    return float(np.max(np.abs(candidate - expected)))


def _scale(expected: Floats) -> float:
    """Return the largest magnitude; an output of zeros counts as having the scale 1."""
    return float(np.max(np.abs(expected))) or 1.0


def _top1(expected: Floats, candidate: Floats) -> float:
    """Return the share of rows (over all but the last dimension) that put the same class first."""
    return float(np.mean(expected.argmax(axis=-1) == candidate.argmax(axis=-1)))


def _first_difference(pairs: Mapping[str, tuple[Floats, Floats]], tolerance: float) -> str | None:
    """Name the first element beyond the tolerance, in the order of the outputs."""
    for name, (expected, candidate) in pairs.items():
        beyond = np.abs(candidate - expected) / _scale(expected) > tolerance
        if beyond.any():
            where = _index(beyond)
            return (
                f"output '{name}' at {_text(where)}: expected {expected[where]:.7g}, got {candidate[where]:.7g} "
                f"({int(beyond.sum())} of {beyond.size} elements differ)"
            )
    return None


def _index(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the index of the first true element."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))


def _text(index: tuple[int, ...]) -> str:
    return "[" + ", ".join(str(i) for i in index) + "]"
