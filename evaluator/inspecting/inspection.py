"""What `fweval inspect` does: a ready-made artifact is taken apart and run in every runtime that reads its format.

Nothing of it is read or executed in this process: all happens in children, confined where the machine allows it.
"""

import os
import platform
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

import msgspec

from evaluator.children import confinement, environments, memory, processes
from evaluator.children.isolation import GRACE_S, Child, worker_of
from evaluator.core import files, machine, metrics, registry
from evaluator.core.coordinates import DEVICE
from evaluator.core.errors import FwevalError, IncompleteEvidence, Unavailable, UsageError
from evaluator.core.matrix import Diagnosis
from evaluator.core.outcome import Outcome
from evaluator.core.reading import read_end
from evaluator.core.records import DeviceClass, Figure, Metrics, Record, Result, Step
from evaluator.judging.fit import Figures, Fit, fit
from evaluator.stages._made_up import MADE_UP
from evaluator.stages.inspect import FOUND, NAMED, Found, Named, plugin
from exports import examples
from exports.contract import Format, Runtime
from exports.diagnosing.rules import TAIL_BYTES, Failure, diagnose
from exports.parts import PartError, kind, linked, own
from scenarios.loading import load_devices

_LARGEST_RECORD_BYTES = 16 << 20
_MOST_WRITTEN_BYTES = 1 << 30  # by a child in all: each of its files may have a quarter of that
_NAME_BYTES = 1 << 9  # about what a name takes of a disk, without what the file holds
_LOOK_EVERY_S = 1.0  # at what a child has written
_OURS = (Outcome.TIMED_OUT, Outcome.UNAVAILABLE)  # endings that say nothing about the artifact
THREADS = 1
_SAY = "give some of the size that counts: --inputs FILE.npz"


class Tried(Record, frozen=True, kw_only=True):
    """One runtime, and how running the artifact there ended."""

    runtime: str
    title: str
    outcome: Outcome
    reason: str | None = None
    remedy: str | None = None
    diagnosis: Diagnosis | None = None  # why it did not pass, in the words of the export matrix
    metrics: Metrics = msgspec.field(default_factory=dict)
    figures: tuple[Figure, ...] = ()


class Wanted(Record, frozen=True, kw_only=True):
    """What was asked for beside the artifact."""

    signature: str | None = None  # of several; None: the one that is judged by default
    inputs: Path | None = None
    kept: Path | None = None  # a new folder that keeps what the children wrote
    runtimes: tuple[str, ...] = ()  # none: all that read the format
    timeout_s: float = 300.0  # of each child
    devices: tuple[DeviceClass, ...] = ()  # by whose budgets it is judged in runtimes for small devices


class Fitting(Record, frozen=True, kw_only=True):
    """Whether the artifact, in one runtime, fits a class of devices."""

    runtime: str
    title: str  # of the class
    fit: Fit


class Inspection(Record, frozen=True, kw_only=True):
    """All that was found out about an artifact."""

    found: Found
    title: str  # of the format
    confined: bool  # whether it ran behind a wall
    runtimes: tuple[Tried, ...]
    fits: tuple[Fitting, ...]

    @property
    def runs(self) -> bool:
        """Tell whether some runtime ran it."""
        return any(tried.outcome is Outcome.PASSED for tried in self.runtimes)


class Damaged(FwevalError):
    """The artifact cannot be read: it was assessed, and is not ready."""

    exit_code = 1


def inspect(place: Path, wanted: Wanted) -> Inspection:
    """Inspect a file or folder.

    Raises `UsageError` for what is no artifact, `Damaged` for one that cannot be read.
    """
    place = _there(place)
    if wanted.inputs is not None and _there(wanted.inputs).is_dir():
        raise UsageError(f"{wanted.inputs} is a folder", remedy="give an .npz file with one array for each input")
    with _room(wanted.kept, place) as room:
        found = _look(place, room, wanted)
        form: Format = registry.load("format", found.format)
        inside = Inside(room=room, place=place, found=found, wanted=wanted)
        tried = [(runtime, _try(runtime, form, inside)) for runtime in _runtimes(form, wanted.runtimes)]
        return Inspection(
            found=found,
            title=form.title,
            confined=confinement.obstacle() is None,
            runtimes=tuple(ending for _, ending in tried),
            fits=tuple(
                Fitting(runtime=runtime.name, title=device.title, fit=_fit(ending, found, device))
                for runtime, ending in tried
                if runtime.edge and ending.outcome is Outcome.PASSED
                for device in wanted.devices
            ),
        )


