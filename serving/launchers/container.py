"""Start a server in a container with the fewest rights that it can work with, and leave nothing of it behind.

What the server gets: its bundle and configuration read-only, under the same paths as outside; a root file system that
it cannot write to and `/tmp` in memory; a user number other than root's, no capabilities and no way to new ones; a
share of memory, processors and processes; ports on the loopback interface only; a network of its own.

That network does not translate addresses: what the server sends to other machines gets no answer. It can reach this
machine. (An "internal" network, which reaches nobody, publishes no ports: tried with Docker 20.10.)
https://docs.docker.com/engine/network/drivers/bridge/

What it costs: on the loopback interface every byte passes one more process, the engine's `docker-proxy`. A round trip
of 200 bytes took 0.13 instead of 0.05 ms; with 600 kB no difference could be told.
"""

import contextlib
import math
import os
import secrets
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluator.children import engine, processes
from evaluator.core import machine
from evaluator.core.errors import Unavailable
from serving import ports as loopback
from serving.contract import HOST, SHOWN_LINES, Bundle, Command, Launcher, Place, Ports, Running, Server, Setup
from serving.images import SBOM_S
from serving.launchers.process import GRACE_S, LOG, status_bytes

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.networks import Network

MEMORY_BYTES = 4 << 30  # BERT-base (0.4 GB of weights) several times over; what lies in /tmp counts too
TEMP_BYTES = 2 << 30  # TorchServe unpacks every version of a model there
_ENVIRONMENT = {
    **dict.fromkeys(("HOME", "TMPDIR", "TEMP"), str(engine.TEMP)),
    "USER": "fweval",  # Python would look its user's number up, which the image has no name for
    "LANG": "C.UTF-8",
}
_LOG_BYTES = 20 << 20
_NOTICED_S = 2.0  # what the engine gets to notice that a container has ended: until then it says "running"
_LOOK_EVERY_S = 0.05
_ANY = "0.0.0.0"  # noqa: S104  # of the container's own network; the engine publishes on loopback only
_IPV4_BYTES = 4
_PROXY = b"docker-proxy"  # -proto tcp -host-ip 127.0.0.1 -host-port 40001 -container-ip … -container-port 40001
_LISTEN = "0A"  # TCP_LISTEN (include/net/tcp_states.h)
_RESOLVER = "127.0.0.11:"  # the engine's own name server, which it puts into the container's network


class ContainerLauncher(Launcher):
    """Starts a server's image by the Docker engine of this machine."""

    name = "container"
    title = "container"
    beside_s = SBOM_S

    def missing(self, server: Server, images: Sequence[str]) -> tuple[str, str] | None:
        """Say that the server has no image, that no engine answers, or that no image for this processor is here."""
        if self.name not in server.launchers:
            return f"{server.title} has no launcher '{self.name}'", f"choose from: {', '.join(server.launchers)}"
        try:
            with engine.connect() as client:
                lacking = _lacking(client, images)
        except Unavailable as error:
            return error.message, error.remedy or "see `docker info`"
        return lacking or server.missing(self.name)

    def reference(self, server: Server, images: Sequence[str]) -> bool:
        """Read the label of the image."""
        with contextlib.suppress(Unavailable), engine.connect() as client:
            image = engine.find(client, images)
            return image is not None and image.labels.get(engine.REFERENCE) == "true"
        return False

    def image(self, images: Sequence[str]) -> str | None:
        """Return the first of the images that is on this machine."""
        with contextlib.suppress(Unavailable), engine.connect() as client:
            return next((name for name in images if engine.find(client, (name,)) is not None), None)
        return None

    @contextlib.contextmanager
    def launch(self, server: Server, bundle: Bundle, setup: Setup, folder: Path) -> Iterator[Running]:
        """Start the server; its log, and its configuration while it runs, lie in `folder` (made if missing)."""
        lacking = self.missing(server, setup.images)
        if lacking is not None:
            raise Unavailable(lacking[0], remedy=lacking[1])
        folder.mkdir(parents=True, exist_ok=True)
        with (
            # Removed with the container: it may hold a key.
            tempfile.TemporaryDirectory(prefix="configuration-", dir=folder, ignore_cleanup_errors=True) as files,
            engine.connect() as client,
        ):
            place = Place(files=Path(files), temp=engine.TEMP, address=_ANY)
            command = server.command(bundle, setup, place, self.name)
            mounted = _mounted(bundle, setup, folder)
            engine.let_read(mounted)
            running = ServerContainer(client, setup.ports, folder)
            try:
                made = options(command, mounted, setup.ports, folder) | {"working_dir": str(place.files.absolute())}
                running.start(str(self.image(setup.images)), made)
                yield running
            finally:
                running.stop()


