"""Examples that lie beside an ONNX model: what its makers gave it, and what they say must come out.

The layout is that of ONNX's own backend tests and of its model zoo: folders `test_data_set_0`, …, with files
`input_0.pb`, … and `output_0.pb`, …, in the model's order.
https://github.com/onnx/onnx/blob/main/docs/OnnxBackendTest.md
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.records import Anatomy, TensorSpec
from evaluator.core.tensors import Array

# An element, an ordered list of such, or nothing: ONNX has sequences and optional values beside tensors.
Value = Array | Sequence["Value"] | None

RELATIVE, ABSOLUTE = 1e-3, 1e-7  # the tolerances of ONNX's backend tests: onnx/backend/test/runner
_HALF_RELATIVE = 2**-6  # theirs for bfloat16: two units in the last place


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One folder of test data: values by the model's names for them."""

    name: str
    inputs: Mapping[str, Value]
    outputs: Mapping[str, Value]


def examples_beside(artifact: Path, anatomy: Anatomy) -> Iterator[Example]:
    """Read the examples that lie beside an ONNX file, in the order of their names.

    Raises `ValueError` for one that is damaged or does not fit the model.
    """
    for folder in sorted(artifact.parent.glob("test_data_set_*"), key=lambda path: _number(path.name)):
        yield Example(
            name=folder.name,
            inputs=_values(folder, "input", anatomy.inputs),
            outputs=_values(folder, "output", anatomy.outputs),
        )


def differences(
    call: Callable[[Mapping[str, Any]], Mapping[str, Any]], artifact: Path, anatomy: Anatomy
) -> dict[str, str | None]:
    """Compute every example beside an artifact; return name -> how it differs from what must come out, None if not.

    `call` is a session; what it raises is passed on.
    """
    found = {}
    for example in examples_beside(artifact, anatomy):
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


def _values(folder: Path, kind: str, specs: Sequence[TensorSpec]) -> dict[str, Value]:
    files = sorted(folder.glob(f"{kind}_*.pb"), key=lambda path: _number(path.name))
    if len(files) > len(specs):
        raise ValueError(f"{folder.name} has {len(files)} {kind}s, the model {len(specs)}")
    return {spec.name: _read(file, spec.dtype) for spec, file in zip(specs, files, strict=False)}


def _read(file: Path, kind: str) -> Value:
    import onnx
    from google.protobuf.message import DecodeError

    message = {"sequence": onnx.SequenceProto, "optional": onnx.OptionalProto}.get(kind, onnx.TensorProto)()
    try:
        message.ParseFromString(file.read_bytes())
    except DecodeError as error:
        raise ValueError(f"{file.parent.name}/{file.name} is damaged: {error}") from error
    return _value(message)


def _value(message: Any) -> Value:
    """Convert one of ONNX's messages; data that would lie in yet another file are refused."""
    import onnx
    from onnx import numpy_helper

    if isinstance(message, onnx.TensorProto):
        if message.external_data:
            raise ValueError(f"the tensor '{message.name}' of an example has its data elsewhere")
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