def _there(path: Path) -> Path:
    """Return the path of a file or folder, its folder's links followed and its own name kept: a link has names, too."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        nowhere = f"{path} is a link to {path.readlink()}, and there is nothing" if path.is_symlink() else None
        raise UsageError(
            nowhere or f"there is nothing at {path}: {error.strerror}", remedy="give the path of a file or a folder"
        ) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UsageError(f"{path} is {kind(mode)}", remedy="give the path of a file or a folder")
    return path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name


def _runtimes(form: Format, names: Sequence[str]) -> list[Runtime]:
    """Return the runtimes that read a format on this machine's processor, and of them those that are named, or all."""
    known = {
        each.name: each for each in registry.load_all("runtime") if form.name in each.formats and DEVICE in each.devices
    }
    for name in names:
        if name not in known:
            raise registry.unknown(f"runtime for {form.title}", name, known)
    return [known[name] for name in names or known]


def device_classes(path: Path | None, names: Sequence[str]) -> tuple[DeviceClass, ...]:
    """Read classes of devices, the built-in ones without a path, and of them those that are named, or all."""
    known = {device.name: device for device in load_devices(path)}
    for name in names:
        if name not in known:
            raise registry.unknown("class of devices", name, known)
    return tuple(known[name] for name in names or known)


class Inside(Record, frozen=True, kw_only=True):
    """What a child is given to work with."""

    room: Path  # the folder of all children's folders
    place: Path  # what was named on the command line
    found: Found
    wanted: Wanted


@contextmanager
def _room(kept: Path | None, place: Path) -> Iterator[Path]:
    """Make the folder for what the children write: one that is kept is new, or empty, and no part of the artifact."""
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="fweval-inspect-") as temporary:
            yield Path(temporary)
        return
    if place.is_dir() and kept.resolve().is_relative_to(place.resolve()):
        raise UsageError(f"{kept} would lie in {place.name} and become a part of it", remedy="name a folder elsewhere")
    try:
        kept.mkdir(parents=True, exist_ok=True)
        occupied = any(kept.iterdir())
    except OSError as error:
        raise UsageError(f"{kept} cannot be a folder of ours: {error.strerror}", remedy="name another one") from error
    if occupied:
        raise UsageError(f"{kept} is there already", remedy="name a folder that is not")
    yield kept.resolve()


def _look(place: Path, room: Path, wanted: Wanted) -> Found:
    """Take it apart; what it names beside itself is shown to a confined child once it has said so."""
    step = _step("look", None, {"path": str(place), "signature": wanted.signature}, wanted.timeout_s)
    reads = [place, *(linked(place) if place.is_dir() else ())]
    result = _do(step, room, reads)
    named = room / step.id / NAMED
    if named.exists() and confinement.obstacle() is None:
        more = _named(files.read_record(named, Named), place)
        shutil.rmtree(room / step.id)
        result = _do(step, room, [*reads, *more])
    remedy = _remedy(result, step, wanted.kept)
    if result.outcome is Outcome.UNSUPPORTED:
        raise UsageError(result.reason or "this is no artifact", remedy=remedy)
    if result.outcome is not Outcome.PASSED:
        kind = IncompleteEvidence if result.outcome in _OURS else Damaged
        raise kind(result.reason or "it could not be read", remedy=remedy)
    return files.read_record(room / step.id / FOUND, Found)


