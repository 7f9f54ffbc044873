"""Arrays on disk: whatever names a stranger's model gives to them."""

import io
from pathlib import Path

import numpy as np
import pytest

from evaluator.core import tensors


@pytest.mark.parametrize("name", ["file", "allow_pickle", "a/b:0", "ä"])
def test_an_array_may_have_any_name(tmp_path: Path, name: str) -> None:
    wanted = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensors.write_arrays(tmp_path / "arrays.npz", {name: wanted})
    found = tensors.read_arrays(tmp_path / "arrays.npz")
    assert found.keys() == {name}
    np.testing.assert_array_equal(found[name], wanted)


def test_what_is_written_is_what_numpy_writes() -> None:
    arrays: tensors.Arrays = {"x": np.zeros((2, 2), dtype=np.int64), "y": np.array(1.5)}
    ours, theirs = io.BytesIO(), io.BytesIO()
    tensors.save(ours, arrays)
    np.savez(theirs, x=arrays["x"], y=arrays["y"])
    assert ours.getvalue() == theirs.getvalue()


def test_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle=False"):
        tensors.save(io.BytesIO(), {"x": np.array([{}], dtype=object)})
    np.savez(tmp_path / "evil.npz", x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        tensors.read_arrays(tmp_path / "evil.npz")
