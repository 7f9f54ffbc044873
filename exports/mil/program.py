"""What is in a Core ML model: its description, and the operations of its ML program, read without executing any of it.

Schemas: https://github.com/apple/coremltools/tree/main/mlmodel/format (Model.proto, MIL.proto, FeatureTypes.proto).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.tensors import Array
from exports.contract import NotReadError
from exports.formats import _protobuf
from exports.formats._naming import MOST_DIMENSIONS, short
from exports.formats._protobuf import Message, integer, integers, messages, parts, text
from exports.mil.package import Weights, content_of, model_of

MAIN = "main"
CONSTANT, COMPRESSED = "const", "constexpr_"  # what such operators are called, or how their names begin
_PROGRAM = 502  # of Model.proto's kinds, the one that is read
_KINDS = {
    **dict.fromkeys((200, 201, 202), "pipeline"),
    **dict.fromkeys((303, 403, 500), "neural network"),
    **dict.fromkeys((302, 402), "ensemble of trees"),
}
_OTHER_KINDS = range(200, 3001)
_DEEPEST = 32  # blocks within blocks
_DTYPES = {
    **dict(enumerate(("bool", "str"), 1)),
    **dict(enumerate(("float16", "float32", "float64", "bfloat16"), 10)),
    **dict(enumerate(("int8", "int16", "int32", "int64", "int4"), 21)),
    **dict(enumerate(("uint8", "uint16", "uint32", "uint64", "uint4", "uint2", "uint1", "uint6", "uint3"), 31)),
    **dict(enumerate(("float8_e4m3fn", "float8_e5m2"), 40)),
}
_PACKED = {"int4": 4, "uint4": 4, "uint2": 2, "uint1": 1, "uint6": 6, "uint3": 3}  # bits, the first in the lowest ones
_ARRAY_TYPES = {65568: "float32", 65600: "float64", 131104: "int32", 131080: "int8", 65552: "float16"}
# Fields of a TensorValue whose numbers are as in memory -> of which type.
_RAW = {1: "float32", 6: "float64"}
_FLOATS_OF_8_BITS = ("float8_e4m3fn", "float8_e5m2")


@dataclass(frozen=True, slots=True)
class Kind:
    """Of which type and sizes a tensor is; None for a size that is free."""

    dtype: str
    shape: tuple[int | None, ...] = ()

    @property
    def bits(self) -> int:
        """Return what one number takes."""
        if self.dtype in _FLOATS_OF_8_BITS:
            return 8
        return _PACKED.get(self.dtype) or (16 if self.dtype == "bfloat16" else 8 * np.dtype(self.dtype).itemsize)

    @property
    def bytes(self) -> int:
        """Return what all of them take; raises `ValueError` where a size is free."""
        return -(-prod(self.fixed) * self.bits // 8)

    @property
    def fixed(self) -> tuple[int, ...]:
        """Return the sizes of a constant; raises `ValueError` where one is free."""
        sizes = tuple(size for size in self.shape if size is not None)
        if len(sizes) < len(self.shape):
            raise ValueError("a constant has a size that is free")
        return sizes


@dataclass(frozen=True, slots=True)
class Value:
    """A constant: its bytes, or where they lie."""

    kind: Kind
    content: Message = field(default_factory=dict)
    place: tuple[str, int] | None = None  # a file, and where in it

    def stored(self, weights: Weights) -> memoryview:
        """Return the bytes of one that lies in a file; raises `ValueError` when they are not there."""
        if self.place is None:
            raise ValueError("a constant has no place in a file")
        data = weights.read(*self.place)
        if len(data) != self.kind.bytes:
            raise ValueError(f"weights should have {self.kind.bytes} bytes and have {len(data)}")
        return data

    def read(self, weights: Weights) -> Any:
        """Return an array, or a text."""
        if self.place is not None:
            return _array(self.stored(weights), self.kind)
        if self.kind.dtype == "str":
            texts = [
                str(bytes(each), "utf-8", "replace") for part in messages(self.content, 4) for each in parts(part, 1)
            ]
            return texts if self.kind.shape else "".join(texts[:1])
        return _immediate(self.content, self.kind)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: what it takes are names of values, or constants."""

    kind: str
    inputs: dict[str, tuple[str | Value, ...]]
    outputs: tuple[tuple[str, Kind], ...]
    blocks: "tuple[Block, ...]" = ()

    @property
    def is_constant(self) -> bool:
        """Tell whether it is a constant, or unpacks some."""
        return self.kind == CONSTANT or self.kind.startswith(COMPRESSED)


@dataclass(frozen=True, slots=True)
class Block:
    """Operations in order, and the names of the values that they give in the end."""

    inputs: tuple[tuple[str, Kind], ...]
    outputs: tuple[str, ...]
    operations: tuple[Operation, ...]

    def all(self) -> Iterator[Operation]:
        """Yield the operations of this block, and of those inside."""
        for operation in self.operations:
            yield operation
            for block in operation.blocks:
                yield from block.all()


