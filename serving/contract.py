"""What a server, a launcher, a wire and an admin are: the contracts of this package.

bundle → launch → ready → calls over the wires → stop. A server knows how its bundle and its command line look, and how
to tell that it is ready; a launcher knows how to start a command and how to leave nothing behind; a wire turns arrays
into requests and answers into arrays; an admin does what operators do to a server that runs.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays

HOST = "127.0.0.1"
SHOWN_LINES = 50  # of a log, in messages
ALL_LINES = 5_000  # that a server may write while it starts: more than any was seen to
MODEL = "model"  # the name under which every server serves the one model that it is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An artifact packed the way a server wants it."""

    model: str  # the name it is served under
    folder: Path  # what the server is pointed at
    signature: Signature
    version: int | None = None  # the version that calls ask for; None: they name none, and the server chooses


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The loopback ports of one server instance, by role: "rest", "grpc", and what else a server names."""

    by_role: Mapping[str, int]

    def __getitem__(self, role: str) -> int:
        return self.by_role[role]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """Requests that arrive close together are computed as one."""

    max_size: int  # requests
    max_delay_s: float  # how long the first of them waits for others


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """A certificate for `HOST` and its key, both as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How one instance of a server is to run."""

    ports: Ports
    images: tuple[str, ...] = ()  # container images, the first of them that this machine has is used
    batching: Batching | None = None  # None: every request is computed by itself
    tls: Tls | None = None  # None: plain text
    defaults: bool = False  # leave authentication and addresses as the server ships them: to see what they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one server instance lives, as the server itself sees it.

    The bundle's folder and `files` have the same paths inside a container as outside.
    """

    files: Path  # configuration, which we write; gone after the stop
    temp: Path  # what the server may write: sockets, unpacked models; gone after the stop; short (unix sockets)
    address: str = HOST  # what to bind: in a container all of its interfaces, of which ports are published on `HOST`


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

    def log_tail(self, lines: int = SHOWN_LINES) -> str:
        """Return the last lines that the server wrote, about so many: for messages, or to look for words of its."""
        ...

    def peak_memory_bytes(self) -> int:
        """Return the largest resident memory of each of the server's present processes, summed; read before `stop`."""
        ...

    def memory_bytes(self) -> int:
        """Return the resident memory of the server's processes now, summed."""
        ...

    def cpu_s(self) -> float | None:
        """Return the processor time that the server has had so far, with what carries its bytes; None: not known."""
        ...

    def listening(self) -> tuple[str, ...]:
        """List what the server's processes listen on, as "address:port" in their own network namespace."""
        ...

    def pause(self) -> None:
        """Freeze all of the server's processes (SIGSTOP): connections stay open, nothing is answered."""
        ...

    def resume(self) -> None:
        """Let them go on."""
        ...

    def kill(self, pid: int | None = None) -> None:
        """SIGKILL the whole server, or the one process that the server itself knows by this number."""
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
    beside_s: ClassVar[float] = 0.0  # what describing what it starts may take, beside the limit of the serving itself

    @abstractmethod
    def missing(self, server: "Server", images: Sequence[str]) -> tuple[str, str] | None:
        """Say why this launcher cannot start that server here, as (reason, remedy); None when it can."""

    @abstractmethod
    def reference(self, server: "Server", images: Sequence[str]) -> bool:
        """Tell whether what it would start is a labelled reference implementation, not the server of that name."""

    def image(self, images: Sequence[str]) -> str | None:
        """Return the container image that it would start; None when it starts none."""
        return None

    @abstractmethod
    def launch(self, server: "Server", bundle: Bundle, setup: Setup, folder: Path) -> AbstractContextManager[Running]:
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


class Admin(Protocol):
    """What an operator does to a server that runs. Everything raises `ServerError` when the server refuses."""

    def deploy(self, artifact: Path, version: int) -> None:
        """Load a further version and let it answer instead of the present one; returns when it does."""
        ...

    def roll_back(self, version: int) -> None:
        """Let an earlier version answer again; returns when it does."""
        ...

    def answering(self) -> int:
        """Return the version that answers a request which names none."""
        ...

    def workers(self) -> tuple[int, ...]:
        """Return the process ids of its workers, as the server itself sees them; empty when it has none."""
        ...

    def metrics(self) -> str:
        """Return what it tells Prometheus, as text."""
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
    images: ClassVar[tuple[str, ...]]  # container images in order of preference; a scenario may name others
    distributions: ClassVar[tuple[str, ...]]  # what bundle and connection need here, whichever launcher is taken

    @abstractmethod
    def missing(self, launcher: str) -> tuple[str, str] | None:
        """Say why that launcher cannot start this server here, as (reason, remedy); None when it can."""

    @abstractmethod
    def bundle(self, artifact: Path, signature: Signature, folder: Path) -> Bundle:
        """Pack an artifact for this server below the empty `folder`."""

    @abstractmethod
    def command(self, bundle: Bundle, setup: Setup, place: Place, launcher: str) -> Command:
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
    def healthy(self, ports: Ports) -> bool:
        """Ask what its makers tell a load balancer to ask; it may say yes although the model is not `ready`."""

    def predict_path(self, bundle: Bundle) -> str:
        """Return the path to which REST predictions are posted; `Unsupported` for a server without REST."""
        raise Unsupported(f"{self.title} takes no predictions over REST")

    def exposed_by_default(self, launcher: str) -> bool:
        """Tell from its documentation whether it would listen beyond this machine with `Setup.defaults`.

        Such a server is started with its defaults in a container only.
        """
        return True

    @abstractmethod
    def connect(self, wire: str, bundle: Bundle, ports: Ports) -> AbstractContextManager[Wire]:
        """Open a connection over one of its wires; it may be used by one thread at a time."""

    @abstractmethod
    def admin(self, bundle: Bundle, ports: Ports) -> AbstractContextManager[Admin]:
        """Open a connection for an operator."""
