"""Closed loops: each client sends its next request when it has the answer to the last one.

They give the rate that a server can sustain at most. They give no honest latency under load: a server that stalls is
asked less often, so that the worst moments are sampled least ("coordinated omission",
https://www.infoq.com/presentations/latency-response-time/). That is the open loop's business.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from evaluator.measure.load import Load
from serving.load.calls import Call, Connect, timed, undisturbed

_LEAST_CALLS = 2  # of each client of a crowd: the first one does not count
_AFTER_FAILURE_S = 0.01  # a server that is gone refuses within microseconds: do not spin


class Calls:
    """What clients have done so far; grows while they run."""

    def __init__(self) -> None:
        self.taken: list[Call] = []  # in the order in which they ended


@contextmanager
def calling(connect: Connect, requests: Sequence[Any], clients: int = 1, pause_s: float = 0.0) -> Iterator[Calls]:
    """Let clients call in the background until the context is left; each has a connection of its own.

    Client number `i` begins with request number `i` and goes on in turn, with a pause between its calls. After a failed
    call it waits at least 10 ms. Leaving waits for the calls in flight and raises what a client raised other than
    `ServerError`.
    """
    calls = Calls()
    stop = threading.Event()

    def client(number: int) -> None:
        with connect() as wire:
            while not stop.is_set():
                call = timed(wire, requests[number % len(requests)])
                calls.taken.append(call)
                number += 1
                wait_s = pause_s if call.code is None else max(pause_s, _AFTER_FAILURE_S)
                if wait_s:
                    stop.wait(wait_s)

    with ThreadPoolExecutor(clients, thread_name_prefix="client") as pool:
        running = [pool.submit(client, number) for number in range(clients)]
        try:
            yield calls
        finally:
            stop.set()
    for future in running:
        future.result()


def saturate(connect: Connect, requests: Sequence[Any], clients: int, seconds: float) -> Load:
    """Keep that many clients busy for that long; the rate achieved is what the server sustains with them."""
    with undisturbed():
        begin, cpu = time.perf_counter(), time.process_time()
        with calling(connect, requests, clients) as calls:
            time.sleep(seconds)
        wall_s, client_cpu_s = time.perf_counter() - begin, time.process_time() - cpu
    return _closed(clients, sorted(calls.taken), wall_s, client_cpu_s)


class Crowd:
    """Clients that stay connected, and keep a server busy whenever they are asked to.

    What they sustain is compared with what another server sustains at about the same time: each is asked for a moment
    at a time, in turns, and connections are not part of it.
    """

    def __init__(self, opened: ExitStack, connect: Connect, requests: Sequence[Any], clients: int) -> None:
        """Connect that many clients; `opened` closes their connections."""
        self._wires = [opened.enter_context(connect()) for _ in range(clients)]
        self._pool = opened.enter_context(ThreadPoolExecutor(clients, thread_name_prefix="client"))
        self._requests = requests
        self._begun = 0
        self._taken: list[Call] = []
        self._wall_s = self._cpu_s = 0.0

    def keep_busy(self, seconds: float) -> float | None:
        """Let all clients call for that long; return the calls per second in steady state, None when one failed.

        The first call of each finds a server that is not busy yet, and does not count; each makes two at least.
        """
        with undisturbed():
            begin, cpu = time.perf_counter(), time.process_time()
            taken = list(self._pool.map(lambda number: self._client(number, begin + seconds), range(len(self._wires))))
            self._wall_s += time.perf_counter() - begin
            self._cpu_s += time.process_time() - cpu
        self._begun += max(map(len, taken))
        self._taken += [call for calls in taken for call in calls]
        if any(call.code is not None for calls in taken for call in calls):
            return None
        return sum((len(calls) - 1) / (calls[-1].end - calls[0].end) for calls in taken)

    @property
    def load(self) -> Load:
        """What all of it came to."""
        return _closed(len(self._wires), sorted(self._taken), self._wall_s, self._cpu_s)

    def _client(self, number: int, until: float) -> list[Call]:
        calls: list[Call] = []
        while len(calls) < _LEAST_CALLS or calls[-1].end < until:
            request = self._requests[(self._begun + number + len(calls)) % len(self._requests)]
            calls.append(timed(self._wires[number], request))
            if calls[-1].code is not None:
                break
        return calls


def _closed(clients: int, taken: Sequence[Call], wall_s: float, client_cpu_s: float) -> Load:
    return Load(
        kind="closed",
        clients=clients,
        seconds=tuple(call.seconds for call in taken if call.code is None),
        errors=dict(Counter(call.code for call in taken if call.code is not None)),
        wall_s=wall_s,
        client_cpu_s=client_cpu_s,
    )
