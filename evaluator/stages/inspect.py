"""Inspect: an artifact that was not made here is taken apart, then run in one runtime, each in a child of its own.

Inputs are given, or made up from what the file says it takes; where a dimension is free, small sizes are tried until
one is taken. A model that was trained elsewhere has no origin here: what it computes is checked for being finite, and
against the examples that lie beside it, where there are any (ONNX's `test_data_set_*`).
"""

import importlib
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np

from evaluator.children.work import Work, attempt, blame
from evaluator.core import files, registry
from evaluator.core.causes import lacking, shortened
from evaluator.core.clock import SystemClock
from evaluator.core.errors import FwevalError, Unavailable, Unsupported
from evaluator.core.outcome import Outcome
from evaluator.core.records import Anatomy, Figure, Measured, Metrics, Record, Sampling, Signature, TensorSpec
from evaluator.core.tensors import Array, Arrays, dtype_of, holds_numbers, read_arrays, write_arrays
from evaluator.measure.resources import peak_bytes, peak_memory
from evaluator.measure.sampling import collect
from evaluator.stages._contract import GIB, Stage
from evaluator.stages._evidence import OUTPUTS
from evaluator.stages._figures import carried
from evaluator.stages._fresh import ask
from evaluator.stages._made_up import EXAMPLE, GIVEN, Asked, Values, made_up
from exports import examples, foreign
from exports.contract import Device, Format, NotReadError, Runtime, Session, TimedWithin
from exports.devices._once import Job, native
from exports.parts import A_PIPE, AbsentError, PartError, no_files, shown
from exports.signatures import chosen
from exports.sizes import artifact_bytes, compressed_bytes, digest

FOUND = "found.json"
NAMED = "named.json"
BATCH = 3  # another batch size than 1
SAMPLING = Sampling(min_queries=20, min_seconds=0.5, cap_seconds=10.0, warmup_queries=2, warmup_seconds=0.1)
_BFLOAT16_AS_WRITTEN = np.dtype("V2")  # by numpy, which keeps the size of a type of another package and not its name
_LARGEST_FILE_BYTES = 1 << 28  # that a child may write: what it runs is not trusted
_MOST_BYTES = 1 << 35  # of an artifact that is looked at: its digest takes minutes
_MOST_DEFLATED_BYTES = 1 << 30  # of one whose download is weighed: that takes a minute
_MOST_NAMES = 20  # of tensors that are listed
_LONGEST_SAID = 1000  # characters of what is said of examples
_LONGEST = 160  # characters of a refusal


class Found(Record, frozen=True, kw_only=True):
    """What lies at a path."""

    path: str  # of the artifact: the path that was given, or a file in that folder
    files: tuple[str, ...]  # all that it consists of
    no_files: dict[str, str] = msgspec.field(default_factory=dict)  # what else lies in its folder -> what that is
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Examples that lie beside an artifact, and why others are none of it."""

    fitting: Sequence[examples.Example] = ()
    unfit: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False  # with other models in the folder


class Inspect(Stage):
    """One look at an artifact from elsewhere; `evaluator.inspecting` makes its steps."""

    name = "inspect"
    title = "Inspection"
    summary = "Take a ready-made artifact apart, and run it."
    memory_bytes = 8 * GIB
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
    an artifact that is damaged, or too large to be looked at, `Unavailable` for one that fweval does not read.
    """
    form, path = _recognised(place)
    try:
        others = no_files(path) if path.is_dir() else {}
        _no_pipes(others)
        whole = form.files(path)
        _sensible(whole)
        anatomy = form.anatomy(path)
    except AbsentError as absent:
        raise Incomplete(path, absent) from absent
    except PartError as error:
        raise FwevalError(f"{path.name} cannot be read as {form.title}: {error}", remedy=error.remedy) from error
    except NotReadError as error:
        remedy = "measure it with the tools of what is to run it"
        raise Unavailable(f"fweval does not read {path.name}: {error}", remedy=remedy) from error
    except ValueError as error:
        raise FwevalError(f"{path.name} cannot be read as {form.title}: {error}", remedy="get it again") from error
    size = artifact_bytes(whole)
    return Found(
        path=str(path),
        files=tuple(str(file) for file in whole),
        no_files=others,
        format=form.name,
        anatomy=chosen(anatomy, signature),
        sha256=digest(path, whole),
        size_bytes=size,
        compressed_bytes=compressed_bytes(whole) if size <= _MOST_DEFLATED_BYTES else None,
    )


