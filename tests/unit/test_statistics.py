import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.core.scorecard import Interval, distinguishable
from evaluator.measure import statistics

SECONDS = st.floats(min_value=1e-6, max_value=1e3)


@pytest.mark.parametrize(
    ("percentile", "smallest"),
    list(zip(statistics.TAILS, (11, 64, 130, 219, 662, 6636), strict=True)),
)
def test_a_tail_exists_from_the_count_of_mlperf_on(percentile: float, smallest: int) -> None:
    samples = [float(i) for i in range(1, smallest + 1)]
    assert statistics.tail(samples[:-1], percentile / 100) is None
    assert statistics.tail(samples, percentile / 100) == smallest


def test_a_tail_sets_the_highest_aside_once_there_are_enough() -> None:
    # P[Bin(1000, 0.1) <= 78] = 0.0099, P[... <= 79] = 0.0131: t = 78, so 77 are set aside.
    assert statistics.tail([float(i) for i in range(1, 1001)], 0.9) == 1000 - 77


@given(st.lists(SECONDS, min_size=11, max_size=200))
def test_tails_are_samples_and_grow_with_the_percentile(samples: list[float]) -> None:
    tails = [value for p in statistics.TAILS if (value := statistics.tail(samples, p / 100)) is not None]
    assert set(tails) <= set(samples)
    assert tails == sorted(tails)
    assert tails[0] >= np.median(samples)


@given(st.lists(SECONDS, min_size=1, max_size=200))
def test_the_median_lies_in_its_interval(samples: list[float]) -> None:
    interval = statistics.median_interval(samples)
    if interval.low is None or interval.high is None:
        assert len(samples) < 6
    else:
        assert interval.low <= interval.value <= interval.high


@pytest.mark.parametrize("size", [6, 20, 130])
def test_median_intervals_hold_the_true_median_often_enough(size: int) -> None:
    rng = np.random.default_rng(1)
    intervals = [statistics.median_interval(rng.lognormal(size=size).tolist()) for _ in range(1000)]
    held = [i.low is not None and i.high is not None and i.low <= 1.0 <= i.high for i in intervals]
    assert np.mean(held) >= 0.94


def test_a_paired_difference_has_the_textbook_interval() -> None:
    served, alone = [[3.0], [4.0], [5.0]], [[2.0], [2.0], [2.0]]  # differences 1, 2, 3: mean 2, deviation 1
    found = statistics.difference_interval(served, alone)
    reach = 4.302652729749464 / np.sqrt(3)  # Student's t, two degrees of freedom, 97.5 %
    assert found.value == pytest.approx(2.0)
    assert found.low == pytest.approx(2 - reach)
    assert found.high == pytest.approx(2 + reach)
    assert statistics.difference_interval(served[:2], alone[:2]) == Interval(value=1.5, low=None, high=None)


def test_paired_differences_hold_the_true_one_although_the_host_drifts() -> None:
    rng = np.random.default_rng(4)
    held = []
    for _ in range(500):
        levels = [float(level) for level in rng.lognormal(sigma=0.3, size=5)]  # far more than what is looked for
        alone = [[float(x) for x in level + 0.05 * rng.standard_normal(64)] for level in levels]
        served = [[float(x) for x in level + 0.1 + 0.05 * rng.standard_normal(64)] for level in levels]
        found = statistics.difference_interval(served, alone)
        held.append(found.low is not None and found.high is not None and found.low <= 0.1 <= found.high)
    assert np.mean(held) >= 0.93


def test_a_difference_inside_the_noise_floor_means_nothing() -> None:
    ratio = Interval(value=1.05, low=1.04, high=1.06)
    assert not distinguishable(ratio, 0.06)
    assert distinguishable(ratio, 0.04)
    assert distinguishable(ratio, None)
    assert not distinguishable(Interval(value=1.05, low=0.98, high=1.1), None)


def test_without_an_interval_only_the_noise_floor_decides() -> None:
    assert distinguishable(Interval(value=1.05, low=None, high=None), 0.04)
    assert not distinguishable(Interval(value=1.0, low=None, high=None), None)


def test_outliers_are_named_by_their_index() -> None:
    samples = [1.0, 1.01, 0.99, 1.02, 0.98] * 10
    assert statistics.outliers(samples) == ()
    assert statistics.outliers([*samples, 5.0]) == (50,)


def test_a_level_that_moves_is_unstable() -> None:
    steady = [1.0, 1.01, 0.99] * 20
    moving = [1.0] * 20 + [1.2] * 20 + [1.5] * 20
    assert (statistics.stability(steady) or 0) <= statistics.UNSTABLE_ABOVE
    assert (statistics.stability(moving) or 0) > statistics.UNSTABLE_ABOVE
    assert statistics.stability([1.0, 2.0]) is None


def test_the_coefficient_of_variation_is_relative() -> None:
    assert statistics.coefficient_of_variation([9.0, 10.0, 11.0]) == pytest.approx(0.1)
    assert statistics.coefficient_of_variation([9.0]) is None


@pytest.mark.parametrize("samples", [[], [float("nan")], [1.0, float("inf")]])
def test_no_figure_comes_from_nothing(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        statistics.tail(samples, 0.5)
    with pytest.raises(ValueError, match="finite"):
        statistics.median_interval(samples)


@pytest.mark.parametrize(("lost", "gained"), [(5, 0), (7, 1)])  # probabilities, were nothing lost: 1/32 and 9/256
def test_answers_are_lost_beyond_chance(lost: int, gained: int) -> None:
    assert statistics.is_loss(lost, gained)


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (1, 0), (4, 0), (6, 1), (0, 9), (50, 50)])  # at least 1/16
def test_what_chance_explains_is_no_loss(lost: int, gained: int) -> None:
    assert not statistics.is_loss(lost, gained)
