"""From samples to figures that can be signed: tails, intervals, noise, stability. Pure; the rules are in rigour.md.

Seconds in, seconds out; relative figures are plain numbers (0.1 is 10 %).

The distributions are the functions of scipy.special, imported where they are asked for: scipy.stats takes longer to
import than most commands take altogether, and many of them compute no statistics.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evaluator.core.scorecard import Interval

TAILS = (50.0, 90.0, 95.0, 97.0, 99.0, 99.9)  # the percentiles that are printed, where there are samples enough
OUTLIER_ABOVE = 14.826  # distances from the median in MADs: ten standard deviations of a normal distribution
UNSTABLE_ABOVE = 0.10  # perf_analyzer's default --stability-percentage
NOISY_ABOVE = 0.025  # trtexec warns above this coefficient of variation

Floats = NDArray[np.float64]


def tail(samples: Sequence[float], p: float, confidence: float = 0.99) -> float | None:
    """Return what the `p` quantile (0 to 1) does not exceed, with that confidence; None with too few samples.

    MLPerf's early stopping (loadgen, `early_stopping.cc`, with d = 0): t is the largest count for which
    P[Bin(n, 1 - p) <= t] <= 1 - confidence. The t - 1 highest samples are set aside, the maximum of the rest is the
    figure. It exists from t = 1 on: at 0.99, p50 needs 11 samples, p90 64, p95 130, p97 219, p99 662, p99.9 6636.
    """
    ordered = _ordered(samples)
    t_max = _largest_count(len(ordered), 1 - p, 1 - confidence)
    return float(ordered[len(ordered) - t_max]) if t_max >= 1 else None


def median_interval(samples: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the median between two order statistics that hold it with at least that confidence.

    Distribution-free (David & Nagaraja, Order Statistics, 7.1). The ends are None below six samples at 0.95. It takes
    samples for independent; between rounds they are not, so comparisons are made of pairs instead (`pairs`).
    """
    ordered = _ordered(samples)
    value = float(np.median(ordered))
    k = _largest_count(len(ordered), 0.5, (1 - confidence) / 2) + 1
    if k < 1:
        return Interval(value=value, low=None, high=None)
    return Interval(value=value, low=float(ordered[k - 1]), high=float(ordered[len(ordered) - k]))


def difference_interval(
    blocks_a: Sequence[Sequence[float]], blocks_b: Sequence[Sequence[float]], confidence: float = 0.95
) -> Interval:
    """Return how much more a median of `a` is than one of `b`, in seconds, from blocks that were measured in turns.

    The difference of each pair of blocks is one observation (what the host did to both cancels out); Student's t over
    the pairs gives the ends, None with fewer than three pairs.
    """
    pairs = zip(blocks_a, blocks_b, strict=True)
    differences = np.array([np.median(ours) - np.median(theirs) for ours, theirs in pairs])
    value, count = float(differences.mean()), len(differences)
    if count < 3:
        return Interval(value=value, low=None, high=None)
    reach = float(_students_t((1 + confidence) / 2, count - 1) * differences.std(ddof=1) / np.sqrt(count))
    return Interval(value=value, low=value - reach, high=value + reach)


def is_loss(lost: int, gained: int, confidence: float = 0.95) -> bool:
    """Tell whether answers got worse, given how many were right before only and how many are right now only.

    McNemar's test in its exact, one-sided form: were nothing lost, each change would go either way with the same
    probability. Q. McNemar, "Note on the sampling error of the difference between correlated proportions", 1947.
    """
    from scipy.special import bdtrc

    changed = lost + gained
    return changed > 0 and bool(bdtrc(lost - 1, changed, 0.5) <= 1 - confidence)  # P[at least `lost` of them]


def outliers(samples: Sequence[float]) -> tuple[int, ...]:
    """Return the indices of samples far from the median; they are flagged and never removed.

    The rule of hyperfine (`src/outlier_detection.rs`; Iglewicz & Hoaglin, 1993): more than 14.826 median absolute
    deviations away.
    """
    values = np.asarray(samples, dtype=np.float64)
    distance = np.abs(values - _median(values))
    spread = max(_median(distance), float(np.finfo(np.float64).eps))
    return tuple(int(i) for i in np.flatnonzero(distance / spread > OUTLIER_ABOVE))


def stability(samples: Sequence[float]) -> float | None:
    """Return how far the medians of three consecutive windows stray from their mean, relatively.

    None below three samples, and around zero. Above `UNSTABLE_ABOVE` the measurement had not settled (the windows are
    perf_analyzer's; it compares means, we compare medians because one outlier says nothing about stability).
    """
    if len(samples) < 3:
        return None
    medians = np.array([_median(window) for window in np.array_split(np.asarray(samples, dtype=np.float64), 3)])
    return float(np.max(np.abs(medians / medians.mean() - 1))) if medians.mean() > 0 else None


def coefficient_of_variation(samples: Sequence[float]) -> float | None:
    """Return standard deviation over mean; None below two samples, and around zero."""
    values = np.asarray(samples, dtype=np.float64)
    return float(values.std(ddof=1) / values.mean()) if len(samples) > 1 and values.mean() > 0 else None


def _median(values: Floats) -> float:
    """Return the median as NumPy does, which takes ten times as long over a few dozen values."""
    ordered = np.sort(values)
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def _ordered(samples: Sequence[float]) -> Floats:
    """Sort a copy; `ValueError` when there is nothing to sort or something that cannot be ordered."""
    values = np.sort(np.asarray(samples, dtype=np.float64))
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError("statistics need at least one sample, and only finite ones")
    return values


@cache
def _largest_count(n: int, p: float, probability: float) -> int:
    """Return the largest t with P[Bin(n, p) <= t] <= probability; -1 when there is none."""
    from scipy.special import bdtr

    return bisect_right(range(n + 1), probability, key=lambda count: float(bdtr(count, n, p))) - 1


def _students_t(probability: float, freedom: float) -> float:
    """Return the quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))
