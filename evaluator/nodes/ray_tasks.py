"""What Ray runs of ours on a machine: two pipes to fweval's own process there.

What passes is bytes, which Ray does not pickle; the definitions below are found there by their names. Nothing imports
Ray but this, `ray_driver.py`, which is a process of its own, and `ray_simulated.py`, which is another.
Documentation: https://docs.ray.io/en/releases-2.60.0/ray-core/key-concepts.html
"""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ray

_PIECE_BYTES = 4 << 20
_STOP_S = 40.0
_NOT_PASSED_ON = "RAY_"  # begins what Ray and its tokens are configured by


@ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0)
class Keeper:
    """Starts fweval's process on a machine, and ends it by ending."""

    def __init__(self) -> None:
        """Start it in the environment of whoever started Ray here, without what Ray has set in its workers since."""
        engine = os.getppid()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "evaluator.nodes.there", str(engine)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment_of(engine),
            cwd="/",
            start_new_session=True,
        )
        self._open: socket.socket | None = None

    def path(self) -> bytes:
        """Return the path of its socket, or what it says in its place."""
        assert self._process.stdout is not None  # noqa: S101  # it is a pipe
        return bytes(self._process.stdout.readline().strip())

    def is_there(self) -> bytes:
        """Say whether that process is there."""
        return b"" if self._process.poll() is not None else b"yes"

    def stop(self) -> None:
        """Have that process end in order, which removes what was brought there."""
        assert self._process.stdin is not None  # noqa: S101  # it is a pipe
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)

    def begin(self, path: bytes, wire: bytes) -> None:
        """Open a line to it and send what is given."""
        self._open = socket.socket(socket.AF_UNIX)
        self._open.connect(path.decode())
        self._open.sendall(wire)

    def more(self, wire: bytes) -> None:
        """Send more over the line; where it was closed, the answer says why."""
        if self._open is not None:
            with contextlib.suppress(OSError):
                self._open.sendall(wire)

    def end(self) -> bytes:
        """Return all that it answers, and close the line."""
        found = bytearray()
        if self._open is not None:
            while arrived := self._open.recv(_PIECE_BYTES):
                found += arrived
            self._open.close()
        self._open = None
        return bytes(found)


@ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator]
def at_work(path: bytes, wire: bytes) -> Iterator[bytes]:
    """Send what is given, and yield what is answered as it comes."""
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(path.decode())
        end.sendall(wire)
        while arrived := end.recv(_PIECE_BYTES):
            yield arrived


@ray.remote(num_cpus=0, max_restarts=0)
class Holder:
    """Holds the cluster for one run: its name is taken while it lives, which is as long as whoever made it."""

    def __init__(self, who: bytes) -> None:
        """Take what others are told."""
        self._who = who

    def who(self) -> bytes:
        """Say who holds the cluster."""
        return self._who


def _environment_of(process: int) -> dict[str, str]:
    told = Path(f"/proc/{process}/environ").read_bytes().decode(errors="surrogateescape")
    pairs = (each.partition("=") for each in told.split("\0") if "=" in each)
    return {name: value for name, _, value in pairs if not name.startswith(_NOT_PASSED_ON)}
