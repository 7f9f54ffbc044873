"""What the tests of TorchServe share: a small model, its golden answers, and a server of it by every launcher."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluator.core import registry
from evaluator.core.tensors import Arrays, read_arrays, rows
from serving.contract import Bundle, Launcher, Server, Setup
from serving.life import Service, serving
from serving.ports import free_ports
from tests.containers import launcher_or_skip
from tests.integration import served_models

SERVER: Server = registry.load("server", "torchserve")
LAUNCHERS = ("process", "container")
READY_WITHIN_S = 90.0
SIGNATURE = served_models.SIGNATURES["pytorch"]


def launcher(name: str) -> Launcher:
    """Return a launcher; skip the test where it cannot start TorchServe."""
    return launcher_or_skip(name, SERVER)


@functools.cache
def made(base: Path) -> Path:
    """Make the TorchScript model in a child, once for all tests: this process stays free of torch."""
    folder = base / "torchserve-model"
    folder.mkdir()
    served_models.make("pytorch", folder)
    return folder


def golden(folder: Path) -> Arrays:
    return read_arrays(folder / "golden.npz")


def inputs(answers: Arrays, start: int, stop: int) -> Arrays:
    return rows({"image": answers["image"], "tokens": answers["tokens"]}, start, stop)


def pack(artifact: Path, folder: Path) -> Bundle:
    """Make a bundle below the folder."""
    (folder / "bundle").mkdir(parents=True)
    return SERVER.bundle(artifact, SIGNATURE, folder / "bundle")


@contextmanager
def serve(how: Launcher, bundle: Bundle, folder: Path, **setup: Any) -> Iterator[Service]:
    """Serve a model until the end of the block; nothing of it must be left then."""
    wanted = Setup(ports=free_ports(SERVER.ports), images=SERVER.images, **setup)
    with serving(SERVER, how, bundle, wanted, folder / "run", READY_WITHIN_S) as service:
        yield service
    assert service.leftovers == ()


def ask(service: Service, wire: str, given: Arrays) -> Arrays:
    """Send one request over a connection of its own."""
    with service.server.connect(wire, service.bundle, service.ports) as connection:
        return connection.decode(connection.call(connection.encode(given)))
