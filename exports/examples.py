"""Examples that lie beside an ONNX model: what its makers gave it, and what they say must come out.

The layout is that of ONNX's own backend tests and of its model zoo: folders `test_data_set_0`, …, with files
`input_0.pb`, … and `output_0.pb`, …, in the model's order.
https://github.com/onnx/onnx/blob/main/docs/OnnxBackendTest.md

What lies beside a model need not be its own: it counts only where names, number, types and shapes fit, and where it
does not, that is said and the model is judged without it.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.children.work import attempt
from evaluator.core.records import Anatomy, TensorSpec
from evaluator.core.tensors import Array, dtype_of
from exports.parts import is_of_a_store, kind, shown

# An element, an ordered list of such, or nothing: ONNX has sequences and optional values beside tensors.
Value = Array | Sequence["Value"] | None

FORMAT = "onnx"  # whose artifacts have such examples
RELATIVE, ABSOLUTE = 1e-3, 1e-7  # the tolerances of ONNX's backend tests: onnx/backend/test/runner
_HALF_RELATIVE = 2**-6  # theirs for bfloat16: two units in the last place
_FOLDERS = "test_data_set_*"
_MOST_FOLDERS = 100  # that are looked at
_LARGEST_BYTES = 1 << 30  # of a file of them
_NO_TENSORS = ("sequence", "optional", "map", "sparse_tensor", "opaque", "nothing")  # kinds of values that ONNX has


class Unfit(ValueError):  # an answer, no error of anybody's
    """What lies beside a model is no example of it, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One folder of test data: values by the model's names for them."""

    name: str
    inputs: Mapping[str, Value]
    outputs: Mapping[str, Value]


def beside(artifact: Path) -> dict[str, str | None]:
    """Return the names of the folders of examples beside a file, and why one is not looked into; opens nothing.

    Only plain files of a sensible size are examples: reading a pipe never ends, and a device has no end.
    """
    folders = sorted(artifact.parent.glob(_FOLDERS), key=lambda path: _number(path.name))[:_MOST_FOLDERS]
    return {folder.name: _obstacle(folder) for folder in folders}


def files_of(artifact: Path, names: Iterable[str]) -> list[Path]:
    """Return the files that the examples of these names consist of."""
    return [file for name in names for what in ("input", "output") for file in _files(artifact.parent / name, what)]


def others_beside(artifact: Path) -> bool:
    """Tell whether other models lie in the folder, too: an example there may be theirs."""
    return len([path for path in artifact.parent.glob(f"*{artifact.suffix}") if path.is_file()]) > 1


def read(artifact: Path, anatomy: Anatomy, names: Iterable[str]) -> tuple[list[Example], dict[str, str]]:
    """Read the examples of these names beside an ONNX file; of those that do not fit it, return why."""
    found = {name: attempt(lambda name=name: _example(artifact.parent / name, anatomy)) for name in names}  # type: ignore[misc]
    unfit = {name: shown(_said(each)) for name, each in found.items() if isinstance(each, Exception)}
    return [each for each in found.values() if isinstance(each, Example)], unfit


def differences(
    call: Callable[[Mapping[str, Any]], Mapping[str, Any]], examples: Iterable[Example]
) -> dict[str, str | None]:
    """Compute every example; return name -> how it differs from what must come out, None if not.

    `call` is a session; what it raises is passed on.
    """
    found = {}
    for example in examples:
        outputs = call(example.inputs)
        pairs = [(name, wanted, outputs.get(name)) for name, wanted in example.outputs.items()]
        found[example.name] = next(filter(None, (difference(*pair) for pair in pairs)), None)
    return found


def difference(name: str, wanted: Value, got: Value) -> str | None:
    """Say how a computed value differs from the wanted one, by the rule of ONNX's backend tests; None if not."""
    if isinstance(wanted, Sequence):
        if not isinstance(got, Sequence) or len(got) != len(wanted):
            return f"{name}: a sequence of {len(wanted)} elements was expected"
        pairs = zip(wanted, got, strict=True)
        return next(filter(None, (difference(f"{name}[{i}]", *pair) for i, pair in enumerate(pairs))), None)
    if wanted is None or got is None:
        return None if wanted is got else f"{name}: a value in one, none in the other"
    return _array_difference(name, np.asarray(wanted), np.asarray(got))


def _array_difference(name: str, wanted: Array, got: Array) -> str | None:
    if got.shape != wanted.shape:
        return f"{name}: the shape is {got.shape}, expected {wanted.shape}"
    if wanted.dtype.kind in "OU" and got.dtype.kind in "OU":
        return None if np.array_equal(wanted, got) else f"{name}: other text"
    if got.dtype != wanted.dtype:
        return f"{name}: the type is {got.dtype}, expected {wanted.dtype}"
    return _numeric_difference(name, wanted, got)


def _numeric_difference(name: str, wanted: Array, got: Array) -> str | None:
    relative = RELATIVE
    if wanted.dtype.name == "bfloat16":
        relative, wanted, got = _HALF_RELATIVE, wanted.astype(np.float32), got.astype(np.float32)
    close = np.isclose(got, wanted, rtol=relative, atol=ABSOLUTE, equal_nan=True)
    if close.all():
        return None
    where = tuple(int(index) for index in np.unravel_index(int(np.argmin(close)), close.shape))
    count = int(close.size - np.count_nonzero(close))
    return f"{name}{list(where)}: {got[where]} in place of {wanted[where]} ({count} of {close.size} elements differ)"


