"""Reading flat buffers without a schema compiler: fields by their number, every offset checked.

Specification: https://flatbuffers.dev/internals/
"""

import struct
from dataclasses import dataclass
from mmap import mmap
from typing import Any

_OFFSET = "<I"
_READ_TIMES = 4  # that a reader may come to one and the same table


@dataclass(slots=True)
class _Buffer:
    """The bytes, and how many more tables and numbers may be read.

    An honest file has fewer of them than bytes; one whose vectors share their tables, level by level, takes for ever.
    """

    data: bytes | mmap
    left: int

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise ValueError("the flat buffer refers to its parts more often than it is long")

    def unpack(self, kind: str, at: int) -> Any:
        try:
            return struct.unpack_from(kind, self.data, at)[0]
        except struct.error as error:
            raise ValueError("the flat buffer points outside of itself") from error


def root(data: bytes | mmap, identifier: bytes) -> "Table":
    """Return the root table; raises `ValueError` when the file has another identifier, unless it is said to have none.

    So does every method of `Table` when the buffer is damaged.
    """
    if identifier and data[4:8] != identifier:
        raise ValueError(f"the file does not have the identifier {identifier.decode()}")
    buffer = _Buffer(data, _READ_TIMES * len(data))
    return Table(buffer, buffer.unpack(_OFFSET, 0))


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the fields are numbered as the schema lists them, from 0, a union counting twice."""

    buffer: _Buffer
    position: int

    def __post_init__(self) -> None:
        self.buffer.spend(1)

    def number(self, field: int, kind: str, default: float = 0) -> Any:
        """Return a number of a `struct` format such as "<i"."""
        at = self._at(field)
        return self.buffer.unpack(kind, at) if at else default

    def text(self, field: int) -> str:
        """Return a string, "" when it is not there."""
        return self.raw(field).decode(errors="replace")

    def raw(self, field: int) -> bytes:
        """Return a vector of bytes."""
        start, count = self._vector(field, 1)
        self.buffer.spend(count // 8)
        return self.buffer.data[start : start + count]

    def size(self, field: int) -> int:
        """Return how many bytes a vector of bytes has, and read none of them."""
        return self.length(field, 1)

    def length(self, field: int, width: int) -> int:
        """Return how many items of that many bytes a vector has, and read none of them."""
        return self._vector(field, width)[1]

    def numbers(self, field: int, kind: str) -> tuple[Any, ...]:
        """Return a vector of numbers."""
        start, count = self._vector(field, struct.calcsize(kind))
        self.buffer.spend(count)
        return struct.unpack_from(f"<{count}{kind[-1]}", self.buffer.data, start)

    def table(self, field: int) -> "Table | None":
        """Return the table that a field points to."""
        at = self._at(field)
        return Table(self.buffer, at + self.buffer.unpack(_OFFSET, at)) if at else None

    def tables(self, field: int) -> list["Table"]:
        """Return a vector of tables."""
        start, count = self._vector(field, 4)
        places = range(start, start + 4 * count, 4)
        return [Table(self.buffer, at + self.buffer.unpack(_OFFSET, at)) for at in places]

    def _at(self, field: int) -> int:
        """Return where a field's value is, 0 when it is left out."""
        unpack = self.buffer.unpack
        layout = self.position - unpack("<i", self.position)
        if layout < 0:
            raise ValueError("the flat buffer points outside of itself")
        entry = 4 + 2 * field
        offset = unpack("<H", layout + entry) if entry < unpack("<H", layout) else 0
        return self.position + offset if offset else 0

    def _vector(self, field: int, width: int) -> tuple[int, int]:
        """Return where a vector's items begin and how many there are."""
        at = self._at(field)
        if not at:
            return 0, 0
        start = at + self.buffer.unpack(_OFFSET, at)
        count = self.buffer.unpack(_OFFSET, start)
        if start + 4 + count * width > len(self.buffer.data):
            raise ValueError("the flat buffer points outside of itself")
        return start + 4, count
