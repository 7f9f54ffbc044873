"""Inspect: an artifact that was not made here is taken apart, then run in one runtime, each in a child of its own.

Inputs are given, or made up from what the file says it takes; where a dimension is free, small sizes are tried until
one is taken. A model that was trained elsewhere has no origin here: what it computes is checked for being finite, and
against the examples that lie beside it, where there are any (ONNX's `test_data_set_*`).
"""

import importlib
import resource
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np

from evaluator.children.work import Work, attempt, blame
from evaluator.core import files, registry
from evaluator.core.clock import SystemClock
from evaluator.core.errors import FwevalError, Unavailable, Unsupported
from evaluator.core.outcome import Outcome
from evaluator.core.records import Anatomy, Figure, Measured, Metrics, Record, Sampling, Signature, TensorSpec
from evaluator.core.tensors import Array, Arrays, holds_numbers, read_arrays, write_arrays
from evaluator.measure.resources import peak_bytes, peak_memory
from evaluator.measure.sampling import collect
from evaluator.stages._contract import Stage
from evaluator.stages._evidence import OUTPUTS
from evaluator.stages._fresh import ask
from exports import foreign
from exports.contract import Device, Format, Runtime, Session, TimedWithin
from exports.devices._once import Job
from exports.examples import differences, examples_beside
from exports.parts import AbsentError, PartError
from exports.signatures import chosen
from exports.sizes import artifact_bytes, compressed_bytes, digest

FOUND = "found.json"
NAMED = "named.json"
SIZES = (32, 64, 224, 512, 1)  # of a free dimension, tried in this order; the first one is the batch: it stays 1
BATCH = 3  # another batch size than 1
SAMPLING = Sampling(min_queries=20, min_seconds=0.5, cap_seconds=10.0, warmup_queries=2, warmup_seconds=0.1)
Values = Mapping[str, Any]  # arrays, and what else a runtime may take
_LARGEST_FILE_BYTES = 1 << 28  # that a child may write: what it runs is not trusted
_MOST_BYTES = 1 << 35  # of an artifact that is looked at: its digest takes minutes
_MOST_DEFLATED_BYTES = 1 << 30  # of one whose download is weighed: that takes a minute
_SEED = 5


class Found(Record, frozen=True, kw_only=True):
    """What lies at a path."""

    path: str  # of the artifact: the path that was given, or a file in that folder
    files: tuple[str, ...]  # all that it consists of
    format: str
    anatomy: Anatomy
    sha256: str
    size_bytes: int
    compressed_bytes: int | None  # None: it is too large to be tried here


class Named(Record, frozen=True, kw_only=True):
    """`named.json`: the files that an artifact says it consists of, where they were not all seen."""

    path: str  # of the artifact
    names: tuple[str, ...]  # beside it


class Incomplete(FwevalError):
    """Not all files of an artifact were seen."""

    def __init__(self, path: Path, absent: AbsentError) -> None:
        super().__init__(f"{path.name} is not complete: {absent}", remedy=absent.remedy)
        self.named = Named(path=str(path), names=absent.names)


