"""What the tests of TF Serving's contract share: two versions of a model, and a server of them by every launcher."""

import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluator.core import registry
from evaluator.core.records import Signature, TensorSpec
from serving.contract import Batching, Bundle, Launcher, Server, Setup, Tls
from serving.life import Service, serving
from serving.ports import free_ports
from tests.containers import launcher_or_skip

HERE = Path(__file__).parent
CHILD = [sys.executable, "-P", str(HERE / "conformance_child.py")]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(HERE.parents[1]),
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
SERVER: Server = registry.load("server", "tensorflow_serving")
LAUNCHERS = ("embedded", "container", "process")
READY_WITHIN_S = 100.0
SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 2)),),
    outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 2)),),
)


def launcher(name: str) -> Launcher:
    """Return a launcher; skip the test where it cannot start TF Serving."""
    return launcher_or_skip(name, SERVER)


@functools.cache
def versions(base: Path) -> Path:
    """Save versions 1 and 2 in a child, once for all tests: this process stays free of TensorFlow."""
    folder = base / "tensorflow-versions"
    folder.mkdir()
    subprocess.run([*CHILD, "save", str(folder), "1", "2"], env=ENVIRONMENT, check=True, timeout=100)
    return folder


def pack(artifact: Path, folder: Path) -> Bundle:
    """Pack an artifact as version 1."""
    (folder / "bundle").mkdir()
    return SERVER.bundle(artifact, SIGNATURE, folder / "bundle")


@contextmanager
def serve(
    how: Launcher, bundle: Bundle, folder: Path, *, batching: Batching | None = None, tls: Tls | None = None
) -> Iterator[Service]:
    """Serve a bundle; afterwards nothing is left."""
    setup = Setup(ports=free_ports(SERVER.ports), images=SERVER.images, batching=batching, tls=tls)
    with serving(SERVER, how, bundle, setup, folder / "run", READY_WITHIN_S) as service:
        yield service
    assert service.leftovers == ()