def _no_pipes(others: Mapping[str, str]) -> None:
    """Refuse what a runtime might wait for: nothing ever comes out of a pipe in a folder."""
    pipe = next((name for name, what in others.items() if what == A_PIPE), None)
    if pipe is not None:
        raise FwevalError(
            f"'{shown(pipe)}' in it is {A_PIPE}, which is never read to its end", remedy="get the file itself"
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
    beside = _beside(path, anatomy, settings)
    given = _given(Path(settings["inputs"])) if settings["inputs"] else None
    signature, candidates = _inputs(anatomy, given, beside, registry.load("format", settings["format"]))
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
        asked, outputs = _answer(session, candidates)
        timed = runtime.stands_for is None
        latency = _latency(session, asked.values) if timed else ()
        memory = _memory(session, before) if timed else {}
        batches, refused = _batches(session, signature, asked)
        differing = examples.differences(session, beside.fitting)
    numbers = _arrays(outputs)
    write_arrays(work.folder / OUTPUTS, numbers)
    metrics: Metrics = {
        **({"import_s": begin - start, "load_s": loaded - begin, "queries": len(latency)} if timed else {}),
        **memory,
        **_alone(runtime, work.folder),
        "inputs": _described(asked.values),
        "sizes": asked.sizes,
        "outputs": _described(outputs),
        "finite": all(map(_is_finite, numbers.values())),
        **batches,
    }
    evidence = {"outputs": OUTPUTS}
    if timed:
        files.write_samples(work.folder, {"latency": latency})
        evidence["latency"] = "samples/latency.jsonl"
        refused = (Figure(name="latency_s", value=median(latency), labels={"statistic": "median"}), *refused)
    return _judged(differing, beside, Measured(metrics=metrics, figures=refused, files=evidence))


def _is_finite(array: Array) -> bool:
    """Tell whether an array holds neither NaN nor infinity, also of types that NumPy knows nothing of."""
    known = array if array.dtype.kind in "biufc" else array.astype(np.float64)
    return bool(np.isfinite(known).all())


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
    return {
        "runtime_bytes": sum(told.packages.values()),
        "runtime_rss_bytes": told.peak_rss_bytes,
        **carried(runtime, native(runtime.module)),  # of this process: what loads an artifact may load libraries
    }


def _judged(differing: Mapping[str, str | None], beside: Beside, measured: Measured) -> Measured:
    """Let the examples that lie beside an artifact decide, where there are any and they can be of no other."""
    wrong = {name: said for name, said in differing.items() if said is not None}
    unfit = dict(beside.unfit)
    if beside.shared:
        unfit |= {name: f"{said}; it may be another model's, for several lie here" for name, said in wrong.items()}
        wrong = {}
    if differing:
        counts = {"examples": len(differing), "examples_right": sum(said is None for said in differing.values())}
        measured = msgspec.structs.replace(measured, metrics=measured.metrics | counts)
    if unfit:
        said = {"examples_unfit": "; ".join(f"{name}: {why}" for name, why in unfit.items())[:_LONGEST_SAID]}
        measured = msgspec.structs.replace(measured, metrics=measured.metrics | said)
    if not wrong:
        return measured
    name, why = next(iter(wrong.items()))
    return msgspec.structs.replace(
        measured,
        outcome=Outcome.FAILED,
        reason=f"it does not compute the example {name} that lies beside it: {why}",
        remedy="do not use it in this runtime",
    )


def _beside(path: Path, anatomy: Anatomy, settings: Mapping[str, Any]) -> Beside:
    """Read the examples that the parent has found to be plain files."""
    told: Mapping[str, str | None] = settings["examples"]
    fitting, unfit = examples.read(path, anatomy, [name for name, why in told.items() if why is None])
    refused = {name: why for name, why in told.items() if why is not None}
    return Beside(fitting=fitting, unfit={**refused, **unfit}, shared=bool(settings["shared"]))


def _given(path: Path) -> Arrays:
    """Read the inputs that a person gave; what is wrong with them is not the artifact's failure."""
    try:
        return {name: _typed(name, array) for name, array in read_arrays(path).items()}
    except ValueError as error:
        raise Unavailable(str(error), remedy="write the inputs with numpy.savez") from error


def _typed(name: str, array: Array) -> Array:
    """Return an array of a type whose name numpy does not write: of those with two bytes there is one."""
    if array.dtype == _BFLOAT16_AS_WRITTEN:
        return array.view(dtype_of("bfloat16"))
    if array.dtype.kind == "V":
        raise ValueError(f"the array '{shown(name)}' is of a type whose name numpy does not keep ({array.dtype})")
    return array


def _inputs(anatomy: Anatomy, given: Arrays | None, beside: Beside, form: Format) -> tuple[Signature, Sequence[Asked]]:
    """Return what to call the artifact with: the given arrays, an example's, or made-up ones of every size to try."""
    signature = Signature(name=anatomy.judged, inputs=anatomy.inputs, outputs=anatomy.outputs)
    if given is not None:
        asked = [Asked(values=given, sizes=GIVEN)]
        if not signature.inputs and not signature.outputs:  # the file does not tell: in the order of what is given
            specs = tuple(
                TensorSpec(name=name, dtype=a.dtype.name if holds_numbers(a) else "str", shape=a.shape)
                for name, a in given.items()
            )
            return msgspec.structs.replace(signature, inputs=specs), asked
        missing = [spec.name for spec in signature.inputs if spec.name not in given and not spec.optional]
        if missing:
            raise Unavailable(
                f"no array was given for {_listed(missing)}; there is: {_listed(list(given))}",
                remedy="name the arrays like the inputs",
            )
        _same_types(signature, given)
        return signature, asked
    if beside.fitting:
        return signature, [Asked(values=beside.fitting[0].inputs, sizes=EXAMPLE)]
    if not signature.inputs and not signature.outputs:
        said, remedy = form.untold
        raise Unsupported(said, remedy=remedy)
    return signature, made_up(anatomy)


def _same_types(signature: Signature, given: Arrays) -> None:
    """Refuse numbers of another type than the file asks for: that is no failure of the artifact."""
    for spec in (spec for spec in signature.inputs if spec.name in given):
        wanted = attempt(partial(dtype_of, spec.dtype))
        found = given[spec.name].dtype
        if not isinstance(wanted, Exception) and found != wanted:
            raise Unavailable(
                f"the array '{shown(spec.name)}' is {found}, and the file takes {wanted}",
                remedy=f"give it as {wanted}",
            )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(shown(name) for name in names[:_MOST_NAMES])}{more}"