def options(command: Command, mounted: Sequence[Path], ports: Ports, folder: Path) -> dict[str, Any]:
    """Return how the container is made: everything that limits it is here."""
    from docker.types import LogConfig

    return {
        **engine.least_rights(memory_bytes=MEMORY_BYTES, temp_bytes=TEMP_BYTES, cores=machine.cores()),
        "entrypoint": list(command.argv[:1]),
        "command": list(command.argv[1:]),
        "environment": {**_ENVIRONMENT, **command.env},
        "mounts": [engine.read_only(path, path) for path in mounted],
        "stop_signal": "SIGTERM",
        "ports": {f"{port}/tcp": (HOST, port) for port in ports.by_role.values()},
        "labels": engine.labels(str(folder.absolute())),
        "log_config": LogConfig(type="json-file", config={"max-size": str(_LOG_BYTES), "max-file": "2"}),
    }


class ServerContainer:
    """A server in a container, with a network of its own."""

    def __init__(self, client: "DockerClient", ports: Ports, folder: Path) -> None:
        self._client = client
        self._ports = ports
        self._folder = folder.absolute()
        self._name = f"fweval-{secrets.token_hex(6)}"
        self._network: Network | None = None
        self._container: Container | None = None
        self._stop_s: float | None = None
        self._cpu_s = processes.CpuSeconds(lambda: (*self._members(), *self._carriers()))

    def start(self, image: str, options: dict[str, Any]) -> None:
        """Make network and container and start it; whatever was made when this raises is removed by `stop`."""
        with engine.translated(), engine.uninterrupted():
            self._network = self._client.networks.create(
                self._name,
                driver="bridge",
                options={"com.docker.network.bridge.enable_ip_masquerade": "false"},
                labels=options["labels"],
            )
            self._container = self._client.containers.create(image, name=self._name, network=self._name, **options)
            self._container.start()
        deadline = time.monotonic() + _NOTICED_S
        while not self._members() and self.alive():
            if time.monotonic() > deadline:
                raise Unavailable(
                    "the processes of containers cannot be seen from here",
                    remedy="the Docker engine must run on this machine, in no virtual machine and with control groups",
                )
            time.sleep(_LOOK_EVERY_S)

    def alive(self) -> bool:
        """Ask the engine."""
        return self._status() in {"running", "paused"}

    def _status(self) -> str | None:
        """Return the state of the container in the engine's words; None when there is none (any more)."""
        from docker.errors import NotFound

        if self._container is None:
            return None
        with engine.translated():
            try:
                self._container.reload()
            except NotFound:
                return None
            return str(self._container.status)

    def log_tail(self, lines: int = SHOWN_LINES) -> str:
        """Return the last lines that the server wrote, and how its container ended."""
        with engine.translated():
            if self._container is not None and self._stop_s is None:
                said = self._container.logs(tail=lines).decode(errors="replace")
                return f"{said}{self._ending()}".strip()
        written = (self._folder / LOG).read_text(errors="replace").splitlines()
        return "\n".join(written[-lines:]).strip()

    def _ending(self) -> str:
        """Say in a line how the container ended; nothing while it runs."""
        if self._container is None or self.alive():
            return ""
        state = self._container.attrs["State"]
        cause = f"; its memory limit is {MEMORY_BYTES >> 30} GiB, which it reached" if state["OOMKilled"] else ""
        return f"fweval: the container ended with exit code {state['ExitCode']}{cause}\n"

    def peak_memory_bytes(self) -> int:
        """Sum the kernel's high-water marks of all processes, as for a server without a container.

        The control group's own figure would count the files that were read as well.
        """
        return sum(status_bytes(pid, "VmHWM") for pid in self._members())

    def memory_bytes(self) -> int:
        """Sum the resident memory of all processes."""
        return sum(status_bytes(pid, "VmRSS") for pid in self._members())

    def cpu_s(self) -> float | None:
        """Read the clocks of the container's processes, and of those of the engine that carry bytes to and from it."""
        return self._cpu_s()

    def listening(self) -> tuple[str, ...]:
        """Read the listening sockets of the container's network."""
        found: set[str] = set()
        for pid in self._members()[:1]:  # they share one network
            for table in ("tcp", "tcp6"):
                with contextlib.suppress(OSError):  # it ended; or no IPv6 here
                    found.update(listeners(Path(f"/proc/{pid}/net/{table}").read_text()))
        return tuple(sorted(found))

    def pause(self) -> None:
        """Freeze the container's control group."""
        if self._container is not None:
            with engine.translated():
                self._container.pause()

    def resume(self) -> None:
        """Let it go on."""
        if self._container is not None and self._status() == "paused":
            with engine.translated():
                self._container.unpause()

    def kill(self, pid: int | None = None) -> None:
        """Kill the container, or the process that bears this number inside; a number of none is let be.

        No program in the image and no root is needed: the processes are this machine's too, and their user is ours.
        """
        if pid is None:
            if self._container is not None and self.alive():
                with engine.translated():
                    self._container.kill("SIGKILL")
            return
        for outside in self._members():
            if _inner(outside) == pid:
                try:
                    os.kill(outside, signal.SIGKILL)
                except ProcessLookupError:
                    return
                except PermissionError as error:
                    remedy = "the engine must not rename users (rootless, userns-remap)"
                    raise Unavailable(f"process {pid} of the container is another user's", remedy=remedy) from error

    def stop(self) -> float:
        """Ask the server to end (SIGTERM), give it time, let the engine kill it; keep its log, remove everything."""
        if self._stop_s is None:
            begin = time.monotonic()
            with engine.uninterrupted():
                try:
                    self._end()
                    self._stop_s = time.monotonic() - begin
                    self._keep_log()
                finally:
                    self._remove()
        return self._stop_s

    def _end(self) -> None:
        self.resume()  # the signal would wait for it
        if self._container is not None and self.alive():
            with engine.translated():
                self._container.stop(timeout=math.ceil(GRACE_S))

    def _keep_log(self) -> None:
        from docker.errors import NotFound

        with engine.translated(), (self._folder / LOG).open("wb") as file:
            if self._container is not None:
                with contextlib.suppress(NotFound):  # somebody else removed it
                    for piece in self._container.logs(stream=True):
                        file.write(piece)
                file.write(self._ending().encode())

    def _remove(self) -> None:
        from docker.errors import NotFound

        with engine.translated():
            if self._container is not None:
                with contextlib.suppress(NotFound):
                    self._container.remove(v=True, force=True)
            if self._network is not None:
                with contextlib.suppress(NotFound):
                    self._network.remove()

    def leftovers(self) -> tuple[str, ...]:
        """Look for the container, its volumes, its network, and ports that still listen."""
        mounts = self._container.attrs.get("Mounts", ()) if self._container is not None else ()
        volumes = {mount["Name"] for mount in mounts if mount["Type"] == "volume"}
        with engine.connect() as client:  # that of the start was closed with its context
            found = [
                f"container {each.name}" for each in client.containers.list(all=True, filters={"name": self._name})
            ]
            found += [f"network {each.name}" for each in client.networks.list(names=[self._name])]
            found += [f"volume {each.name}" for each in client.volumes.list() if each.name in volumes]
        found += [f"port {port} ({role})" for role, port in self._ports.by_role.items() if loopback.in_use(port)]
        return tuple(found)

    def _carriers(self) -> Iterator[int]:
        """Yield the engine's `docker-proxy` processes of our ports, which are no part of the container."""
        ports = {str(port).encode() for port in self._ports.by_role.values()}
        for told in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = told.read_bytes().split(b"\0")
                if words[0].endswith(_PROXY) and ports & set(words):
                    yield int(told.parent.name)

    def _members(self) -> list[int]:
        """List the container's processes as this machine numbers them: the name of their control group holds its id."""
        if self._container is None:
            return []
        found = []
        for groups in Path("/proc").glob("[0-9]*/cgroup"):
            with contextlib.suppress(OSError):
                if str(self._container.id) in groups.read_text():
                    found.append(int(groups.parent.name))
        return sorted(found)


