"""The index of a TensorFlow checkpoint: which variables there are, of which type and size, and where they lie.

It is a sorted table as LevelDB writes them (https://github.com/google/leveldb/blob/main/doc/table_format.md), whose
values are the messages of tensorflow/core/protobuf/tensor_bundle.proto.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from exports.contract import NotReadError
from exports.formats import _protobuf

_FOOTER_BYTES = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_TRAILER_BYTES = 5  # of a block: how it is compressed, and a checksum
_LONGEST_KEY = 4096  # bytes; a hostile index could let keys grow on and on
_MOST_BYTES = 16 << 20  # of an index: it has a line for each variable


class Variable(NamedTuple):
    """A line of the index."""

    dtype: int  # TensorFlow's number
    size_bytes: int


def read(index: Path) -> dict[str, Variable]:
    """Return the variables by their keys, and make sure that the files beside the index hold all their bytes.

    Raises `ValueError` for an index that is damaged, or for data that are cut off.
    """
    if index.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{index.name} is too large for an index")
    content = memoryview(index.read_bytes())
    footer = content[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or footer[-8:] != _MAGIC:
        raise ValueError(f"{index.name} is cut off, or no index of variables")
    lines: dict[bytes, memoryview] = {}
    *_, start, size = _handles(footer, 4)
    blocks = [_block(content, *_handles(handle, 2)) for _, handle in _entries(_block(content, start, size))]
    if sum(map(len, blocks)) > len(content):
        raise ValueError("the index of the variables is damaged: its blocks overlap")
    for block in blocks:
        lines.update(_entries(block))
    header = _protobuf.read(lines.pop(b"", memoryview(b"")))
    return {key.decode(): _variable(index, _protobuf.integer(header, 1), line) for key, line in lines.items()}


def _handles(content: memoryview, count: int) -> list[int]:
    """Read numbers that stand one behind the other: positions and sizes of blocks."""
    numbers, position = [], 0
    for _ in range(count):
        number, position = _protobuf.varint(content, position)
        numbers.append(number)
    return numbers


def _block(content: memoryview, start: int, size: int) -> memoryview:
    if start + size + _TRAILER_BYTES > len(content):
        raise ValueError("the index of the variables is damaged, or cut off")
    if content[start + size] != 0:
        raise NotReadError("the index of the variables is compressed, which TensorFlow does not do by itself")
    return content[start : start + size]


def _entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield keys and values; a key says how many bytes it shares with the one before it."""
    restarts = int.from_bytes(block[-4:], "little")
    end, position, key = len(block) - 4 - 4 * restarts, 0, b""
    if end < 0:
        raise ValueError("the index of the variables is damaged: a block has no end")
    while position < end:
        shared, position = _protobuf.varint(block, position)
        unshared, position = _protobuf.varint(block, position)
        size, position = _protobuf.varint(block, position)
        if shared > len(key) or unshared + size > end - position or shared + unshared > _LONGEST_KEY:
            raise ValueError("the index of the variables is damaged: an entry is too long")
        key = key[:shared] + bytes(block[position : position + unshared])
        position += unshared
        yield key, block[position : position + size]
        position += size


def _variable(index: Path, shards: int, line: memoryview) -> Variable:
    fields = _protobuf.read(line)
    shard, start, size = (_protobuf.integer(fields, number) for number in (3, 4, 5))
    data = index.with_name(f"{index.stem}.data-{shard:05}-of-{shards:05}")
    held = data.stat().st_size if data.is_file() else 0
    if min(start, size) < 0 or start + size > held:
        raise ValueError(f"{data.name} is cut off: it should have {start + size} bytes and has {held}")
    return Variable(_protobuf.integer(fields, 1), size)
