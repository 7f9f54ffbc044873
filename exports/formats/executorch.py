"""ExecuTorch program: PyTorch for phones and smaller, compiled ahead of time for a backend; successor of TorchMobile.

What is lost: everything but the forward pass. Memory is planned ahead, so free dimensions have an upper bound.
Specification: https://docs.pytorch.org/executorch/stable/pte-file-format.html
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TypeVar

from evaluator.core.records import Anatomy, Signature, TensorSpec
from exports.contract import Format
from exports.formats import _flatbuffers
from exports.formats._flatbuffers import Table
from exports.signatures import FORWARD, judged

_IDENTIFIER = b"ET12"
_XNNPACK, _XNNPACK_IDENTIFIER = "XnnpackBackend", b"XN01"
# Members of unions and enumerations, by their number in program.fbs and schema.fbs.
_TENSOR = 5
_NUMBERS = {2: "int64", 3: "bool", 4: "float64"}
_KERNEL_CALL, _DELEGATE_CALL = 1, 2
_IN_SEGMENT = 1
_QUANTIZED = 2
_DTYPES = {  # scalar_type.fbs -> numpy's name, bytes per number
    0: ("uint8", 1),
    1: ("int8", 1),
    2: ("int16", 2),
    3: ("int32", 4),
    4: ("int64", 8),
    5: ("float16", 2),
    6: ("float32", 4),
    7: ("float64", 8),
    11: ("bool", 1),
    12: ("int8", 1),
    13: ("uint8", 1),
    14: ("int32", 4),
    15: ("bfloat16", 2),
}
# backends/xnnpack/serialization/schema.fbs: types and operators, by their number.
_XNNPACK_DTYPES = (
    *("invalid", "float32", "float16", "int8", "uint8", "int32", "int8", "int32", "int4", "int8", "int4", "int8"),
    *("int32", "float32", "bfloat16"),
)
_XNNPACK_OPERATORS = (
    *("none", "Add", "FullyConnected", "Softmax", "Sigmoid", "StaticTranspose", "Clamp", "Conv2d", "Div"),
    *("StaticResizeBilinear2D", "StaticConstantPad", "AvgPooling2d", "Minimum", "DepthwiseConv2d", "MaxPooling2d"),
    *("Multiply", "Subtract", "Floor", "Convert", "GlobalAvgPooling2d", "StaticReshape", "ArgMaxPooling2d"),
    *("SquareRoot", "Ceiling", "Hardswish", "LeakyReLU", "Maximum", "Negate", "Square", "ELU", "Abs", "PReLU"),
    *("Concatenate2", "Concatenate3", "Concatenate4", "StaticSlice", "ScaledDotProductAttention"),
    *("BatchMatrixMultiply", "Concatenate5", "ConvTranspose2d", "ReciprocalSquareRoot", "Log", "Gelu", "Tanh", "Exp"),
    *("Sin", "Copy", "Cos"),
)
_Item = TypeVar("_Item")


class ExecuTorch(Format):
    """A flat buffer; its inputs are positional, in the signature's order. Its signatures are its methods."""

    name = "executorch"
    title = "ExecuTorch"
    path = "mobile"
    suffixes = (".pte",)

    def recognises(self, path: Path) -> bool:
        """Look for the identifier of the schema."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(8)[4:] == _IDENTIFIER

    def anatomy(self, artifact: Path) -> Anatomy:
        """Read the program, and the graphs that were delegated to XNNPACK; other delegates stay closed.

        The file has no names for inputs and outputs. Of a tensor whose size is free up to a bound it does not tell
        which dimension that is: taken to be the first, the batch.
        """
        content = artifact.read_bytes()
        program = _Program(content)
        plans = program.root.tables(1)
        if not plans:
            raise ValueError("the program has no method")
        for plan in plans:
            program.count(plan)
        signatures = tuple(_signature(plan) for plan in plans)
        default = judged(signatures, FORWARD)
        shown = Signature(inputs=(), outputs=()) if default is None else default
        return Anatomy(
            version=f"schema {program.root.number(0, '<I')}",
            operators=dict(program.operators),
            inputs=shown.inputs,
            outputs=shown.outputs,
            signatures=signatures,
            judged=shown.name,
            bounds={} if default is None else _bounds(plans[signatures.index(default)]),
            weights=dict(program.weights),
            graph_bytes=program.graph_bytes,
            metadata_bytes=max(0, len(content) - program.graph_bytes - program.weights.total()),
        )


def numbers(artifact: Path, method: str) -> set[str]:
    """Return the inputs of a method that are numbers, not tensors; `ValueError` for a file that is damaged."""
    root = _flatbuffers.root(artifact.read_bytes(), _IDENTIFIER)
    plans = [plan for plan in root.tables(1) if plan.text(0) == method]
    return {
        f"input_{position}"
        for plan in plans
        for position, index in enumerate(plan.numbers(3, "<i"))
        if _pick(plan.tables(2), index).number(0, "<B") in _NUMBERS
    }


@dataclass(slots=True)
class _Program:
    """What is found in a file, method by method."""

    content: bytes
    root: Table = field(init=False)
    segments: list[bytes] = field(init=False)
    graph_bytes: int = field(init=False)
    operators: Counter[str] = field(default_factory=Counter)
    weights: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)  # weights that delegates share, by name

    def __post_init__(self) -> None:
        self.root = _flatbuffers.root(self.content, _IDENTIFIER)
        # The extended header behind the identifier: its magic and length, size of the program, base of the segments.
        extended = self.content[8:12] == b"eh00"
        self.graph_bytes = int.from_bytes(self.content[16:24], "little") if extended else len(self.content)
        base = int.from_bytes(self.content[24:32], "little") if extended else 0
        self.segments = [self._cut(base + each.number(0, "<Q"), each.number(1, "<Q")) for each in self.root.tables(4)]

    def _cut(self, start: int, size: int) -> bytes:
        if start + size > len(self.content):
            raise ValueError(f"the file is cut off: it should have {start + size} bytes and has {len(self.content)}")
        return self.content[start : start + size]

    def count(self, plan: Table) -> None:
        """Count the calls of a method and the constants among its values."""
        names = [".".join(filter(None, (each.text(0), each.text(1)))) for each in plan.tables(6)]
        delegates = plan.tables(7)
        for instruction in (each for chain in plan.tables(5) for each in chain.tables(2)):
            kind, call = instruction.number(0, "<B"), instruction.table(1)
            if call is not None and kind == _KERNEL_CALL:
                self.operators[_pick(names, call.number(0, "<i"))] += 1
            elif call is not None and kind == _DELEGATE_CALL:
                self._open(_pick(delegates, call.number(0, "<i")))
        tensors = [tensor for tensor in map(_tensor, plan.tables(2)) if tensor is not None]
        for index, tensor in {tensor.number(5, "<I"): tensor for tensor in tensors}.items():
            if index:  # 0: computed, not constant
                dtype, width = _dtype(tensor)
                self.weights[dtype] += width * prod(_sizes(tensor))

    def _open(self, delegate: Table) -> None:
        """Count what a delegate holds when it is XNNPACK's; any other counts as one operator."""
        name, where = delegate.text(0), delegate.table(1)
        if name != _XNNPACK or where is None:
            self.operators[name] += 1
            return
        index = where.number(1, "<I")
        in_segment = where.number(0, "<b") == _IN_SEGMENT
        payload = _pick(self.segments, index) if in_segment else _pick(self.root.tables(3), index).raw(0)
        # Its header: magic, length, then where its graph begins and how long it is.
        start, size = int.from_bytes(payload[10:14], "little"), int.from_bytes(payload[14:18], "little")
        graph = _flatbuffers.root(payload[start : start + size], _XNNPACK_IDENTIFIER)
        self.graph_bytes += size
        for node in graph.tables(1):
            self.operators[f"XNNPACK.{_pick(_XNNPACK_OPERATORS, node.number(0, '<B'))}"] += 1
        for value in graph.tables(2):
            self._weigh(value, graph.tables(8))

    def _weigh(self, value: Table, places: list[Table]) -> None:
        """Count a value of a graph for XNNPACK if it is constant: if it has a place among the graph's data."""
        tensor = value.table(1)
        if tensor is not None and value.number(0, "<B") == _QUANTIZED:
            tensor = tensor.table(0)
        index = 0 if tensor is None else tensor.number(3, "<I")
        if tensor is None or not index:
            return
        place = _pick(places, index)
        name = place.text(2)
        if not name or name not in self.seen:
            self.seen.add(name)
            self.weights[_pick(_XNNPACK_DTYPES, tensor.number(0, "<h"))] += place.number(1, "<Q")


