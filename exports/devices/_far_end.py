"""The far end of a session in a container: loads an artifact there and computes what comes over standard input.

A message is a letter, eight bytes with the number of those that follow (big-endian), and these. Arrays travel as `.npz`
without pickle. Started by `exports.devices.arm64` only.
"""

import io
import os
import struct
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from evaluator.core import registry
from evaluator.core.errors import Unsupported
from evaluator.core.records import Record, Signature
from evaluator.core.tensors import Array, Arrays, save
from exports.contract import Runtime, Session

TASK, READY, ARRAYS, REFUSED, FAILED = b"T", b"R", b"A", b"U", b"F"
_HEAD = struct.Struct(">cQ")


class Task(Record, frozen=True, kw_only=True):
    """What to load; the first message."""

    runtime: str
    artifact: str
    signature: Signature
    threads: int


def main() -> None:
    """Load what the first message names, then answer every message with arrays by one with arrays, or with an error.

    An artifact that fails to load for another reason than that it is refused ends the process with a traceback.
    """
    source = sys.stdin.buffer
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print must not get between the messages
    received = receive(source.read)
    if received is None:
        return
    task = msgspec.json.decode(received[1], type=Task)
    runtime: Runtime = registry.load("runtime", task.runtime)
    version = metadata.version(metadata.packages_distributions()[runtime.module.partition(".")[0]][0])
    try:
        with runtime.load(Path(task.artifact), task.signature, device="cpu", threads=task.threads) as session:
            _send(sink, READY, version.encode())
            while (received := receive(source.read)) is not None:
                _send(sink, *_answer(session, received[1]))
    except Unsupported as error:
        _send(sink, REFUSED, f"version {version} for ARM64: {error.message}".encode())


def receive(read: Callable[[int], bytes]) -> tuple[bytes, bytes] | None:
    """Return letter and content of the next message; None when the other end has gone."""
    head = read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    letter, size = _HEAD.unpack(head)
    content = read(size)
    return (letter, content) if len(content) == size else None


def message(letter: bytes, content: bytes) -> bytes:
    """Return a message as it is sent."""
    return _HEAD.pack(letter, len(content)) + content


def packed(arrays: Mapping[str, Array]) -> bytes:
    """Return arrays as the content of a message."""
    file = io.BytesIO()
    save(file, arrays)
    return file.getvalue()


def unpacked(content: bytes) -> Arrays:
    """Return the arrays that a message holds; object arrays (pickle) are refused with `ValueError`."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _answer(session: Session, content: bytes) -> tuple[bytes, bytes]:
    try:
        return ARRAYS, packed(session(unpacked(content)))
    except Exception as error:  # noqa: BLE001  # it belongs to the other end, and the next batch may do
        return FAILED, f"{type(error).__name__}: {error}".encode()


def _send(sink: BinaryIO, letter: bytes, content: bytes) -> None:
    sink.write(message(letter, content))
    sink.flush()


if __name__ == "__main__":
    main()
