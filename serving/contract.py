"""What a server, a launcher and a wire are: the three contracts of this package.

bundle → launch → ready → calls over the wires → stop. A server knows how its bundle and its command line look, and how
to tell that it is ready; a launcher knows how to start a command and how to leave nothing behind; a wire turns arrays
into requests and answers into arrays.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays

HOST = "127.0.0.1"
MODEL = "model"  # the name under which every server serves the one model that it is given
NO_CONTAINERS = (
    "this version of fweval does not start containers",
    "use another launcher (`--launcher process` or `--launcher embedded`)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An artifact packed the way a server wants it."""

    model: str  # the name it is served under
    folder: Path  # what the server is pointed at
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The loopback ports of one server instance, by role: "rest", "grpc", and what else a server names."""

    by_role: Mapping[str, int]

    def __getitem__(self, role: str) -> int:
        return self.by_role[role]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one server instance may write, as the server itself sees these paths."""

    files: Path  # configuration and logs: kept as evidence
    temp: Path  # sockets and unpacked models: removed after the stop; short enough for a unix socket's path


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A server process to be: what to execute, with which environment. It is run in `Place.files`."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)  # added to a minimal environment, not to ours


class Running(Protocol):
    """A server that was launched."""

    def alive(self) -> bool:
        """Tell whether the process (or container) is still there."""
        ...

    def log_tail(self) -> str:
        """Return the last lines that the server wrote, for messages."""
        ...

    def peak_memory_bytes(self) -> int:
        """Return the largest resident memory of each of the server's present processes, summed; read before `stop`."""
        ...

    def stop(self) -> float:
        """Stop the server and all it started; return the seconds it took. A second call returns the same figure."""
        ...

    def leftovers(self) -> tuple[str, ...]:
        """Name what is still there after the stop: processes, ports, temporary folders. Empty is the proof."""
        ...


class Launcher(ABC):
    """How a server is started."""

    name: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[bool] = False  # True: what it starts is a labelled reference implementation

    @abstractmethod
    def missing(self, server: "Server") -> tuple[str, str] | None:
        """Say why this launcher cannot start that server here, as (reason, remedy); None when it can."""

    @abstractmethod
    def launch(self, server: "Server", bundle: Bundle, ports: Ports, folder: Path) -> AbstractContextManager[Running]:
        """Start the server; its logs, temporary files and sockets stay below `folder`.

        Leaving the context stops it, whatever happened, and nothing of it is left.
        """


class Wire(Protocol):
    """A connection that speaks one protocol to one model."""

    def encode(self, inputs: Mapping[str, Array]) -> Any:
        """Prepare a request; done outside the timed section only where a real client would do the same."""
        ...

    def call(self, request: Any) -> Any:
        """Send a prepared request and wait for the answer, as received. Raises `ServerError` unless it succeeded."""
        ...

    def decode(self, answer: Any) -> Arrays:
        """Turn an answer into arrays by the signature's output names and dtypes."""
        ...


class Server(ABC):
    """Something that serves an artifact over the network."""

    name: ClassVar[str]
    title: ClassVar[str]
    framework: ClassVar[str]
    format: ClassVar[str]  # the format that it takes
    launchers: ClassVar[tuple[str, ...]]
    wires: ClassVar[tuple[str, ...]] = ("rest", "grpc")
    ports: ClassVar[tuple[str, ...]]  # the roles of the ports it needs
    distributions: ClassVar[tuple[str, ...]]

    @abstractmethod
    def missing(self, launcher: str) -> tuple[str, str] | None:
        """Say why that launcher cannot start this server here, as (reason, remedy); None when it can."""

    @abstractmethod
    def bundle(self, artifact: Path, signature: Signature, folder: Path) -> Bundle:
        """Pack an artifact for this server below the empty `folder`."""

    @abstractmethod
    def command(self, bundle: Bundle, ports: Ports, place: Place, launcher: str) -> Command:
        """Describe the process that serves the bundle, and write the configuration that it reads.

        Raises `Unavailable`, in the words of `missing`, when that launcher cannot start this server here.
        """

    @abstractmethod
    def ready(self, bundle: Bundle, ports: Ports) -> bool:
        """Tell whether the model itself would answer now; False while starting, also when not yet listening.

        Raises `ServerError` when the server says that the model is not there and will not come.
        """

    def gave_up(self, log: str) -> bool:
        """Tell from the log that the model will never be ready, for a server that lives on without it."""
        return False

    @abstractmethod
    def connect(self, wire: str, bundle: Bundle, ports: Ports) -> AbstractContextManager[Wire]:
        """Open a connection over that wire ("rest" or "grpc")."""
