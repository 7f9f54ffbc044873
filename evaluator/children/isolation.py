"""The only place that starts steps: one step, one process, one folder, every ending mapped to an outcome.

The child gets a time limit, a memory limit, its own session, its own TMPDIR, and dies with us. The wire is files:
`job.json` in, `result.json` out; a child that leaves no result crashed, was stopped, or ran out of time or memory
(which are this machine's to give: `memory.py`).
"""

import contextlib
import math
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from evaluator.children import environments, memory, processes
from evaluator.children.patience import Patience
from evaluator.children.turns import TURNS, Line
from evaluator.core import causes, clock, files, machine, plugins, registry, scratch, surroundings
from evaluator.core.cache import VARIABLE as CACHE
from evaluator.core.cache import cache_folder
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.outcome import Outcome
from evaluator.core.reading import read_end
from evaluator.core.records import Result, Step
from evaluator.core.turns import Said, Wanted

GRACE_S = 15.0  # a server's clean stop takes a few seconds
_TAIL_BYTES = 20_000  # of stderr, where dying programs say why
_PASSED_ON = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "XDG_CACHE_HOME",
    "JAVA_HOME",
    "DOCKER_HOST",
)
_REPRODUCE = """#!/bin/sh
# Does this step again, beside the original: the new result lies in ./again.
case $0 in */*) unset CDPATH && cd -- "${{0%/*}}/" || exit 1 ;; esac
rm -rf again && mkdir again && cp job.json again/ || exit 1
[ -n "$PYTHON" ] || PYTHON={python}
exec env {environment} "$PYTHON" -P -m evaluator.children.worker again ..
"""


def worker_of(step: Step) -> tuple[str, ...]:
    """Return the command that does a step, in the Python of its environment."""
    return (environments.python(step.environment), "-P", "-m", "evaluator.children.worker")


