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
from contextlib import contextmanager
from typing import Any

from evaluator.measure.load import Load
from serving.load.calls import Call, Connect, timed, undisturbed

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
    taken = sorted(calls.taken)
    return Load(
        kind="closed",
        clients=clients,
        seconds=tuple(call.seconds for call in taken if call.code is None),
        errors=dict(Counter(call.code for call in taken if call.code is not None)),
        wall_s=wall_s,
        client_cpu_s=client_cpu_s,
    )
