"""HTTP to a server on this machine, and JSON with numbers that survive: what the REST connections share.

One connection that is kept alive; no retries, no redirects, no proxies: what is measured is one request. It is a socket
and httptools' parser (https://github.com/MagicStack/httptools), because under load the client's own work competes with
the server's: per request http.client was seen to take four times as much processor time, and libcurl, which takes
twice as much, asks again by itself when a kept connection turns out to be closed.
"""

import contextlib
import json
import math
import re
import select
import socket
from collections.abc import Iterator
from typing import Any, Self

import httptools
import orjson

from serving.contract import HOST
from serving.errors import ServerError

JSON = "application/json"
_CONNECT_S = 5.0
_READ_BYTES = 1 << 16
_LONGEST_MESSAGE = 2_000
# A string, closed or not, or what is no finite number.
_NOT_FINITE = re.compile(rb'(?s)"(?:[^"\\]|\\.)*+"?|(-?(?:Inf(?:inity)?|NaN)\b)')


class Http:
    """A kept-alive connection to a loopback port, opened by the first call."""

    def __init__(self, port: int, read_timeout_s: float = 60.0) -> None:
        self._port = port
        self._read_timeout_s = read_timeout_s  # for each piece of an answer
        self._connection: _Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def get(self, path: str) -> bytes:
        """Fetch a path; raises `ServerError` unless the status is 200."""
        return self._call("GET", path)

    def post(self, path: str, body: bytes, content_type: str = JSON) -> bytes:
        """Send a body; raises `ServerError` unless the status is 200."""
        return self._call("POST", path, body, content_type)

    def send(self, method: str, path: str) -> bytes:
        """Send a request of any method without a body or its type; raises `ServerError` unless the status is 200."""
        return self._call(method, path)

    def ask(self, path: str, body: bytes, content_type: str = JSON) -> None:
        """Send a body without waiting for the answer; raises `ServerError` when it cannot be sent."""
        request = self._request("POST", path, body, content_type)
        connection = self._connected()
        with self._failing():
            connection.send(request)

    def take(self) -> bytes | None:
        """Read what has come of the answer to `ask`, of which there must be something; None while it is not whole.

        Raises `ServerError` unless the status is 200.
        """
        connection = self._asked()
        with self._failing():
            connection.receive()
        return self._answer(connection) if connection.whole else None

    def fileno(self) -> int:
        """Return the socket of the last `ask`: readable when there is something to take."""
        return self._asked().fileno()

    def _call(self, method: str, path: str, body: bytes = b"", content_type: str | None = None) -> bytes:
        request = self._request(method, path, body, content_type)
        connection = self._connected()
        with self._failing():
            connection.send(request)
            while not connection.whole:
                connection.receive()
        return self._answer(connection)

    def _request(self, method: str, path: str, body: bytes, content_type: str | None) -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}:{self._port}\r\n"
        if content_type is not None:
            head += f"Content-Type: {content_type}\r\n"
        if method != "GET":
            head += f"Content-Length: {len(body)}\r\n"
        return f"{head}\r\n".encode() + body

    def _answer(self, connection: "_Connection") -> bytes:
        """Return the body of a whole answer."""
        if not connection.kept:
            self._close()
        if connection.status != 200:
            raise ServerError(str(connection.status), said(connection.body))
        return connection.body

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Turn what can go wrong into `ServerError`; the connection is not used again."""
        try:
            yield
        except TimeoutError as error:
            self._close()
            raise ServerError("TIMEOUT", f"no answer within {self._read_timeout_s:g} s") from error
        except (OSError, httptools.HttpParserError) as error:
            self._close()
            raise ServerError("UNREACHABLE", str(error)) from error

    def _connected(self) -> "_Connection":
        """Return the connection, a new one when the server has closed the last."""
        if self._connection is None or self._connection.closed():
            self._close()
            try:
                self._connection = _Connection(self._port, self._read_timeout_s)
            except OSError as error:
                raise ServerError("UNREACHABLE", str(error)) from error
        return self._connection

    def _asked(self) -> "_Connection":
        if self._connection is None:
            raise ServerError("UNREACHABLE", "the connection on which it was asked is closed")
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Connection:
    """A socket and the parser of what comes back over it, which calls the methods `on_…`."""

    def __init__(self, port: int, read_timeout_s: float) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=_CONNECT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(read_timeout_s)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._has_length = False
        self.whole = False  # there is an answer, with all of its body
        self.kept = True  # the server lets the connection be used again

    def send(self, request: bytes) -> None:
        """Send a request, whose answer is then received piece by piece. Raises `OSError` when it cannot be sent."""
        self._parts, self._has_length, self.whole = [], False, False
        with contextlib.suppress(BrokenPipeError):  # a server may answer, and close, before it has read everything
            self._socket.sendall(request)

    def receive(self) -> None:
        """Wait for the next piece of the answer. Raises `OSError` or `HttpParserError` when none can be read."""
        data = self._socket.recv(_READ_BYTES)
        if data:
            self._parser.feed_data(data)
        elif self.kept or self._has_length:
            raise ConnectionError("the server closed the connection without an answer, or in the middle of it")
        else:  # RFC 9112, 6.3: such a body lasts until the connection is closed
            self.whole = True

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self._parser.get_status_code()

    @property
    def body(self) -> bytes:
        """The body of the answer, as far as it has come."""
        return b"".join(self._parts)

    def fileno(self) -> int:
        return self._socket.fileno()

    def closed(self) -> bool:
        """Tell whether the server has closed the connection; between two answers there is nothing else to read."""
        return bool(self._poll.poll(0))

    def close(self) -> None:
        self._socket.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in {b"content-length", b"transfer-encoding"}:
            self._has_length = True

    def on_headers_complete(self) -> None:
        self.kept = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        self.whole = True


def said(body: bytes) -> str:
    """Extract the message of an error body: TF Serving's `error`, TorchServe's `message`, or the text itself."""
    text = body.decode(errors="replace").strip()[:_LONGEST_MESSAGE]
    try:
        document = from_json(body)
    except ValueError:
        return text
    if isinstance(document, dict):
        return str(document.get("error", document.get("message", text)))
    return text


def to_json(document: Any) -> bytes:
    """Encode a document whose leaves may be arrays; a float32 is written so that it reads back as the same float32.

    orjson would write NaN and Infinity as null. Where there are any, the slower standard encoder writes them by these
    names, as TF Serving does (util/json_tensor.cc).
    """
    encoded = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" not in encoded:
        return encoded
    return json.dumps(document, default=lambda array: array.tolist(), separators=(",", ":")).encode()


def from_json(text: bytes, *, whole: bool = True) -> Any:
    """Decode JSON, and NaN, Infinity and Inf with either sign; raises `ValueError` when it is malformed.

    Unless it must be the `whole` text, what follows the first value does not count.

    So does RapidJSON with the flag kParseNanAndInfFlag, by which TF Serving reads (util/json_tensor.cc): a number too
    large for a double is malformed, too (https://rapidjson.org/md_doc_features.html).
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _from_standard_json(text, whole=whole)


def _from_standard_json(text: bytes, *, whole: bool) -> Any:
    decoder, standard = json.JSONDecoder(parse_float=_finite), _NOT_FINITE.sub(_standard, text).decode()
    try:
        return decoder.decode(standard) if whole else decoder.raw_decode(standard.lstrip(" \t\r\n"))[0]
    except RecursionError as error:
        raise json.JSONDecodeError("nested too deeply", "", 0) from error


def _standard(found: re.Match[bytes]) -> bytes:
    """Write what is no finite number as Python's decoder reads it; strings stay what they are."""
    return (
        found[0] if found[1] is None else (b"NaN" if b"N" in found[1] else found[1].removesuffix(b"inity") + b"inity")
    )


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        message = f"the number {text[:20]} is too large"
        raise ValueError(message)
    return number