def listeners(table: str) -> Iterator[str]:
    """Yield "address:port" for every listening line of /proc/net/tcp or tcp6, without the engine's name server.

    Addresses are words of 32 bits in the processor's byte order, https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html
    """
    for line in table.splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        words, _, port = local.partition(":")
        packed = b"".join(int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8))
        family = socket.AF_INET if len(packed) == _IPV4_BYTES else socket.AF_INET6
        listener = f"{socket.inet_ntop(family, packed)}:{int(port, 16)}"
        if state == _LISTEN and not listener.startswith(_RESOLVER):
            yield listener


def _lacking(client: "DockerClient", images: Sequence[str]) -> tuple[str, str] | None:
    if not images:
        return "no container image is named", "name one in the scenario's [serve.images]"
    image = engine.find(client, images)
    if image is None:
        return f"none of the images {', '.join(images)} is on this machine", "fweval fetch, or make images"
    needed, theirs = engine.architecture(client), image.attrs["Architecture"]
    if theirs != needed:
        return f"the image {image.tags[0]} is for {theirs}, this machine is {needed}", f"get the image for {needed}"
    return None


def _mounted(bundle: Bundle, setup: Setup, folder: Path) -> list[Path]:
    """List what the server must see: its model, its configuration, its certificate."""
    pair = () if setup.tls is None else (setup.tls.certificate, setup.tls.key)
    return sorted({path.absolute() for path in (bundle.folder, folder, *pair)})


def _inner(pid: int) -> int | None:
    """Return the number that a process has in its innermost namespace."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return None


plugin = ContainerLauncher()
