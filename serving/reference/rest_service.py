"""The REST side: HTTP/1.1 by uvicorn with h11 and uvloop (https://www.uvicorn.org).

One thread moves bytes for all connections; documents and models are worked on by a pool of threads. So neither a slow
model nor a client that sends its request drop by drop keeps the others waiting.

As upstream's libevent, it ignores proposals to change to another protocol (RFC 9110, 7.8): Java's HttpClient and
`curl --http2` send `Upgrade: h2c` with their first request.
"""

import asyncio
import itertools
import re
import socket
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import uvicorn

from serving.reference import metrics
from serving.reference.manager import Manager
from serving.reference.rest_api import Response, answer, refusal
from serving.reference.status import Code

SERVER = "fweval-reference (not tensorflow_model_server)"
LARGEST_BODY_BYTES = 256 << 20
LARGEST_UNPACKED_BYTES = 100 << 20  # kMaxUncompressedBytes, util/net_http/compression/gzip_zlib.h
_GZIP = 16 + zlib.MAX_WBITS
_PIECE_BYTES = 1 << 20
_OURS = re.compile(r"(?i)/v1/.*")  # kPathRegex, model_servers/http_rest_api_util.h; evhttp answers 404 for the rest
_ABSOLUTE = re.compile(r"(?i)\Ahttps?://[^/?#]*")  # how clients name a target to proxies (RFC 9112, 3.2.2)
_LARGEST_HEAD_BYTES = 1 << 20  # upstream sets no limit
_KEEP_IDLE_S = 3600  # upstream keeps connections for as long as the client does
_BACKLOG = 1024
_ORIGIN = re.compile(rb"https?://")  # a preflight request names it; answered whether or not CORS is on
_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
]  # AddCORSHeaders, model_servers/http_rest_api_util.cc: a page that sends others is refused by its browser
_TELL_S = 0.2  # before a stop: how long answers say that no more will come

_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSettings:
    """How the REST side is to work."""

    address: str
    port: int
    threads: int  # requests that are worked on at the same time
    timeout_s: float  # for a request to arrive, and once more to be answered; 0: no limit
    metrics_path: str | None = None  # where the page for Prometheus is shown; None: nowhere
    cors: bool = False  # whether answers allow pages of other origins to read them


class RestServer:
    """A server that runs in a thread of its own."""

    def __init__(self, manager: Manager, settings: RestSettings) -> None:
        """Bind the port; `OSError` when it cannot be had. Nothing is answered before `start`."""
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="rest")
        self._socket = _bound(settings)
        self._app = _App(manager, settings, self._pool)
        self._config = uvicorn.Config(
            self._app,
            http="h11",  # httptools drops the body of a request that proposes an upgrade (Kludex/uvicorn#2722)
            h11_max_incomplete_event_size=_LARGEST_HEAD_BYTES,
            loop="uvloop",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # it would warn of each proposal to upgrade
            access_log=False,
            proxy_headers=False,
            server_header=False,
            headers=[("Server", SERVER)],
            timeout_keep_alive=_KEEP_IDLE_S,
            backlog=_BACKLOG,
        )
        self._server = uvicorn.Server(self._config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="rest", daemon=True)

    def start(self) -> None:
        """Return when connections are accepted."""
        self._thread.start()
        while self._thread.is_alive() and not self._server.started:
            time.sleep(0.01)

    def stop(self, grace_s: float) -> None:
        """Accept nothing more, give the calls in flight that time to end, and close.

        First the answers tell that they are the last ones of their connections: a client that found its connection
        closed without a word could not know whether its next request was worked on.
        """
        self._app.closing = True
        for listener in self._server.servers:
            listener.get_loop().call_soon_threadsafe(listener.close)
        time.sleep(_TELL_S)
        self._config.timeout_graceful_shutdown = max(1, round(grace_s))
        self._server.should_exit = True
        self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)


