"""The benchmark's noise is what it says, and pairs that are the same are counted as they were judged."""

import numpy as np
import pytest

from bench import _noise, false_alarms
from bench._noise import Kind
from bench.false_alarms import Tally
from evaluator.measure.pairs import Rounds

STEADY = dict.fromkeys(range(24), 1.0)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def times(count: int = 4000) -> _noise.Floats:
    return np.linspace(0, _noise.BLOCK_S * count, count, endpoint=False)


def test_without_noise_only_starts_differ() -> None:
    kind = Kind(name="none", own=_noise.white(0), machine=_noise.states(1.65, 1 - 1e-9, 1e9))
    a, b = kind.pair(rng(), rounds=2, turns=6)
    assert [len(blocks) for blocks in (*a.values(), *b.values())] == [6] * 4
    for blocks in (*a.values(), *b.values()):
        assert len(set(blocks.values())) == 1
    assert len({blocks[0] for blocks in (*a.values(), *b.values())}) == 4


def test_what_drifts_alike_cancels_out_of_two_turns() -> None:
    kind = Kind(name="drift", own=_noise.white(0), machine=_noise.drift(0.1), start=0.0)
    a, b = kind.pair(rng(), rounds=1, turns=8)
    differences = [np.log(a[1][turn] / b[1][turn]) for turn in range(8)]
    assert min(map(abs, differences)) > 0.001
    assert [sum(differences[turn : turn + 2]) for turn in range(0, 8, 2)] == pytest.approx([0] * 4, abs=1e-12)


def test_hanging_noise_hangs_together_for_as_long_as_it_says() -> None:
    values = _noise.hanging(0.02, lasts_s=1.0)(rng(), times())
    assert values.std() == pytest.approx(0.02, rel=0.1)
    seen = float(np.corrcoef(values[:-1], values[1:])[0, 1])
    assert seen == pytest.approx(np.exp(-_noise.BLOCK_S), abs=0.03)
    alone = _noise.white(1)(rng(), times())
    assert abs(float(np.corrcoef(alone[:-1], alone[1:])[0, 1])) < 0.05


def test_states_last_as_long_and_take_as_much_as_they_say() -> None:
    values = _noise.states(1.65, share=0.2, lasts_s=2.0)(rng(), times())
    slow = values > 0
    assert set(np.round(np.exp(values), 6)) == {1.0, 1.65}
    assert slow.mean() == pytest.approx(0.2, abs=0.05)
    begins = int(np.count_nonzero(slow[1:] & ~slow[:-1]))
    assert slow.sum() * _noise.BLOCK_S / begins == pytest.approx(2.0 + _noise.BLOCK_S, rel=0.3)


def test_heavy_tails_slow_down_only() -> None:
    values = _noise.heavy(0.02)(rng(), times())
    assert values.min() >= 0
    assert values.max() > 20 * np.median(values)
    assert _noise.both(_noise.heavy(0.02), _noise.white(0))(rng(), times()) == pytest.approx(values)


def constant(factor: float = 1.0) -> Rounds:
    return {1: {turn: factor * value for turn, value in STEADY.items()}}


@pytest.mark.parametrize(
    ("factor", "found"),
    [
        (1.0, Tally(tried=1)),
        (1.05, Tally(tried=1)),
        (1.06, Tally(tried=1, missed=1)),  # two starts differ by no more than 5.7 % in 95 % of cases
        (1.12, Tally(tried=1, missed=1, alarms=1)),  # beyond the margin as well
        (1 / 1.12, Tally(tried=1, missed=1, alarms=1)),
    ],
)
def test_alarms_and_misses_are_counted(factor: float, found: Tally) -> None:
    tally = Tally()
    tally.add(constant(factor), constant())
    assert tally == found


def test_disturbed_pairs_raise_no_alarm_and_pairs_without_an_interval_are_none() -> None:
    tally = Tally()
    odd = {1: {turn: 1.5 if turn % 4 in (1, 2) else 1.0 for turn in STEADY}}
    tally.add(odd, constant(3.0))
    assert (tally.tried, tally.alarms, tally.disturbed) == (1, 0, 1)
    tally.add({1: {0: 1.0}}, {1: {0: 5.0}})
    tally.add({1: {0: 1.0}}, {1: {1: 5.0}})
    assert tally.tried == 1


def test_figures_are_told_over_all_designs_and_the_worst_is_named() -> None:
    coverage, alarms = false_alarms.lines(
        "white", {"short": Tally(tried=100, missed=8, alarms=1), "long": Tally(tried=300, missed=12), "none": Tally()}
    )
    assert coverage.reached == pytest.approx(0.95)
    assert coverage.met
    assert coverage.note == "worst: 92.0 % in short"
    assert alarms.reached == pytest.approx(1 / 400)
    assert alarms.met
    (none,) = false_alarms.lines("white", {"short": Tally()})
    assert none.met is None


@pytest.mark.parametrize(
    ("count", "of", "low", "high"), [(0, 10, 0.0, 0.3085), (5, 10, 0.1871, 0.8129), (10, 10, 0.6915, 1.0)]
)
def test_shares_have_clopper_and_pearsons_interval(count: int, of: int, low: float, high: float) -> None:
    assert false_alarms.share(count, of) == pytest.approx((count / of, low, high), abs=1e-4)


def test_a_few_made_up_pairs_are_judged_about_right() -> None:
    kind = false_alarms.KINDS[0]
    found = false_alarms.judged(lambda draw: kind.pair(draw, 3, 12), 40, rng())
    looked = false_alarms.looked(kind, 10, rng())
    assert (found.tried, looked.tried) == (40, 10)
    assert found.alarms == looked.alarms == 0
    assert found.missed <= 6
