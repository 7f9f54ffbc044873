"""A server that exists in this process only and does what a test tells it: no sockets, no waiting, exact numbers."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Array, Arrays
from serving.contract import SHOWN_LINES, Bundle, Command, Launcher, Place, Ports, Running, Server, Setup
from serving.errors import ServerError
from serving.probing import Field

SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 2)),),
    outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 2)),),
)
X = np.array([[1.0, 2.0]], np.float32)


class ScriptedRunning:
    """What was launched; tests read and change its attributes."""

    def __init__(self, setup: Setup, bundle: Bundle) -> None:
        self.setup = setup
        self.bundle = bundle
        self.is_alive = True
        self.killed: list[int | None] = []
        self.version = 1
        self.workers: tuple[int, ...] = ()
        self.memory: Callable[[], int] = lambda: 1 << 20
        self.sockets: tuple[str, ...] = ("127.0.0.1:1",)
        self.calls = 0
        self.left: tuple[str, ...] = ()

    def alive(self) -> bool:
        return self.is_alive

    def log_tail(self, lines: int = SHOWN_LINES) -> str:
        return "the end of the log"

    def peak_memory_bytes(self) -> int:
        return self.memory()

    def memory_bytes(self) -> int:
        return self.memory()

    def cpu_s(self) -> float | None:
        return None

    def listening(self) -> tuple[str, ...]:
        return self.sockets

    def pause(self) -> None:
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def kill(self, pid: int | None = None) -> None:
        self.killed.append(pid)
        self.is_alive = self.is_alive and pid is not None

    def stop(self) -> float:
        self.is_alive = False
        return 0.25

    def leftovers(self) -> tuple[str, ...]:
        return self.left


class ScriptedWire:
    """Doubles `x`; an input that the signature does not allow is refused."""

    def __init__(self, server: "ScriptedServer", running: ScriptedRunning, bundle: Bundle) -> None:
        self._server = server
        self._running = running
        self._bundle = bundle

    def encode(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return dict(inputs)

    def call(self, request: dict[str, Array]) -> Arrays:
        if not self._running.is_alive:
            raise ServerError("UNAVAILABLE", "nobody listens")
        self._running.calls += 1
        return self._server.answer(self._running, self._bundle, request)

    def decode(self, answer: Arrays) -> Arrays:
        return answer


class ScriptedAdmin:
    """Changes the version that answers."""

    def __init__(self, running: ScriptedRunning) -> None:
        self._running = running

    def deploy(self, artifact: Path, version: int) -> None:
        self._running.version = version

    def roll_back(self, version: int) -> None:
        self._running.version = version

    def answering(self) -> int:
        return self._running.version

    def workers(self) -> tuple[int, ...]:
        return tuple(pid for pid in self._running.workers if pid not in self._running.killed)

    def metrics(self) -> str:
        return f"# TYPE calls counter\ncalls_total {self._running.calls}\n"


class ScriptedServer(Server):
    """Over gRPC only, so that nothing needs a socket; tests replace methods of their own subclasses."""

    name = "scripted"
    title = "Scripted"
    framework = "pytorch"
    format = "torchscript"
    launchers = ("process",)
    wires = ("grpc",)
    ports = ("grpc",)
    images = ()
    distributions = ()

    def __init__(self) -> None:
        self.launched: list[ScriptedRunning] = []

    @property
    def last(self) -> ScriptedRunning:
        return self.launched[-1]

    def missing(self, launcher: str) -> tuple[str, str] | None:
        return None

    def bundle(self, artifact: Path, signature: Signature, folder: Path) -> Bundle:
        return Bundle(model="model", folder=folder, signature=signature)

    def command(self, bundle: Bundle, setup: Setup, place: Place, launcher: str) -> Command:
        raise NotImplementedError

    def ready(self, bundle: Bundle, ports: Ports) -> bool:
        return self.last.is_alive

    def healthy(self, ports: Ports) -> bool:
        return self.last.is_alive

    def exposed_by_default(self, launcher: str) -> bool:
        return False

    @contextlib.contextmanager
    def connect(self, wire: str, bundle: Bundle, ports: Ports) -> Iterator[ScriptedWire]:
        yield ScriptedWire(self, self.last, bundle)

    @contextlib.contextmanager
    def admin(self, bundle: Bundle, ports: Ports) -> Iterator[ScriptedAdmin]:
        yield self.operator()

    def operator(self) -> ScriptedAdmin:
        return ScriptedAdmin(self.last)

    def answer(self, running: ScriptedRunning, bundle: Bundle, request: dict[str, Array]) -> Arrays:
        if bundle.model != "model" or bundle.version is not None:
            raise ServerError("NOT_FOUND", "no such model")
        x = request.get("x")
        if x is None or x.shape[1:] != (2,) or x.dtype != np.float32:
            raise ServerError("INVALID_ARGUMENT", "not what the signature says")
        return {"y": np.multiply(x, 2)}


class ScriptedLauncher(Launcher):
    """Launches nothing."""

    name = "process"
    title = "scripted"

    def __init__(self, prepare: Callable[[ScriptedRunning], Any] = lambda running: None) -> None:
        self.prepare = prepare
        self.contained = False

    def missing(self, server: Server, images: Sequence[str]) -> tuple[str, str] | None:
        return None

    def reference(self, server: Server, images: Sequence[str]) -> bool:
        return False

    def image(self, images: Sequence[str]) -> str | None:
        return "scripted:latest" if self.contained else None

    @contextlib.contextmanager
    def launch(self, server: Server, bundle: Bundle, setup: Setup, folder: Path) -> Iterator[Running]:
        assert isinstance(server, ScriptedServer)
        running = ScriptedRunning(setup, bundle)
        self.prepare(running)
        server.launched.append(running)
        try:
            yield running
        finally:
            running.stop()


def field(
    server: ScriptedServer, folder: Path, prepare: Callable[[ScriptedRunning], Any] = lambda running: None
) -> Field:
    """Return a field whose phases under load last a tenth of a second."""
    artifact = folder / "artifact.pt"
    artifact.write_bytes(b"0123456789")
    return Field(
        server=server,
        launcher=ScriptedLauncher(prepare),
        artifact=artifact,
        signature=SIGNATURE,
        inputs={"x": X},
        expected={"y": 2 * X},
        folder=folder / "field",
        seconds=0.1,
        ready_within_s=0.3,
    )
