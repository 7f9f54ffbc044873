"""JSON values as tensors: which values a dtype takes, how nested lists become an array, and what keeps them from it.

Rules and texts: tensorflow_serving/util/json_tensor.cc. What is right is read fast, level by level of its lists; only
what is wrong is walked value by value to say why.
"""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from evaluator.core.tensors import Array
from serving.reference import json_text
from serving.reference.json_text import is_base64, shown
from serving.reference.status import Code, StatusError, invalid

_HIGHEST_RANK = 32  # numpy's
_UNREADABLE = {8: "complex64", 14: "bfloat16", 17: "uint16", 18: "complex128", 19: "half"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a tensor of some dtype takes from JSON."""

    name: str  # upstream's
    dtype: Any
    types: frozenset[type] = frozenset({int})
    bits: int | None = None  # of the integer that must hold it
    signed: bool = True

    def takes(self, values: Collection[Any]) -> bool:
        """Tell whether all values are of the right type and in range."""
        if not set(map(type, values)) <= self.types:
            return False
        if self.bits is None or not values:
            return True
        lowest, highest = (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1)) if self.signed else (0, 2**self.bits)
        return bool(lowest <= min(values) and max(values) < highest)


_STRING = Kind(name="string", dtype=object, types=frozenset({str}))
_NUMBERS = frozenset({int, float})
_KINDS = {  # by the numbers of tensorflow/core/framework/types.proto
    1: Kind(name="float", dtype=np.float32, types=_NUMBERS),
    2: Kind(name="double", dtype=np.float64, types=_NUMBERS),
    3: Kind(name="int32", dtype=np.int32, bits=32),
    4: Kind(name="uint8", dtype=np.uint8, bits=32),  # upstream takes 32 bits here too, and keeps the lowest
    5: Kind(name="int16", dtype=np.int16, bits=32),
    6: Kind(name="int8", dtype=np.int8, bits=32),
    7: _STRING,
    9: Kind(name="int64", dtype=np.int64, bits=64),
    10: Kind(name="bool", dtype=np.bool_, types=frozenset({bool})),
    22: Kind(name="uint32", dtype=np.uint32, bits=32, signed=False),
    23: Kind(name="uint64", dtype=np.uint64, bits=64, signed=False),
}
DTYPES = frozenset(np.dtype(kind.dtype) for kind in _KINDS.values())


def kind_of(number: int) -> Kind:
    """Look up a dtype by its number; `StatusError` for one that JSON cannot express."""
    if number not in _KINDS:
        name = _UNREADABLE.get(number, f"number {number} of types.proto")
        raise StatusError(Code.UNIMPLEMENTED, f"Conversion of JSON values to type: {name}")
    return _KINDS[number]


def as_array(value: Any, kind: Kind) -> Array | None:
    """Turn a value or nested lists into a tensor; None when lists or values are not all alike."""
    shape: list[int] = []
    level = [value]
    while level and type(level[0]) is list:
        if set(map(type, level)) != {list} or len(set(map(len, level))) != 1:
            return None
        shape.append(len(level[0]))
        _check_rank(shape)
        level = list(chain.from_iterable(level))
    if kind is _STRING:
        return _strings(level, shape)
    if not kind.takes(level):
        return None
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite
        held = np.array(level, dtype=np.int32 if kind.bits == 32 and kind.signed else kind.dtype)
    return held.astype(kind.dtype, copy=False).reshape(shape)


def _strings(values: list[Any], shape: list[int]) -> Array | None:
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        if isinstance(value, str):
            array[index] = json_text.to_bytes(value)
        elif is_base64(value):
            array[index] = json_text.from_base64(value)
        else:
            return None
    return array.reshape(shape)


def _shape(value: Any) -> list[int]:
    """Follow the first elements down: the shape that all others must have."""
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        _check_rank(shape)
        value = value[0] if value else None
    return shape


def _check_rank(shape: list[int]) -> None:
    if len(shape) > _HIGHEST_RANK:
        raise invalid(f"Encountered list at unexpected level: {_HIGHEST_RANK} expected < {_HIGHEST_RANK}")


def misfits(value: Any, kind: Kind) -> Iterator[str]:
    """Say what keeps a value or nested lists from being a tensor of that dtype."""
    return _misfits(value, _shape(value), 0, kind)


def _misfits(value: Any, shape: list[int], level: int, kind: Kind) -> Iterator[str]:
    rank = len(shape)
    if isinstance(value, list):
        if level >= rank:
            yield f"Encountered list at unexpected level: {level} expected < {rank}"
        elif len(value) != shape[level]:
            size = len(value)
            yield f"Encountered list at unexpected size: {size} at level: {level} expected size: {shape[level]}"
        else:
            for element in value:
                yield from _misfits(element, shape, level + 1, kind)
    elif level != rank:
        where = f"found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {rank}"
        yield f"JSON Value: {shown(value)} {where}"
    elif isinstance(value, dict) and kind is _STRING:
        if not is_base64(value):
            yield f"JSON Value: {shown(value)} not formatted correctly for base64 data"
    elif not kind.takes([value]):
        yield f"JSON Value: {shown(value)} Type: {json_text.kind(value)} is not of expected type: {kind.name}"


def row_misfits(column: list[Any], kind: Kind) -> Iterator[tuple[int, str]]:
    """Say which rows are no tensors, or have another shape than the first."""
    first = _shape(column[0])
    for index, value in enumerate(column):
        shape = _shape(value)
        for said in _misfits(value, shape, 0, kind):
            yield index, said
        if math.prod(shape) != math.prod(first):
            yield index, f"Expecting tensor size: {math.prod(first)} but got: {math.prod(shape)}"
        elif shape != first:
            yield index, f"Expecting shape {_listed(first)} but got: {_listed(shape)}"


def _listed(shape: list[int]) -> str:
    return f"[{','.join(map(str, shape))}]"
