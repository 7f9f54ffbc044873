"""Who sends the queries that loadgen hands out, with as little work as possible: it competes with the server's.

Each wake-up of a thread costs several times as much as reading and writing the request. A wire whose waiting can be
left to others needs two per query: loadgen's thread sends, and one thread waits for all the answers. Any other wire
needs three, in a thread of its own.
"""

import select
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol, runtime_checkable

from serving.contract import Wire
from serving.errors import ServerError
from serving.load.calls import Call, Connect, timed

_LOOK_EVERY_S = 0.1  # for the end, and for answers that are overdue
_ANSWER_WITHIN_S = 60.0


@runtime_checkable
class Asking(Protocol):
    """A wire that can send now and receive later. All three methods raise `ServerError`."""

    def ask(self, request: Any) -> None:
        """Send a request."""
        ...

    def fileno(self) -> int:
        """Return the descriptor that is readable when something of the answer has come."""
        ...

    def take(self) -> Any:
        """Read what has come; return the answer when it is whole, else None."""
        ...


class Query(NamedTuple):
    """A query as loadgen handed it out."""

    order: int
    number: int  # by which loadgen knows it
    sample: int  # the request
    at: float  # `time.perf_counter()`


class Senders(ABC):
    """Sends what loadgen hands out; tells loadgen of every query that ended, whatever became of it."""

    def __init__(self, requests: Sequence[Any]) -> None:
        import mlperf_loadgen as loadgen

        self.connections = 0
        self.over = False  # loadgen has forgotten its queries, perhaps before their time: do not tell it any more
        self._requests = requests
        self._loadgen = loadgen
        self._issued = 0
        self._ended: list[tuple[Query, Call]] = []  # in the order in which they ended

    def issue(self, numbers: list[int], samples: list[int]) -> None:
        """Take queries from loadgen, which waits meanwhile."""
        for number, sample in zip(numbers, samples, strict=True):
            query = Query(self._issued, number, sample, time.perf_counter())
            self._issued += 1
            self.send(query)

    @abstractmethod
    def send(self, query: Query) -> None:
        """Send a query, now or as soon as possible."""

    @abstractmethod
    def end(self) -> None:
        """Wait for what is in flight, and close the connections."""

    @property
    def calls(self) -> list[Call]:
        """The calls in the order in which loadgen handed them out."""
        return [call for _, call in sorted(self._ended)]

    @property
    def late_s(self) -> float:
        """How long it took from a query's being handed out until it was sent, on average."""
        return sum(call.begin - query.at for query, call in self._ended) / len(self._ended)

    def _done(self, query: Query, call: Call) -> None:
        self._ended.append((query, call))
        self._tell(query)

    def _tell(self, query: Query) -> None:
        if not self.over:
            self._loadgen.QuerySamplesComplete([self._loadgen.QuerySampleResponse(query.number, 0, 0)])


def senders_for(connect: Connect, requests: Sequence[Any], most: int) -> Senders:
    """Choose by what the wire can; `most` is how many queries may be in flight."""
    with connect() as wire:
        if isinstance(wire, Asking):
            return OneWaiter(connect, requests)
    return Threads(connect, requests, most)


class OneWaiter(Senders):
    """Sends at once, over a connection that is idle or else a new one; one thread waits for all answers.

    Sending may hold up loadgen when a request does not fit into the socket's buffers (some hundred kilobytes) and the
    server does not read: then later queries are sent late, which counts in their latency and shows in `late_s`.
    """

    def __init__(self, connect: Connect, requests: Sequence[Any]) -> None:
        super().__init__(requests)
        self._connect = connect
        self._wires = ExitStack()
        self._idle: list[Wire] = []
        self._waiting: dict[int, tuple[Query, float, Any]] = {}  # descriptor -> query, when it was sent, wire
        self._epoll = self._wires.enter_context(select.epoll())
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="waiter")
        self._waiter = self._pool.submit(self._wait)

    def send(self, query: Query) -> None:
        """Send it; a request that cannot be sent has ended."""
        wire: Any = self._idle.pop() if self._idle else self._open()
        begin = time.perf_counter()
        try:
            wire.ask(self._requests[query.sample])
            descriptor = wire.fileno()
        except ServerError as error:
            self._idle.append(wire)
            self._done(query, Call(begin, time.perf_counter() - begin, error.code))
        else:
            self._waiting[descriptor] = query, begin, wire
            self._epoll.register(descriptor, select.EPOLLIN)

    def end(self) -> None:
        """Let the waiter end; raises what stopped it."""
        self._pool.shutdown()
        self._wires.close()
        self._waiter.result()

    def _open(self) -> Wire:
        self.connections += 1
        return self._wires.enter_context(self._connect())

    def _wait(self) -> None:
        looked = time.perf_counter()
        while not self.over:
            for descriptor, _ in self._epoll.poll(_LOOK_EVERY_S):
                self._take(descriptor)
            now = time.perf_counter()
            if now - looked > _LOOK_EVERY_S:
                looked = now
                self._drop_overdue(now)

    def _take(self, descriptor: int) -> None:
        # Before the wire may close it: the next connection would get the same descriptor, while we are still here.
        query, begin, wire = self._waiting.pop(descriptor)
        self._epoll.unregister(descriptor)
        code = None
        try:
            if wire.take() is None:
                self._waiting[descriptor] = query, begin, wire
                self._epoll.register(descriptor, select.EPOLLIN)
                return
        except ServerError as error:
            code = error.code
        self._idle.append(wire)
        self._done(query, Call(begin, time.perf_counter() - begin, code))

    def _drop_overdue(self, now: float) -> None:
        """End what is not answered in time; its connection is not used again, for the answer may still come."""
        overdue = [d for d, (_, begin, _) in self._waiting.copy().items() if now - begin > _ANSWER_WITHIN_S]
        for descriptor in overdue:
            query, begin, _ = self._waiting.pop(descriptor)
            self._epoll.unregister(descriptor)
            self._done(query, Call(begin, now - begin, "TIMEOUT"))


class Threads(Senders):
    """Threads that take queries from a line, each with its own connection; one more when there is none to spare.

    A pool that is given one job per thread, not per query: that would cost as much again as the sending.
    """

    def __init__(self, connect: Connect, requests: Sequence[Any], most: int) -> None:
        super().__init__(requests)
        self._connect = connect
        self._most = most
        self._line: SimpleQueue[Query | None] = SimpleQueue()
        self._pool = ThreadPoolExecutor(most + 1, thread_name_prefix="sender")
        self._threads: list[Future[None]] = []

    def send(self, query: Query) -> None:
        """Put it in line."""
        self._line.put(query)
        if self._issued - len(self._ended) >= self.connections < self._most:
            self.connections += 1
            self._threads.append(self._pool.submit(self._serve))
            self._threads[-1].add_done_callback(self._replace)

    def end(self) -> None:
        """Let the threads end; raises what a wire raised other than `ServerError`."""
        for _ in range(self.connections + 1):
            self._line.put(None)
        self._pool.shutdown()
        for thread in self._threads:
            thread.result()

    def _serve(self) -> None:
        with self._connect() as wire:
            for query in iter(self._line.get, None):
                try:
                    self._ended.append((query, timed(wire, self._requests[query.sample])))
                finally:
                    self._tell(query)

    def _replace(self, thread: Future[None]) -> None:
        """Do not leave loadgen waiting when a thread ended by a mistake, which `end` raises."""
        if thread.exception() is not None:
            self._pool.submit(self._give_up)

    def _give_up(self) -> None:
        for query in iter(self._line.get, None):
            self._tell(query)
