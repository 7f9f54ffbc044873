"""A TFLite file, read by its schema: what it can be asked for, and where each tensor is.

The reader of its anatomy and the interpreters' sessions share this: a file's tensors have the same names in both.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TypeVar

from evaluator.core.records import Signature, TensorSpec
from exports.formats import _flatbuffers
from exports.formats._flatbuffers import Table
from exports.formats._naming import MOST_DIMENSIONS, short, unique
from exports.formats._tflite_schema import OPERATORS, TYPES
from exports.parts import own

IDENTIFIER = b"TFL3"  # at the fifth byte
_NOWHERE = -1  # the index of an optional tensor that is left out
_BEHIND = 1  # offsets above it: the data lie behind the flat buffer, as in files above 2 GB
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A function that can be asked for: a signature, or the first subgraph of a file that has none (its name is "")."""

    name: str
    subgraph: int
    inputs: dict[str, int]  # name -> index of the tensor in that subgraph
    outputs: dict[str, int]


@contextmanager
def opened(path: Path) -> Iterator["File"]:
    """Open a file; raises `ValueError`, as every method does, when it is damaged or no TFLite file."""
    with path.open("rb") as file:
        if file.read(8)[4:] != IDENTIFIER:
            raise ValueError(f"{path.name} is no TFLite file: it lacks the identifier {IDENTIFIER.decode()}")
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            yield File(content, path)


@dataclass(slots=True)
class File:
    """The tables of an open file; fields are numbered as the schema lists them."""

    content: mmap
    path: Path
    model: Table = field(init=False)
    graphs: list[Table] = field(init=False)
    tensors: list[list[Table]] = field(init=False)  # of each subgraph
    buffers: list[Table] = field(init=False)

    def __post_init__(self) -> None:
        self.model = _flatbuffers.root(self.content, IDENTIFIER)
        self.graphs = self.model.tables(2)
        self.tensors = [graph.tables(0) for graph in self.graphs]
        self.buffers = self.model.tables(4)
        if not self.graphs:
            raise ValueError("it has no subgraph")

    def entries(self) -> list[Entry]:
        """Return the signatures, or the first subgraph; of two signatures with one name the second has a number."""
        signatures = self.model.tables(7)
        if not signatures:
            return [self._entry("", 0, *(self._own(side, self.graphs[0].numbers(side, "<i")) for side in (1, 2)))]
        names = unique((each.text(2) for each in signatures), "signature")
        return [
            self._entry(name, each.number(4, "<I"), *(_mapped(each.tables(side)) for side in (0, 1)))
            for name, each in zip(names, signatures, strict=True)
        ]

    def signature(self, entry: Entry) -> Signature:
        """Describe what an entry takes and gives."""
        tensors = self.tensors[entry.subgraph]
        inputs, outputs = (
            tuple(_spec(name, tensors[index]) for name, index in side.items()) for side in (entry.inputs, entry.outputs)
        )
        return Signature(name=entry.name, inputs=inputs, outputs=outputs)

    def usual(self, entry: Entry) -> dict[str, tuple[int, ...]]:
        """Return the shapes that inputs of free sizes are laid out in at first, where those are more than stand-ins.

        A converter that knows no size of a dimension but the batch writes 1.
        """
        found = {}
        for name, index in entry.inputs.items():
            tensor = self.tensors[entry.subgraph][index]
            told, sizes = tensor.numbers(7, "<i"), tuple(map(int, tensor.numbers(0, "<i")))
            if len(told) == len(sizes) and all(
                size > 1 for size, free in zip(sizes[1:], told[1:], strict=True) if free < 0
            ):
                found[name] = sizes
        return {name: sizes for name, sizes in found.items() if min(sizes, default=0) > 0}

    def operators(self) -> Iterator[tuple[str, int]]:
        """Yield name and version of each operator of all subgraphs."""
        known = self.model.tables(1)
        for graph in self.graphs:
            for operator in graph.tables(3):
                code = _pick(known, operator.number(0, "<I"), "operator code")
                # Files from before 2020 have the number in a field of one byte.
                number = max(code.number(3, "<i"), code.number(0, "<b"))
                name = OPERATORS[number] if 0 <= number < len(OPERATORS) else f"operator {number}"
                yield code.text(1) if name == "CUSTOM" else name, code.number(2, "<i", 1)

    def weights(self) -> tuple[Counter[str], int]:
        """Return the bytes of all constants by type, and how many of them lie in other files; buffers may be shared."""
        sizes: Counter[str] = Counter()
        seen: set[tuple[int, int]] = set()
        outside = {each.number(0, "<I"): each.number(3, "<Q") for each in self.model.tables(9)}
        elsewhere = 0
        for tensor in (tensor for graph in self.tensors for tensor in graph):
            buffer, external = tensor.number(2, "<I"), tensor.number(10, "<I")
            held = outside.get(external, 0) if external else self.data_bytes(buffer)
            if held and (buffer, external) not in seen:
                seen.add((buffer, external))
                dtype, bits = type_of(tensor)
                if not external:
                    _check_size(tensor, bits, held)
                sizes[dtype] += held
                elsewhere += held if external else 0
        return sizes, elsewhere

    def outside(self) -> list[Path]:
        """Return the files beside this one that hold weights; raises as `exports.parts.own` does."""
        groups = [group.text(0) for group in self.model.tables(8)]
        ends: dict[str, int] = {}
        for each in self.model.tables(9):
            name = _pick(groups, each.number(1, "<I"), "group of weights")
            ends[name] = max(ends.get(name, 0), each.number(2, "<Q") + each.number(3, "<Q"))
        found = own(self.path, list(ends))
        for path, end in ((self.path.parent / name, end) for name, end in ends.items()):
            if path.stat().st_size < end:
                raise ValueError(f"its file '{short(path.name)}' is cut off: it should have {end} bytes")
        return found

    def notes(self) -> dict[str, int]:
        """Return what else is kept: name -> buffer."""
        return {each.text(0): each.number(1, "<I") for each in self.model.tables(6)}

    def data_bytes(self, index: int) -> int:
        """Return how many bytes a buffer holds, in the flat buffer or (in large files) behind it."""
        buffer = _pick(self.buffers, index, "buffer")
        start = buffer.number(1, "<Q")
        size = int(buffer.number(2, "<Q") if start > _BEHIND else buffer.size(0))
        if size + (start if start > _BEHIND else 0) > len(self.content):
            raise ValueError(f"it is cut off: buffer {index} should have {size} bytes")
        return size

    def note(self, index: int | None) -> str:
        """Return a short text that a buffer holds; empty when there is none."""
        if index is None or not 0 < self.data_bytes(index) <= 64:
            return ""
        return self.buffers[index].text(0).rstrip("\0")

    def _own(self, side: int, indices: Sequence[int]) -> list[tuple[str, int]]:
        """Pair tensors of the first subgraph with their own names; those left out are none."""
        tensors = self.tensors[0]
        return [(_pick(tensors, index, "tensor").text(3), index) for index in indices if index != _NOWHERE]

    def _entry(self, name: str, subgraph: int, takes: list[tuple[str, int]], gives: list[tuple[str, int]]) -> Entry:
        tensors = _pick(self.tensors, subgraph, "subgraph")
        for _, index in (*takes, *gives):
            _pick(tensors, index, "tensor")
        once = list({index: (given, index) for given, index in reversed(takes)}.values())[::-1]  # it is fed once
        inputs = zip(unique((given for given, _ in once), "input"), (index for _, index in once), strict=True)
        outputs = zip(unique((given for given, _ in gives), "output"), (index for _, index in gives), strict=True)
        return Entry(name=name, subgraph=subgraph, inputs=dict(inputs), outputs=dict(outputs))


