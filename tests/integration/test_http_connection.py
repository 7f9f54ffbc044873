"""One kept-alive connection against servers that close, truncate, answer early or stop in the middle."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from serving.errors import ServerError
from serving.wires.http import Http

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"


def _request(connection: socket.socket) -> bytes:
    """Read one request; return its head."""
    data = b""
    while True:
        head, separator, body = data.partition(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 0)
        if separator and len(body) >= length:
            return head
        piece = connection.recv(1000)
        if not piece:
            return head
        data += piece


@contextmanager
def _server(*scripts: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept as many connections as there are scripts, one after the other; each is closed when its script ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            for script in scripts:
                connection, _ = listening.accept()
                with connection:
                    script(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(20)


def _answering(*answers: bytes) -> Callable[[socket.socket], None]:
    def script(connection: socket.socket) -> None:
        for answer in answers:
            _request(connection)
            connection.sendall(answer)

    return script


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n2\r\nne\r\n0\r\n\r\n", b"fine"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfine", b"fine"),  # ends with the connection
        (b"HTTP/1.0 200 OK\r\n\r\nfine", b"fine"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
    ],
)
def test_bodies_end_in_several_ways(answer: bytes, body: bytes) -> None:
    with _server(_answering(answer)) as port, Http(port) as http:
        assert http.get("/") == body


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfine",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nfine",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n",
        b"what?",
    ],
)
def test_a_broken_answer_is_none(answer: bytes) -> None:
    with _server(_answering(answer)) as port, Http(port) as http, pytest.raises(ServerError) as raised:
        http.get("/")
    assert raised.value.code == "UNREACHABLE"


def test_a_connection_that_was_closed_between_two_calls_is_opened_anew() -> None:
    with _server(_answering(OK), _answering(OK)) as port, Http(port) as http:
        assert http.get("/") == b"fine"
        while not http._connection or not http._connection.closed():  # until the end of the first has come
            pass
        assert http.get("/") == b"fine"


def test_a_request_is_never_sent_twice() -> None:
    """A server that takes the second request on a kept connection and closes has lost it: that must show."""

    def script(connection: socket.socket) -> None:
        _answering(OK)(connection)
        _request(connection)

    with _server(script, _answering(OK)) as port, Http(port) as http:
        http.get("/")
        with pytest.raises(ServerError) as raised:
            http.get("/")
        assert raised.value.code == "UNREACHABLE"
        assert http.get("/") == b"fine"


def test_an_answer_that_comes_late_is_not_taken_for_the_next_one() -> None:
    go_on = threading.Event()

    def late(connection: socket.socket) -> None:
        _request(connection)
        go_on.wait(10)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

    with _server(late, _answering(OK)) as port, Http(port, read_timeout_s=0.2) as http:
        with pytest.raises(ServerError) as raised:
            http.get("/")
        assert raised.value.code == "TIMEOUT"
        go_on.set()
        assert http.get("/") == b"fine"


def test_a_refusal_before_the_body_was_read_is_heard() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nmuch")
        while connection.recv(1 << 20):  # a close with unread data would reset the connection
            pass

    with _server(refuse) as port, Http(port) as http, pytest.raises(ServerError) as raised:
        http.post("/", b"x" * 3_000_000)
    assert (raised.value.code, raised.value.said) == ("413", "much")


def test_requests_say_what_they_carry() -> None:
    seen = []

    def script(connection: socket.socket) -> None:
        for _ in range(3):
            head = _request(connection)
            seen.append((head.splitlines()[0], b"Content-Type: application/json" in head, b"Content-Length: " in head))
            connection.sendall(OK)

    with _server(script) as port, Http(port) as http:
        http.get("/a")
        http.send("POST", "/b")
        http.post("/c", b"{}")
    assert seen == [
        (b"GET /a HTTP/1.1", False, False),
        (b"POST /b HTTP/1.1", False, True),
        (b"POST /c HTTP/1.1", True, True),
    ]


def test_what_was_asked_is_taken_in_pieces() -> None:
    def script(connection: socket.socket) -> None:
        _request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfi")
        going.wait(10)
        connection.sendall(b"ne")

    going = threading.Event()
    with _server(script) as port, Http(port) as http:
        http.ask("/", b"{}")
        assert http.take() is None
        going.set()
        assert http.take() == b"fine"
