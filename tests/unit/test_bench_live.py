"""What the benchmark makes of what was measured live: on scripted blocks, clocks and recordings."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from math import exp, log1p, sqrt
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from bench import _live, _loops, _recorded, bare_loop, false_alarms, planted
from bench._live import Found
from bench._recorded import Recording, Recordings
from bench.false_alarms import Tally
from bench.planted import Seen
from evaluator.children.turns import Elsewhere
from evaluator.core.tensors import Arrays
from evaluator.core.turns import Block, Blocks
from evaluator.measure import pairs


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def found(tracks: Mapping[str, Sequence[float]], disturbed: Sequence[int] = ()) -> Found:
    """Return what was found where each block of each track had one call, of so many seconds."""
    blocks = [
        Block(track=track, turn=turn, calls=1, begin_s=0.0, elapsed_s=1.0, quiet=turn not in disturbed)
        for track, seconds in tracks.items()
        for turn in range(len(seconds))
    ]
    return Found(blocks=Blocks(blocks=tuple(blocks)), samples={track: tuple(each) for track, each in tracks.items()})


def scattered(middle: float, turns: int = 24, by: float = 0.01) -> list[float]:
    """Return values around a middle that neither drift nor hang together."""
    return [middle * (1 + by * (turn % 4 - 1.5) * (1 if turn % 2 else -1)) for turn in range(turns)]


# Blocks


def test_disturbed_blocks_count_only_where_all_are_wanted() -> None:
    one = found({"ours": [1.0, 2.0, 3.0, 4.0]}, disturbed=(1,))
    assert one.medians("ours") == {0: 1.0, 2: 3.0, 3: 4.0}
    assert one.medians("ours", every=True) == {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}
    assert one.kept("ours") == 0.75
    assert _live.raw(one, "ours")["quiet"] == [0, 2, 3]


# What our call costs


def test_our_call_is_compared_within_one_process_without_what_starts_differ_by() -> None:
    rounds = [
        {
            "ours": found({"ours": scattered(1.03), "bare": scattered(1.0, by=0.011)}),
            "own": found({"ours": scattered(1.0, by=0.012)}),
        }
    ]
    within = bare_loop.compared(rounds, ("ours", "ours"), ("ours", "bare"))
    apart = bare_loop.compared(rounds, ("ours", "ours"), ("own", "ours"))
    assert within is not None
    assert apart is not None
    assert within.value == pytest.approx(1.03, abs=0.001)
    assert (within.high or 0) - (within.low or 0) < 0.01 < (apart.high or 0) - (apart.low or 0)


def test_a_loop_that_was_never_quiet_has_no_figure_and_a_costly_call_misses_its_goal() -> None:
    tracks = {"ours": scattered(1.03), "bare": scattered(1.0, by=0.011)}
    beside = {"ours_beside": scattered(1.01), "bare_beside": scattered(1.0, by=0.011)}
    rounds = [{"ours": found({**tracks, **beside}), "own": found({"ours": scattered(1.0)}, disturbed=range(24))}]
    told = {line.what: line for line in bare_loop.shown("torch_jit", _live.SLOW, rounds)}
    assert told["Our call to the bare loop: torch_jit"].met is False
    assert told["Half-width, our call to the bare loop: torch_jit"].met is True
    assert told["Beside neighbours: torch_jit"].met is True
    assert told["Processes apart: torch_jit"].reached is None
    assert "quiet" in told["Processes apart: torch_jit"].note


def test_who_comes_first_changes_from_round_to_round_and_the_other_process_has_nothing_of_ours() -> None:
    one, other = (bare_loop.candidates(_live.FAST, "torch_jit", number, 5.0, 16) for number in (0, 1))
    assert [track.name for track in one[0].loops.tracks] == [track.name for track in other[0].loops.tracks][::-1]
    assert [each.defaults for each in one] == [False, True]
    assert all(track.bare for track in one[1].loops.tracks)
    assert {each.loops.size for each in (*one, *other)} == {16}  # two processes might find different numbers


# Planted differences


def test_the_prediction_is_that_of_a_t_test() -> None:
    assert planted.predicted(0.1, 0.02 / sqrt(3), 2) == pytest.approx(
        pairs.power(0.1, margin=0, rounds=3, deviation=0.02)
    )
    assert planted.predicted(0.0, 0.02, 5) == pytest.approx(0.025)
    assert planted.predicted(0.5, 0.02, 5) > 0.99


def test_what_was_seen_and_what_the_interval_holds_is_counted() -> None:
    seen = Seen()
    base = scattered(1.0)
    for factor in (1.0, 1.05, 1.2):
        slower = {1: {turn: factor * value for turn, value in enumerate(base[1:] + base[:1])}}
        seen.add(pairs.ratio(slower, {1: dict(enumerate(base))}, start=0.0), 0.05)
    seen.add(None, 0.05)
    assert seen == Seen(tried=3, seen=2, held=1)


def test_a_rate_is_to_be_as_predicted() -> None:
    line = planted.rate("5 %", Seen(tried=100, seen=60, held=95), 0.65)
    assert (line.reached, line.met) == (0.6, True)
    assert planted.rate("5 %", Seen(tried=100, seen=60, held=95), 0.8).met is False
    assert planted.rate("5 %", Seen(tried=100, seen=60, held=95), 0.4).met is False
    assert planted.rate("5 %", Seen(), 0.4).met is None


def test_a_planted_difference_is_looked_for_in_windows() -> None:
    tracks = {"plain": scattered(1.0), "again": scattered(1.0, by=0.012), "plus_10": scattered(1.1, by=0.011)}
    line = planted.live(("onnx_runtime", found(tracks)), 0.10, 8, 40, rng())
    assert line.reached == 1.0
    assert line.met
    disturbed = planted.live(("onnx_runtime", found(tracks, disturbed=range(4, 24))), 0.10, 8, 40, rng())
    assert disturbed.reached is None


def test_a_little_made_up_noise_is_seen_about_as_often_as_predicted() -> None:
    line = planted.made_up(6, 0.10, 30, rng())
    assert line.reached is not None
    assert line.reached > 0.8


def test_windows_are_turns_in_a_row() -> None:
    drawn = list(planted.windows(6, 4, 50, rng()))
    assert {tuple(each) for each in drawn} == {(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5)}
    assert list(planted.windows(2, 4, 1, rng())) == [[0, 1]]


def test_one_after_the_other_sees_the_machine_change_and_turns_do_not() -> None:
    logs = np.array([0.0] * 8 + [0.5] * 8)
    assert planted.after_each_other(logs, 16, [0]) == pytest.approx([-0.5])
    assert planted.after_each_other(logs, 2, [14, 99]) == pytest.approx([-0.5])
    assert len(planted.after_each_other(logs, 4, [4, 5])) == 9 + 8
    assert len(planted.after_each_other(logs, 4, [13])) == 0
    assert planted.in_turns(logs, [True] * 16, 16) == pytest.approx([0.0])


def test_a_window_without_quiet_pairs_finds_nothing() -> None:
    logs = np.zeros(16)
    assert planted.in_turns(logs, [place % 2 == 0 for place in range(16)], 16) == pytest.approx([np.inf])


def test_the_least_number_of_blocks_has_small_enough_errors() -> None:
    normal = np.array([float(ndtri((place + 0.5) / 1000)) for place in range(1000)])
    enough = log1p(0.05) / (1.96 + 0.8416)  # the deviation with which 5 % is found in four of five cases

    def errors(size: int) -> NDArray[np.float64]:
        return normal * enough * sqrt(20 / size)

    assert planted.needed(errors, [10, 19, 21, 40], 0.05) == 21
    assert planted.needed(errors, [2, 4], 0.05) is None
    assert planted.needed(lambda _: np.array([]), [2], 0.05) is None
    assert planted.needed(lambda _: np.full(100, np.inf), [2], 0.05) is None


def test_sizes_grow_by_a_twentieth() -> None:
    assert planted.sizes(12, 50) == list(range(12, 51, 2))
    assert planted.sizes(100, 120) == [100, 104, 108, 112, 116, 120]
    assert planted.sizes(12, 5) == [12]


def test_slow_states_are_what_turns_save_time_on() -> None:
    draw = rng()
    slow = np.repeat(np.tile([0.0, 0.4], 20), 15)  # of fifteen blocks, again and again
    logs = slow + draw.normal(0, 0.01, len(slow))
    line = planted.sooner("scripted", logs, [True] * len(logs), gaps=range(20, 50))
    assert line.reached is not None
    assert line.reached > 4
    never = planted.sooner("never", logs[:100], [False] * 100)
    assert never.reached is None


def test_blocks_of_both_tracks_are_put_in_the_order_in_which_they_were_measured() -> None:
    one = found({"plain": [1.0, exp(1), exp(2)], "again": [exp(3), exp(4), exp(5)]}, disturbed=(1,))
    logs, quiet = planted.alternating(one)
    assert logs == pytest.approx([0, 3, 1, 4, 2, 5])
    assert quiet == [True, True, False, False, True, True]


# Recordings


def recording(rounds: int = 4, turns: int = 12) -> Recording:
    pair = ({turn: 1.0 + turn / 1000 for turn in range(turns)}, {turn: 2.0 + turn / 1000 for turn in range(turns)})
    return Recording(at="2026-01-01", machine="Example CPU", beside="nobody", rounds={"torch_jit": (pair,) * rounds})


def test_recordings_are_kept_and_renewed(tmp_path: Path) -> None:
    path = tmp_path / "data" / "blocks.json"
    assert _recorded.read(path) == Recordings()
    _recorded.write(Recordings().with_one(recording(1)).with_one(recording(2)), path)
    assert _recorded.read(path) == Recordings(recordings=(recording(2),))


def test_a_stretch_of_turns_of_rounds_is_drawn_as_it_was() -> None:
    pairs_ = recording().rounds["torch_jit"]
    drawn = _recorded.drawn(pairs_, rng(), rounds=3, turns=5)
    assert drawn is not None
    for number in (1, 2, 3):
        turns = sorted(drawn[0][number])
        assert turns == list(range(turns[0], turns[0] + 5)) == sorted(drawn[1][number])
        assert {round(drawn[side][number][turns[0]]) for side in (0, 1)} == {1, 2}
    assert _recorded.drawn(pairs_, rng(), rounds=5, turns=5) is None
    assert _recorded.drawn(pairs_, rng(), rounds=1, turns=13) is None


def test_what_was_recorded_is_judged_as_it_was_and_drawn_again() -> None:
    told = false_alarms.of_rounds(recording())
    assert told == {"1 round": Tally(4, 4, 4), "3 rounds": Tally(1, 1, 1)}  # twice as slow: no artifact is
    again = false_alarms.again(recording(), 6, rng())
    assert again["1 round of 8 turns"] == Tally(6, 6, 6)
    assert again["1 round of 16 turns"] == Tally()


def test_the_recordings_that_are_kept_can_be_read() -> None:
    for each in _recorded.read().recordings:
        assert each.beside in (false_alarms.QUIET, false_alarms.BESIDE)
        assert set(each.rounds) == set(false_alarms.RUNTIMES)


# Loops


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """Return a clock on which every look at it takes a millisecond."""
    ticks = count()

    def now() -> float:
        return next(ticks) / 1000

    monkeypatch.setattr(_loops, "time", SimpleNamespace(perf_counter=now))
    return now


@pytest.mark.usefixtures("clock")
def test_a_tight_loop_times_each_call_until_its_burst_is_over() -> None:
    seen: list[str] = []
    burst = _loops.tight(["a", "b"], seen.append)
    taken = burst(0)
    assert isinstance(taken, Elsewhere)
    assert taken.seconds == pytest.approx([0.001] * 10)
    burst(1)
    assert seen == ["a", "b"] * 10


def test_a_delayed_call_takes_its_share_longer(clock: Callable[[], float]) -> None:
    calls: list[int] = []
    slow = _loops.delayed(calls.append, 9.0)  # a call of one tick, and nine more
    before = clock()
    slow(7)
    assert calls == [7]
    assert clock() - before == pytest.approx(0.012, abs=0.0015)


def test_inputs_rotate_and_there_are_as_many_at_a_time_as_a_call_needs() -> None:
    inputs: Arrays = {"x": np.arange(70)}
    assert [list(each["x"]) for each in _loops._pool(inputs, 16)] == [
        list(range(begin, begin + 16)) for begin in (0, 16, 32, 48)
    ]
    assert len(_loops._pool(inputs, 1)) == _loops.POOL
    assert _loops._enough(lambda _: None, inputs, 1e9) == 64
    assert _loops._enough(lambda _: None, inputs, 0.0) == 1


def test_every_runtime_with_a_bare_loop_exists() -> None:
    from evaluator.core import registry

    assert set(_loops.BARE) <= set(registry.names("runtime"))
    assert set(false_alarms.RUNTIMES) <= set(_loops.BARE)