class Inspect(Stage):
    """One look at an artifact from elsewhere; `evaluator.inspecting` makes its steps."""

    name = "inspect"
    title = "Inspection"
    summary = "Take a ready-made artifact apart, and run it."
    shown = False
    planned = False

    def work(self, work: Work) -> Measured:
        """Look at what lies at a path; in a step with a runtime, run it there."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE_BYTES, _LARGEST_FILE_BYTES))
        path = Path(work.step.settings["path"])
        if work.step.runtime is None:
            try:
                found = look(path, work.step.settings.get("signature"))
            except Incomplete as incomplete:
                files.write_record(work.folder / NAMED, incomplete.named)
                raise
            files.write_record(work.folder / FOUND, found)
            return Measured(files={"found": FOUND})
        return _run(work, path, registry.load("runtime", work.step.runtime))


def look(place: Path, signature: str | None = None) -> Found:
    """Recognise an artifact, or the only one in a folder, and take it apart.

    Raises `Unsupported` for what is of no format, `Incomplete` when files of it are not to be seen, `FwevalError` for
    an artifact that is damaged, or too large to be looked at.
    """
    form, path = _recognised(place)
    try:
        whole = form.files(path)
        _sensible(whole)
        anatomy = form.anatomy(path)
    except AbsentError as absent:
        raise Incomplete(path, absent) from absent
    except PartError as error:
        raise FwevalError(f"{path.name} cannot be read as {form.title}: {error}", remedy=error.remedy) from error
    except ValueError as error:
        raise FwevalError(f"{path.name} cannot be read as {form.title}: {error}", remedy="get it again") from error
    size = artifact_bytes(whole)
    return Found(
        path=str(path),
        files=tuple(str(file) for file in whole),
        format=form.name,
        anatomy=chosen(anatomy, signature),
        sha256=digest(path, whole),
        size_bytes=size,
        compressed_bytes=compressed_bytes(whole) if size <= _MOST_DEFLATED_BYTES else None,
    )


def _sensible(whole: Sequence[Path]) -> None:
    """Refuse what would take hours to read: a file may say that it has a terabyte, and hold nothing."""
    size = artifact_bytes(whole)
    if size > _MOST_BYTES:
        largest = max(whole, key=lambda file: file.stat().st_size)
        raise FwevalError(
            f"it has {size / 1e9:.4g} GB, most of it in {largest.name}: "
            f"fweval looks at artifacts of up to {_MOST_BYTES / 1e9:.3g} GB",
            remedy="measure it with the tools of what is to run it",
        )


def _recognised(place: Path) -> tuple[Format, Path]:
    form = _format_of(place)
    if form is not None:
        return form, place
    if place.is_file():
        raise _of_no_format(place)
    inside = {path: _format_of(path) for path in sorted(place.iterdir()) if path.is_file()}
    found = [(form, path) for path, form in inside.items() if form is not None]
    if len(found) == 1:
        return found[0]
    if not found:
        raise _of_no_format(place)
    names = ", ".join(path.name for _, path in found)
    raise Unsupported(f"{place.name} holds several artifacts: {names}", remedy="name one of them")


def _format_of(path: Path) -> Format | None:
    """Return the format whose files look like this; of several, the one whose files are also named like this."""
    found: list[Format] = [form for form in registry.load_all("format") if form.recognises(path)]
    return max(found, key=lambda form: path.suffix in form.suffixes, default=None)


def _of_no_format(place: Path) -> Unsupported:
    """Say what it is in place of an artifact, and what to do with it."""
    known = foreign.known_as(place)
    if known is not None:
        said, remedy = f"it is {known.what}", known.remedy
    else:
        said, remedy = "it holds none of their files" if place.is_dir() else foreign.beginning(place), None
    astray = [path.name for path in sorted(place.glob("*")) if path.is_symlink() and not path.exists()]
    links = f"; links that lead out of it are not followed: {', '.join(astray[:3])}" if astray else ""
    return Unsupported(f"{place.name} is of no format that fweval knows: {said}{links}", remedy=remedy or _known())


def _known() -> str:
    return f"known: {', '.join(form.title for form in registry.load_all('format'))}"


def _run(work: Work, path: Path, runtime: Runtime) -> Measured:
    """Load, compute, compare with the examples beside it, and take a short sample of latencies."""
    settings = work.step.settings
    anatomy = msgspec.convert(settings["anatomy"], Anatomy)
    signature = Signature(name=anatomy.judged, inputs=anatomy.inputs, outputs=anatomy.outputs)
    given = _given(Path(settings["inputs"])) if settings["inputs"] else _example(path, anatomy)
    signature, candidates = _inputs(signature, given)
    with blame(f"importing {runtime.title}"):
        start = time.perf_counter()
        importlib.import_module(runtime.module)
        begin = time.perf_counter()
    before = peak_bytes()
    threads = int(settings["threads"])
    device: Device = registry.load("device", work.step.device)
    with (
        blame(f"running in {runtime.title}"),
        device.load(runtime, path, signature, threads=threads) as session,
    ):
        loaded = time.perf_counter()
        inputs, outputs = _answer(session, candidates)
        latency = _latency(session, inputs)
        memory = _memory(session, before)
        batches, refused = _batches(session, signature, inputs) if given is None else ({}, ())
        differing = differences(session, path, anatomy)
    files.write_samples(work.folder, {"latency": latency})
    numbers = _arrays(outputs)
    write_arrays(work.folder / OUTPUTS, numbers)
    finite = all(np.isfinite(array).all() for array in numbers.values())
    metrics: Metrics = {
        "import_s": begin - start,
        "load_s": loaded - begin,
        "queries": len(latency),
        **memory,
        **_alone(runtime, work.folder),
        "inputs": _described(inputs),
        "outputs": _described(outputs),
        "finite": bool(finite),
        **batches,
    }
    evidence = {"latency": "samples/latency.jsonl", "outputs": OUTPUTS}
    taken = Figure(name="latency_s", value=median(latency), labels={"statistic": "median"})
    return _judged(differing, Measured(metrics=metrics, figures=(taken, *refused), files=evidence))


def _latency(session: Session, inputs: Values) -> Sequence[float]:
    """Take a short sample of seconds per call: of the runtime's own clock where it lies in another process."""
    samples = collect(lambda _: session(inputs), SAMPLING, SystemClock())
    if isinstance(session, TimedWithin):
        return session.inner_seconds[-len(samples.seconds) :]
    return samples.seconds


