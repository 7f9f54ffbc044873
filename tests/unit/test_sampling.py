"""The sampling loop, against a clock that only moves when a call takes time."""

from collections.abc import Callable

import msgspec
import pytest

from evaluator.core.records import Sampling
from evaluator.measure.sampling import Samples, collect
from evaluator.measure.statistics import tail
from scenarios.loading import load_profile, profile_names

SAMPLING = Sampling(min_queries=10, min_seconds=2.0, cap_seconds=8.0, warmup_queries=3, warmup_seconds=0.5)


class FakeClock:
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def take(durations: Callable[[int], float], **changes: float) -> tuple[Samples, list[int]]:
    """Collect calls whose i-th takes durations(i) seconds; also return the indices they were made with."""
    clock = FakeClock()
    made: list[int] = []

    def call(index: int) -> None:
        made.append(index)
        clock.sleep(durations(index))

    return collect(call, msgspec.structs.replace(SAMPLING, **changes), clock), made


def test_both_minima_must_hold_when_the_count_comes_first() -> None:
    samples, made = take(lambda _: 0.125)
    assert len(samples.seconds) == 16  # 2 s at 0.125 s
    assert made == list(range(4 + 16))  # 0.5 s of warm-up
    assert not samples.capped


def test_both_minima_must_hold_when_the_time_comes_first() -> None:
    samples, made = take(lambda _: 0.5)
    assert len(samples.seconds) == 10
    assert made == list(range(3 + 10))
    assert not samples.capped


def test_the_cap_ends_a_slow_cell_and_it_says_so() -> None:
    samples, _ = take(lambda _: 1.0)
    assert len(samples.seconds) == 8
    assert samples.capped


def test_a_call_longer_than_the_cap_is_measured_once() -> None:
    samples, made = take(lambda _: 20.0)
    assert samples == Samples(seconds=(20.0,), capped=True)
    assert made == [0, 1]


def test_minima_that_hold_at_the_cap_are_no_cap() -> None:
    samples, _ = take(lambda _: 1.0, min_queries=8)
    assert len(samples.seconds) == 8
    assert not samples.capped


def test_warm_up_is_not_counted_and_inputs_go_on_from_it() -> None:
    """The first calls are slow: none of that may be seen in the samples."""
    samples, made = take(lambda index: 0.3 if index < 3 else 0.2)
    assert samples.seconds == pytest.approx([0.2] * len(samples.seconds))
    assert made == list(range(len(made)))
    assert len(made) == 3 + len(samples.seconds)


def test_every_sample_is_kept_in_its_order() -> None:
    samples, _ = take(lambda index: 0.25 + index / 64)
    assert samples.seconds == tuple(0.25 + index / 64 for index in range(3, 3 + len(samples.seconds)))


def test_a_call_that_fails_ends_it() -> None:
    def durations(index: int) -> float:
        if index == 5:
            raise ValueError("the runtime gave up")
        return 0.1

    with pytest.raises(ValueError, match="the runtime gave up"):
        take(durations)


@pytest.mark.parametrize("name", profile_names())
def test_every_built_in_profile_takes_enough_samples_for_its_highest_tail(name: str) -> None:
    profile = load_profile(name)
    share = float(profile.highest_tail.removeprefix("p")) / 100
    assert tail([0.1] * profile.sampling.min_queries, share) is not None
    assert tail([0.1] * (profile.sampling.min_queries - 1), share) is None