@dataclass(frozen=True, slots=True)
class Function:
    """What can be called in a program."""

    inputs: tuple[tuple[str, Kind], ...]
    opset: str
    block: Block

    def kinds(self) -> dict[str, Kind]:
        """Return the values that it takes and makes, by name."""
        made = (output for operation in self.block.operations for output in operation.outputs)
        return {**dict(self.inputs), **dict(made)}


@dataclass(frozen=True, slots=True)
class Feature:
    """An input or an output as an application sees it."""

    name: str
    dtype: str  # empty for what is no array
    shape: tuple[int, ...]
    bounds: tuple[tuple[int, int | None], ...]  # of each size the least and the most; empty where they are fixed
    optional: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A function as the description has it."""

    name: str
    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    states: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """A package, read."""

    path: Path  # of the model's file
    specification: int
    entries: tuple[Entry, ...]
    default: str  # the name of the entry that is called when none is named
    several: bool  # whether it names its entries
    program: memoryview

    @cached_property
    def functions(self) -> dict[str, Function]:
        """Return the functions of the program; raises `ValueError` for what is damaged."""
        found = {text(each, 1): _function(parts(each, 2)) for each in messages(_protobuf.read(self.program), 2)}
        if not found:
            raise ValueError("the program has no function")
        return found

    @cached_property
    def weights(self) -> Weights:
        """Return the files beside the model."""
        return Weights(self.path)

    def entry(self, name: str) -> tuple[Entry, Function]:
        """Return what can be called by a name, or without one by default; raises `ValueError` for one it has not."""
        wanted = name or self.default
        entry = next((each for each in self.entries if each.name == wanted), None)
        function = self.functions.get(wanted)
        if entry is None or function is None:
            raise ValueError(f"it has no function '{short(wanted)}'; it has {', '.join(map(short, self.functions))}")
        return entry, function


def read(package: Path) -> Model:
    """Read a package; raises `ValueError` for one that is damaged, `NotReadError` for a model of another kind."""
    path = model_of(package)
    outer = _protobuf.read(memoryview(content_of(path)))
    programs = parts(outer, _PROGRAM)
    if not programs:
        kind = next((number for number in outer if number in _OTHER_KINDS), None)
        if kind is None:
            raise ValueError(f"{path.name} describes no model")
        raise NotReadError(f"it is a Core ML {_KINDS.get(kind, 'model of an older kind')}, no ML program")
    described = messages(outer, 2)
    description = described[-1] if described else {}
    functions = messages(description, 20)
    default = text(description, 21) or MAIN
    entries = tuple(_entry(text(each, 1), each, (2, 3, 6)) for each in functions)
    return Model(
        path=path,
        specification=integer(outer, 1),
        entries=entries or (_entry(default, description, (1, 10, 13)),),
        default=default,
        several=bool(entries),
        program=programs[-1],
    )


def _entry(name: str, message: Message, fields: tuple[int, int, int]) -> Entry:
    takes, gives, keeps = fields
    return Entry(
        name=name,
        inputs=tuple(_feature(each) for each in messages(message, takes)),
        outputs=tuple(_feature(each) for each in messages(message, gives)),
        states=tuple(text(each, 1) for each in messages(message, keeps)),
    )


def _feature(message: Message) -> Feature:
    kind: Message = next(iter(messages(message, 3)), {})
    optional = bool(integer(kind, 1000))
    arrays = messages(kind, 5)
    if not arrays:
        return Feature(text(message, 1), "", (), (), optional)
    array = arrays[-1]
    shape = tuple(integers(array, 1))
    ranges = [each for part in messages(array, 31) for each in messages(part, 1)]
    choices = [tuple(integers(each, 1)) for part in messages(array, 21) for each in messages(part, 1)]
    bounds = tuple((integer(each, 1), _most(integer(each, 2))) for each in ranges)
    if choices and len({len(each) for each in choices}) == 1:
        bounds = tuple((min(sizes), max(sizes)) for sizes in zip(*choices, strict=True))
    dtype = _ARRAY_TYPES.get(integer(array, 2), f"type {integer(array, 2)}")
    if max(len(shape), len(bounds)) > MOST_DIMENSIONS:
        raise ValueError(f"'{short(text(message, 1))}' has {max(len(shape), len(bounds))} dimensions")
    return Feature(text(message, 1), dtype, shape, bounds, optional)


def _most(bound: int) -> int | None:
    return None if bound < 0 else bound


def _function(content: list[memoryview]) -> Function:
    message = _protobuf.read(content[-1]) if content else {}
    opset = text(message, 2)
    blocks = {text(each, 1): parts(each, 2) for each in messages(message, 3)}
    found = blocks.get(opset) or next(iter(blocks.values()), None)
    if not found:
        raise ValueError("a function has no operations")
    return Function(inputs=_named(message, 1), opset=opset, block=_block(_protobuf.read(found[-1]), 0))


def _block(message: Message, depth: int) -> Block:
    if depth > _DEEPEST:
        raise ValueError(f"blocks lie more than {_DEEPEST} deep in one another")
    return Block(
        inputs=_named(message, 1),
        outputs=tuple(str(bytes(each), "utf-8", "replace") for each in parts(message, 2)),
        operations=tuple(_operation(each, depth) for each in messages(message, 3)),
    )


def _operation(message: Message, depth: int) -> Operation:
    inputs: dict[str, tuple[str | Value, ...]] = {}
    for each in messages(message, 5):  # attributes are constants
        inputs[text(each, 1)] = tuple(_value(value) for value in messages(each, 2))
    for each in messages(message, 2):
        bindings = [binding for argument in messages(each, 2) for binding in messages(argument, 1)]
        inputs[text(each, 1)] = tuple(_bound(binding) for binding in bindings)
    return Operation(
        kind=text(message, 1),
        inputs=inputs,
        outputs=_named(message, 3),
        blocks=tuple(_block(each, depth + 1) for each in messages(message, 4)),
    )


def _bound(binding: Message) -> str | Value:
    values = messages(binding, 2)
    return _value(values[-1]) if values else text(binding, 1)


def _named(message: Message, number: int) -> tuple[tuple[str, Kind], ...]:
    return tuple((text(each, 1), _kind(each, 2)) for each in messages(message, number))


def _kind(message: Message, number: int) -> Kind:
    """Read a type; of one that is no tensor (a list, a state) only that is told."""
    types = messages(message, number)
    tensors = messages(types[-1], 1) if types else []
    if not tensors:
        return Kind("")
    tensor = tensors[-1]
    code, sizes = integer(tensor, 1), messages(tensor, 3)
    if len(sizes) > MOST_DIMENSIONS:
        raise ValueError(f"a value has {len(sizes)} dimensions")
    return Kind(_DTYPES.get(code, f"type {code}"), tuple(_size(each) for each in sizes))


def _size(dimension: Message) -> int | None:
    constant = messages(dimension, 1)
    return integer(constant[-1], 1) if constant else None


def _value(message: Message) -> Value:
    kind = _kind(message, 2)
    if kind.dtype.startswith("type ") or not kind.dtype:
        kind = Kind("")
    places = messages(message, 5)
    if places:
        if not kind.dtype:
            raise ValueError("weights are of a type that is not known")
        return Value(kind, place=(text(places[-1], 1), integer(places[-1], 2)))
    tensors = [tensor for immediate in messages(message, 3) for tensor in messages(immediate, 1)]
    return Value(kind, content=tensors[-1] if tensors else {})


def _immediate(content: Message, kind: Kind) -> Array:
    """Return the array of a constant that stands in the program itself."""
    if not kind.dtype:
        raise ValueError("a constant is no tensor")
    size = prod(kind.fixed)
    for number, dtype in _RAW.items():
        found = messages(content, number)
        if found:
            return _shaped(np.frombuffer(b"".join(parts(found[-1], 1)), dtype), kind).astype(kind.dtype)
    for number in (2, 3, 5):  # whole numbers of 32 bits, yes and no, whole numbers of 64 bits
        found = messages(content, number)
        if found:
            return _shaped(np.array(integers(found[-1], 1), np.int64), kind).astype(kind.dtype)
    found = messages(content, 7)
    if found:
        return _array(memoryview(b"".join(parts(found[-1], 1))), kind)
    if size:
        raise ValueError(f"a constant should have {size} numbers and has none")
    return np.zeros(kind.fixed, kind.dtype)


def _shaped(array: Array, kind: Kind) -> Array:
    if array.size != prod(kind.fixed):
        raise ValueError(f"a constant should have {prod(kind.fixed)} numbers and has {array.size}")
    return array.reshape(kind.fixed)


def _array(data: memoryview, kind: Kind) -> Array:
    """Return numbers as they are in memory, of types that numpy has."""
    if kind.dtype in _FLOATS_OF_8_BITS:
        raise NotReadError(f"numbers of type {kind.dtype}")
    if len(data) != kind.bytes:
        raise ValueError(f"a constant should have {kind.bytes} bytes and has {len(data)}")
    if kind.dtype == "bfloat16":
        return _shaped((np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4"), kind)
    if kind.dtype not in _PACKED:
        return _shaped(np.frombuffer(data, kind.dtype), kind)
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[: prod(kind.fixed) * kind.bits]
    numbers = bits.reshape(-1, kind.bits) @ (1 << np.arange(kind.bits))
    signed = kind.dtype.startswith("int")
    numbers = np.where(signed & (numbers >> kind.bits - 1 > 0), numbers - (1 << kind.bits), numbers)
    return _shaped(numbers.astype(np.int8 if signed else np.uint8), kind)
