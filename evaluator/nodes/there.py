"""What a machine of a cluster does for a run that is made elsewhere: one process, which answers over a unix socket.

It is started by whatever the cluster's engine runs there (`ray_tasks.py`), in the environment of the person who started
the machine's part of the engine, and knows nothing of the engine but the process that it ends with. Each question is
answered by a fork of it, so that what takes a second to import is imported once. Steps are run as on one machine, by
the same code; their folders and what they need lie in a place of its own in the cache folder, which is removed with it.

`python -P -m evaluator.nodes.there PID`: PID is the process to end with; the path of the socket is printed. It also
ends when its standard input does.
"""

import contextlib
import os
import selectors
import signal
import socket
import struct
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil

from evaluator.children import cleaning
from evaluator.children.processes import die_with_parent
from evaluator.core import scratch
from evaluator.core.cache import cache_folder, make_folder
from evaluator.core.cluster import Cancel, Do, Question, Unframer, encoded, framed, refused
from evaluator.core.coordinates import Record
from evaluator.core.errors import FwevalError, IncompleteEvidence
from evaluator.core.surroundings import FILES, raise_file_limit, refusal
from evaluator.nodes import _answers
from evaluator.nodes._sending import remove

SOCKET = "socket"
_ASK_S = 30.0  # that whoever connects may take to say what is wanted
_GRACE_S = 30.0  # steps stop their servers


def send(end: socket.socket, frame: bytes) -> None:
    """Send a frame; `OSError` when the other end is gone."""
    end.sendall(framed(frame))


def frames(end: socket.socket, unframer: Unframer) -> Iterator[bytes]:
    """Yield the frames that arrive until one says that none follow, or the other end is closed."""
    yield from unframer.take(b"")
    while not unframer.ended and (arrived := end.recv(1 << 20)):
        yield from unframer.take(arrived)


def until_closed(end: socket.socket) -> Iterator[bytes]:
    """Yield nothing until the other end is closed."""
    while end.recv(1 << 16):
        yield from ()


# The process ----------------------------------------------------------------------------------------------------------