def _memory(session: Session, before: int) -> Metrics:
    """Return what this process took at most, and the model's share of it; nothing of a runtime in another process."""
    if isinstance(session, TimedWithin):
        return {}
    return {**peak_memory(), "model_rss_bytes": peak_bytes() - before}


def _alone(runtime: Runtime, folder: Path) -> Metrics:
    """Ask a fresh process what a runtime for small devices takes without any model."""
    if not runtime.edge:
        return {}
    told = ask(Job(runtime=runtime.name, packages=True), folder, "alone").told
    return {"runtime_bytes": sum(told.packages.values()), "runtime_rss_bytes": told.peak_rss_bytes}


def _judged(differing: Mapping[str, str | None], measured: Measured) -> Measured:
    """Let the examples that lie beside an artifact decide, where there are any."""
    wrong = {name: said for name, said in differing.items() if said is not None}
    if differing:
        counts = {"examples": len(differing), "examples_right": len(differing) - len(wrong)}
        measured = msgspec.structs.replace(measured, metrics=measured.metrics | counts)
    if not wrong:
        return measured
    name, said = next(iter(wrong.items()))
    return msgspec.structs.replace(
        measured,
        outcome=Outcome.FAILED,
        reason=f"it does not compute the example {name} that lies beside it: {said}",
        remedy="do not use it in this runtime",
    )


def _given(path: Path) -> Arrays:
    """Read the inputs that a person gave; what is wrong with them is not the artifact's failure."""
    try:
        return read_arrays(path)
    except ValueError as error:
        raise Unavailable(str(error), remedy="write the inputs with numpy.savez") from error


def _example(path: Path, anatomy: Anatomy) -> Values | None:
    """Return the inputs of the first example that lies beside an artifact."""
    example = next(examples_beside(path, anatomy), None)
    return None if example is None else example.inputs


def _inputs(signature: Signature, given: Values | None) -> tuple[Signature, Sequence[Values]]:
    """Return what to call the artifact with: the given arrays, or made-up ones of every size that may be tried."""
    if given is not None:
        if not signature.inputs:  # the file does not tell: in the order in which they are given
            specs = tuple(
                TensorSpec(name=name, dtype=a.dtype.name, shape=a.shape) for name, a in _arrays(given).items()
            )
            return msgspec.structs.replace(signature, inputs=specs), [given]
        missing = [spec.name for spec in signature.inputs if spec.name not in given]
        if missing:
            raise FwevalError(
                f"no array was given for {', '.join(missing)}; there is: {', '.join(given)}",
                remedy="name the arrays like the inputs",
            )
        return signature, [given]
    if not signature.inputs:
        raise Unsupported(
            "the file does not say what it takes",
            remedy="give it: --inputs FILE.npz, with one array for each input, in their order",
        )
    return signature, _made_up(signature)


