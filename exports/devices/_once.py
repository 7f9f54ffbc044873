"""A fresh process that answers once: loads one artifact in one runtime, computes one row, and tells what it took.

`python -P -m exports.devices._once JOB [--turns=SOCKET]`: JOB is a JSON file that holds a `Job`; what it took is the
one line on stdout, a `Told`; SOCKET is the number of the one over which it is asked for its turns. It imports no more
than it must, because its memory and its start are what is measured; it works in a container that holds nothing but
packages, the artifact and the job.
"""

import importlib
import os
import re
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from evaluator.core import registry
from evaluator.core.records import Metrics, Record, Sampling, Signature
from evaluator.core.tensors import read_arrays, rows
from evaluator.core.turns import Track
from evaluator.measure.resources import peak_bytes, status_bytes
from exports.contract import Runtime

_LIBRARY = re.compile(r"\.(so|dylib|dll|pyd)(\.\d+)*$")
# What this program needs and the runtime does not; setuptools hooks itself into every Python that has it.
_OURS = frozenset({"fweval", "msgspec", "psutil", "setuptools"})


class Question(Record, frozen=True, kw_only=True):
    """An artifact and what it is asked: the rows of an .npz file, one after the other."""

    artifact: str
    signature: Signature
    inputs: str
    threads: int = 1
    sampling: Sampling | None = None  # of the warm calls after the first one; None: there are none
    track: Track | None = None  # as what they are measured in turns
    folder: str = ""  # that takes their samples and blocks


class Job(Record, frozen=True, kw_only=True):
    """What to do. Without a question the runtime is imported, and nothing more."""

    runtime: str
    question: Question | None = None
    packages: bool = False  # whether to look up what was imported, which takes a while


class Told(Record, frozen=True, kw_only=True):
    """What it took. Moments are of `time.monotonic`, which all processes of a machine share."""

    imported_at: float
    answered_at: float | None = None
    load_s: float | None = None
    first_call_s: float | None = None
    peak_rss_bytes: int
    held_bytes: int  # that no file could bring back, when it had answered: no limit below it can do
    latency: tuple[float, ...] = ()  # of what is counted: quiet blocks, where there are any
    queries: int = 0  # of all blocks
    capped: bool = False
    turns: Metrics = msgspec.field(default_factory=dict)  # what the blocks say of the machine
    slept_s: float = 0.0  # while others were asked
    packages: dict[str, int] = msgspec.field(
        default_factory=dict
    )  # distribution that was imported -> its bytes on disk
    native: dict[str, int] = msgspec.field(default_factory=dict)  # library of the runtime's own -> its bytes on disk
    mapped: tuple[str, ...] = ()  # files that were mapped into its memory


def main(argv: list[str]) -> int:
    """Do the job in the file `argv[0]`; whatever libraries write to stdout goes to stderr."""
    answer = os.dup(1)
    os.dup2(2, 1)
    job = msgspec.json.decode(Path(argv[0]).read_bytes(), type=Job)
    runtime: Runtime = registry.load("runtime", job.runtime)
    importlib.import_module(runtime.module)
    imported = time.monotonic()
    took = {"held_bytes": _held()} if job.question is None else _answer(runtime, job.question, argv[1:])
    told = Told(
        imported_at=imported,
        peak_rss_bytes=peak_bytes(),
        packages=packages() if job.packages else {},
        native=native(runtime.module) if job.packages else {},
        mapped=_mapped(),
        **took,
    )
    os.write(answer, msgspec.json.encode(told) + b"\n")
    return 0


def _answer(runtime: Runtime, question: Question, argv: list[str]) -> dict[str, Any]:
    """Load and compute; returns fields of `Told`."""
    inputs = read_arrays(Path(question.inputs))
    pool = [rows(inputs, index, index + 1) for index in range(len(next(iter(inputs.values()))))]
    begin = time.monotonic()
    place, signature = Path(question.artifact), question.signature
    with runtime.load(place, signature, device="cpu", threads=question.threads) as session:
        loaded = time.monotonic()
        session(pool[0])
        answered = time.monotonic()
        told = {
            "answered_at": answered,
            "load_s": loaded - begin,
            "first_call_s": answered - loaded,
            "held_bytes": _held(),
        }
        return told | _warm(lambda index: session(pool[index % len(pool)]), question, argv)


def _warm(call: Callable[[int], object], question: Question, argv: list[str]) -> dict[str, Any]:
    """Measure calls in turns with others; returns fields of `Told`, none where nobody wants it."""
    if question.sampling is None or question.track is None:
        return {}
    # Imported for who is asked only: the memory of the others is measured.
    from evaluator.children.turns import TURNS, Turns
    from evaluator.measure.sampling import warm_up

    turns = Turns.over(next((int(each.removeprefix(TURNS)) for each in argv if each.startswith(TURNS)), None))
    warm_up(call, question.sampling)
    taken = turns.take({question.track: call}, last=True)
    taken.write(Path(question.folder))
    name = question.track.name
    return {
        "latency": taken.seconds(name),
        "queries": len(taken.series[name]),
        "capped": taken.capped(name),
        "turns": taken.metrics(),
        "slept_s": turns.slept_s,
    }


def _held() -> int:
    return status_bytes("RssAnon") or 0


def packages() -> dict[str, int]:
    """Return the distributions of which this process has imported something, and what all their files take on disk."""
    owners = metadata.packages_distributions()
    modules = {name.partition(".")[0] for name in sys.modules}
    found = {name for module in modules for name in owners.get(module, ())}
    return {name: _installed(name) for name in sorted(found) if name not in _OURS}


def native(module: str) -> dict[str, int]:
    """Return the native libraries of a module's own distribution that this process has loaded, and their bytes on disk.

    They are what an application for a device carries of a runtime. It carries neither Python nor what only Python's
    interface needs, such as NumPy.
    """
    owners = metadata.packages_distributions().get(module.partition(".")[0], ())
    own = {os.path.realpath(str(file.locate())) for name in set(owners) for file in metadata.files(name) or ()}
    loaded = own & {os.path.realpath(path) for path in _mapped()}
    return {path: Path(path).stat().st_size for path in sorted(loaded) if _LIBRARY.search(path)}


def _installed(name: str) -> int:
    paths = (Path(str(file.locate())) for file in metadata.files(name) or ())
    return sum(path.stat().st_size for path in paths if path.is_file())


def _mapped() -> tuple[str, ...]:
    lines = Path("/proc/self/maps").read_text().splitlines()
    return tuple(sorted({line.split(maxsplit=5)[5] for line in lines if "/" in line}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
