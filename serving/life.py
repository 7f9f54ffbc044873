"""The life of one server: launched, ready, called, stopped, and the proof that nothing of it is left."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evaluator.core import surroundings
from evaluator.core.causes import wants_memory
from evaluator.core.clock import Clock, SystemClock
from evaluator.core.errors import FwevalError, Unavailable
from serving.contract import ALL_LINES, Bundle, Launcher, Ports, Running, Server, Setup
from serving.errors import NotReady, ServerError

_ASK_EVERY_S = 0.1  # how often a starting server is asked; the resolution of `ready_s`
_MORE = "end other programs, then resume the run"
# What a server writes when this machine lets it down -> why, and what to do; beside what every program writes, which
# `core.surroundings` knows. None of it says anything about the artifact.
_SURROUNDINGS = {
    "unable to create native thread": ("no more threads may run", "allow more (ulimit -u), then resume the run"),
    "insufficient memory for the Java Runtime": ("no memory is left", _MORE),
    "its memory limit is": ("its container may have no more memory", "take a smaller model"),
}


@dataclass(slots=True, kw_only=True)
class Service:
    """A server that is ready. The last two fields are filled in when it has been stopped."""

    server: Server
    bundle: Bundle
    setup: Setup
    running: Running
    ready_s: float  # from the start of its process until the model would answer
    stop_s: float | None = None
    leftovers: tuple[str, ...] = ()

    @property
    def ports(self) -> Ports:
        """The ports that it listens on."""
        return self.setup.ports


@contextlib.contextmanager
def serving(
    server: Server, launcher: Launcher, bundle: Bundle, setup: Setup, folder: Path, timeout_s: float
) -> Iterator[Service]:
    """Launch the server in `folder` and wait until its model answers; afterwards stop it and look for left-overs.

    Raises `Unavailable` when the launcher cannot start it here, or this machine lets it down, and `NotReady` with the
    end of the server's log.
    """
    with launcher.launch(server, bundle, setup, folder) as running:
        ready_s = wait_until_ready(server, bundle, setup.ports, running, timeout_s, SystemClock())
        service = Service(server=server, bundle=bundle, setup=setup, running=running, ready_s=ready_s)
        yield service
        service.stop_s = running.stop()
    service.leftovers = running.leftovers()


def wait_until_ready(
    server: Server, bundle: Bundle, ports: Ports, running: Running, timeout_s: float, clock: Clock
) -> float:
    """Ask until the model would answer; return the seconds it took.

    Raises `NotReady` at once when the server dies, says that the model will not come, or shows so in its log, and
    `Unavailable` when its last words blame this machine.
    """
    begin = clock.now()
    while True:
        if not running.alive():
            raise _not_ready(server, running, "ended before its model was ready")
        try:
            ready = server.ready(bundle, ports)
        except ServerError as error:
            raise _not_ready(server, running, f"will not have the model ({error.said})") from error
        if ready:
            return clock.now() - begin
        if server.gave_up(running.log_tail(ALL_LINES)):
            raise _not_ready(server, running, "could not load the model")
        if clock.now() - begin > timeout_s:
            raise _not_ready(server, running, f"was not ready after {timeout_s:.0f} s")
        clock.sleep(_ASK_EVERY_S)


def _not_ready(server: Server, running: Running, what: str) -> FwevalError:
    """Say what became of a server: its own failure, or that of this machine where its last words tell so."""
    log = running.log_tail()
    failure = NotReady(
        f"{server.title} {what}; it last wrote:\n{log}",
        remedy="its log lies in the step's folder; is the artifact whole?",
    )
    told = next((told for words, told in _SURROUNDINGS.items() if words in log), None)
    if told is None and wants_memory(log):
        told = "no memory is left", _MORE
    refused = surroundings.refusal(failure) if told is None else Unavailable(told[0], remedy=told[1])
    if refused is None:
        return failure
    message = f"{server.title} {what}, because of this machine ({refused.message}); it last wrote:\n{log}"
    return Unavailable(message, remedy=refused.remedy)