def _pick(listed: Sequence[_Item], index: int) -> _Item:
    if not 0 <= index < len(listed):
        raise ValueError("the program refers to something that it does not have")
    return listed[index]


def _tensor(value: Table) -> Table | None:
    return value.table(1) if value.number(0, "<B") == _TENSOR else None


def _dtype(tensor: Table) -> tuple[str, int]:
    kind = tensor.number(0, "<b")
    return _DTYPES.get(kind, (f"type {kind}", 0))


def _signature(plan: Table) -> Signature:
    return Signature(name=plan.text(0), inputs=_specs(plan, 3, "input"), outputs=_specs(plan, 4, "output"))


def _specs(plan: Table, field_number: int, name: str) -> tuple[TensorSpec, ...]:
    """Describe the tensors and numbers among the values that go in or come out, each numbered by its place."""
    values = plan.tables(2)
    found = [(position, _pick(values, index)) for position, index in enumerate(plan.numbers(field_number, "<i"))]
    return tuple(
        TensorSpec(name=f"{name}_{position}", dtype=dtype, shape=shape)
        for position, value in found
        for dtype, shape in _described(value)
    )


def _described(value: Table) -> list[tuple[str, tuple[int | None, ...]]]:
    """Return type and shape of a tensor or a number; nothing for a value that is neither."""
    tensor = _tensor(value)
    if tensor is not None:
        return [(_dtype(tensor)[0], _shape(tensor))]
    number = _NUMBERS.get(value.number(0, "<B"))
    return [] if number is None else [(number, ())]


def _shape(tensor: Table) -> tuple[int | None, ...]:
    sizes = _sizes(tensor)
    return (None, *sizes[1:]) if sizes and tensor.number(8, "<b") else sizes


def _sizes(tensor: Table) -> tuple[int, ...]:
    sizes = tensor.numbers(2, "<i")
    if min(sizes, default=0) < 0:
        raise ValueError("a tensor has a size below zero")
    return sizes


def _bounds(plan: Table) -> dict[str, tuple[tuple[int, int | None], ...]]:
    """Return the least and the most of each dimension, of inputs with a free one: memory is planned for the most."""
    values = plan.tables(2)
    tensors = [_tensor(_pick(values, index)) for index in plan.numbers(3, "<i")]
    return {
        f"input_{position}": tuple((0 if axis == 0 else size, size) for axis, size in enumerate(_sizes(tensor)))
        for position, tensor in enumerate(tensors)
        if tensor is not None and None in _shape(tensor)
    }


plugin = ExecuTorch()
