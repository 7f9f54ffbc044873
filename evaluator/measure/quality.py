"""What a conversion cost in the terms of a task: the quality of two sets of outputs on the same labelled rows. Pure.

A measure is a user's own function or a named one, so nothing is known of its distribution: the rows are drawn again
with replacement, both sets of outputs are measured on every draw, and the differences give the interval (the paired
percentile bootstrap; A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application", 1997, 5.3). What both
get wrong cancels out, so that a small loss is told from few rows. Three answers: *kept*, where the loss is at most what
is allowed, *lost*, where it is more, and *in doubt*, where the interval holds both.

The bootstrap knows only the rows that it is given: where both answer alike on all of them, the loss is 0 to 0, and how
many rows that was is said beside it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluator.core.errors import FwevalError
from evaluator.core.quantities import significant
from evaluator.core.records import Record
from evaluator.core.scorecard import Interval
from evaluator.core.tensors import Array

Compute = Callable[[Mapping[str, Array], Mapping[str, Array]], float]  # (outputs, labels), both by name
Verdict = Literal["kept", "lost", "in doubt"]

LEAST_ROWS = 10  # below it an interval of redrawn rows is far too narrow, whatever is measured
RESAMPLES = 399
LEAST_RESAMPLES = 39  # whose least and greatest are the ends at 95 %: (39 + 1) / 40 = 1
SECONDS = 5.0  # for all of them: a user's function may be slow, and every artifact is measured
ALLOWED_SHARE = 0.01  # of the origin's quality, where nobody says how much may be lost
_NOTHING = 1e-9  # a quality so near zero that a share of it says nothing
_TAIL = 0.025  # on each side


class Undefined(FwevalError):
    """A measure has no value for these rows, or went wrong on them; on rows drawn by chance that may happen."""


class Judge(Protocol):
    """What is asked how good outputs are."""

    @property
    def higher_is_better(self) -> bool:
        """Return whether more of it is better."""

    @property
    def compute(self) -> Compute:
        """Return the function; it raises `Undefined` for what it cannot measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How often rows are drawn again, for how long at most, and by which chance."""

    count: int = RESAMPLES
    seconds: float = SECONDS
    seed: int = 0
    clock: Callable[[], float] = time.perf_counter


class Estimate(Record, frozen=True, kw_only=True):
    """A quality with its 95 % interval; `why` says why it has none."""

    quality: Interval
    rows: int
    resamples: int  # draws of rows that had a value
    skipped: int = 0  # draws of rows that had none
    why: str = ""


class Comparison(Record, frozen=True, kw_only=True):
    """The quality of an artifact beside its origin's; `why` says what a doubt comes from."""

    origin: Interval
    artifact: Interval
    loss: Interval  # in the measure's own unit; above zero where the artifact is worse
    allowed: float  # of that loss
    verdict: Verdict
    rows: int
    resamples: int
    skipped: int = 0
    why: str = ""


def estimate(
    judge: Judge, outputs: Mapping[str, Array], labels: Mapping[str, Array], plan: Resampling | None = None
) -> Estimate:
    """Return how good the outputs are; `Undefined` when that has no value on all rows together."""
    drawn = _draw(judge.compute, (outputs,), labels, plan or Resampling())
    return Estimate(
        quality=_interval(drawn.whole[0], drawn.values[:, 0]),
        rows=drawn.rows,
        resamples=len(drawn.values),
        skipped=drawn.skipped,
        why=drawn.why,
    )