def type_of(tensor: Table) -> tuple[str, int | None]:
    """Return numpy's name of a tensor's type, and the bits of one number."""
    return _pick(TYPES, tensor.number(1, "<b"), "type of tensors")


def _mapped(tensors: Sequence[Table]) -> list[tuple[str, int]]:
    return [(each.text(0), each.number(1, "<I")) for each in tensors]


def _spec(name: str, tensor: Table) -> TensorSpec:
    sizes = tensor.numbers(7, "<i") or tensor.numbers(0, "<i")
    if len(sizes) > MOST_DIMENSIONS:
        raise ValueError(f"the tensor '{short(name)}' has {len(sizes)} dimensions")
    return TensorSpec(
        name=name, dtype=type_of(tensor)[0], shape=tuple(None if size < 0 else int(size) for size in sizes)
    )


def _check_size(tensor: Table, bits: int | None, held: int) -> None:
    """Raise `ValueError` when a constant has another size than its shape asks for."""
    if bits is None or tensor.table(6) is not None:  # 6: it is sparse
        return
    shape = tensor.numbers(0, "<i")
    wanted = (prod(shape[:MOST_DIMENSIONS]) * bits + 7) // 8
    if held != wanted or any(size < 0 for size in shape) or len(shape) > MOST_DIMENSIONS:
        raise ValueError(f"the tensor '{short(tensor.text(3))}' should have {wanted} bytes of data and has {held}")


def _pick(listed: Sequence[_Item], index: int, kind: str) -> _Item:
    if not 0 <= index < len(listed):
        raise ValueError(f"it has no {kind} {index}")
    return listed[index]
