"""The least memory that a process works with: tried in containers whose limit the kernel enforces by killing.

Each try is a fresh process that loads and answers once. Its limit counts what it allocates, and the programs, libraries
and models that are mapped into its memory, which the kernel may drop and read again. They are dropped before every try,
because what another process has read is not counted. A process that has to read so much again that it takes several
times as long does not work: on a device it would stand still.
"""

import contextlib
import importlib
import os
import secrets
import shutil
import site
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from evaluator.children import engine
from evaluator.core import files, machine, registry
from evaluator.core.errors import FwevalError, Unavailable
from evaluator.core.records import Record
from evaluator.measure.bisection import least
from evaluator.stages._fresh import FreshProcess
from exports.devices._once import Job, Told
from exports.parts import mounts
from exports.sizes import files_below

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

IMAGES = ("fweval/base:bookworm",)
_PYTHON = (3, 11)  # of the image
RESOLUTION = 0.05  # of the floor
_OURS = ("evaluator", "exports")  # the packages that `exports.devices._once` is made of
_INSIDE = Path("/fweval")
_TEMP_BYTES = 16 << 20
_SLOWEST = 4.0  # times as long as without a limit
_STARTS_S = 2.0  # that the engine may take to start a container
_KILLED = 137  # the exit code after SIGKILL

Ending = Literal["answered", "killed", "too slow"]


class Try(Record, frozen=True, kw_only=True):
    """One process under one limit."""

    limit_bytes: int
    ending: Ending
    seconds: float


class Floor(Record, frozen=True, kw_only=True):
    """The least memory that sufficed, None when none did, and every try."""

    least_bytes: int | None
    tries: tuple[Try, ...]


