"""Run in a child: an HTTP server for load tests, which does little else than wait. Prints its port.

Usage: load_server.py SECONDS_PER_ANSWER [one]. With `one` it serves one request at a time, like a model on one core.
A body that begins with "bad" is answered with 503.
"""

import asyncio
import sys
from collections.abc import Callable

_BODY = b'{"outputs": [' + b"0.12345678, " * 9 + b"0]}"
_ANSWERS = {
    status: b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    + body
    for status, body in ((200, _BODY), (503, b'{"error": "too much"}'))
}


class Server(asyncio.Protocol):
    """One connection."""

    def __init__(self, answer: Callable[[Callable[[], None]], None]) -> None:
        self._answer = answer
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) == length:
            status = 503 if body.startswith(b"bad") else 200
            self._received.clear()
            self._answer(lambda: self._transport.write(_ANSWERS[status]))


async def main(seconds: float, *, one: bool) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    free_at = 0.0

    def answer(write: Callable[[], None]) -> None:
        nonlocal free_at
        now = loop.time()
        free_at = (max(now, free_at) if one else now) + seconds
        loop.call_at(free_at, write)

    server = await loop.create_server(lambda: Server(answer), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  # the word that the test waits for
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), one="one" in sys.argv))