class Server:
    """Listens until whoever it ends with is gone."""

    def __init__(self, ends_with: int) -> None:
        make_folder(cache_folder() / cleaning.NODES)
        self.place = cache_folder() / cleaning.NODES / uuid.uuid4().hex
        self._lock = scratch.make_locked(self.place)
        (self.place / "steps").mkdir()
        self._temp = scratch.of(self.place)  # a path that is short enough for a socket
        self._temp_lock = scratch.make_locked(self._temp)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self._temp / SOCKET))
        self._socket.listen(64)
        self._ends_with = ends_with
        self._jobs: dict[int, int] = {}  # the process that answers -> the job that it does
        self._waiting: dict[int, int] = {}  # the file descriptor of such a process -> its number
        self._cancelled: set[int] = set()  # jobs, also such as have not arrived yet
        self._peers: set[int] = set()  # processes of the engine that asked
        self._selector = selectors.DefaultSelector()
        _answers.make_ready()

    @property
    def path(self) -> str:
        """Where it listens."""
        return str(self._temp / SOCKET)

    def serve(self) -> None:
        """Answer until standard input or the process that it ends with has ended; then leave nothing."""
        engine = os.pidfd_open(self._ends_with)
        for file in (self._socket.fileno(), sys.stdin.fileno(), engine):
            self._selector.register(file, selectors.EVENT_READ)
        lost = False
        try:
            while True:
                ready = {key.fd for key, _ in self._selector.select()}
                lost = engine in ready
                if lost or sys.stdin.fileno() in ready:
                    return
                for file in ready & self._waiting.keys():
                    self._bury(file)
                if self._socket.fileno() in ready:
                    self._accept()
        finally:
            self._end(lost=lost)

    def _accept(self) -> None:
        end, _ = self._socket.accept()
        end.settimeout(_ASK_S)
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            peer = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            self._peers.add(struct.unpack("3i", peer)[0])
            arriving = frames(end, Unframer())
            question = msgspec.json.decode(next(arriving, b""), type=Question)
            end.settimeout(None)
            if isinstance(question, Cancel):
                self._cancel(question.job)
                send(end, encoded(_answers.nothing()))
            elif not isinstance(question, Do) or question.job not in self._cancelled:
                self._fork(end, question, arriving)
        end.close()

    def _fork(self, end: socket.socket, question: Any, arriving: Iterator[bytes]) -> None:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                die_with_parent()
                self._selector.close()
                self._socket.close()
                more = until_closed(end) if isinstance(question, Do) else arriving
                answer(end, question, more, self.place, self._ends_with)
                code = 0
            except KeyboardInterrupt:
                pass
            finally:
                sys.stderr.flush()
                os._exit(code)
        file = os.pidfd_open(pid)
        self._selector.register(file, selectors.EVENT_READ)
        self._waiting[file] = pid
        if isinstance(question, Do):
            self._jobs[pid] = question.job

    def _bury(self, file: int) -> None:
        pid = self._waiting.pop(file)
        self._selector.unregister(file)
        os.close(file)
        os.waitpid(pid, 0)
        self._jobs.pop(pid, None)

    def _cancel(self, job: int) -> None:
        self._cancelled.add(job)
        for pid in [pid for pid, each in self._jobs.items() if each == job]:
            os.kill(pid, signal.SIGINT)
            file = next(file for file, each in self._waiting.items() if each == pid)
            self._wait_for({file})

    def _wait_for(self, waiting: set[int]) -> None:
        """Wait until processes have ended; those that do not in time are killed."""
        until = time.monotonic() + _GRACE_S
        left = set(waiting)
        watch = selectors.DefaultSelector()
        for file in left:
            watch.register(file, selectors.EVENT_READ)
        while left and time.monotonic() < until:
            for key, _ in watch.select(max(0.0, until - time.monotonic())):
                watch.unregister(key.fd)
                left.discard(key.fd)
        watch.close()
        for file in left:
            os.kill(self._waiting[file], signal.SIGKILL)
        for file in waiting:
            self._bury(file)

    def _end(self, *, lost: bool) -> None:
        """Stop what is at work, and remove the place; workers that an engine left behind when it ended go first.

        They would wait for it, and whoever asked would take what they say for the word of a machine that is there.
        """
        for pid in (os.getppid(), *self._peers) if lost else ():
            _end_worker(pid)
        for pid in self._waiting.values():
            os.kill(pid, signal.SIGINT)
        self._wait_for(set(self._waiting))
        with contextlib.suppress(FwevalError):
            cleaning.clean()
        for folder in (self.place, self._temp):
            remove(folder)


def _end_worker(pid: int) -> None:
    """Kill a worker of the engine: it would wait for an engine that has ended."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.name().startswith("ray::") or any(part.startswith("ray::") for part in process.cmdline()):
            process.kill()


def answer(end: socket.socket, question: Any, more: Iterator[bytes], place: Path, engine: int) -> None:
    """Answer a question in frames, the last of which says that it is."""

    def say(record: Record) -> None:
        send(end, encoded(record))

    asked = _answers.Asked(place=place, engine=engine, more=more, say=say)
    try:
        for frame in _answers.to(question, asked):
            send(end, frame)
    except FwevalError as error:
        say(refused(error))
    except OSError as error:
        known = refusal(error)
        if known is None:
            raise
        say(refused(known))
    if not isinstance(question, Do):
        for _ in more:  # a socket that is closed before all was read takes the answer along
            pass


def main(argv: list[str]) -> int:
    """Listen until it is time to end."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # workers of an engine block some, and all below would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    raise_file_limit(FILES)
    try:
        _be_as_nice_as(int(argv[0]))
        server = Server(int(argv[0]))
    except FwevalError as error:
        sys.stdout.buffer.write(encoded(refused(error)) + b"\n")
        return error.exit_code
    sys.stdout.write(f"{server.path}\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()
    return 0


def _be_as_nice_as(engine: int) -> None:
    """Undo what an engine does to the priority of its workers: what is measured has that of what people run."""
    wanted = psutil.Process(engine).nice()
    try:
        os.setpriority(os.PRIO_PROCESS, 0, wanted)
    except PermissionError as error:
        raise IncompleteEvidence(
            f"what the engine starts has a niceness of {os.nice(0)}, itself {wanted}: that decides who waits",
            remedy="start it with `fweval node`, or with RAY_worker_niceness=0",
        ) from error


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