def _obstacle(folder: Path) -> str | None:
    """Say why a folder is not looked into, None when it may be."""
    if not folder.is_dir():
        return "it is no folder"
    try:
        for file in (*_files(folder, "input"), *_files(folder, "output")):
            about, real = file.stat(), Path(os.path.realpath(file))
            if not stat.S_ISREG(about.st_mode):
                return f"{file.name} is {kind(about.st_mode)}"
            if not (real.is_relative_to(os.path.realpath(folder.parent)) or is_of_a_store(real)):
                return f"{file.name} is a link that leads elsewhere"
            if about.st_size > _LARGEST_BYTES:
                return f"{file.name} has {about.st_size / 1e9:.4g} GB"
    except OSError as error:
        return f"{Path(str(error.filename)).name} cannot be seen: {error.strerror}"
    return None


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, Unfit) else f"it cannot be read: {type(error).__name__}: {error}"


def _example(folder: Path, anatomy: Anatomy) -> Example:
    return Example(
        name=folder.name,
        inputs=_values(folder, "input", anatomy.inputs),
        outputs=_values(folder, "output", anatomy.outputs),
    )


def _files(folder: Path, what: str) -> list[Path]:
    return sorted(folder.glob(f"{what}_*.pb"), key=lambda path: _number(path.name))


def _values(folder: Path, what: str, specs: Sequence[TensorSpec]) -> dict[str, Value]:
    """Read the values of a kind; fewer than there are in the model are the first ones of it."""
    files = _files(folder, what)
    if len(files) > len(specs) or (what == "input" and specs and not files):
        raise Unfit(f"it has {len(files)} {what}s, the model {len(specs)}")
    return {spec.name: _read(file, spec) for spec, file in zip(specs, files, strict=False)}


def _read(file: Path, spec: TensorSpec) -> Value:
    """Read one value; raises `Unfit` when it is not what the model takes or gives there."""
    import onnx
    from google.protobuf.message import DecodeError

    message = {"sequence": onnx.SequenceProto, "optional": onnx.OptionalProto}.get(spec.dtype, onnx.TensorProto)()
    try:
        message.ParseFromString(file.read_bytes())
    except DecodeError as error:
        raise Unfit(f"{file.name} is damaged, or of another kind: {error}") from error
    if message.name and message.name != spec.name:
        raise Unfit(f"{file.name} is '{shown(message.name)}', the model's is '{shown(spec.name)}'")
    value = _value(message)
    if isinstance(value, np.ndarray):
        value = _of_bits(value, spec.dtype)
    if spec.dtype not in _NO_TENSORS and not _fits(np.asarray(value), spec):
        array = np.asarray(value)
        sizes = ["?" if size is None else size for size in spec.shape]
        raise Unfit(f"{file.name} is {array.dtype}{list(array.shape)}, the model's is {spec.dtype}{sizes}")
    return value


def _of_bits(array: Array, name: str) -> Array:
    """Return what an array stands for: before ONNX could say bfloat16 in test data, it wrote unsigned integers."""
    if array.dtype.kind != "u" or array.dtype.name == name or name in (*_NO_TENSORS, "str"):
        return array
    dtype = dtype_of(name)
    return array.view(dtype) if dtype.kind not in "biufc" and dtype.itemsize == array.dtype.itemsize else array


def _fits(array: Array, spec: TensorSpec) -> bool:
    """Tell whether an array is one of those that are described. No sizes at all may stand for any."""
    text = array.dtype.kind in "OUS"
    if (spec.dtype == "str") is not text or not (text or array.dtype.name == spec.dtype):
        return False
    sizes = zip(array.shape, spec.shape, strict=False)
    return not spec.shape or (
        len(array.shape) == len(spec.shape) and all(wanted in (None, size) for size, wanted in sizes)
    )


def _value(message: Any) -> Value:
    """Convert one of ONNX's messages; data that would lie in yet another file are refused."""
    import onnx
    from onnx import numpy_helper

    if isinstance(message, onnx.TensorProto):
        if message.data_location == onnx.TensorProto.EXTERNAL:
            raise Unfit(f"the data of its tensor '{shown(message.name)}' lie in another file")
        array: Array = numpy_helper.to_array(message)
        return array
    if isinstance(message, onnx.OptionalProto):
        held = {
            onnx.OptionalProto.TENSOR: message.tensor_value,
            onnx.OptionalProto.SEQUENCE: message.sequence_value,
        }.get(message.elem_type)
        return None if held is None else _value(held)
    if message.elem_type == onnx.SequenceProto.SEQUENCE:
        return [_value(each) for each in message.sequence_values]
    return [_value(each) for each in message.tensor_values]


def _number(name: str) -> tuple[int, str]:
    """Return what orders names that end in a number: 2 comes before 10."""
    found = re.search(r"(\d+)(\.pb)?$", name)
    return (int(found[1]) if found else -1, name)
