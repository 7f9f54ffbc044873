"""Protocol buffers and TensorFlow's index of variables, read without a library: right, and safe with hostile files."""

from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import Int64Value, StringValue
from hypothesis import given
from hypothesis import strategies as st

from exports.formats import _protobuf, _tensor_bundle

MAGIC = bytes.fromhex("57fb808b247547db")


def read(content: bytes) -> _protobuf.Message:
    return _protobuf.read(memoryview(content))


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_numbers_come_back_with_their_sign(number: int) -> None:
    assert _protobuf.integer(read(Int64Value(value=number).SerializeToString()), 1) == number


@given(st.text())
def test_texts_come_back(text: str) -> None:
    assert _protobuf.text(read(StringValue(value=text).SerializeToString()), 1) == text


@given(st.dictionaries(st.text(), st.floats(allow_nan=False)))
def test_messages_within_messages_are_found(values: dict[str, float]) -> None:
    message = Struct()
    message.update(values)
    entries = _protobuf.messages(read(message.SerializeToString()), 1)
    assert {_protobuf.text(entry, 1) for entry in entries} == set(values)


def test_weights_are_not_copied_however_deep_they_lie() -> None:
    content = StringValue(value="weights").SerializeToString()
    for _ in range(6):
        content = b"\x0a" + varint(len(content)) + content
    message = read(content)
    for _ in range(6):
        (message,) = _protobuf.messages(message, 1)
    (part,) = _protobuf.parts(message, 1)
    assert (bytes(part), part.obj is content) == (b"weights", True)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_message_or_a_value_error(content: bytes) -> None:
    try:
        fields = read(content)
    except ValueError:
        return
    assert sum(map(len, fields.values())) <= len(content)


def varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def block(*entries: tuple[int, bytes, bytes]) -> bytes:
    """Write entries (bytes shared with the key before, the rest of the key, the value) as LevelDB does."""
    lines = (varint(shared) + varint(len(key)) + varint(len(value)) + key + value for shared, key, value in entries)
    return b"".join(lines) + bytes(4) + b"\1\0\0\0"


def index(folder: Path, blocks: list[bytes], handles: list[tuple[int, int]]) -> Path:
    """Write blocks, a block that says where they are (which may be a lie), and the footer."""
    body = b"".join(each + bytes(5) for each in blocks)
    where = block(*((0, b"k", varint(start) + varint(size)) for start, size in handles))
    footer = varint(0) + varint(0) + varint(len(body)) + varint(len(where))
    path = folder / "variables.index"
    path.write_bytes(body + where + bytes(5) + footer.ljust(40, b"\0") + MAGIC)
    (folder / "variables.data-00000-of-00001").write_bytes(bytes(8))
    return path


HEADER = (0, b"", b"\x08\x01")  # one shard
FLOATS = b"\x08\x01\x28\x08"  # float32, eight bytes, from the start of shard 0


def test_variables_are_read_though_their_keys_share_beginnings(tmp_path: Path) -> None:
    content = block(HEADER, (0, b"dense/bias", FLOATS), (6, b"kernel", FLOATS))
    found = _tensor_bundle.read(index(tmp_path, [content], [(0, len(content))]))
    assert found == dict.fromkeys(("dense/bias", "dense/kernel"), _tensor_bundle.Variable(dtype=1, size_bytes=8))


def test_data_that_are_cut_off_are_told(tmp_path: Path) -> None:
    content = block(HEADER, (0, b"bias", FLOATS))
    path = index(tmp_path, [content], [(0, len(content))])
    (tmp_path / "variables.data-00000-of-00001").write_bytes(bytes(7))
    with pytest.raises(ValueError, match="should have 8 bytes and has 7"):
        _tensor_bundle.read(path)


def test_the_same_block_a_thousand_times_is_refused(tmp_path: Path) -> None:
    content = block(HEADER, *((0, b"bias%d" % number, FLOATS) for number in range(1000)))
    with pytest.raises(ValueError, match="overlap"):
        _tensor_bundle.read(index(tmp_path, [content], [(0, len(content))] * 1000))


def test_keys_that_grow_and_grow_are_refused(tmp_path: Path) -> None:
    content = block(HEADER, *((number, b"x", FLOATS) for number in range(5000)))
    with pytest.raises(ValueError, match="too long"):
        _tensor_bundle.read(index(tmp_path, [content], [(0, len(content))]))


def test_an_index_without_its_end_is_refused(tmp_path: Path) -> None:
    content = block(HEADER)
    path = index(tmp_path, [content], [(0, len(content))])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="cut off"):
        _tensor_bundle.read(path)