def compare(
    judge: Judge,
    pair: tuple[Mapping[str, Array], Mapping[str, Array]],
    labels: Mapping[str, Array],
    allowed: float | None = None,
    plan: Resampling | None = None,
) -> Comparison:
    """Return how good the outputs of the origin and of the artifact are, in that order, and whether too much was lost.

    `allowed` is in the measure's own unit; None for `ALLOWED_SHARE` of the origin's. `Undefined` when there is no value
    on all rows together.
    """
    drawn = _draw(judge.compute, pair, labels, plan or Resampling())
    origin, artifact = drawn.whole
    sign = 1.0 if judge.higher_is_better else -1.0
    loss = _interval(sign * (origin - artifact), sign * (drawn.values[:, 0] - drawn.values[:, 1]))
    least = ALLOWED_SHARE * abs(origin) if allowed is None else allowed
    why = drawn.why
    if not why and allowed is None and abs(origin) < _NOTHING:
        why = f"the origin's is {significant(origin)}, and a share of that allows nothing: say what may be lost"
    return Comparison(
        origin=_interval(origin, drawn.values[:, 0]),
        artifact=_interval(artifact, drawn.values[:, 1]),
        loss=loss,
        allowed=least,
        verdict="in doubt" if why else _verdict(loss, least),
        rows=drawn.rows,
        resamples=len(drawn.values),
        skipped=drawn.skipped,
        why=why,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """What was measured: on all rows, and on each draw of rows; a column for each set of outputs."""

    rows: int
    whole: tuple[float, ...]
    values: NDArray[np.float64]
    skipped: int
    why: str


def _draw(
    compute: Compute, sets: tuple[Mapping[str, Array], ...], labels: Mapping[str, Array], plan: Resampling
) -> _Drawn:
    """Measure all sets of outputs on all rows, then on one draw of rows after the other until time is up."""
    whole = tuple(compute(outputs, labels) for outputs in sets)
    rows = len(next(iter(labels.values())))
    unlike = next((why for outputs in (*sets, labels) if (why := _unlike(outputs, rows))), "")
    why = unlike or ("" if rows >= LEAST_ROWS else f"too few labelled rows: {rows}, at least {LEAST_ROWS} are needed")
    found: list[tuple[float, ...]] = []
    skipped = 0
    generator, end = np.random.default_rng(plan.seed), plan.clock() + plan.seconds
    while not why and len(found) + skipped < plan.count and plan.clock() < end:
        drawn = generator.integers(0, rows, rows)
        try:
            found.append(tuple(compute(_rows(outputs, drawn), _rows(labels, drawn)) for outputs in sets))
        except Undefined:
            skipped += 1
    if not why:
        why = _too_few(len(found), skipped)
    values = np.array(found if not why else [], dtype=np.float64).reshape(-1, len(sets))
    return _Drawn(rows=rows, whole=whole, values=values, skipped=skipped, why=why)


def _too_few(found: int, skipped: int) -> str:
    """Say why so many draws of rows do not make an interval, or nothing."""
    if skipped > found:
        return f"it has no value on {skipped:,} of {found + skipped:,} draws of the rows: more labelled rows are needed"
    if found < LEAST_RESAMPLES:
        return f"time was up after {found:,} draws of the rows, and an interval needs {LEAST_RESAMPLES}"
    return ""


def _unlike(arrays: Mapping[str, Array], rows: int) -> str:
    """Name an array whose first axis is not the rows of the labels: rows of it cannot be drawn."""
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) != rows:
            return f"'{name}' has the shape {array.shape}, and the labels have {rows} rows: no rows can be drawn"
    return ""


def _rows(arrays: Mapping[str, Array], drawn: NDArray[np.int64]) -> dict[str, Array]:
    return {name: array[drawn] for name, array in arrays.items()}


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval:
    """Return a value between the order statistics of the draws that leave out 2.5 % on each side.

    The value is always between them: of a measure that is biased on redrawn rows it could lie outside.
    """
    if not len(drawn):
        return Interval(value=value, low=None, high=None)
    ordered, k = np.sort(drawn), int(_TAIL * (len(drawn) + 1))
    return Interval(value=value, low=min(value, float(ordered[k - 1])), high=max(value, float(ordered[-k])))


def _verdict(loss: Interval, allowed: float) -> Verdict:
    if loss.low is None or loss.high is None:
        return "in doubt"
    if loss.high <= allowed:
        return "kept"
    return "lost" if loss.low > allowed else "in doubt"
