"""Reading what may be hostile: pickles without unpickling, flat buffers with every offset checked."""

import contextlib
import os
import pickle
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.formats import _flatbuffers, _pickle
from exports.formats._pickle import Called

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.tuples(inner, inner) | st.lists(inner, max_size=4),
    max_leaves=20,
)


@given(plain, st.integers(2, 4))
def test_plain_values_are_read_as_they_were_written(value: object, protocol: int) -> None:
    assert _pickle.read(pickle.dumps(value, protocol)) == (value, [])


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os._exit, ("7",)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_call_stays_a_description_of_itself(protocol: int) -> None:
    value, _ = _pickle.read(pickle.dumps((1, Hostile()), protocol))
    assert value[1] == Called(f"{os._exit.__module__}._exit", ("7",))


@given(plain, st.data())
def test_a_truncated_pickle_is_a_value_error(value: object, data: st.DataObject) -> None:
    whole = pickle.dumps(value, 2)
    with pytest.raises(ValueError):
        _pickle.read(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=60))
def test_bytes_that_are_no_pickle_are_a_value_error_or_a_value(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        _pickle.read(b"\x80\x02" + content + b".")


def buffer(*fields: int, rest: bytes = b"") -> bytes:
    """Return a flat buffer whose root has these 32-bit fields; they begin at byte 24 at the latest."""
    layout = struct.pack(
        f"<{2 + len(fields)}H", 4 + 2 * len(fields), 4 + 4 * len(fields), *range(4, 4 + 4 * len(fields), 4)
    )
    layout += b"\0" * (-len(layout) % 4)
    return (
        struct.pack("<I4s", 8 + len(layout), b"TEST")
        + layout
        + struct.pack(f"<i{len(fields)}I", len(layout), *fields)
        + rest
    )


def test_fields_are_read_by_their_number() -> None:
    text = struct.pack("<I5s", 5, b"hello")
    root = _flatbuffers.root(buffer(42, 4, rest=text), b"TEST")
    assert (root.number(0, "<I"), root.text(1), root.number(7, "<I", 3)) == (42, "hello", 3)


def test_a_vector_that_is_longer_than_the_file_is_a_value_error() -> None:
    root = _flatbuffers.root(buffer(4, rest=struct.pack("<I", 1 << 30)), b"TEST")
    for read in (lambda: root.raw(0), lambda: root.tables(0), lambda: root.numbers(0, "<i")):
        with pytest.raises(ValueError, match="outside of itself"):
            read()


def read_tables(data: bytes, times: int) -> None:
    root = _flatbuffers.root(data, b"TEST")
    for _ in range(times):
        root.tables(0)


def test_a_table_can_be_referred_to_only_so_often() -> None:
    # A vector of eight tables, which are all the same one.
    data = buffer(4, rest=struct.pack("<9I", 8, *range(32, 0, -4)) + bytes(40))
    read_tables(data, 2)
    with pytest.raises(ValueError, match="more often"):
        read_tables(data, len(data))


@given(st.binary(max_size=80))
def test_bytes_that_are_no_flat_buffer_are_a_value_error_or_read(content: bytes) -> None:
    data = content[:4] + b"TEST" + content[4:]
    if len(data) < 8 or len(content) < 4:
        return
    with contextlib.suppress(ValueError):
        root = _flatbuffers.root(data, b"TEST")
        root.text(0)
        root.tables(1)
        root.numbers(2, "<q")
        root.table(3)
