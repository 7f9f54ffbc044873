"""For tests that need a container engine: skip without one, a server that is a line of Python, and what is there."""

import contextlib
import os
import socket
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from evaluator.children import engine
from evaluator.core import registry
from evaluator.core.errors import Unavailable
from evaluator.core.records import Signature
from serving.contract import HOST, Admin, Bundle, Command, Launcher, Place, Ports, Server, Setup, Wire
from serving.ports import free_ports

IMAGE = "fweval/base:bookworm"  # the small one of docker/: Debian with its Python
LISTEN = "import socket, sys, time; s = socket.create_server(('0.0.0.0', int(sys.argv[1])));"
ANSWER = f"{LISTEN} print('listening', flush=True)\nwhile True: s.accept()[0].sendall(b'yes')"


def engine_or_skip(image: str | None = None) -> None:
    """Skip unless an engine answers and has the image; with FWEVAL_REQUIRE=containers, fail instead."""
    try:
        with engine.connect() as client:
            if image is None or engine.find(client, (image,)) is not None:
                return
            lacking = f"the image {image} is not on this machine (make images)"
    except Unavailable as error:
        lacking = error.message
    _fail_or_skip(lacking)


def launcher_or_skip(name: str, server: Server) -> Launcher:
    """Return a launcher that can start the server here, or skip; one that must be able to fails instead."""
    found: Launcher = registry.load("launcher", name)
    lacking = found.missing(server, server.images)
    if lacking is None:
        return found
    if name == "container":
        _fail_or_skip(lacking[0])
    pytest.skip(f"{name}: {lacking[0]}")


def _fail_or_skip(lacking: str) -> NoReturn:
    if "containers" in os.environ.get("FWEVAL_REQUIRE", "").split(","):
        pytest.fail(f"FWEVAL_REQUIRE=containers, but {lacking}")
    pytest.skip(lacking)


class Script(Server):
    """A server that is a piece of Python, started as `python3 -c CODE PORT`; ready when it answers "yes"."""

    name = "script"
    title = "Script"
    framework = "pytorch"
    format = "torchscript"
    launchers = ("container",)
    ports = ("rest",)
    images = (IMAGE,)
    distributions = ()

    def __init__(self, code: str = ANSWER) -> None:
        self._code = code

    def missing(self, launcher: str) -> tuple[str, str] | None:
        return None

    def bundle(self, artifact: Path, signature: Signature, folder: Path) -> Bundle:
        (folder / "weights").write_text("secret")
        (folder / "weights").chmod(0o600)
        return Bundle(model="model", folder=folder, signature=signature)

    def command(self, bundle: Bundle, setup: Setup, place: Place, launcher: str) -> Command:
        (place.files / "settings").write_text(place.address)
        return Command(
            argv=("python3", "-u", "-c", self._code, str(setup.ports["rest"])), env={"MODEL": str(bundle.folder)}
        )

    def ready(self, bundle: Bundle, ports: Ports) -> bool:
        return answers(ports["rest"])

    def healthy(self, ports: Ports) -> bool:
        return answers(ports["rest"])

    def connect(self, wire: str, bundle: Bundle, ports: Ports) -> AbstractContextManager[Wire]:
        raise NotImplementedError

    def admin(self, bundle: Bundle, ports: Ports) -> AbstractContextManager[Admin]:
        raise NotImplementedError


def answers(port: int, within_s: float = 5.0) -> bool:
    """Tell whether the scripted server says yes."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=within_s) as connection:
        connection.settimeout(within_s)
        return connection.recv(3) == b"yes"
    return False


def instance(server: Script, folder: Path, images: Sequence[str] = (IMAGE,)) -> tuple[Bundle, Setup]:
    """Pack nothing for the scripted server below the folder, and choose its port."""
    (folder / "bundle").mkdir(parents=True)
    bundle = server.bundle(folder, Signature(inputs=(), outputs=()), folder / "bundle")
    return bundle, Setup(ports=free_ports(server.ports), images=tuple(images))


def present(folder: Path) -> set[str]:
    """Name everything that an evaluation in that folder could leave on this machine.

    Other people's containers come and go while tests run, so what bears the label of another folder is not counted.
    """
    with engine.connect() as client:
        ours = {thing.id for thing in engine.things(client) if Path(thing.folder).is_relative_to(folder)}
        others = {thing.id for thing in engine.things(client)} - ours
        containers = client.containers.list(all=True, ignore_removed=True)
        found = {f"container {each.id}" for each in containers if each.id not in others}
        found |= {f"network {each.id}" for each in client.networks.list() if each.id not in others}
        found |= {f"volume {each.id}" for each in client.volumes.list()}
        found |= {f"image {each.id}" for each in client.images.list(filters={"dangling": True})}
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(folder) in line or any(number in line for number in ours):
            found.add(f"process {process.pid} {line[:80]}")
    return found


def assert_nothing_left(before: set[str], folder: Path, ports: Sequence[int], within_s: float = 10.0) -> None:
    """Wait until nothing is there but what was, and the ports are free."""
    deadline = time.monotonic() + within_s
    while left := (present(folder) - before) | {f"port {port}" for port in ports if _listens(port)}:
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.1)


def _listens(port: int) -> bool:
    return any(
        connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
        for connection in psutil.net_connections("tcp")
    )