def _answer(session: Session, candidates: Sequence[Asked]) -> tuple[Asked, Values]:
    """Return the first inputs that are taken, and what comes out; raises the first refusal when none is."""
    refusals: list[Exception] = []
    for asked in candidates:
        outputs = attempt(partial(session, asked.values))
        if not isinstance(outputs, Exception):
            return asked, {name: _plain(value) for name, value in outputs.items()}
        refusals.append(outputs)
    if len(candidates) == 1 or isinstance(refusals[0], FwevalError) or lacking(str(refusals[0])) is not None:
        raise refusals[0]  # with other inputs it would be the same
    raise Unsupported(
        f"it takes none of the inputs that were made up: {refusals[0]}", remedy="give it real ones: --inputs FILE.npz"
    ) from refusals[0]


def _plain(value: object) -> object:
    """Return a number as an array of no dimension: some runtimes give one in its place."""
    return np.asarray(value) if isinstance(value, np.generic) else value


def _batches(session: Session, signature: Signature, asked: Asked) -> tuple[Metrics, tuple[Figure, ...]]:
    """Say whether another batch is taken, where the file says that its size is free; and why it is not."""
    free = all(spec.shape and spec.shape[0] is None for spec in signature.inputs)
    if asked.sizes in (GIVEN, EXAMPLE) or not free or not signature.inputs:
        return {}, ()
    sizes = {len(array) for array in asked.values.values()}
    if len(sizes) != 1:  # what differs is no batch that all share, and three times each may be no sizes that fit
        return {}, ()
    (taken,) = sizes
    larger = {name: np.repeat(array, BATCH, axis=0) for name, array in asked.values.items()}
    refusal = attempt(lambda: session(larger))
    if isinstance(refusal, Exception):
        said = shortened(str(refusal), _LONGEST)
        return {"batch_sizes": (taken,)}, (Figure(name="refusal", value=said, labels={"batch": BATCH * taken}),)
    return {"batch_sizes": (taken, BATCH * taken)}, ()


def _arrays(values: Values) -> Arrays:
    """Return those values that are arrays of numbers: ONNX has sequences, optional values and text, too."""
    return {name: value for name, value in values.items() if holds_numbers(value)}


def _described(values: Values) -> str:
    arrays = _arrays(values)
    shapes = {name: f"{array.dtype.name}{list(array.shape)}" for name, array in arrays.items()}
    told = [f"{shown(name)} {shapes.get(name, 'no numbers')}" for name in values]
    more = f" and {len(told) - _MOST_NAMES} more" if len(told) > _MOST_NAMES else ""
    return f"{', '.join(told[:_MOST_NAMES])}{more}"


plugin = Inspect()
