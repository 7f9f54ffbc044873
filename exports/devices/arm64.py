"""ARM64 beside another processor: a runtime's own build for ARM64, in a container that emulates one (QEMU's user mode).

What it computes is what an ARM64 computes, kernels included; how long it takes says nothing. On an ARM64 machine the
same container runs without the emulator. It sees the artifact, the runtimes and fweval's code, read-only; it has no
network, and what it is asked comes over its standard input, so that it ends with us however we end.
Documentation: https://www.qemu.org/docs/master/user/main.html
"""

import platform
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

import evaluator
import exports
from evaluator.children import engine, environments
from evaluator.core import machine
from evaluator.core.causes import wants_memory
from evaluator.core.errors import Unavailable, Unsupported
from evaluator.core.records import Machine, Metrics, Signature
from evaluator.core.tensors import Array, Arrays
from exports.contract import Device, Runtime, Session
from exports.devices import _far_end as far_end
from exports.parts import mounts

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

IMAGE = "fweval/arm64:local"
_ENVIRONMENT = "arm64"
MEMORY_BYTES = 4 << 30  # BERT-base (0.4 GB of weights) several times over
_TEMP_BYTES = 64 << 20
_EMULATOR = "/usr/bin/qemu-aarch64-static"
_PYTHON = "/usr/bin/python3.11"
_PACKAGES, _CODE, _ARTIFACT = Path("/packages"), Path("/fweval"), Path("/artifact")
_STREAMS = ("stdin", "stdout", "stderr", "stream")
_TAIL_BYTES = 20_000
_CRASHED = "qemu: uncaught target signal"
_RAISED = "Traceback (most recent call last)"
_BEING_REMOVED = 409  # HTTP status


class Arm64(Device):
    """The other instruction set that models are deployed on."""

    name = "arm64"
    title = "ARM64"
    beside = "cpu"
    environment = _ENVIRONMENT
    slow = True
    time_factor = 4.0  # seconds for each example of a large model

    @property
    def variables(self) -> Mapping[str, str]:
        """Hide the GPUs from the process on this side."""
        return {"CUDA_VISIBLE_DEVICES": "-1"}

    def lacking(self) -> tuple[str, str] | None:
        """Look for the environment, the engine and the image."""
        return lacking()

    def describe(self, machine: Machine) -> str:
        """Say where it computes."""
        return "in a container, emulated unless this machine is one"

    def load(
        self, runtime: Runtime, artifact: Path, signature: Signature, *, threads: int
    ) -> AbstractContextManager[Session]:
        """Load it in the runtime's ARM64 build."""
        return session(runtime, artifact, signature, threads)


def emulated() -> bool:
    """Tell whether this machine has another processor."""
    return platform.machine() != "aarch64"


def lacking() -> tuple[str, str] | None:
    """Say why no ARM64 can be had here, as (reason, remedy)."""
    not_made = environments.lacking(_ENVIRONMENT)
    if not_made is not None:
        return not_made
    try:
        with engine.connect() as client:
            if engine.find(client, (IMAGE,)) is None:
                return f"the image {IMAGE} is not on this machine", "make images"
    except Unavailable as error:
        return error.message, error.remedy or "see `docker info`"
    return None


@contextmanager
def session(runtime: Runtime, artifact: Path, signature: Signature, threads: int) -> Iterator["FarSession"]:
    """Load an artifact in the runtime's ARM64 build; the container is gone when the context is left.

    Raises `Unavailable` without engine, image or environment, and when it dies under the emulator; `Unsupported` in the
    runtime's words when it refuses the artifact; `RuntimeError` for all else that goes wrong inside.
    """
    why = lacking()
    if why is not None:
        raise Unavailable(why[0], remedy=why[1])
    whole = {outside: _ARTIFACT / inside for outside, inside in mounts(artifact, runtime.formats).items()}
    engine.let_read(whole)
    inside = str(_ARTIFACT / artifact.name)
    task = far_end.Task(runtime=runtime.name, artifact=inside, signature=signature, threads=threads)
    options = _options(whole, threads)
    with engine.connect() as client, _container(client, options) as container, _Line(container) as line:
        line.send(far_end.TASK, msgspec.json.encode(task))
        yield FarSession(line)