class _App:
    """The application that uvicorn calls for every request (https://asgi.readthedocs.io/en/latest/specs/www.html)."""

    def __init__(self, manager: Manager, settings: RestSettings, pool: ThreadPoolExecutor) -> None:
        self._manager = manager
        self._settings = settings
        self._pool = pool
        self.closing = False  # answers say so, and clients open no further request on their connections

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Answer a request; one whose client went away is dropped."""
        path = _ABSOLUTE.sub("", scope["raw_path"].decode("latin-1"))
        if scope["method"] == "GET" and path == self._settings.metrics_path:
            await self._send(send, Response(status=200, body=metrics.page()), b"text/plain")
            return
        headers = dict(scope["headers"])
        if scope["method"] == "OPTIONS" and _OURS.fullmatch(path) and _ORIGIN.search(headers.get(b"origin", b"")):
            await self._send(send, Response(status=200, body=b""))
            return
        if scope["query_string"]:  # part of what upstream matches
            path = f"{path}?{scope['query_string'].decode('latin-1')}"
        try:
            body = await self._body(headers, receive)
        except _Refused as refused:
            await self._send(send, refused.reply, close=refused.close)
            return
        if body is not None:
            packed = b"gzip" in headers.get(b"content-encoding", b"") and body != b""
            await self._send(send, await self._answer(scope["method"], path, body, packed=packed))

    async def _body(self, headers: Mapping[bytes, bytes], receive: _Receive) -> bytes | None:
        """Collect the body; None when the client goes away before its end."""
        size = int(headers.get(b"content-length", b"0"))
        chunks, arrived, more = [], 0, True
        try:
            async with asyncio.timeout(self._settings.timeout_s or None):
                while more:
                    if max(size, arrived) > LARGEST_BODY_BYTES:
                        raise _Refused(413, f"Request body is larger than {LARGEST_BODY_BYTES} bytes", close=False)
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunks.append(message["body"])
                    arrived += len(message["body"])
                    more = message["more_body"]
        except TimeoutError:
            raise _Refused(408, "The request did not arrive in time", close=True) from None
        return b"".join(chunks)

    async def _answer(self, method: str, path: str, body: bytes, *, packed: bool) -> Response:
        if _OURS.fullmatch(path) is None:
            return refusal(Code.NOT_FOUND.http, f"Not found: {method} {path}")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.timeout_s or None):
                ask = _unpack_and_answer if packed else answer
                return await loop.run_in_executor(self._pool, ask, self._manager, method, path, body)
        except TimeoutError:
            return refusal(Code.DEADLINE_EXCEEDED.http, f"Timed out after {self._settings.timeout_s:g} s")

    async def _send(
        self, send: _Send, reply: Response, content_type: bytes = b"application/json", *, close: bool = False
    ) -> None:
        headers = [(b"content-type", content_type), (b"content-length", str(len(reply.body)).encode())]
        headers += _CORS if self._settings.cors else []
        if close or self.closing:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})


def _unpack_and_answer(manager: Manager, method: str, path: str, body: bytes) -> Response:
    """Answer a request whose body is compressed (auto_uncompress_input, util/net_http/server).

    It is measured before it is kept: a bomb takes time, and no memory.
    """
    try:
        if any(size > LARGEST_UNPACKED_BYTES for size in itertools.accumulate(map(len, _pieces(body)))):
            return refusal(413, f"Request body is larger than {LARGEST_UNPACKED_BYTES} bytes when it is unpacked")
        unpacked = b"".join(_pieces(body))
    except (zlib.error, EOFError) as error:
        return refusal(400, f"The body is no gzip: {error}")
    return answer(manager, method, path, unpacked)


def _pieces(packed: bytes) -> Iterator[bytes]:
    """Unpack piece by piece; raises `zlib.error` or `EOFError` when it is no gzip."""
    unpacker = zlib.decompressobj(wbits=_GZIP)
    while not unpacker.eof:
        yield (piece := unpacker.decompress(packed, _PIECE_BYTES))
        packed = unpacker.unconsumed_tail
        if not piece and not packed and not unpacker.eof:
            raise EOFError("it ends too early")


class _Refused(Exception):
    """A request that is answered before it has arrived completely."""

    def __init__(self, status: int, message: str, *, close: bool) -> None:
        super().__init__(message)
        self.reply = refusal(status, message)
        self.close = close


def _bound(settings: RestSettings) -> socket.socket:
    """Hold the port from now on, so that nobody else gets it while models load."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.address, settings.port))
    except OSError as error:
        bound.close()
        message = f"cannot listen on {settings.address}:{settings.port}: {error.strerror}"
        raise OSError(message) from error
    return bound
