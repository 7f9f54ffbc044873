"""The Docker engine of this machine: how it is reached, what it says when it refuses, and which of its things are ours.

Only an engine behind a unix socket is used. Folders are mounted and ports are published by their local names, which
mean nothing to an engine on another machine.
"""

import contextlib
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluator.children import owner
from evaluator.core.errors import Unavailable

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image
    from docker.types import Mount

OWNER = "fweval.owner"  # label: the process that made it, as `evaluator.children.owner` writes it
FOLDER = "fweval.folder"  # label: the folder of the server, which holds the names of run and step
REFERENCE = "fweval.reference"  # label of an image: "true" for a reference implementation
_DEFAULT_HOST = "unix:///var/run/docker.sock"
_ASK_S = 3  # seconds that the engine may take to answer a question about itself
_WORK_S = 60  # seconds that it may take to make, start, stop or remove something
_PAUSE_S = 120  # seconds that the download of an image may stand still
_PULL_S = 1800.0  # seconds that it may take
_LOCAL = "local"  # tag of the images that docker/ builds here; a registry could only have somebody else's
_INSTALL = (
    "install Docker Engine (https://docs.docker.com/engine/install/), start it, and set DOCKER_HOST if it is elsewhere"
)
_LONGEST = 300  # characters of what the engine said
TEMP = Path("/tmp")  # noqa: S108  # a container's own, in memory
PIDS = 1024  # processes and threads: TensorFlow starts several threads for every core
_NOBODY = 10001  # a user that hosts and images do not have


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A container or network that one of our processes made."""

    kind: str  # "container" or "network"
    id: str
    name: str
    folder: str  # of the server it belongs to
    abandoned: bool  # the process that made it has ended


@contextlib.contextmanager
def connect(timeout_s: int = _WORK_S) -> Iterator["DockerClient"]:
    """Open a connection; `Unavailable` says why there is none, or what went wrong with the engine inside the block."""
    _knock(os.environ.get("DOCKER_HOST") or _DEFAULT_HOST)
    import docker  # where nobody listens, it is not needed

    with translated(), contextlib.closing(docker.from_env(timeout=timeout_s)) as client:
        yield client


def _knock(host: str) -> None:
    """Raise `Unavailable` unless somebody listens: the library would leave its socket open."""
    if not host.startswith("unix://"):
        raise Unavailable(
            f"DOCKER_HOST is {host}: an engine on this machine is needed, behind a unix socket",
            remedy="unset DOCKER_HOST, or set it to unix:///path/to/docker.sock",
        )
    path = host.removeprefix("unix://")
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.settimeout(_ASK_S)
        try:
            visitor.connect(path)
        except PermissionError as error:
            remedy = "join the group 'docker' (https://docs.docker.com/engine/install/linux-postinstall/)"
            raise Unavailable(f"this user may not talk to the Docker engine at {path}", remedy=remedy) from error
        except OSError as error:
            raise Unavailable(f"no Docker engine answers at {path}", remedy=_INSTALL) from error


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn what the library raises into `Unavailable` with one line: the machine fails here, never what it serves."""
    from docker.errors import DockerException
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (DockerException, RequestException, HTTPError) as error:
        said = getattr(error, "explanation", None) or str(error)
        line = " ".join(str(said).split())[:_LONGEST]
        raise Unavailable(f"the Docker engine: {line}", remedy="is it still there? see `docker info`") from error


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C, SIGTERM and SIGHUP back until the end of the block.

    What the engine makes for a request that was interrupted has a name that nobody was told: it could not be removed.
    """
    if threading.current_thread() is not threading.main_thread():  # interrupts go to the main thread
        yield
        return
    held: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda sent, _: held.append(sent)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


def engine_version() -> str | None:
    """Ask the engine for its version; None when none answers. That `docker` can be imported proves nothing."""
    try:
        with connect(_ASK_S) as client:
            return str(client.version()["Version"])
    except Unavailable:
        return None


def architecture(client: "DockerClient") -> str:
    """Return the processor architecture of the engine's machine, in the words of image descriptions: "amd64"."""
    return str(client.version()["Arch"])


def find(client: "DockerClient", images: Sequence[str]) -> "Image | None":
    """Return the first of the images that is on this machine."""
    from docker.errors import ImageNotFound

    for name in images:
        with contextlib.suppress(ImageNotFound):
            return client.images.get(name)
    return None


def identity(image: "Image") -> str:
    """Return what names exactly this image: its digest in the registry it came from, or its id if it was built here."""
    return str(next(iter(image.attrs["RepoDigests"]), image.id))


