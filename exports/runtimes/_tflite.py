"""What the two TFLite interpreters share: they come from different packages and have the same methods."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Array, Arrays, dtype_of
from exports.contract import Session
from exports.formats._naming import short
from exports.formats._tflite_file import Entry, File, opened
from exports.formats._tflite_schema import TYPES
from exports.signatures import judged

_DELEGATE = "DELEGATE"
# How an interpreter words that it lacks a built-in operator, this version of it, a custom one, or a type.
_REFUSALS = (
    re.compile(r"Didn't find op for builtin opcode '(\w+)' (version '\d+')"),
    re.compile(r"unresolved custom op: ()([^\n]+?)\.?\n"),
    re.compile(r"Select TensorFlow op\(s\).*?Node number \d+ \(([^)]+)\)()", re.DOTALL),
    re.compile(r"Unsupported data type ()(\d+) in tensor"),
)
_FLEX = "it needs the Flex delegate, which this package does not have"
# Types of numbers for which the packages have no array, or one into which they copy the bytes as they are packed.
_NO_ARRAY = ("bfloat16", "int2", "int4", "uint4", "resource", "variant")


def session(interpreter_class: Callable[..., Any], artifact: Path, signature: Signature, threads: int) -> Session:
    """Open a file and return the call that is timed.

    Tensors are found by number, in the subgraph of the signature that is asked for: names need not be unique, their
    order is the converter's. Nothing is laid out before the sizes of the inputs are known, and again only when they
    change: a free size stands in the file as 1, which may be too small for the model. Arrays are copied in and out:
    the interpreter owns its buffers.
    Raises `Unsupported` with the interpreter's words when it lacks an operator (or this version of it), here or when
    it is first called; the interpreter's `ValueError` for a file that it cannot read.
    """
    with _told(artifact):
        interpreter = interpreter_class(model_path=str(artifact), num_threads=threads)
    with opened(artifact) as file:
        if file.outside():
            raise Unsupported("its weights lie in other files, which the interpreter's Python package does not load")
        entry = _entry(file, signature.name, artifact)
        described = file.signature(entry)
    takes = _places(entry.inputs, described.inputs, signature.inputs, artifact)
    gives = _places(entry.outputs, described.outputs, signature.outputs, artifact)
    graph = _Graph(interpreter, entry.subgraph)
    laid_out_for: list[tuple[int, ...]] | None = None

    def call(inputs: Mapping[str, Array]) -> Arrays:
        nonlocal laid_out_for
        shapes = [inputs[place.name].shape for place in takes]
        if shapes != laid_out_for:
            laid_out_for = None  # a shape that is refused leaves nothing laid out
            with _told(artifact):
                graph.lay_out({place.number: shape for place, shape in zip(takes, shapes, strict=True)})
            laid_out_for = shapes
        for place in takes:
            array = inputs[place.name]
            graph.set(place.number, array if place.foreign is None else array.view(np.int8))
        graph.invoke()
        return {place.name: _read(graph.get(place.number), place) for place in gives}

    return call


class _Place(NamedTuple):
    """Where a tensor of the signature is; `foreign`: its type, where the packages have its bytes as 8-bit integers."""

    name: str
    number: int
    foreign: "np.dtype[Any] | None"


class _Graph:
    """One subgraph of an interpreter.

    The methods of both packages that are public know the first one only, or (`SignatureRunner`) find tensors by names
    and lay them out for every call; below them are the same functions with the number of the subgraph.
    """

    def __init__(self, interpreter: Any, number: int) -> None:
        self._interpreter = interpreter
        self._inner = interpreter._interpreter  # noqa: SLF001
        self._number = number

    def lay_out(self, shapes: Mapping[int, tuple[int, ...]]) -> None:
        """Resize the inputs, then allocate; of the first subgraph by the way that hands operators to XNNPACK, too."""
        for index, shape in shapes.items():
            self._inner.ResizeInputTensor(index, np.array(shape, np.int32), False, self._number)
        self._inner.AllocateTensors(*([self._number] if self._number else []))

    def set(self, index: int, array: Array) -> None:
        self._inner.SetTensor(index, array, self._number)

    def invoke(self) -> None:
        self._inner.Invoke(self._number)

    def get(self, index: int) -> Array:
        return np.asarray(self._inner.GetTensor(index, self._number))  # of a tensor without dimensions it is no array


def placement(interpreter_class: Callable[..., Any], artifact: Path) -> dict[str, int]:
    """Count the operators of the first subgraph that the interpreter hands to XNNPACK, and those that it keeps.

    It lists the operators of the file and, behind them, one for each part that a delegate took over, of which it tells
    the inputs and outputs: what lies between them is the delegate's.
    Raises as `session` does.
    """
    with _told(artifact):
        interpreter = interpreter_class(model_path=str(artifact), num_threads=1)
        interpreter.allocate_tensors()
    operators = interpreter._get_ops_details()  # noqa: SLF001  # no public method of either package tells
    own = [each for each in operators if each["op_name"] != _DELEGATE]
    makers = {tensor: index for index, each in enumerate(own) for tensor in each["outputs"]}
    taken: set[int] = set()
    for each in (each for each in operators if each["op_name"] == _DELEGATE):
        given, left = set(each["inputs"]), list(each["outputs"])
        while left:
            tensor = left.pop()
            if tensor in makers and tensor not in given and makers[tensor] not in taken:
                taken.add(makers[tensor])
                left.extend(own[makers[tensor]]["inputs"])
    return {"XNNPACK": len(taken), "built-in kernels": len(own) - len(taken)}


@contextmanager
def _told(artifact: Path) -> Iterator[None]:
    """Tell what an interpreter lacks from what fails in it."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        lacking = _lacking(str(error))
        if lacking is not None:
            raise Unsupported(f"the interpreter refuses {artifact.name}: {lacking}; it says: {error}") from error
        raise


