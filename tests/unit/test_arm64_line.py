"""What comes out of a container: both outputs mixed into one stream, in the frames of the engine's API.

https://docs.docker.com/reference/api/engine/ (attach, "Stream format")
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from evaluator.core.errors import Unavailable, Unsupported
from exports.devices import _far_end as far_end
from exports.devices import arm64

OUT, ERR = 1, 2


@dataclass(frozen=True, kw_only=True)
class _Inside:
    """A container's end of the line; `line` is ours."""

    end: socket.socket
    line: Any

    def write(self, kind: int, content: bytes) -> None:
        self.end.sendall(struct.pack(">BxxxL", kind, len(content)) + content)

    def finish(self) -> None:
        self.end.shutdown(socket.SHUT_WR)


class _Container:
    """Stands for the library's container, its client and its API."""

    id = "made-up"

    def __init__(self, stream: Any) -> None:
        self.client = self.api = self
        self._stream = stream

    def attach_socket(self, _: str, params: object) -> Any:
        return self._stream

    def start(self) -> None:
        """Do nothing: the test is what runs inside."""


@pytest.fixture
def inside() -> Iterator[_Inside]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        container: Any = _Container(ours.makefile("rb", buffering=0))
        with arm64._Line(container) as line:
            yield _Inside(end=theirs, line=line)


def test_messages_are_put_together_from_frames_of_any_size(inside: _Inside) -> None:
    content = far_end.message(far_end.READY, b"2.14") + far_end.message(far_end.ARRAYS, bytes(range(256)) * 400)
    inside.write(ERR, b"a warning\n")
    for start in range(0, len(content), 9973):
        inside.write(OUT, content[start : start + 9973])
        inside.write(ERR, b"more\n")
    assert inside.line.receive() == b"2.14"
    assert inside.line.receive() == bytes(range(256)) * 400


def test_what_is_sent_arrives_without_frames(inside: _Inside) -> None:
    inside.line.send(far_end.TASK, b"{}")
    assert far_end.receive(inside.end.recv) == (far_end.TASK, b"{}")


def test_a_refusal_is_raised_in_the_runtimes_words(inside: _Inside) -> None:
    inside.write(OUT, far_end.message(far_end.REFUSED, b"unknown operator"))
    with pytest.raises(Unsupported, match="unknown operator"):
        inside.line.receive()


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (b"hm\nqemu: uncaught target signal 11 (Segmentation fault)\n", Unavailable, "died under the emulator"),
        (b"Traceback (most recent call last):\n  ...\nKeyError: 'x'\n", RuntimeError, "KeyError: 'x'"),
        (b"...\nMemoryError\n", Unavailable, "most likely at its memory limit of 4 GiB; it had written: MemoryError"),
        (b"loading\n", Unavailable, "it was killed, most likely .*; it had written: loading"),
    ],
)
def test_an_end_without_an_answer_is_explained_by_what_was_written(
    inside: _Inside, said: bytes, kind: type[Exception], words: str
) -> None:
    inside.write(OUT, far_end.message(far_end.ARRAYS, b"half of it")[:-3])
    for byte in said:  # the engine cuts wherever it likes
        inside.write(ERR, bytes([byte]))
    inside.finish()
    with pytest.raises(kind, match=words):
        inside.line.receive()


def test_a_frame_that_broke_off_is_the_end(inside: _Inside) -> None:
    inside.end.sendall(struct.pack(">BxxxL", ERR, 100) + b"killed half")
    inside.finish()
    with pytest.raises(Unavailable, match="it had written: killed half"):
        inside.line.receive()