def pull(name: str, tell: Callable[[str], None], limit_s: float = _PULL_S) -> str:
    """Download an image and return its digest; `tell` gets a line about it now and then. `Unavailable` says why not."""
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(name)
    if tag == _LOCAL:
        raise Unavailable(f"{name} is built, not downloaded", remedy="make images")
    deadline = time.monotonic() + limit_s
    layers: dict[str, int] = {}
    with connect(_PAUSE_S) as client:
        for event in client.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
            if "error" in event:
                raise Unavailable(f"the Docker engine: {event['error']}", remedy="is the registry within reach?")
            if event.get("status") == "Downloading":
                layers[event["id"]] = event["progressDetail"].get("current", 0)
                tell(f"container image {name}: {sum(layers.values()) / 1e6:,.0f} MB")
            if time.monotonic() > deadline:
                raise Unavailable(f"{name} was not here after {limit_s:.0f} s", remedy=f"docker pull {name}")
        return identity(client.images.get(name))


def provide(images: Sequence[str], tell: Callable[[str], None]) -> str:
    """Have one of the images on this machine: the first that is, else the first that can be pulled.

    Returns its name and what identifies it. `Unavailable` says for each image why it could not be had.
    """
    with connect() as client:
        for name in images:
            image = find(client, (name,))
            if image is not None:
                return f"{name} ({identity(image)})"
    refusals = []
    for name in images:
        try:
            return f"{name} ({pull(name, tell)})"
        except Unavailable as error:
            refusals.append(f"{name} ({error.message})")
    raise Unavailable(
        f"no container image: {'; '.join(refusals)}", remedy="build one (make images), or bring one (docker load)"
    )


def least_rights(*, memory_bytes: int, temp_bytes: int, cores: int) -> dict[str, Any]:
    """Return the options of a container that can do nothing but compute: it reads what is mounted and writes to `TEMP`.

    What lies in `TEMP` counts as memory, too. The user is our own, whose files it reads, but never root.
    """
    from docker.types import Ulimit

    return {
        "use_config_proxy": False,
        "read_only": True,
        "tmpfs": {str(TEMP): f"rw,exec,nosuid,nodev,size={temp_bytes},mode=1777"},
        "user": f"{os.getuid()}:{os.getgid()}" if os.getuid() else f"{_NOBODY}:{_NOBODY}",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": memory_bytes,
        "memswap_limit": memory_bytes,  # the sum of both: no swap
        "nano_cpus": cores * 10**9,
        "pids_limit": PIDS,
        "ulimits": [Ulimit(name="core", soft=0, hard=0)],
        # Process 1 would ignore signals that it has no handler for, and would have to bury others.
        "init": True,
        "healthcheck": {"test": ["NONE"]},  # nobody else asks while we measure
    }


def read_only(outside: Path, inside: Path) -> "Mount":
    """Return the option for a file or folder that the container sees under another path and cannot change."""
    from docker.types import Mount

    return Mount(str(inside), str(outside.absolute()), type="bind", read_only=True)


def let_read(mounted: Iterable[Path]) -> None:
    """Let a container's user read what is ours: it is another user where we are root or the engine renames users."""
    for top in mounted:
        for path in (top, *top.rglob("*")):
            now = path.stat()
            executable = stat.S_ISDIR(now.st_mode) or now.st_mode & stat.S_IXUSR
            wanted = now.st_mode | (0o555 if executable else 0o444)
            if wanted != now.st_mode and now.st_uid == os.getuid():
                path.chmod(wanted)


def labels(folder: str) -> dict[str, str]:
    """Return the labels of what this process makes for the server in that folder."""
    return {OWNER: owner.this_process(), FOLDER: folder}


def things(client: "DockerClient") -> list[Thing]:
    """List what bears our label, containers first: a network can be removed when nothing is connected to it."""
    containers = client.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True)
    networks = client.networks.list(filters={"label": OWNER})
    return [
        *(_thing("container", each.id, each.name, each.labels) for each in containers),
        *(_thing("network", each.id, each.name, each.attrs["Labels"]) for each in networks),
    ]


def _thing(kind: str, number: str | None, name: str | None, marks: Mapping[str, str]) -> Thing:
    return Thing(
        kind=kind,
        id=str(number),
        name=str(name),
        folder=marks.get(FOLDER, ""),
        abandoned=owner.is_gone(marks[OWNER]),
    )


def remove(client: "DockerClient", thing: Thing) -> None:
    """Remove it, a container with its volumes, also when it runs or is paused; what has gone already is fine."""
    from docker.errors import NotFound

    with contextlib.suppress(NotFound):
        if thing.kind == "network":
            client.networks.get(thing.id).remove()
            return
        container = client.containers.get(thing.id)
        if container.status == "paused":  # old engines refuse to remove it
            container.unpause()
        container.remove(v=True, force=True)
