"""What a readiness probe is: one question of a running server, asked by trying it; and the field it is tried in.

A probe sees no server by name. What differs between servers lies behind `Server` and `Admin`; a probe judges what came
back. The order is from harmless to deadly, so that a server which does not survive a probe costs the fewest answers.
"""

import contextlib
import logging
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from evaluator.core import files
from evaluator.core.errors import FwevalError, Unavailable, Unsupported
from evaluator.core.metrics import Metric
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Metrics, Record, Signature, Value
from evaluator.core.tensors import Arrays
from evaluator.measure import fidelity
from serving.contract import Bundle, Launcher, Running, Server, Setup, Wire
from serving.errors import ServerError
from serving.life import Service, serving
from serving.load import closed_loop
from serving.load.closed_loop import Calls
from serving.ports import free_ports

_log = logging.getLogger(__name__)
REPLIES = "probes.json"
END_OF_LOG = "; it last wrote:"
WRONG = "WRONG"  # the code of an answer that came, and is not the model's
_TOLERANCE = 1e-3  # relative to the output's scale: a batch may be summed in another order, a wrong answer is far off

Risk = Literal["high", "medium", "low"]
Harm = Literal["none", "changes", "kills", "ends"]
_ENDS = {Unsupported: Outcome.UNSUPPORTED, Unavailable: Outcome.UNAVAILABLE}
_HARMS: tuple[Harm, ...] = get_args(Harm)


class Reply(Record, frozen=True, kw_only=True):
    """What a probe found out: passed, failed, unsupported, unavailable or not applicable, and by which figures."""

    outcome: Outcome
    reason: str  # one sentence, with the figures that decide
    remedy: str | None = None
    figures: Metrics
    labelled: tuple[Figure, ...] = ()  # those of which there are several, such as one for each wire


class Probe(ABC):
    """One question of a server."""

    name: ClassVar[str]
    title: ClassVar[str]
    question: ClassVar[str]
    risk: ClassVar[Risk]  # what it costs to go into production with the wrong answer
    harm: ClassVar[Harm]  # what the shared instance may suffer
    # Whether it asks what the API itself defines: then a stand-in that speaks the API is asked too. What an operator
    # fears is a matter of the program behind it, and a stand-in is another one.
    protocol: ClassVar[bool] = False
    own_metrics: ClassVar[tuple[Metric, ...]] = ()  # of its figures, those that `core.metrics` does not have

    @abstractmethod
    def ask(self, field: "Field") -> Reply:
        """Try it. A `FwevalError` is a reply too: `Unsupported`, `Unavailable`, and failed for all others."""


class CheckedWire:
    """A wire on which an answer that is not the expected one is a failed call, with the code `WRONG`."""

    def __init__(self, wire: Wire, expected: Arrays) -> None:
        self._wire = wire
        self._expected = expected
        self.encode = wire.encode
        self.decode = wire.decode

    def call(self, request: Any) -> Any:
        """Call, decode and compare."""
        answer = self._wire.call(request)
        compare(self._expected, self._wire.decode(answer))
        return answer


def compare(expected: Arrays, answered: Arrays) -> None:
    """Raise `ServerError` with the code `WRONG` unless the answer is the expected one."""
    found = fidelity.compare(expected, answered, _TOLERANCE)
    if not found.passed:
        raise ServerError(WRONG, f"not the model's answer: {found.first_difference}")