def _lacking(said: str) -> str | None:
    """Name the operator or the type that an interpreter says it lacks; None when it says something else."""
    for pattern in _REFUSALS:
        found = pattern.search(said)
        if found is None:
            continue
        what = short(" ".join(filter(None, found.groups())))
        if what.isdigit():
            return f"it has no tensors of type {TYPES[int(what)][0] if int(what) < len(TYPES) else what}"
        return f"it has no operator {what}" + (f": {_FLEX}" if what.startswith("Flex") else "")
    return None


def _read(array: Array, place: _Place) -> Array:
    return array if place.foreign is None else array.view(place.foreign)


def _entry(file: File, name: str, artifact: Path) -> Entry:
    """Return the entry of that name, or without one what is judged: an exporter writes one signature, or none."""
    entries = {entry.name: entry for entry in file.entries()}
    taken = judged([file.signature(entry) for entry in entries.values()])
    wanted = name or (taken.name if taken else None)
    if wanted not in entries:
        raise ValueError(f"{artifact.name} has the signatures {', '.join(entries)}: name one of them")
    return entries[wanted]


def _places(
    indices: Mapping[str, int], described: Iterable[TensorSpec], wanted: Iterable[TensorSpec], artifact: Path
) -> list[_Place]:
    """Find the signature's tensors among the file's; raises `Unsupported` for a type that has no array."""
    types = {spec.name: spec.dtype for spec in described}
    names = [spec.name for spec in wanted]
    missing = [name for name in names if name not in types]
    if missing:
        raise ValueError(f"{artifact.name} has no tensor named {', '.join(missing)}; it has {', '.join(types)}")
    for name in names:
        if types[name] in _NO_ARRAY:
            raise Unsupported(
                f"the interpreter's Python package has no array for '{short(name)}' of type {types[name]}"
            )
    foreign = {name: dtype_of(kind) for name, kind in types.items() if kind.startswith("float8")}
    return [_Place(name, indices[name], foreign.get(name)) for name in names]