def _made_up(signature: Signature) -> list[Arrays]:
    """Make inputs of several sizes; without a free dimension there is but one.

    A free dimension is the batch when it is a tensor's first one. Recurrent state has its batch behind a fixed first
    dimension: every size is tried in that reading, too.
    """
    if not any(None in spec.shape[1:] for spec in signature.inputs):
        return [_arrays_of(signature, SIZES[0], {})]
    first = {spec.name: 0 for spec in signature.inputs}
    first_free = {spec.name: spec.shape.index(None) for spec in signature.inputs if None in spec.shape}
    readings = [first] if first_free.items() <= first.items() else [first, first_free]
    return [_arrays_of(signature, size, batches) for size in SIZES for batches in readings]


def _arrays_of(signature: Signature, size: int, batches: Mapping[str, int]) -> Arrays:
    """Make inputs of that size where a dimension is free and not the batch."""
    random = np.random.default_rng(_SEED)
    return {spec.name: _array(spec, size, batches.get(spec.name, 0), random) for spec in signature.inputs}


def _array(spec: TensorSpec, size: int, batch: int, random: np.random.Generator) -> Array:
    """Make floats between 0 and 1, or integers that any table has."""
    free = {batch: 1}
    shape = tuple(free.get(axis, size) if given is None else given for axis, given in enumerate(spec.shape))
    try:
        kind = np.dtype(spec.dtype)
    except TypeError as error:
        raise _cannot_make(spec) from error
    if kind.kind == "f":
        return random.random(shape).astype(kind)
    if kind.kind in "iub":  # 0 and 1 are words of every vocabulary, marks of every mask, and pixels
        return random.integers(0, 2, shape).astype(kind)
    raise _cannot_make(spec)


def _cannot_make(spec: TensorSpec) -> Unsupported:
    remedy = "give them: --inputs FILE.npz"
    return Unsupported(f"no values can be made up for the input '{spec.name}' of type {spec.dtype}", remedy=remedy)


def _answer(session: Session, candidates: Sequence[Values]) -> tuple[Values, Values]:
    """Return the first inputs that are taken, and what comes out; raises the first refusal when none is."""
    refusals: list[Exception] = []
    for inputs in candidates:
        outputs = attempt(partial(session, inputs))
        if not isinstance(outputs, Exception):
            return inputs, outputs
        refusals.append(outputs)
    if len(candidates) == 1:
        raise refusals[0]
    raise Unsupported(
        f"it takes none of the inputs that were made up: {refusals[0]}", remedy="give it real ones: --inputs FILE.npz"
    ) from refusals[0]


def _batches(session: Session, signature: Signature, inputs: Values) -> tuple[Metrics, tuple[Figure, ...]]:
    """Say whether another batch is taken, where the file says that its size is free; and why it is not."""
    if not all(spec.shape and spec.shape[0] is None for spec in signature.inputs):
        return {}, ()
    refusal = attempt(lambda: session({name: np.repeat(array, BATCH, axis=0) for name, array in inputs.items()}))
    if isinstance(refusal, Exception):
        said = " ".join(str(refusal).split())[:160]
        return {"batch_sizes": (1,)}, (Figure(name="refusal", value=said, labels={"batch": BATCH}),)
    return {"batch_sizes": (1, BATCH)}, ()


def _arrays(values: Values) -> Arrays:
    """Return those values that are arrays of numbers: ONNX has sequences, optional values and text, too."""
    return {name: value for name, value in values.items() if holds_numbers(value)}


def _described(values: Values) -> str:
    arrays = _arrays(values)
    shapes = {name: f"{array.dtype.name}{list(array.shape)}" for name, array in arrays.items()}
    return ", ".join(f"{name} {shapes.get(name, 'no numbers')}" for name in values)


plugin = Inspect()
