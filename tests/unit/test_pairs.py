"""Ratios of pairs that were measured in turns: exact on scripted samples, right often enough on random ones."""

from collections.abc import Iterator
from math import exp, log, log1p, sqrt
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.core.scorecard import Interval, Reply
from evaluator.measure import pairs
from evaluator.measure.pairs import Estimate, Rounds

NORMAL = 1.959963984540054  # 97.5 % of a normal distribution
T2 = 4.302652729749464  # of Student's t with two degrees of freedom


def blocks(*rounds: list[float]) -> Rounds:
    return {number: dict(enumerate(values)) for number, values in enumerate(rounds, start=1)}


def estimate(a: Rounds, b: Rounds, start: float = pairs.START_DEVIATION) -> Estimate:
    found = pairs.ratio(a, b, start)
    assert found is not None
    return found


def ends(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


def scattered(middle: float, count: int = 12, by: float = 0.01) -> list[float]:
    """Return values around a middle that alternate, so that neighbours do not hang together."""
    return [middle * (1 + by * (number % 4 - 1.5) * (1 if number % 2 else -1)) for number in range(count)]


# Exact


def test_constant_blocks_of_one_round_leave_what_starts_differ_by() -> None:
    found = estimate(blocks([2.0] * 12), blocks([1.0] * 12))
    assert (found.pairs, found.rounds) == (12, 1)
    assert found.interval().value == pytest.approx(2)
    assert ends(found.interval()) == pytest.approx(
        (2 * exp(-NORMAL * 0.02 * sqrt(2)), 2 * exp(NORMAL * 0.02 * sqrt(2)))
    )
    assert ends(estimate(blocks([2.0] * 12), blocks([1.0] * 12), start=0).interval()) == pytest.approx((2, 2))


def test_two_rounds_halve_the_variance_of_starts() -> None:
    found = estimate(blocks([2.0] * 12, [2.2] * 12), blocks([1.0] * 12, [1.0] * 12))
    assert found.interval().value == pytest.approx(sqrt(2 * 2.2))
    assert found.error == pytest.approx(0.02)


def test_three_rounds_carry_the_interval_by_themselves() -> None:
    logs = (0.01, 0.02, 0.03)  # mean 0.02, deviation 0.01
    found = estimate(blocks(*([exp(each)] * 12 for each in logs)), blocks(*([1.0] * 12 for _ in logs)))
    assert (found.rounds, found.freedom) == (3, 2)
    assert found.log == pytest.approx(0.02)
    low, high = ends(found.interval())
    assert (log(low), log(high)) == pytest.approx((0.02 - T2 * 0.01 / sqrt(3), 0.02 + T2 * 0.01 / sqrt(3)))


def test_blocks_of_one_round_have_wilcoxons_interval() -> None:
    """Of six differences it holds all averages of two: from the smallest to the largest, at 1 - 2/64."""
    logs = [0.03, -0.02, 0.01, -0.01, 0.02, -0.03]
    found = estimate(blocks([exp(each) for each in logs]), blocks([1.0] * 6), start=0)
    low, high = ends(found.interval(1 - 2 / 64))
    assert (log(low), log(high)) == pytest.approx((-0.03, 0.03))
    assert found.log == pytest.approx(0)


@pytest.mark.parametrize(("count", "aside"), [(6, 0), (8, 3), (10, 8), (15, 25), (20, 52), (25, 89)])
def test_so_many_averages_are_set_aside_as_tables_of_signed_ranks_say(count: int, aside: int) -> None:
    assert pairs._set_aside(count, 0.95)[0] == aside  # F. Wilcoxon, 1947: two-sided 5 %


def test_drift_that_both_see_cancels_out() -> None:
    drift = [1 + 0.2 * turn for turn in range(24)]
    still = estimate(blocks(scattered(0.012, 24)), blocks(scattered(0.010, 24, by=0.02)))
    moved = estimate(
        blocks([a * by for a, by in zip(scattered(0.012, 24), drift, strict=True)]),
        blocks([b * by for b, by in zip(scattered(0.010, 24, by=0.02), drift, strict=True)]),
    )
    assert moved.log == pytest.approx(still.log)
    assert moved.error == pytest.approx(still.error)


def test_lone_blocks_far_off_decide_nothing() -> None:
    quiet = scattered(0.01, 24)
    spoiled = [value * (50 if turn in (5, 17) else 1) for turn, value in enumerate(quiet)]
    found = estimate(blocks(spoiled), blocks([0.01] * 24))
    assert found.interval().value == pytest.approx(1, abs=0.01)
    low, high = ends(found.interval())
    assert low > 0.9
    assert high < 1.1
    assert np.mean(np.log(spoiled)) - log(0.01) > 0.3  # the mean would call it a third slower


def test_few_blocks_give_a_ratio_without_an_interval() -> None:
    found = estimate(blocks([0.02] * 5), blocks([0.01] * 5))
    assert found.interval().value == pytest.approx(2)
    assert (found.interval().low, found.interval().high) == (None, None)
    assert pairs.answer(found.interval()) == "undecided"
    assert pairs.more(found) == pytest.approx(6 / 5)
    assert found.beyond() == 1


def test_a_round_of_two_blocks_carries_nothing() -> None:
    few = blocks([2.0] * 12, [2.0] * 12, [2.0] * 2)
    assert estimate(few, blocks(*[[1.0] * 12] * 3)).rounds == 2
    assert estimate(blocks(*[[2.0] * 2] * 3), blocks(*[[1.0] * 2] * 3)).error is None
    assert estimate(blocks(*[[2.0] * 3] * 3), blocks(*[[1.0] * 3] * 3)).rounds == 3


def test_only_blocks_of_the_same_turn_and_round_are_neighbours() -> None:
    a = {1: dict.fromkeys(range(20), 2.0), 2: {0: 9.0}}
    b = {1: dict.fromkeys(range(8, 30), 1.0), 3: {0: 9.0}}
    assert estimate(a, b).pairs == 12
    assert pairs.ratio({1: {0: 1.0}}, {1: {1: 1.0}}) is None
    assert pairs.ratio({1: {0: 1.0}}, {2: {0: 1.0}}) is None


def test_neighbours_that_hang_together_say_less() -> None:
    rng = Random(5)  # noqa: S311  # a sample, no secret
    logs = [rng.gauss(0, 0.02) for _ in range(40)]
    held = [sum(logs[turn // 4 * 4 : turn // 4 * 4 + 4]) / 2 for turn in range(40)]  # four turns in the same state
    alone, together = (estimate(blocks(list(map(exp, each))), blocks([1.0] * 40), start=0) for each in (logs, held))
    assert together.error is not None
    assert alone.error is not None
    assert together.error > 1.5 * alone.error
    assert together.freedom < 20 < alone.freedom


def test_a_thousand_blocks_are_summarised_in_neighbourhoods() -> None:
    assert estimate(blocks(scattered(0.011, 1000)), blocks([0.01] * 1000)).interval().value == pytest.approx(
        1.1, rel=0.01
    )


def test_what_a_process_has_one_of_varies_by_what_starts_are_known_to() -> None:
    one = pairs.once({1: 2e8}, {1: 1e8}, 0.01)
    assert one is not None
    assert one.error == pytest.approx(0.01 * sqrt(2))
    three = pairs.once({1: 2e8, 2: 2.2e8, 3: 2.4e8}, {1: 1e8, 2: 1e8, 3: 1e8, 4: 7.0}, 0.01)
    assert three is not None
    assert (three.rounds, three.freedom) == (3, 2)
    assert pairs.once({1: 1.0}, {2: 1.0}, 0.01) is None


def test_two_that_were_never_in_the_same_turns_are_compared_over_one_that_was_with_both() -> None:
    shared = {1: dict.fromkeys(range(24), 1.0)}
    a = {1: dict(enumerate(scattered(3.0)))}
    b = {1: {turn + 12: value for turn, value in enumerate(scattered(2.0, by=0.02))}}
    assert pairs.between(a, b) is None
    assert pairs.between(a, b, [{2: {0: 1.0}}]) is None
    found = pairs.between(a, b, [shared])
    first, second = estimate(a, shared), estimate(shared, b)
    assert found is not None
    assert first.error is not None
    assert second.error is not None
    assert found.log == pytest.approx(first.log + second.log)
    assert found.error == pytest.approx(sqrt(first.error**2 + second.error**2))
    assert pairs.between(a, {1: dict(enumerate(scattered(2.0)))}, [shared]) == estimate(a, blocks(scattered(2.0)))


# A/A


def test_every_candidate_is_its_own_pair() -> None:
    drift = [value * 1.02**turn for turn, value in enumerate(scattered(0.01, 40))]
    found = pairs.repeat(blocks(drift))
    assert found is not None
    assert pairs.holds_1(found)
    assert pairs.repeat(blocks(scattered(0.01, 11))) is None


def test_a_machine_that_changes_with_the_turns_is_noticed() -> None:
    """Every other pair of turns is slow: what hits one half of a candidate's blocks can hit one candidate alone."""
    values = [value * (1.2 if turn % 4 in (1, 2) else 1) for turn, value in enumerate(scattered(0.01, 40))]
    found = pairs.repeat(blocks(values))
    assert found is not None
    assert not pairs.holds_1(found)
    assert pairs.answer(Interval(value=2, low=1.9, high=2.1), repeats=[found]) == "disturbed"


# Answers


@pytest.mark.parametrize(
    ("low", "high", "margin", "reply"),
    [
        (1.06, 1.20, 0.05, "different"),
        (1.05, 1.20, 0.05, "undecided"),
        (0.80, 0.95, 0.05, "different"),
        (0.80, 1 / 1.05, 0.05, "undecided"),
        (0.96, 1.04, 0.05, "equivalent"),
        (0.952, 1.049, 0.05, "undecided"),
        (0.953, 1.05, 0.05, "undecided"),
        (0.94, 1.01, 0.05, "undecided"),
        (0.90, 1.20, 0.05, "undecided"),
        (0.94, 1.06, 0.10, "equivalent"),
        (1.06, 1.20, 0.10, "undecided"),
        (1.01, 1.02, 0.05, "equivalent"),
    ],
)
def test_there_are_three_answers(low: float, high: float, margin: float, reply: Reply) -> None:
    assert pairs.answer(Interval(value=(low + high) / 2, low=low, high=high), margin) == reply


def test_without_an_interval_nothing_is_decided() -> None:
    assert pairs.answer(Interval(value=9.0, low=None, high=None)) == "undecided"


def test_looks_at_a_round_end_it_when_it_is_decided_or_has_nothing_more_to_tell() -> None:
    fast, slow = blocks(scattered(0.01)), blocks(scattered(0.02))
    assert all(pairs.decided(slow, fast, look) for look in range(3))
    loose = blocks(scattered(0.0107, by=0.08))
    assert not any(pairs.decided(loose, fast, look) for look in range(3))
    tight = blocks(scattered(0.0107, count=60, by=0.001)), blocks(scattered(0.01, count=60, by=0.001))
    assert pairs.decided(*tight, 0)  # what starts differ by is all that is left to know
    assert not pairs.decided(blocks([0.02] * 5), blocks([0.01] * 5), 2)
    assert not pairs.decided(fast, blocks(), 2)


def test_early_looks_ask_for_more() -> None:
    logs = (0.08, 0.12, 0.16)
    rounds = blocks(*([exp(each)] * 12 for each in logs)), blocks(*([1.0] * 12 for _ in logs))
    assert not pairs.decided(*rounds, look=0, margin=0.01)
    assert pairs.decided(*rounds, look=2, margin=0.01) == (0.12 - 5.64 * 0.04 / sqrt(3) > log1p(0.01))


def test_what_is_undecided_says_how_much_longer_it_would_take() -> None:
    logs = (0.08, 0.10, 0.12)
    found = Estimate(log=0.1, error=0.02, freedom=2, pairs=36, rounds=3)
    assert pairs.answer(found.interval()) == "undecided"
    longer = pairs.more(found)
    assert longer is not None
    rounds = round(3 * longer)
    reach = [pairs._students_t(0.975, count - 1) * 0.02 * sqrt(3 / count) for count in (rounds - 1, rounds)]
    assert reach[0] >= np.mean(logs) - log1p(0.05) > reach[1]
    assert pairs.more(Estimate(log=log1p(0.05), error=0.02, freedom=2, pairs=36, rounds=3)) is None


@pytest.mark.parametrize(
    ("probabilities", "rejected"),
    [
        ((0.01, 0.04, 0.03, 0.005), (True, False, False, True)),  # 0.005 < 0.05/4, 0.01 < 0.05/3, 0.03 > 0.05/2
        ((0.013, 0.001, 0.001, 0.001), (True, True, True, True)),
        ((0.013, 0.013, 0.013, 0.013), (False, False, False, False)),
        ((0.05,), (True,)),
        ((0.02, 0.06), (True, False)),
        ((), ()),
    ],
)
def test_several_hypotheses_have_one_error_rate(probabilities: tuple[float, ...], rejected: tuple[bool, ...]) -> None:
    assert pairs.holm(probabilities) == rejected


def test_the_probability_agrees_with_the_interval() -> None:
    found = Estimate(log=log1p(0.05) + T2 * 0.01, error=0.01, freedom=2, pairs=36, rounds=3)
    assert found.beyond(0.05) == pytest.approx(0.025)
    assert found.interval().low == pytest.approx(1.05)
    assert found.inverse.beyond(0.05) > 0.9


# Properties

LEVELS = st.floats(1e-6, 1e3)
SERIES = st.lists(st.floats(0.5, 2), min_size=1, max_size=20)
PAIRED = st.lists(SERIES, min_size=1, max_size=4).flatmap(
    lambda first: st.tuples(
        st.just(first),
        st.tuples(*(st.lists(st.floats(0.5, 2), min_size=len(each), max_size=len(each)) for each in first)),
    )
)


@given(PAIRED)
def test_the_other_way_round_it_is_the_inverse(both: tuple[list[list[float]], tuple[list[float], ...]]) -> None:
    a, b = blocks(*both[0]), blocks(*both[1])
    there, back = estimate(a, b), estimate(b, a)
    assert there.log == pytest.approx(-back.log, abs=1e-12)
    assert (there.error is None) == (back.error is None)
    if there.error is not None:
        assert there.error == pytest.approx(back.error, rel=1e-6, abs=1e-12)
        assert there.inverse.log == pytest.approx(back.log, abs=1e-12)


@given(PAIRED, LEVELS, LEVELS)
def test_the_unit_of_time_does_not_matter(
    both: tuple[list[list[float]], tuple[list[float], ...]], first: float, second: float
) -> None:
    a, b = blocks(*both[0]), blocks(*both[1])
    there = estimate(a, b)
    scaled = estimate(
        {number: {turn: value * first for turn, value in each.items()} for number, each in a.items()},
        {number: {turn: value * second for turn, value in each.items()} for number, each in b.items()},
    )
    assert scaled.log == pytest.approx(there.log + log(first / second), abs=1e-9)


@given(PAIRED, st.randoms(use_true_random=False))
def test_the_order_in_which_turns_are_told_does_not_matter(
    both: tuple[list[list[float]], tuple[list[float], ...]], random: Random
) -> None:
    a, b = blocks(*both[0]), blocks(*both[1])
    shuffled = {
        number: dict(random.sample(list(turns.items()), len(turns)))
        for number, turns in random.sample(list(a.items()), len(a))
    }
    assert estimate(shuffled, b) == estimate(a, b)


# Chance


def simulated(
    rng: np.random.Generator, *, rounds: int, turns: int, ratio: float = 1.0, hanging: float = 0.4
) -> tuple[Rounds, Rounds]:
    """Return two candidates on one machine that drifts: starts differ by 2 %, blocks by 3 % with a heavy tail."""

    def noise() -> Iterator[float]:
        last = float(rng.standard_t(3))
        for shock in rng.standard_t(3, turns):
            last = hanging * last + sqrt(1 - hanging**2) * float(shock)
            yield 0.03 / sqrt(3) * last

    a: dict[int, dict[int, float]] = {}
    b: dict[int, dict[int, float]] = {}
    for number in range(rounds):
        machine = np.cumsum(rng.standard_normal(turns)) * 0.02 + np.linspace(0, 0.3, turns)
        for side, level in ((a, ratio), (b, 1.0)):
            start = level * exp(0.02 * float(rng.standard_normal()))
            side[number] = {turn: start * exp(machine[turn] + own) for turn, own in enumerate(noise())}
    return a, b


@pytest.mark.parametrize(("rounds", "turns"), [(1, 12), (1, 30), (2, 16), (3, 12), (6, 12)])
def test_intervals_hold_the_true_ratio_often_enough(rounds: int, turns: int) -> None:
    rng = np.random.default_rng(6)
    held = []
    for _ in range(400):
        low, high = ends(estimate(*simulated(rng, rounds=rounds, turns=turns, ratio=1.3)).interval())
        held.append(low <= 1.3 <= high)
    assert np.mean(held) >= 0.928  # 0.95, less two standard errors of 400 runs


def test_equals_are_rarely_called_different_or_disturbed() -> None:
    rng = np.random.default_rng(7)
    replies = []
    for _ in range(300):
        a, b = simulated(rng, rounds=2, turns=16)
        repeats = [each for each in map(pairs.repeat, (a, b)) if each is not None]
        replies.append(pairs.answer(estimate(a, b).interval(), 0.001, repeats))
    assert replies.count("different") / len(replies) <= 0.05
    assert replies.count("disturbed") / len(replies) <= 0.04  # two A/A intervals, each wrong in 1 %


@pytest.mark.parametrize("rounds", [2, 6])
@pytest.mark.parametrize("difference", [0.03, 0.05, 0.10])
def test_planted_differences_are_found_as_often_as_predicted(difference: float, rounds: int) -> None:
    rng = np.random.default_rng(8)
    found, errors = [], []
    for _ in range(250):
        each = estimate(*simulated(rng, rounds=rounds, turns=16, ratio=1 + difference))
        found.append(ends(each.interval())[0] > 1)
        errors.append(each.error or 0.0)
    deviation = float(np.sqrt(np.mean(np.square(errors)) * rounds))
    predicted = pairs.power(difference, 0.0, rounds=rounds, deviation=deviation)
    assert np.mean(found) == pytest.approx(predicted, abs=0.08)


def test_drift_that_unpaired_figures_drown_in_is_no_matter_in_pairs() -> None:
    rng = np.random.default_rng(9)
    apart = []
    for _ in range(100):
        a, b = simulated(rng, rounds=1, turns=30, ratio=1.2)
        apart.append((estimate(a, b).log - log(1.2), float(np.log(a[0][20] / b[0][9])) - log(1.2)))
    paired, unpaired = np.std(np.array(apart), axis=0)
    assert paired < unpaired / 2.5  # nearly all of what is left is what starts differ by
