"""Protocol buffers read field by field, without a schema or a library: https://protobuf.dev/programming-guides/encoding/.

For messages whose generated classes come with a whole framework. Nothing is copied and nothing recurses: a caller goes
into the messages that it knows, and skips the rest.

The library protobuf has `google.protobuf.unknown_fields.UnknownFieldSet` for this, which copies what a field holds, and
once more at each level that a caller goes down; weights lie six levels deep in a SavedModel. Tried with graphs of 100
MB: ten constants took it 0.6 s and 390 MB where this takes 0.06 s and 95 MB, a million small nodes 15 s and 1.3 GB
where this takes 25 s and 1.9 GB. Large files are large by their weights, and this needs nothing installed.
"""

from collections.abc import Iterator

Message = dict[int, list[int | memoryview]]  # number of a field -> its values, in order
_FIXED = {1: 8, 5: 4}  # wire type -> bytes


def read(content: memoryview) -> Message:
    """Return the fields of a message: numbers as they are on the wire (unsigned), all else as bytes.

    Raises `ValueError` for what is no message, or not all of one.
    """
    fields: Message = {}
    for number, value in _fields(content):
        fields.setdefault(number, []).append(value)
    return fields


def messages(message: Message, number: int) -> list[Message]:
    """Return the messages that a field holds, read."""
    return [read(part) for part in parts(message, number)]


def parts(message: Message, number: int) -> list[memoryview]:
    """Return the bytes that a field holds, once per time that it is there."""
    return [value for value in message.get(number, []) if isinstance(value, memoryview)]


def text(message: Message, number: int) -> str:
    """Return the last string of a field; empty when there is none."""
    found = parts(message, number)
    return bytes(found[-1]).decode() if found else ""


def integer(message: Message, number: int) -> int:
    """Return the last number of a field, signed as int32 and int64 are; 0 when there is none."""
    found = [value for value in message.get(number, []) if isinstance(value, int)]
    return (found[-1] ^ 1 << 63) - (1 << 63) if found else 0


def integers(message: Message, number: int) -> list[int]:
    """Return all numbers of a field, signed; they may stand one by one or packed."""
    found: list[int] = []
    for value in message.get(number, []):
        if isinstance(value, int):
            found.append(value)
            continue
        position = 0
        while position < len(value):
            one, position = varint(value, position)
            found.append(one)
    return [(value ^ 1 << 63) - (1 << 63) for value in found]


def varint(content: memoryview, position: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and the position behind it."""
    value = 0
    for index in range(10):
        if position + index >= len(content):
            break
        byte = content[position + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & (1 << 64) - 1, position + index + 1
    raise ValueError("a number is cut off, or does not end")


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    position = 0
    while position < len(content):
        tag, position = varint(content, position)
        wire = tag & 7
        if wire == 0:
            value, position = varint(content, position)
            yield tag >> 3, value
            continue
        if wire == 2:
            size, position = varint(content, position)
        elif wire in _FIXED:
            size = _FIXED[wire]
        else:
            raise ValueError(f"a field of a kind that does not exist: {wire}")
        if size > len(content) - position:
            raise ValueError(f"a field should have {size} bytes and has {len(content) - position}")
        yield tag >> 3, content[position : position + size]
        position += size