class FarSession:
    """An artifact, loaded in the container."""

    def __init__(self, line: "_Line") -> None:
        self._line = line
        self.facts: Metrics = {"emulated": emulated(), "runtime_version": line.receive().decode()}

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Send a batch and return what comes back."""
        self._line.send(far_end.ARRAYS, far_end.packed(inputs))
        return far_end.unpacked(self._line.receive())


class _Line:
    """Standard input and output of a container, which is started with it."""

    def __init__(self, container: "Container") -> None:
        self._container = container
        self._output = bytearray()
        self._errors = bytearray()

    def __enter__(self) -> Self:
        from docker.utils.socket import frames_iter_no_tty

        api: Any = self._container.client.api  # type: ignore[union-attr]
        self._stream = api.attach_socket(self._container.id, params=dict.fromkeys(_STREAMS, 1))
        self._socket = self._stream._sock  # noqa: SLF001  # it has no public name, and the stream can only read
        self._socket.settimeout(None)  # a step has a limit of its own
        self._container.start()
        self._frames: Iterator[Any] = frames_iter_no_tty(self._stream)  # the engine sends both outputs mixed
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()  # the stream only lets go of it

    def send(self, letter: bytes, content: bytes) -> None:
        """Send a message."""
        try:
            self._socket.sendall(far_end.message(letter, content))
        except OSError as error:
            raise self._ended() from error

    def receive(self) -> bytes:
        """Wait for a message and return its content; one about a failure is raised."""
        received = far_end.receive(self._read)
        if received is None:
            raise self._ended()
        letter, content = received
        if letter == far_end.REFUSED:
            raise Unsupported(content.decode())
        if letter == far_end.FAILED:
            raise RuntimeError(content.decode())
        return content

    def _read(self, size: int) -> bytes:
        """Return that many bytes of the standard output, fewer when it has ended."""
        while len(self._output) < size and self._next_frame():
            pass
        taken = bytes(self._output[:size])
        del self._output[:size]
        return taken

    def _next_frame(self) -> bool:
        """Take in what the engine sends next; False when there is nothing more."""
        from docker.utils.socket import STDOUT

        kind, content = next(self._frames, (STDOUT, b""))
        if kind == STDOUT:
            self._output += content
        else:
            self._errors = (self._errors + content)[-_TAIL_BYTES:]
        return bool(content)

    def _ended(self) -> Exception:
        """Say why the process in the container has ended, which it does when it is told to only."""
        with suppress(OSError):
            while self._next_frame():
                pass
        said = self._errors.decode(errors="replace").strip()
        last = said.rpartition("\n")[2].strip()
        if _CRASHED in said:
            reason = f"the runtime died under the emulator, which tells nothing of a real ARM64: {last}"
            return Unavailable(reason, remedy="run this on an ARM64 machine")
        if _RAISED in said and not wants_memory(last):
            return RuntimeError(last)
        reason = f"it was killed, most likely at its memory limit of {MEMORY_BYTES >> 30} GiB; it had written: {last}"
        return Unavailable(reason, remedy="take a smaller model, or run this on an ARM64 machine")


@contextmanager
def _container(client: "DockerClient", options: dict[str, Any]) -> Iterator["Container"]:
    """Make a container that has not been started, and remove it in the end, whatever became of it."""
    from docker.errors import APIError, NotFound

    with engine.uninterrupted():
        made = client.containers.create(IMAGE, **options)
    try:
        yield made
    finally:
        with engine.uninterrupted(), suppress(NotFound):
            try:
                made.remove(v=True, force=True)
            except APIError as error:
                if error.status_code != _BEING_REMOVED:
                    raise
                made.wait(condition="removed")


def _options(artifact: Mapping[Path, Path], threads: int) -> dict[str, Any]:
    """Return how the container is made: all that it may do is here."""
    from docker.types import LogConfig

    packages = Path(environments.variables(_ENVIRONMENT)[environments.VARIABLE])
    code = {Path(str(package.__file__)).parent: _CODE / package.__name__ for package in (evaluator, exports)}
    mounted = {**artifact, packages: _PACKAGES, **code}
    command = [_PYTHON, "-P", "-m", "exports.devices._far_end"]
    return {
        **engine.least_rights(memory_bytes=MEMORY_BYTES, temp_bytes=_TEMP_BYTES, cores=threads),
        "entrypoint": [_EMULATOR, *command] if emulated() else command,
        "environment": {
            "HOME": str(engine.TEMP),
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"{_CODE}:{_PACKAGES}",
            "PYTHONDONTWRITEBYTECODE": "1",
            **machine.thread_environment(threads),
        },
        "working_dir": "/",
        "mounts": [engine.read_only(outside, where) for outside, where in mounted.items()],
        "network_mode": "none",
        "stdin_open": True,  # closed when we have gone: the process ends, and the engine removes the container
        "auto_remove": True,
        "labels": engine.labels(str(Path.cwd())),
        "log_config": LogConfig(type="none"),  # outputs are the answers
    }


plugin = Arm64()
