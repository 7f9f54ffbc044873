"""Messages to the other end of a session in a container: whole or not at all, arrays without pickle."""

import io

import numpy as np
import pytest

from exports.devices import _far_end as far_end


def test_messages_come_out_as_they_went_in() -> None:
    arrays = {"image": np.arange(6, dtype=np.float32).reshape(2, 3), "empty": np.zeros((0, 4), np.int32)}
    pipe = io.BytesIO(far_end.message(far_end.ARRAYS, far_end.packed(arrays)) + far_end.message(far_end.READY, b""))
    received = far_end.receive(pipe.read)
    assert received is not None
    letter, content = received
    assert letter == far_end.ARRAYS
    for name, array in far_end.unpacked(content).items():
        np.testing.assert_array_equal(array, arrays[name])
        assert array.dtype == arrays[name].dtype
    assert far_end.receive(pipe.read) == (far_end.READY, b"")
    assert far_end.receive(pipe.read) is None


def test_a_message_that_broke_off_is_none() -> None:
    whole = far_end.message(far_end.FAILED, b"ValueError: no")
    for length in range(len(whole)):
        assert far_end.receive(io.BytesIO(whole[:length]).read) is None
    assert far_end.receive(io.BytesIO(whole).read) == (far_end.FAILED, b"ValueError: no")


def test_pickles_are_refused() -> None:
    file = io.BytesIO()
    np.savez(file, evil=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        far_end.unpacked(file.getvalue())
