"""What loads on a server come to: rates, who was the bottleneck, the knee, and the best rate under a limit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.measure import statistics
from evaluator.measure.load import Best, Load, best_under, client_bound, invalid, knee


def opened(rate_per_s: float, latency_s: float = 0.01, **changes: Any) -> Load:
    """Make an open loop of ten seconds in which every call took equally long."""
    count = int(rate_per_s * 10)
    fields: dict[str, Any] = {
        "kind": "open",
        "rate_per_s": rate_per_s,
        "clients": 4,
        "seconds": (latency_s,) * count,
        "errors": {},
        "wall_s": 10 + latency_s,
        "client_cpu_s": 1.0,
        "scheduled_s": 10.0,
    }
    return Load(**{**fields, **changes})


def closed(rate_per_s: float, **changes: Any) -> Load:
    """Make a closed loop of ten seconds."""
    fields: dict[str, Any] = {
        "kind": "closed",
        "clients": 1,
        "seconds": (1 / rate_per_s,) * int(rate_per_s * 10),
        "errors": {},
        "wall_s": 10.0,
        "client_cpu_s": 1.0,
    }
    return Load(**{**fields, **changes})


def test_rates_are_of_what_succeeded_and_of_what_was_due() -> None:
    load = opened(100, errors={"503": 250}, wall_s=12.5)
    assert load.calls == 1250
    assert load.achieved_per_s == 80
    assert load.offered_per_s == 125
    assert closed(50).achieved_per_s == 50
    assert closed(50).offered_per_s is None


@pytest.mark.parametrize(
    "changes",
    [
        {"wall_s": 10 / 0.949},  # the answers went on coming
        {"errors": {"503": 54}},  # 1000 of 1054 succeeded
        {"aborted": True},
    ],
)
def test_a_server_that_does_not_keep_up(changes: dict[str, Any]) -> None:
    assert not opened(100, **changes).keeps_up


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"wall_s": 10 / 0.951},
        {"seconds": (0.01,) * 900},  # fewer were due than the rate says, by chance; all were answered
    ],
)
def test_a_server_that_keeps_up(changes: dict[str, Any]) -> None:
    assert opened(100, **changes).keeps_up


def test_a_closed_loop_keeps_up_with_nothing() -> None:
    assert not closed(50).keeps_up


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_cpu_s": 0.79 * 10.01}, None),
        ({"client_cpu_s": 0.81 * 10.01}, "busy for 81%"),
        ({"late_s": 0.0019}, None),
        ({"late_s": 0.0021}, "0.0021 s late on average, of a mean latency of 0.0100 s"),
    ],
)
def test_a_client_that_is_the_bottleneck_is_named(changes: dict[str, Any], words: str | None) -> None:
    reason = client_bound(opened(100, **changes))
    assert reason is None if words is None else words in str(reason)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"errors": {"TIMEOUT": 1, "503": 2}}, "calls failed (503: 2, TIMEOUT: 1)"),
        ({"seconds": ()}, "no call was made"),
        ({"client_cpu_s": 9.0}, "the client was busy"),
    ],
)
def test_loads_that_must_not_count(changes: dict[str, Any], words: str | None) -> None:
    reason = invalid(opened(100, **changes))
    assert reason is None if words is None else words in str(reason)


def queue(rate_per_s: float) -> Load:
    """An M/M/1 queue that serves 100 per second: its latency is 1 / (100 - rate)."""
    return opened(rate_per_s, 1 / (100 - rate_per_s))


def test_the_knee_of_a_simple_queue_is_at_half_its_capacity() -> None:
    """Kleinrock's own example: throughput over latency is rate x (100 - rate)."""
    assert knee([queue(rate) for rate in (10, 30, 50, 70, 90)]) == 50


def test_the_knee_is_not_looked_for_where_loads_do_not_count() -> None:
    loads = [queue(30), opened(50, 0.02, client_cpu_s=9.0), opened(70, 0.01, aborted=True), closed(99)]
    assert knee(loads) == 30
    assert knee([closed(99)]) is None


def test_the_best_rate_comes_with_the_next_one_that_failed() -> None:
    loads = [opened(100, 0.010), opened(200, 0.020), opened(300, 0.030), opened(400, 0.040)]
    assert best_under(loads, 0.020, 0.9) == Best(rate_per_s=200, failed_at_per_s=300)
    assert best_under(loads, 0.040, 0.9) == Best(rate_per_s=400, failed_at_per_s=None)
    assert best_under(loads, 0.009, 0.9) == Best(rate_per_s=None, failed_at_per_s=100)
    assert best_under([], 0.009, 0.9) == Best(rate_per_s=None, failed_at_per_s=None)


@pytest.mark.parametrize(
    ("changes", "failed_at_per_s"),
    [
        ({"wall_s": 11.0}, 200),  # does not keep up
        ({"aborted": True}, 200),
        ({"errors": {"503": 1}}, 200),  # the server refused a call
        ({"client_cpu_s": 9.0}, None),  # says nothing about the server
    ],
)
def test_a_rate_within_the_limit_may_fail_or_not_count(changes: dict[str, Any], failed_at_per_s: float | None) -> None:
    best = best_under([opened(100), opened(200, **changes)], 0.5, 0.9)
    assert best == Best(rate_per_s=100, failed_at_per_s=failed_at_per_s)


def test_too_few_calls_for_a_tail_decide_nothing() -> None:
    loads = [opened(70), opened(60), opened(6.3)]  # p99 takes 662 calls
    assert best_under(loads, 0.5, 0.99) == Best(rate_per_s=70, failed_at_per_s=None)


def test_all_loads_at_a_rate_must_pass() -> None:
    loads = [opened(100), opened(100, 0.6), opened(50)]
    assert best_under(loads, 0.5, 0.9) == Best(rate_per_s=50, failed_at_per_s=100)


@given(
    latencies=st.lists(st.floats(0.001, 1.0), min_size=64, max_size=300),
    limit_s=st.floats(0.001, 1.0),
)
def test_a_rate_passes_exactly_when_its_tail_is_within_the_limit(latencies: list[float], limit_s: float) -> None:
    load = opened(1, seconds=tuple(latencies), scheduled_s=10.0)
    tail = statistics.tail(latencies, 0.9)
    assert tail is not None
    assert (best_under([load], limit_s, 0.9).rate_per_s is not None) is (tail <= limit_s)