def _named(named: Named, place: Path) -> list[Path]:
    """Return the files beside an artifact that it says are its own; raises `Damaged` when they are not."""
    artifact = Path(named.path)
    if place not in (artifact, artifact.parent):
        raise Damaged(f"{place.name} led its reader elsewhere", remedy="do not use it")
    try:
        return own(artifact, named.names)
    except PartError as error:
        raise Damaged(f"{artifact.name} is not complete: {error}", remedy=error.remedy) from error


def _remedy(result: Result, step: Step, kept: Path | None) -> str | None:
    """Return what to do about an ending: nothing here is a run that could be resumed."""
    if result.outcome is Outcome.TIMED_OUT:
        return f"give it longer: --timeout {2 * step.timeout_s:.0f}"
    if result.remedy is None or not result.remedy.startswith("see steps/"):
        return result.remedy
    return "keep what it wrote: --out FOLDER" if kept is None else f"see {kept / step.id / 'stderr'}"


def _try(runtime: Runtime, form: Format, inside: Inside) -> Tried:
    obstacle = _obstacle(runtime, form)
    if obstacle is not None:
        reason, remedy = obstacle.message, obstacle.remedy
        return Tried(
            runtime=runtime.name, title=runtime.title, outcome=Outcome.UNAVAILABLE, reason=reason, remedy=remedy
        )
    found, inputs = inside.found, inside.wanted.inputs
    path = Path(found.path)
    beside = examples.beside(path) if found.format == examples.FORMAT else {}
    settings = {
        "path": found.path,
        "format": found.format,
        "anatomy": msgspec.to_builtins(found.anatomy),
        "inputs": None if inputs is None else str(inputs.resolve()),
        "examples": beside,
        "shared": bool(beside) and examples.others_beside(path),
    }
    plain = examples.files_of(path, (name for name, obstacle in beside.items() if obstacle is None))
    whole = [inside.place, *(linked(inside.place) if inside.place.is_dir() else map(Path, found.files))]
    reads = [*dict.fromkeys([*whole, *plain]), *([] if inputs is None else [inputs])]
    step = _step(runtime.name, runtime, settings, inside.wanted.timeout_s)
    result = _do(step, inside.room, reads)
    diagnosis = _diagnosis(result, inside.room / step.id, inside.wanted)
    return Tried(
        runtime=runtime.name,
        title=runtime.title,
        outcome=result.outcome,
        reason=result.reason,
        remedy=(None if diagnosis is None else diagnosis.remedy) or _remedy(result, step, inside.wanted.kept),
        diagnosis=diagnosis,
        metrics=result.metrics,
        figures=result.figures,
    )


def _diagnosis(result: Result, folder: Path, wanted: Wanted) -> Diagnosis | None:
    """Say why it did not pass as the export matrix does; a remedy asks for no inputs where they were given."""
    if result.outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE):
        return None
    remedy = None if result.outcome is Outcome.TIMED_OUT else result.remedy
    if wanted.inputs is not None and remedy is not None and "--inputs" in remedy:
        remedy = None
    stderr = read_end(folder / "stderr", TAIL_BYTES)
    return diagnose(
        Failure(outcome=result.outcome, reason=result.reason, remedy=remedy, stderr=stderr, ready_made=True)
    )


def _fit(tried: Tried, found: Found, device: DeviceClass) -> Fit:
    """Judge by the peak of a process that was under no limit: `fweval edge` finds the least memory that suffices."""
    alone, own = (_whole(tried, name) for name in ("runtime_rss_bytes", "model_rss_bytes"))
    latency = metrics.find(tried, metrics.key("latency_s", statistic="median"))
    inputs, sizes = str(tried.metrics["inputs"]), tried.metrics["sizes"]
    free = any(None in spec.shape or spec.unknown for spec in found.anatomy.inputs)
    figures = Figures(
        artifact_bytes=found.size_bytes,
        inputs=inputs if free and sizes != MADE_UP else None,
        unstated=f"nobody said how large its inputs are (made up: {inputs}); {_SAY}" if sizes == MADE_UP else None,
        runtime_bytes=_whole(tried, "runtime_bytes"),
        native_bytes=_whole(tried, "runtime_native_bytes") if "runtime_native_bytes" in tried.metrics else None,
        carried=str(tried.metrics["runtime_carried"]) if "runtime_carried" in tried.metrics else None,
        latency_s=None if latency is None else metrics.number(latency.value),
        isa=platform.machine(),
        ram="peak",
        ram_bytes=alone + own,
        runtime_ram_bytes=alone,
    )
    return fit(figures, device)


