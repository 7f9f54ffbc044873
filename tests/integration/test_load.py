"""Load on real servers: loadgen's figures, failures, overloads, a stall that must show, and what the client costs."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from evaluator.core.records import LoadPlan, Sampling, Signature
from evaluator.core.tensors import Array, Arrays
from evaluator.measure.load import Load, invalid, knee
from serving.load.calls import Connect
from serving.load.closed_loop import Crowd, calling, saturate
from serving.load.open_loop import Demand, offer, read_trace
from serving.load.sweep import SweepPlan, offer_shares, saturating
from serving.wires.http import Http
from serving.wires.rest import RestWire
from tests import children

pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(240)]
pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed")

HERE = Path(__file__).parent
NOTHING = Signature(inputs=(), outputs=())
GOOD, BAD = b"1" * 12_000, b"bad"


class Service:
    """A load_server.py that runs."""

    def __init__(self, *arguments: str) -> None:
        self.process = children.start(
            [sys.executable, str(HERE / "load_server.py"), *arguments], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    @contextmanager
    def connect(self) -> Iterator[RestWire]:
        """Open a wire that can be asked."""
        with Http(self.port) as http:
            yield RestWire(http, "/v1/models/model:predict", NOTHING)

    @contextmanager
    def connect_blocking(self) -> Iterator["Blocking"]:
        """Open a wire that can only be called."""
        with self.connect() as wire:
            yield Blocking(wire)

    def end(self) -> None:
        children.end(self.process)


class Blocking:
    """What a gRPC wire is: calls, and nothing else."""

    def __init__(self, wire: RestWire) -> None:
        self._wire = wire

    def encode(self, inputs: Mapping[str, Array]) -> bytes:
        return self._wire.encode(inputs)

    def call(self, request: bytes) -> bytes:
        if request == b"mistake":
            raise ZeroDivisionError
        return self._wire.call(request)

    def decode(self, answer: bytes) -> Arrays:
        return self._wire.decode(answer)


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """Start a server of 5 ms per answer, or what the test asks for."""
    running = Service(*getattr(request, "param", ("0.005",)))
    yield running
    running.end()


def _connects(service: Service) -> dict[str, Connect]:
    return {"asking": service.connect, "blocking": service.connect_blocking}


@pytest.mark.parametrize("service", [("0.02",)], indirect=True)
def test_closed_loops_saturate(service: Service) -> None:
    alone = saturate(service.connect, [GOOD], 1, 1.0)
    four = saturate(service.connect, [GOOD], 4, 1.0)
    assert alone.errors == four.errors == {}
    assert alone.achieved_per_s <= 50  # each answer takes 20 ms at least
    assert min(alone.seconds) >= 0.02
    assert four.achieved_per_s > 2.5 * alone.achieved_per_s
    assert 0 < alone.client_cpu_s < alone.wall_s


def test_background_calls_show_when_a_server_went(service: Service) -> None:
    with calling(service.connect, [GOOD], clients=2, pause_s=0.01) as calls:
        time.sleep(0.3)
        killed = time.perf_counter()
        service.process.kill()
        service.process.wait(10)
        gone = time.perf_counter()
        time.sleep(0.5)
    most = 2 * ((time.perf_counter() - gone) / 0.01 + 1)
    before = [call for call in calls.taken if call.end < killed]
    after = [call for call in calls.taken if call.begin > gone]
    assert {call.code for call in before} == {None}
    assert {call.code for call in after} == {"UNREACHABLE"}
    assert 2 <= len(after) <= most  # it goes on asking, and does not spin


@pytest.mark.parametrize("kind", ["asking", "blocking"])
def test_latencies_are_those_of_loadgen(service: Service, kind: str, tmp_path: Path) -> None:
    # Of 4 s, the host may stall for 5 % before the end: that much behind, a server does not keep up.
    load = offer(_connects(service)[kind], [GOOD], Demand(200, 4.0), 1, tmp_path)
    summary = (tmp_path / "mlperf_log_summary.txt").read_text()
    printed = dict(re.findall(r"^(.+?)\s*(?:\(ns\)\s*)?: ([\d.]+)$", summary, re.MULTILINE))
    ordered = sorted(load.seconds)
    assert len(ordered) == load.calls > 200
    for percentile in ("50.00", "90.00", "99.00", "99.90"):
        ours = ordered[int(len(ordered) * float(percentile) / 100)]
        assert ours == pytest.approx(int(printed[f"{percentile} percentile latency"]) / 1e9, rel=1e-9)
    assert load.seconds == tuple(query.done_s for query in read_trace(tmp_path))  # in order
    assert min(load.seconds) >= 0.005
    assert load.achieved_per_s == pytest.approx(float(printed["Completed samples per second"]), rel=0.01)
    assert load.offered_per_s == pytest.approx(float(printed["Scheduled samples per second"]), rel=0.01)
    assert load.keeps_up
    assert not load.errors
    assert 1 < load.clients < 100


def test_the_seed_decides_when_requests_are_due(service: Service, tmp_path: Path) -> None:
    dues = []
    for number, seed in enumerate((1, 1, 2)):
        offer(service.connect, [GOOD], Demand(100, 0.5), seed, tmp_path / str(number))
        dues.append([query.due_s for query in read_trace(tmp_path / str(number))])
    assert dues[0] == pytest.approx(dues[1], abs=1e-5)
    assert dues[0] != pytest.approx(dues[2], abs=1e-5)


@pytest.mark.parametrize("kind", ["asking", "blocking"])
def test_failed_calls_are_counted_and_have_no_latency(service: Service, kind: str, tmp_path: Path) -> None:
    load = offer(_connects(service)[kind], [GOOD, BAD], Demand(200, 1.0), 1, tmp_path)
    assert list(load.errors) == ["503"]
    assert len(load.seconds) + load.errors["503"] == len(read_trace(tmp_path))
    assert load.errors["503"] == pytest.approx(load.calls / 2, rel=0.4)
    assert not load.keeps_up


@pytest.mark.parametrize("kind", ["asking", "blocking"])
def test_a_server_that_dies_does_not_hold_up_the_client(service: Service, kind: str, tmp_path: Path) -> None:
    threading.Timer(0.5, service.process.kill).start()
    load = offer(_connects(service)[kind], [GOOD], Demand(100, 1.5), 1, tmp_path)
    assert list(load.errors) == ["UNREACHABLE"]
    assert load.seconds
    assert load.wall_s < 3


def test_a_mistake_of_ours_is_raised_after_the_end(service: Service, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        offer(service.connect_blocking, [GOOD, b"mistake"], Demand(100, 0.5), 1, tmp_path)


@pytest.mark.parametrize("service", [("0.01", "one")], indirect=True)
@pytest.mark.parametrize("kind", ["asking", "blocking"])
def test_an_overload_ends_early_and_says_so(service: Service, kind: str, tmp_path: Path) -> None:
    """300 per second are asked of a server that does 100: after 3 s the 600 are in flight that arrive in two."""
    load = offer(_connects(service)[kind], [GOOD], Demand(300, 30.0), 1, tmp_path)
    assert load.aborted
    assert not load.keeps_up
    assert load.achieved_per_s <= 100
    assert load.wall_s < 20
    assert not load.errors
    assert max(load.seconds) > 2  # everybody who waited is counted


RATE, WHOLE_S, STALL_S = 100, 8.0, 1.5


def test_a_stall_shows_as_arithmetic_says(service: Service, tmp_path: Path) -> None:
    """A request that is due at t within a stall waits until its end: of 8 s, 1.5 s are lost.

    So the share 1.5 / 8 is delayed, and a latency above x have those due in the first 1.5 - x seconds of the stall:
    the quantile p is 1.5 - 8 (1 - p). The K-th request after the stall began decides it, K = (1 - p) * 8 * rate; it
    comes at K / rate with a standard deviation of sqrt(K) / rate, and K itself varies by (1 - p) sqrt(8 * rate).
    Four standard deviations are allowed. A host that stalls on its own gets two more tries.
    """
    wrong = []
    for attempt in range(3):
        load, lost_s = _stalled(service, tmp_path / str(attempt))
        wrong = _unlike_arithmetic(load, lost_s)
        if not wrong:
            return
    pytest.fail("; ".join(wrong))


def _stalled(service: Service, folder: Path) -> tuple[Load, float]:
    """Stop the server in the middle of a load; return for how long it was stopped, too."""
    stopped: list[float] = []

    def stall() -> None:
        time.sleep(3.0)
        service.process.send_signal(signal.SIGSTOP)
        begin = time.perf_counter()
        time.sleep(STALL_S)
        service.process.send_signal(signal.SIGCONT)
        stopped.append(time.perf_counter() - begin)

    thread = threading.Thread(target=stall)
    thread.start()
    load = offer(service.connect, [GOOD], Demand(RATE, WHOLE_S), 1, folder)
    thread.join(60)
    assert not load.aborted
    assert not load.errors
    return load, stopped[0]


def _unlike_arithmetic(load: Load, lost_s: float) -> list[str]:
    wrong = []
    slack_s = 0.1  # the host's: to stop, to go on, to work off what has come in
    count, ordered = load.calls, sorted(load.seconds)
    delayed, expected = sum(seconds > slack_s for seconds in ordered), (lost_s - slack_s) / WHOLE_S * count
    if abs(delayed - expected) > 4 * expected**0.5 + slack_s * RATE:
        wrong.append(f"{delayed} of {count} were delayed, expected {expected:.0f}")
    for p in (0.90, 0.95, 0.99):
        k = (1 - p) * WHOLE_S * RATE
        noise_s = (k + (1 - p) ** 2 * WHOLE_S * RATE) ** 0.5 / RATE
        measured_s, expected_s = ordered[int(count * p)], lost_s - WHOLE_S * (1 - p)
        if abs(measured_s - expected_s) > 4 * noise_s + slack_s:
            wrong.append(f"p{100 * p:.0f} is {measured_s:.3f} s, expected {expected_s:.3f}")
    return wrong


@pytest.mark.parametrize("service", [("0.002",)], indirect=True)
@pytest.mark.parametrize("size", [12_000, 65_000])
def test_the_client_is_cheap(service: Service, size: int, tmp_path: Path) -> None:
    """At most 0.3 s of processor time per 1,000 REST requests, with loadgen.

    Processor time is the host's, too: where a host is slow at the moment, one thread that does nothing but send and
    receive the same is slow as well, and the open loop may cost three times that.
    """
    requests = [b"1" * size] * 4
    told = []
    for attempt in range(3):
        load = offer(service.connect, requests, Demand(500, 2.0), attempt, tmp_path / str(attempt))
        assert not load.errors
        cost, least = _per_1000(load), _per_1000(saturate(service.connect, requests, 1, 1.0))
        told.append(f"{cost:.3f} s, and {least:.3f} s in a closed loop")
        if cost <= max(0.3, 3 * least):
            return
    pytest.fail(f"processor time per 1,000 requests: {'; '.join(told)}")


def _per_1000(load: Load) -> float:
    return 1000 * load.client_cpu_s / load.calls


def test_a_rate_is_offered_until_both_minima_hold_or_the_most_seconds_end_it(service: Service, tmp_path: Path) -> None:
    """By chance fewer are due in a while than the rate says: then a percentile would have too few calls."""
    counts = []
    for seed in range(4):
        load = offer(
            service.connect, [GOOD], Demand(80, 0.5, queries=64, most_seconds=10.0), seed, tmp_path / str(seed)
        )
        counts.append(load.calls)
    assert all(count >= 64 for count in counts)
    longer = offer(service.connect, [GOOD], Demand(80, 1.5, queries=1, most_seconds=10.0), 0, tmp_path / "longer")
    assert longer.calls > 80
    capped = offer(service.connect, [GOOD], Demand(20, 0.1, queries=1000, most_seconds=1.0), 0, tmp_path / "capped")
    assert 1 <= capped.calls < 100
    assert not capped.aborted


SAMPLING = Sampling(min_queries=64, min_seconds=4.0, cap_seconds=5.0, warmup_queries=1, warmup_seconds=0.2)


def plan(**load: Any) -> SweepPlan:
    return SweepPlan(sampling=SAMPLING, load=LoadPlan(**{"saturation_s": 1.5, "most_clients": 16, **load}))


@pytest.mark.parametrize("service", [("0.02",)], indirect=True)
def test_clients_are_doubled_as_long_as_that_brings_more(service: Service) -> None:
    """The server answers as many at a time as come: eight clients, the most, get four times as much as two."""
    clients, looks = saturating(service.connect, [GOOD], plan(most_clients=8, shares=(0.5,)), 2)
    assert [look.clients for look in looks] == [2, 4, 8]
    assert clients == 8


@pytest.mark.parametrize("service", [("0.005", "one")], indirect=True)
def test_a_sweep_finds_the_end(service: Service, tmp_path: Path) -> None:
    """The server answers one request at a time: more clients bring nothing, and 1.5 times the rate is too much."""
    asked = plan(shares=(0.2, 0.5, 1.5, 2.0))
    clients, looks = saturating(service.connect, [GOOD], asked, 2)
    assert [look.clients for look in looks] == [2, 4]
    with ExitStack() as stack:
        rates = [Crowd(stack, service.connect, [GOOD], clients).keep_busy(0.5) for _ in range(2)]
    most = max(rate for rate in rates if rate is not None)
    assert 0.5 * most < min(rate for rate in rates if rate is not None) <= most <= 205
    opened = offer_shares(service.connect, [GOOD], asked, most, tmp_path)
    assert [load.rate_per_s for load in opened] == pytest.approx([0.2 * most, 0.5 * most, 1.5 * most])
    assert [load.keeps_up for load in opened] == [True, True, False]
    assert all(load.calls >= 64 for load in opened)
    counting = {load.rate_per_s for load in opened if load.keeps_up and invalid(load) is None}  # on a busy host: none
    assert knee(opened) in (counting or {None})
    assert (tmp_path / "0.20" / "mlperf_log_summary.txt").is_file()


@pytest.mark.parametrize("service", [("0.02",)], indirect=True)
def test_a_crowd_is_counted_in_steady_state_whenever_it_is_asked(service: Service) -> None:
    """Four clients, each answered after 20 ms, get at most 200 per second; their connections stay open in between."""
    with ExitStack() as stack:
        crowd = Crowd(stack, service.connect, [GOOD], 4)
        rates = [crowd.keep_busy(0.3) for _ in range(3)]
        slow = crowd.keep_busy(0.0)
    assert all(rate is not None and 100 < rate <= 200 for rate in rates)
    assert slow is not None, "each client makes two calls at least"
    load = crowd.load
    assert (load.kind, load.clients, load.errors) == ("closed", 4, {})
    assert load.calls >= 3 * 4 * 10 / 2
    assert 0 < load.client_cpu_s < load.wall_s


def test_a_crowd_whose_call_fails_has_no_rate(service: Service) -> None:
    with ExitStack() as stack:
        crowd = Crowd(stack, service.connect, [BAD], 2)
        assert crowd.keep_busy(0.2) is None
    assert crowd.load.errors == {"503": 2}
    assert invalid(crowd.load) == "calls failed (503: 2)"