class Child:
    """A step at work in its own process."""

    def __init__(
        self, step: Step, folder: Path, worker: Sequence[str] | None = None, *, stop: signal.Signals = signal.SIGINT
    ) -> None:
        """Start the step in its folder, which must not exist yet; `stop` is the first signal that ends it.

        After SIGINT it has some seconds to stop what it started. What runs a stranger's artifact is killed.
        """
        self._stop = stop
        self._line: Line | None = None
        theirs: socket.socket | None = None
        if step.in_turns:
            self._line, theirs = _line()
        self.step = step
        self.folder = folder
        self._patience: Patience | None = Patience(step.timeout_s)  # None: it rests between its turns
        self._started_at = clock.utc_now()
        self._begin = time.monotonic()
        environment = _environment(step)
        folder.mkdir(parents=True)
        temp = scratch.of(folder)
        scratch.clear(folder)
        lock = scratch.make_locked(temp)
        files.write_record(folder / "job.json", step)
        _write_reproduce(step, folder, environment)
        told = () if theirs is None else (f"{TURNS}{theirs.fileno()}",)
        self.process: subprocess.Popen[bytes] = processes.start(
            (*(worker or worker_of(step)), str(folder.resolve()), *told),
            env={**_inherited(), **_person(temp), **environment, "TMPDIR": str(temp), "TEMP": str(temp)},
            cwd=folder,
            stdout=folder / "stdout",
            stderr=folder / "stderr",
            prepare=lambda: memory.limit(step.memory_bytes),
            passed=() if theirs is None else (theirs.fileno(),),
        )
        if theirs is not None:
            theirs.close()
        self.descriptor = os.pidfd_open(self.process.pid)  # readable when the child has ended: no polling
        self._open = [self.descriptor, lock]

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is at work, as executors ask: one step."""
        return (self.step,)

    @property
    def deadline(self) -> float:
        """When its time is up, by the monotonic clock, unless others have its cores (`is_over`)."""
        return math.inf if self._patience is None else self._patience.deadline

    def is_over(self) -> bool:
        """Tell whether its time is up; a deadline that comes while others have its cores is put off."""
        patience = self._patience
        return patience is not None and patience.is_over(lambda: processes.cpu_seconds(self.process.pid))

    @property
    def lines(self) -> tuple[int, ...]:
        """The socket over which it speaks of its turns, if it does; readable when it says something."""
        return () if self._line is None else (self._line.end.fileno(),)

    def ask(self, wanted: Wanted) -> None:
        """Ask for a block, or say that it is over: its time begins anew. One that has ended does not hear it."""
        self._patience = Patience(self.step.timeout_s)
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.send(wanted)

    def said(self) -> Said | None:
        """Return what it says, and let its time rest; None when it will say nothing more."""
        message = None if self._line is None else self._line.receive()
        if message is None:
            self._hang_up()
            return None
        self._patience = None
        said: Said = msgspec.json.decode(message, type=Said)
        return said

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.end.close()
            self._line = None

    def finish(self) -> Result:
        """Collect the ended (or, past its deadline, stopped) child and map its ending."""
        timed_out = self.process.poll() is None
        self._end()
        if timed_out:
            return self._stopped_result()
        return self._result()

    def interrupt(self) -> None:
        """Stop the child because the person asked for it; what it had done is not kept."""
        self._end()
        scratch.clear(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self) -> None:
        self._hang_up()
        processes.end_group(self.process, first=self._stop, grace_s=GRACE_S)
        scratch.clear(self.folder)
        while self._open:  # an interrupted child is ended twice: a number may be another file's by then
            os.close(self._open.pop())

    def _result(self) -> Result:
        try:
            return files.read_record(self.folder / "result.json", Result)
        except IncompleteEvidence:
            return self._crash()

    def _crash(self) -> Result:
        """Describe a child that left no result: on a disk that is full it could not."""
        full = surroundings.full_disk((self.folder,))
        if full is not None:
            return self._ended(Outcome.UNAVAILABLE, full.message, full.remedy)
        code = self.process.returncode
        if causes.wants_memory(read_end(self.folder / "stderr", _TAIL_BYTES)):
            short = memory.reached(self.step)
            return self._ended(Outcome.UNAVAILABLE, short.message, short.remedy)
        if code == -signal.SIGKILL:
            short = memory.killed("the process")
            return self._ended(Outcome.UNAVAILABLE, short.message, short.remedy)
        if code < 0:
            # Native code that is refused memory often just crashes: the limit belongs to the message.
            limit = f"{self.step.memory_bytes / 2**30:.1f} GiB"
            reason = f"the process died of {signal.Signals(-code).name} (its memory limit was {limit})"
        else:
            reason = f"the process ended with code {code} and left no result"
        return self._ended(Outcome.CRASHED, reason)

    def _stopped_result(self) -> Result:
        limit_s, before_s = self.step.timeout_s, self.step.settings.get("timeout_before_s")
        reason = f"was stopped at its time limit of {limit_s:.0f} s"
        if before_s is not None:
            reason += f" ({before_s:.0f} s, times {limit_s / before_s:.1f} for the speed of this machine)"
        if self._patience is not None and self._patience.given_s:
            reason += f" and {self._patience.given_s:.0f} s more, because others had its cores"
        return self._ended(Outcome.TIMED_OUT, reason)

    def _ended(self, outcome: Outcome, reason: str, remedy: str | None = None) -> Result:
        return Result(
            step=self.step.id,
            outcome=outcome,
            reason=reason,
            remedy=remedy or f"see steps/{self.step.id}/stderr; resume the run to try again",
            started_at=self._started_at,
            seconds=time.monotonic() - self._begin,
        )


def _line() -> tuple[Line, socket.socket]:
    """Return our end of a socket, and the child's."""
    ours, theirs = socket.socketpair()
    return Line(ours), theirs


def _inherited() -> dict[str, str]:
    """Return the little of our environment that a child needs; the rest could change its result."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def _person(temp: Path) -> dict[str, str]:
    """Return who a child's libraries take the user to be: they want a name, and a home that they may write to.

    In containers a user is often but a number. What fweval itself keeps is found wherever that home is.
    """
    home = os.environ.get("HOME", "")
    return {
        "HOME": home if os.path.isdir(home) and os.access(home, os.W_OK) else str(temp),  # noqa: PTH112  # "" is none
        "USER": os.environ.get("USER") or f"uid{os.getuid()}",
        CACHE: str(cache_folder()),
    }


def _environment(step: Step) -> dict[str, str]:
    """Return what decides how the child computes; also written into reproduce.sh."""
    return {
        **machine.thread_environment(int(step.settings.get("threads", 1))),
        **registry.load("device", step.device).variables,
        **({} if step.variant is None else registry.variant(step.variant).variables),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "KERAS_BACKEND": "tensorflow",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",  # what files hold does not depend on the locale
        **plugins.variables(),
        **({} if step.environment is None else environments.variables(step.environment)),
    }


def _write_reproduce(step: Step, folder: Path, environment: dict[str, str]) -> None:
    path = folder / "reproduce.sh"
    python = environments.python(step.environment)
    text = _REPRODUCE.format(
        environment=" ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items()),
        python="python" if python == sys.executable else shlex.quote(python),
    )
    files.write_text(path, text)
    path.chmod(0o755)
