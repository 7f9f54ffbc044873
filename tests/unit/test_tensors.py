"""Arrays on disk: whatever names and types a stranger's model gives to them, and whatever a stranger's file holds."""

import io
import json
import random
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from evaluator.core import tensors

ml_dtypes = pytest.importorskip("ml_dtypes")

NAMES = [
    *("file", "allow_pickle", "a/b:0", "ä", "", "a.npy", "../../etc/x", "/x", "a\0b", "line\nbreak", "\ud800"),
    *("n" * 70_000, "ü" * 200, "0", "a\\b", "names.json"),
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_an_array_may_have_any_name(tmp_path: Path, name: str) -> None:
    wanted = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensors.write_arrays(tmp_path / "arrays.npz", {name: wanted})
    found = tensors.read_arrays(tmp_path / "arrays.npz")
    assert found.keys() == {name}
    np.testing.assert_array_equal(found[name], wanted)


def test_names_that_are_nearly_equal_stay_apart(tmp_path: Path) -> None:
    names = ("a", "A", "a.npy", "a\0", "a\0b", "1", "0", "")
    tensors.write_arrays(tmp_path / "arrays.npz", {name: np.array(i) for i, name in enumerate(names)})
    found = tensors.read_arrays(tmp_path / "arrays.npz")
    assert {name: int(array) for name, array in found.items()} == {name: i for i, name in enumerate(names)}


def test_what_is_written_is_what_numpy_writes() -> None:
    arrays: tensors.Arrays = {"x": np.zeros((2, 2), dtype=np.int64), "y": np.array(1.5)}
    ours, theirs = io.BytesIO(), io.BytesIO()
    tensors.save(ours, arrays)
    np.savez(theirs, x=arrays["x"], y=arrays["y"])
    assert ours.getvalue() == theirs.getvalue()


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_a_type_that_numpy_does_not_have_is_kept(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    wanted = np.ones(shape, tensors.dtype_of(name))
    tensors.write_arrays(tmp_path / "arrays.npz", {"x": wanted, "y": np.ones(2)})
    found = tensors.read_arrays(tmp_path / "arrays.npz")
    assert [found[each].dtype.name for each in "xy"] == [name, "float64"]
    assert found["x"].tobytes() == wanted.tobytes()


def test_numbers_are_told_from_other_values() -> None:
    numbers = [np.ones(1, np.complex64), np.ones(1, ml_dtypes.bfloat16), np.array(True)]
    others = [np.array(["text"]), np.array([{}], dtype=object), [1.0], 1.0, None, np.array("2020", "M8[D]")]
    assert [tensors.holds_numbers(each) for each in numbers + others] == [True] * 3 + [False] * 6


@pytest.mark.parametrize("name", ["object", "str", "U3", "f8,O", "text", "finfo", "__doc__", "datetime64", "void"])
def test_only_numbers_have_a_type(name: str) -> None:
    with pytest.raises(ValueError, match="no numbers"):
        tensors.dtype_of(name)


@pytest.mark.parametrize("pack", [np.savez, np.savez_compressed])
def test_a_file_of_numpy_is_read(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    wanted = {"a": np.asfortranarray(np.arange(6).reshape(2, 3)), "b": np.array(["text"]), "c": np.array(True)}
    pack(tmp_path / "arrays.npz", **wanted)
    found = tensors.read_arrays(tmp_path / "arrays.npz")
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)


def test_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle=False"):
        tensors.save(io.BytesIO(), {"x": np.array([{}], dtype=object)})
    np.savez(tmp_path / "evil.npz", x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"evil\.npz .* array 'x' holds objects: a pickle, never read"):
        tensors.read_arrays(tmp_path / "evil.npz")


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def header(shape: str, descr: str = "<f4") -> bytes:
    said = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(said)) + said


def complaint(path: Path) -> str:
    """Return why a file is refused; nothing where it is read."""
    try:
        tensors.read_arrays(path)
    except ValueError as error:
        return str(error)
    return ""


def refused(path: Path) -> str:
    said = complaint(path)
    assert 0 < len(said) < 500
    return said


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(-4,)", "(2, 2)", "(3,)"])
def test_an_array_that_claims_another_size_is_refused_before_room_is_made(tmp_path: Path, shape: str) -> None:
    said = refused(archive(tmp_path / "lies.npz", {"x.npy": header(shape) + bytes(8)}))
    assert "the array 'x' is not as large as it claims to be" in said


def test_a_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = archive(tmp_path / "bomb.npz", {"x.npy": header("(750000000,)") + bytes(1000)}, zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    start = content.rindex(b"PK\x01\x02")
    path.write_bytes(content[: start + 24] + struct.pack("<I", 3_000_000_000) + content[start + 28 :])
    assert "unpacks to more than 2 GiB" in refused(path)
    stored = archive(tmp_path / "stored.npz", {"x.npy": header("(2,)") + bytes(8)}).read_bytes()
    start = stored.rindex(b"PK\x01\x02")
    path.write_bytes(stored[: start + 24] + struct.pack("<I", 1_000_000) + stored[start + 28 :])
    assert "claims to hold more than it can" in refused(path)


@pytest.mark.parametrize(
    "table",
    [b"[[", b"{}1", b'[["x","object"]]', b'[["x","float64"]]', b'[["x"]]', b"[" * 100_000, b"5", b'[["x",0],["y",0]]'],
)
def test_a_table_of_names_that_does_not_fit_is_refused(tmp_path: Path, table: bytes) -> None:
    refused(archive(tmp_path / "table.npz", {"0.npy": header("(2,)", "<u2") + bytes(4), "names.json": table}))


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.ones(2))
    assert "is no file of arrays (.npz)" in refused(tmp_path / "one.npy")
    (tmp_path / "empty.npz").touch()
    assert "is no file of arrays (.npz)" in refused(tmp_path / "empty.npz")
    assert "does not write" in refused(archive(tmp_path / "bz2.npz", {"x.npy": header("(0,)")}, zipfile.ZIP_BZIP2))


def test_damage_is_a_value_error(tmp_path: Path) -> None:
    arrays = {"x": np.arange(4), "\0": np.ones(2), "z": np.ones(2, ml_dtypes.bfloat16)}
    tensors.write_arrays(tmp_path / "whole.npz", arrays)
    np.savez_compressed(tmp_path / "numpy.npz", x=np.arange(4), y=np.array("text"))
    chance = random.Random(7)  # noqa: S311  # the same damage in every run
    for name in ("whole.npz", "numpy.npz"):
        content = (tmp_path / name).read_bytes()
        for _ in range(300):
            damaged = bytearray(content)
            for _ in range(chance.randint(1, 4)):
                damaged[chance.randrange(len(damaged))] = chance.choice((0, 255, 40, chance.randrange(256)))
            damaged = damaged[: chance.choice((len(damaged), chance.randrange(len(damaged))))]
            (tmp_path / "damaged.npz").write_bytes(damaged)
            assert len(complaint(tmp_path / "damaged.npz")) < 500
    assert json.loads(zipfile.ZipFile(tmp_path / "whole.npz").read("names.json"))[1] == ["\0", None]