def _whole(tried: Tried, name: str) -> int:
    return int(metrics.number(tried.metrics[name]) or 0)


def _obstacle(runtime: Runtime, form: Format) -> Unavailable | None:
    """Say why this machine cannot run the artifact there, None when it can."""
    absent = machine.missing(runtime.distributions)
    if absent:
        wanted = " ".join(absent)
        return Unavailable(f"not installed: {wanted}", remedy=f"pip install -c constraints.txt {wanted}")
    not_made = None if runtime.environment is None else environments.lacking(runtime.environment)
    if not_made is not None:
        return Unavailable(not_made[0], remedy=not_made[1])
    wall = confinement.obstacle()
    if form.inert or wall is None:
        return None
    return Unavailable(
        f"a {form.title} artifact from elsewhere may do anything: it is run confined only, and {wall.message}",
        remedy=wall.remedy,
    )


def _step(name: str, runtime: Runtime | None, settings: dict[str, object], timeout_s: float) -> Step:
    free_bytes = machine.available_memory()
    scarce = {memory.ALL_THAT_IS_FREE: True} if free_bytes < plugin.memory_bytes else {}
    return Step(
        id=name,
        stage="inspect",
        scenario="",
        framework="",
        runtime=None if runtime is None else runtime.name,
        environment=None if runtime is None else runtime.environment,
        settings={**settings, **scarce, "threads": THREADS},
        timeout_s=timeout_s,
        memory_bytes=min(plugin.memory_bytes, free_bytes),
    )


def _do(step: Step, room: Path, reads: Sequence[Path]) -> Result:
    """Do a step in a child, confined where possible; whatever it leaves is looked at with care."""
    folder = room / step.id
    worker = worker_of(step)
    if confinement.obstacle() is None:
        places = () if step.environment is None else environments.places(step.environment)
        worker = confinement.confined(worker, reads=(*reads, *places), writes=folder)
    child = Child(step, folder, worker, stop=SIGKILL)
    try:
        if _ends(child):
            processes.end_group(child.process, first=SIGKILL, grace_s=GRACE_S)
            _keep_plain_files(folder)
    except BaseException:
        child.interrupt()
        raise
    result = child.finish()
    written = _written(folder)
    _keep_plain_files(folder)
    if written <= _MOST_WRITTEN_BYTES:
        return result
    said = f"it filled the disk: it was stopped when it had written {written / 1e9:.3g} GB"
    return msgspec.structs.replace(result, outcome=Outcome.FAILED, reason=said, remedy="do not use it")


def _ends(child: Child) -> bool:
    """Wait for a child; tell whether it ended by itself, in its time and without filling the disk."""
    while (left := child.deadline - time.monotonic()) > 0 and _written(child.folder) <= _MOST_WRITTEN_BYTES:
        if processes.wait(child.process, min(left, _LOOK_EVERY_S)) is not None:
            return True
    return False


def _written(folder: Path) -> int:
    """Return how much of the disk a folder takes; each name counts, too."""
    size = 0
    for at, folders, names in os.walk(folder):
        for name in (*folders, *names):
            with suppress(OSError):  # just removed
                size += _NAME_BYTES + (Path(at) / name).lstat().st_blocks * 512  # whatever the disk's own blocks are
    return size


def _keep_plain_files(folder: Path) -> None:
    """Remove what no step leaves: a link would lead our reading elsewhere, a pipe would never end it."""
    for path in folder.iterdir():
        about = path.lstat()
        if stat.S_ISDIR(about.st_mode):
            if path.name != "samples":
                shutil.rmtree(path)
        elif not stat.S_ISREG(about.st_mode) or (path.suffix == ".json" and about.st_size > _LARGEST_RECORD_BYTES):
            path.unlink()
