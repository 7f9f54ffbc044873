"""Core ML packages written by hand: a few messages of protocol buffers, and weights beside them."""

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.tensors import Array

CODES = {
    "bool": 1,
    "str": 2,
    "float16": 10,
    "float32": 11,
    "int8": 21,
    "int32": 23,
    "int4": 25,
    "uint8": 31,
    "uint32": 33,
    "uint4": 35,
    "uint2": 36,
}
ARRAY_CODES = {"float32": 65568, "int32": 131104, "float16": 65552}
Shape = tuple[int | None, ...]
Kind = tuple[str, Shape]


def field_of(number: int, value: int | bytes | str) -> bytes:
    """Return a field of a message: a number, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def kind_of(kind: Kind) -> bytes:
    dtype, shape = kind
    sizes = [field_of(3, field_of(2, b"") if size is None else field_of(1, field_of(1, size))) for size in shape]
    return field_of(1, field_of(1, CODES[dtype]) + field_of(2, len(shape)) + b"".join(sizes))


def named(name: str, kind: Kind) -> bytes:
    return field_of(1, name) + field_of(2, kind_of(kind))


def immediate(value: Any) -> bytes:
    """Return a constant that stands in the program."""
    if isinstance(value, str):
        content, kind = field_of(4, field_of(1, value)), ("str", ())
    else:
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        if array.dtype == np.int64:
            array = array.astype(np.int32)
        content, kind = tensor(array), (array.dtype.name, array.shape)
    return field_of(2, kind_of(kind)) + field_of(3, field_of(1, content))


def tensor(array: Array) -> bytes:
    if array.dtype == np.float32:
        return field_of(1, field_of(1, array.tobytes()))
    if array.dtype in (np.int32, np.bool_):
        numbers = b"".join(varint(int(each)) for each in array.reshape(-1))
        return field_of(2 if array.dtype == np.int32 else 3, field_of(1, numbers))
    return field_of(7, field_of(1, array.tobytes()))


def entry(name: str, value: bytes) -> bytes:
    return field_of(1, name) + field_of(2, value)


@dataclass
class Package:
    """A program in the making."""

    inputs: dict[str, Kind]
    outputs: dict[str, str]  # name -> its type
    bounds: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    operations: bytes = b""
    weights: bytes = b""
    name: str = "@model_path/weights/weight.bin"
    states: tuple[str, ...] = ()

    def stored(self, kind: Kind, data: bytes) -> bytes:
        """Add weights, and return the constant that they are."""
        start = 64 + len(self.weights)
        record = struct.pack("<IIQQ", 0xDEADBEEF, 1, len(data), start + 64)
        self.weights += record.ljust(64, b"\0") + data + b"\0" * (-len(data) % 64)
        return field_of(2, kind_of(kind)) + field_of(5, field_of(1, self.name) + field_of(2, start))

    def add(self, kind: str, takes: dict[str, Any], makes: dict[str, Kind], *blocks: bytes) -> None:
        """Add an operation: texts that begin with % are names of values, all else are constants."""
        self.operations += field_of(3, operation(kind, takes, makes, *blocks))

    def constant(self, name: str, kind: Kind, value: bytes) -> None:
        """Add a constant with a name."""
        attributes = field_of(5, entry("name", immediate(name))) + field_of(5, entry("val", value))
        self.operations += field_of(3, field_of(1, "const") + field_of(3, named(name, kind)) + attributes)

    def model(self) -> bytes:
        """Return the message."""
        block = self.operations + b"".join(field_of(2, name) for name in self.outputs)
        inputs = b"".join(field_of(1, named(name, kind)) for name, kind in self.inputs.items())
        function = inputs + field_of(2, "CoreML7") + field_of(3, entry("CoreML7", block))
        program = field_of(1, 1) + field_of(2, entry("main", function))
        features = b"".join(field_of(1, self._feature(name, kind)) for name, kind in self.inputs.items())
        for name, dtype in self.outputs.items():
            array = field_of(5, field_of(2, ARRAY_CODES[dtype]))
            features += field_of(10, field_of(1, name) + field_of(3, array))
        features += b"".join(field_of(13, field_of(1, name)) for name in self.states)
        return field_of(1, 8) + field_of(2, features) + field_of(502, program)

    def _feature(self, name: str, kind: Kind) -> bytes:
        dtype, shape = kind
        array = field_of(1, b"".join(varint(1 if size is None else size) for size in shape))
        array += field_of(2, ARRAY_CODES[dtype])
        if name in self.bounds:
            ranges = [field_of(1, field_of(1, low) + field_of(2, high)) for low, high in self.bounds[name]]
            array += field_of(31, b"".join(ranges))
        return field_of(1, name) + field_of(3, field_of(5, array))

    def write(self, folder: Path) -> Path:
        """Write the package."""
        return write(folder, self.model(), self.weights)


def operation(kind: str, takes: dict[str, Any], makes: dict[str, Kind], *blocks: bytes) -> bytes:
    content = field_of(1, kind)
    for name, value in takes.items():
        bound = b"".join(field_of(1, binding(each)) for each in (value if isinstance(value, tuple) else (value,)))
        content += field_of(2, entry(name, bound))
    content += b"".join(field_of(3, named(name, made)) for name, made in makes.items())
    return content + b"".join(field_of(4, block) for block in blocks)


def binding(value: Any) -> bytes:
    if isinstance(value, str) and value.startswith("%"):
        return field_of(1, value[1:])
    return field_of(2, value if isinstance(value, bytes) else immediate(value))


def block(inputs: dict[str, Kind], outputs: tuple[str, ...], *operations: bytes) -> bytes:
    """Return a block of an operation that has some."""
    content = b"".join(field_of(1, named(name, kind)) for name, kind in inputs.items())
    content += b"".join(field_of(2, name) for name in outputs)
    return content + b"".join(field_of(3, each) for each in operations)


def write(folder: Path, model: bytes, weights: bytes = b"") -> Path:
    """Write a package with this model, and with weights if there are any."""
    package = folder / "model.mlpackage"
    data = package / "Data" / "com.apple.CoreML"
    (data / "weights").mkdir(parents=True, exist_ok=True)
    (data / "model.mlmodel").write_bytes(model)
    if weights:
        head = struct.pack("<II", 1, 2).ljust(64, b"\0")
        (data / "weights" / "weight.bin").write_bytes(head + weights)
    items = {"A": {"author": "com.apple.CoreML", "name": "model.mlmodel", "path": "com.apple.CoreML/model.mlmodel"}}
    manifest = {"fileFormatVersion": "1.0.0", "itemInfoEntries": items, "rootModelIdentifier": "A"}
    (package / "Manifest.json").write_text(json.dumps(manifest))
    return package