class Bench:
    """Where jobs are tried: an engine, an image, and what its containers see."""

    def __init__(self, client: "DockerClient", folder: Path, most_bytes: int) -> None:
        """Take an empty folder for the jobs, and the highest limit to try."""
        image = engine.find(client, IMAGES)
        if image is None:
            raise Unavailable(f"the image {IMAGES[0]} is not on this machine", remedy="make images")
        if sys.version_info[:2] != _PYTHON:
            ours, theirs = (".".join(map(str, version)) for version in (sys.version_info[:2], _PYTHON))
            raise Unavailable(
                f"the packages here are for Python {ours}, the image's Python is {theirs}",
                remedy=f"run fweval with Python {theirs}",
            )
        self._client = client
        self._image = image
        self._folder = folder
        self._most_bytes = most_bytes

    def floor(self, job: Job, free: FreshProcess, most_bytes: int | None = None) -> Floor:
        """Find the floor of a job, whose paths are those of this machine; `free` is how it was done without a limit.

        `most_bytes` is the highest limit to try, where one is known that must do.
        Raises `Unavailable` when the engine fails, `FwevalError` when the process does for another reason than memory.
        """
        mounts = self._prepare(job)
        mapped = [Path(name) for name in free.told.mapped] + _artifact(job)
        patience = _STARTS_S + _SLOWEST * free.seconds
        tries: list[Try] = []

        def suffices(limit: int) -> bool:
            _forget(mapped)
            tried, answer = self._try(mounts, limit, patience)
            tries.append(tried)
            return answer is not None

        low = free.told.held_bytes * 9 // 10  # the image's Python may take a little less than ours
        found = least(suffices, low, most_bytes or self._most_bytes, resolution=RESOLUTION)
        return Floor(least_bytes=found, tries=tuple(tries))

    def _prepare(self, job: Job) -> list[Any]:
        """Write the job as a container sees it; return what must be mounted for it."""
        place = self._folder / secrets.token_hex(4)
        place.mkdir(parents=True)
        seen = {_INSIDE / "packages" / name: _package(name) for name in _OURS}
        seen |= {path: path for path in _site_packages()}
        question = job.question
        if question is not None:
            artifact, inputs = Path(question.artifact), Path(question.inputs)
            inside = _INSIDE / "artifact" / artifact.name
            whole = mounts(artifact, registry.load("runtime", job.runtime).formats)
            engine.let_read(whole)
            seen |= {inside.parent / name: path for path, name in whole.items()}
            shutil.copy(inputs, place / "inputs.npz")
            question = msgspec.structs.replace(
                question, artifact=str(inside), inputs=str(_INSIDE / "job" / "inputs.npz")
            )
        files.write_text(place / "job.json", msgspec.json.encode(msgspec.structs.replace(job, question=question)))
        engine.let_read([place])
        seen[_INSIDE / "job"] = place
        return [engine.read_only(outside, inside) for inside, outside in seen.items()]

    def _try(self, mounts: list[Any], limit: int, patience_s: float) -> tuple[Try, Told | None]:
        """Let one process answer under a limit; no answer when the limit was too low."""
        begin = time.monotonic()
        with self._started(mounts, limit) as container:
            code = _ended(container, patience_s)
            seconds = time.monotonic() - begin
            ending: Ending = "answered" if code == 0 else "too slow"
            if code:
                container.reload()
                if code != _KILLED and not container.attrs["State"]["OOMKilled"]:
                    said = container.logs(stdout=False, tail=5).decode(errors="replace").split("\n")
                    raise FwevalError(f"in a container it failed: {' '.join(' '.join(said).split())}")
                ending = "killed"
            tried = Try(limit_bytes=limit, ending=ending, seconds=seconds)
            if code != 0:
                return tried, None
            return tried, msgspec.json.decode(container.logs(stderr=False), type=Told)

    @contextlib.contextmanager
    def _started(self, mounts: list[Any], limit: int) -> Iterator["Container"]:
        container = None
        search = (str(_INSIDE / "packages"), *map(str, _site_packages()))
        with engine.translated():
            try:
                with engine.uninterrupted():
                    container = self._client.containers.create(
                        self._image,
                        ["python3", "-P", "-m", "exports.devices._once", str(_INSIDE / "job" / "job.json")],
                        environment={
                            **machine.thread_environment(1),
                            "HOME": str(engine.TEMP),
                            "USER": "fweval",
                            "PYTHONPATH": os.pathsep.join(search),
                            "PYTHONDONTWRITEBYTECODE": "1",
                        },
                        network_mode="none",
                        mounts=mounts,
                        labels=engine.labels(str(self._folder.absolute())),
                        **engine.least_rights(memory_bytes=limit, temp_bytes=_TEMP_BYTES, cores=1),
                    )
                container.start()
                yield container
            finally:
                if container is not None:
                    with engine.uninterrupted():
                        container.remove(v=True, force=True)


def _ended(container: "Container", patience_s: float) -> int | None:
    """Wait for a container's end and return its exit code; None when that took too long."""
    from requests import ConnectionError as Broken
    from requests import Timeout

    try:
        return int(container.wait(timeout=patience_s)["StatusCode"])
    except (Broken, Timeout):  # the library's ways to say that the wait was cut short
        return None


def _site_packages() -> list[Path]:
    """Return where this process imports installed packages from, an environment of its own first."""
    places = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), *site.getsitepackages()]
    return [path for path in dict.fromkeys(Path(place) for place in places if place) if path.is_dir()]


def _package(name: str) -> Path:
    return Path(str(importlib.import_module(name).__file__)).parent


def _artifact(job: Job) -> list[Path]:
    if job.question is None:
        return []
    whole = mounts(Path(job.question.artifact), registry.load("runtime", job.runtime).formats)
    return [file for path in whole for file in files_below(path)]


def _forget(mapped: Iterable[Path]) -> None:
    """Ask the kernel to drop what it keeps of files: the next process to read them has them on its account."""
    for path in mapped:
        with contextlib.suppress(OSError):  # the container's own, which is not here
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