@dataclass(slots=True, kw_only=True)
class Field:
    """What a probe may use. Nothing that it starts outlives `close`."""

    server: Server
    launcher: Launcher
    artifact: Path
    signature: Signature
    inputs: Arrays  # one request
    expected: Arrays  # what the artifact answers to it in a process of its own
    folder: Path  # logs of every instance and other evidence
    images: tuple[str, ...] = ()
    seconds: float = 2.0  # how long phases under load last
    ready_within_s: float = 90.0
    time_factor: float = 1.0  # times as long as where they were set probes wait for what must come
    _bundle: Bundle | None = None
    _service: Service | None = None
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _started: int = 0

    @property
    def wires(self) -> tuple[str, ...]:
        """The wires that have a port of their own; what else the server speaks there is not probed again."""
        return tuple(wire for wire in self.server.wires if wire in self.server.ports)

    @property
    def bundle(self) -> Bundle:
        """The packed artifact; all instances that are given no other one start from it."""
        if self._bundle is None:
            self._bundle = self.pack(self.artifact, "bundle")
        return self._bundle

    def pack(self, artifact: Path, name: str) -> Bundle:
        """Pack an artifact below the folder; raises `BundleError` when that is refused. `close` removes it."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return self.server.bundle(artifact, self.signature, folder)

    @contextlib.contextmanager
    def launch(self, bundle: Bundle | None = None, **changes: Any) -> Iterator[tuple[Setup, Running]]:
        """Start an instance and wait for nothing; `changes` go into its `Setup`."""
        setup = self._setup(**changes)
        with self.launcher.launch(self.server, bundle or self.bundle, setup, self._place()) as running:
            try:
                yield setup, running
            finally:
                _kill(running)

    @contextlib.contextmanager
    def start(self, bundle: Bundle | None = None, **changes: Any) -> Iterator[Service]:
        """Start an instance of its own for a probe and wait until it is ready; raises `NotReady`."""
        setup, place = self._setup(**changes), self._place()
        with serving(self.server, self.launcher, bundle or self.bundle, setup, place, self.ready_within_s) as service:
            try:
                yield service
            finally:
                _kill(service.running)

    @property
    def service(self) -> Service:
        """The shared instance: started when first needed, and replaced when it has died or answers wrongly."""
        if self._service is not None and self.problem(self._service) is not None:
            self.end()
        return self._service or self._share()

    def restart(self) -> tuple[Service, Service]:
        """End the shared instance and start it again on the same ports, as a supervisor would; return both."""
        ended = self.end()
        return ended, self._share(ports=ended.ports)

    def end(self) -> Service:
        """Stop the shared instance; return it with what its stop has shown."""
        ended = self._service or self._share()
        self._service = None
        self._stack.close()
        return ended

    @contextlib.contextmanager
    def connect(self, service: Service, wire: str | None = None) -> Iterator[Wire]:
        """Open a connection over a wire (the first) that takes no answer but the expected one."""
        with self.server.connect(wire or self.wires[0], service.bundle, service.ports) as connection:
            yield CheckedWire(connection, self.expected)

    @contextlib.contextmanager
    def asking(self, service: Service, wire: str | None = None) -> Iterator[Callable[[], Any]]:
        """Open a connection and yield what calls once over it; raises `ServerError` when refused or wrong."""
        with self.connect(service, wire) as connection:
            request = connection.encode(self.inputs)
            yield lambda: connection.call(request)

    def problem(self, service: Service, wire: str | None = None) -> ServerError | None:
        """Ask once over a new connection; return what went wrong, None when the answer was right."""
        try:
            with self.asking(service, wire) as ask:
                ask()
        except ServerError as error:
            return error
        return None

    @contextlib.contextmanager
    def traffic(self, service: Service, wire: str | None = None, callers: int = 2) -> Iterator[Calls]:
        """Let callers ask one request after the other in the background; the code of a wrong answer is `WRONG`."""
        with self.connect(service, wire) as connection:
            requests = [connection.encode(self.inputs)]
        with closed_loop.calling(lambda: self.connect(service, wire), requests, callers) as calls:
            yield calls

    def close(self) -> None:
        """Stop whatever runs and remove the bundles; logs stay."""
        self._service = None
        self._stack.close()
        if self._bundle is not None:
            shutil.rmtree(self.folder / "bundle", ignore_errors=True)
            self._bundle = None

    def _share(self, **changes: Any) -> Service:
        self._service = self._stack.enter_context(self.start(**changes))
        return self._service

    def _setup(self, **changes: Any) -> Setup:
        ports = changes.pop("ports", None) or free_ports(self.server.ports)
        return replace(Setup(ports=ports, images=self.images), **changes)

    def _place(self) -> Path:
        self._started += 1
        return self.folder / f"server-{self._started}"


def passed(reason: str, *labelled: Figure, **figures: Value) -> Reply:
    """Make the reply of a server that does what it should."""
    return Reply(outcome=Outcome.PASSED, reason=reason, figures=figures, labelled=labelled)


def failed(reason: str, remedy: str, *labelled: Figure, **figures: Value) -> Reply:
    """Make the reply of a server that does not, with what to do about it."""
    return Reply(outcome=Outcome.FAILED, reason=reason, remedy=remedy, figures=figures, labelled=labelled)


def by_wire(name: str, values: Mapping[str, Value]) -> tuple[Figure, ...]:
    """Make a figure of each wire's value."""
    return tuple(Figure(name=name, value=value, labels={"wire": wire}) for wire, value in values.items())


def ask_all(
    field: Field, probes: Sequence[Probe], progress: Callable[[Probe, Reply], None] | None = None
) -> dict[str, Reply]:
    """Ask every probe, the harmless ones first; each reply is written to `REPLIES` in the field's folder as it comes.

    The field is closed in the end, whatever happens. An exception that is no `FwevalError` is a bug of ours and passes.
    """
    replies: dict[str, Reply] = {}
    field.folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(field):
        for probe in sorted(probes, key=lambda probe: (_HARMS.index(probe.harm), probe.name)):
            begin = time.monotonic()
            replies[probe.name] = _ask(field, probe)
            took = time.monotonic() - begin
            _log.info("%s: %s in %.1f s", probe.name, replies[probe.name].outcome.value, took)
            files.write_record(field.folder / REPLIES, replies)
            if progress is not None:
                progress(probe, replies[probe.name])
    return replies


def _ask(field: Field, probe: Probe) -> Reply:
    """Ask one probe; what it raises is what it found."""
    try:
        return probe.ask(field)
    except FwevalError as error:
        outcome = next((ends for kind, ends in _ENDS.items() if isinstance(error, kind)), Outcome.FAILED)
        first_line, _, _ = error.message.partition("\n")  # the end of a server's log may follow, and lies in the folder
        return Reply(outcome=outcome, reason=first_line.removesuffix(END_OF_LOG), remedy=error.remedy, figures={})


def _kill(running: Running) -> None:
    """End a server whose stop is not what is asked: a graceful one takes seconds each time."""
    if running.alive():
        running.kill()
