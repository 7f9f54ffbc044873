"""Named arrays on disk, without pickle.

A file is what `numpy.savez` writes, one `NAME.npy` for each array, as long as every name can be a member's of a zip
file and every type is one of NumPy's. Otherwise the members are numbered, and one more, `names.json`, lists for each
array its name and, for a type that NumPy does not have (bfloat16, float8, int4), that type's name.
Formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, https://github.com/jax-ml/ml_dtypes
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

Array = NDArray[np.generic]
Arrays = dict[str, Array]

_TABLE = "names.json"
_LONGEST_NAME = 255  # characters that are a member's name; a zip file has room for 65,535 bytes
_LARGEST_UNPACKED = 2 << 30  # bytes of what is compressed: a file of a few megabytes can claim to hold terabytes
_LARGEST_TABLE = 64 << 20
_ENCRYPTED = 1  # a flag of a member
# What reading a zip file ends in; an OSError is a position before its beginning.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError)
_LONGEST_SAID = 200  # characters of what a library says of a file, or of a name in it


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write named arrays to an `.npz` file; it appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        save(file, arrays)
    part.replace(path)


def save(file: IO[bytes], arrays: Mapping[str, Array]) -> None:
    """Write arrays under any names; `numpy.savez` takes some for its own parameters (`file`)."""
    foreign = {name: array.dtype.name for name, array in arrays.items() if _is_foreign(array.dtype)}
    plain = not foreign and all(_is_plain(name) for name in arrays)
    with zipfile.ZipFile(file, "w") as archive:
        for index, (name, array) in enumerate(arrays.items()):
            with archive.open(f"{name if plain else index}.npy", "w", force_zip64=True) as member:
                np.save(member, _bits(array) if name in foreign else array, allow_pickle=False)
        if not plain:
            archive.writestr(_TABLE, json.dumps([[name, foreign.get(name)] for name in arrays]))


def read_arrays(path: Path) -> Arrays:
    """Read named arrays, of this module's or of NumPy's making.

    Raises `ValueError` for what is no such file, damaged, or unpacks to more than it may, and for arrays of objects,
    which are pickles.
    """
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(archive, path.stat().st_size)
        except _DAMAGED as error:
            raise ValueError(f"{path.name} is no file of arrays (.npz), or is damaged: {_said(error)}") from error
        except ValueError as error:
            raise ValueError(f"{path.name} cannot be read as arrays: {_said(error)}") from error


def rows(arrays: Mapping[str, Array], start: int, stop: int) -> Arrays:
    """Return the rows `start` to `stop` of every array (the first dimension is the batch)."""
    return {name: array[start:stop] for name, array in arrays.items()}


def holds_numbers(value: object) -> bool:
    """Tell whether a value is an array of numbers; those that NumPy has no type for (bfloat16, int4) are some, too."""
    return isinstance(value, np.ndarray) and _of_numbers(value.dtype)


def dtype_of(name: str) -> np.dtype[Any]:
    """Return a type of numbers by its name, NumPy's or that of ml_dtypes.

    Raises `ValueError` for one that neither has, and where ml_dtypes is not installed.
    """
    known: Any = np.sctypeDict.get(name)
    if known is None:
        try:
            import ml_dtypes
        except ModuleNotFoundError as error:
            raise ValueError(f"values of type {name} need the package ml_dtypes") from error
        known = getattr(ml_dtypes, name, None)
    if not (isinstance(known, type) and issubclass(known, np.generic) and _of_numbers(np.dtype(known))):
        raise ValueError(f"there are no numbers of type {name}")
    return np.dtype(known)


def _said(error: Exception) -> str:
    return str(error)[:_LONGEST_SAID]


def _is_plain(name: str) -> bool:
    return 0 < len(name) <= _LONGEST_NAME and name.isprintable() and not name.endswith(".npy")


def _of_numbers(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biufc" or _is_foreign(dtype)


def _is_foreign(dtype: np.dtype[Any]) -> bool:
    return dtype.isbuiltin == 2  # registered with NumPy by another package


def _bits(array: Array) -> Array:
    return array.view(f"u{array.dtype.itemsize}")


def _read(archive: zipfile.ZipFile, size: int) -> Arrays:
    members = {info.filename: info for info in archive.infolist()}
    if len(members) < len(archive.infolist()):
        raise ValueError("several of its arrays have one name")
    methods = {zipfile.ZIP_STORED: size, zipfile.ZIP_DEFLATED: _LARGEST_UNPACKED}
    for info in members.values():
        if info.compress_type not in methods or info.flag_bits & _ENCRYPTED:
            raise ValueError("it is encrypted, or compressed in a way that numpy does not write")
        methods[info.compress_type] -= info.file_size
    if min(methods.values()) < 0:
        raise ValueError(f"it claims to hold more than it can, or unpacks to more than {_LARGEST_UNPACKED >> 30} GiB")
    if _TABLE in members:
        return _by_table(archive, members)
    return {name.removesuffix(".npy"): _array(archive, info) for name, info in members.items() if name.endswith(".npy")}


def _by_table(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> Arrays:
    if members[_TABLE].file_size > _LARGEST_TABLE:
        raise ValueError("its table of names is too large")
    try:
        table = json.loads(archive.read(_TABLE))
        named = {str(name): (members[f"{index}.npy"], dtype) for index, (name, dtype) in enumerate(table)}
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"its table of names is damaged: {type(error).__name__}: {_said(error)}") from error
    return {name: _of_type(_array(archive, info), dtype) for name, (info, dtype) in named.items()}


def _of_type(array: Array, dtype: str | None) -> Array:
    """Return the array as one of a type that it could not be written with."""
    if dtype is None:
        return array
    wanted = dtype_of(str(dtype))
    if array.dtype.kind != "u" or array.dtype.itemsize != wanted.itemsize:
        raise ValueError(f"an array of {array.dtype} holds no values of type {wanted}")
    return array.view(wanted)


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    """Read one member; its header is held against the member's size before room is made for what it claims."""
    with archive.open(info) as member:
        version = npy.read_magic(member)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(member)
        held = info.file_size - member.tell()
    name = info.filename.removesuffix(".npy")[:_LONGEST_SAID]
    if dtype.hasobject:
        raise ValueError(f"the array {name!r} holds objects: a pickle, never read")
    if min(shape, default=0) < 0 or dtype.itemsize * prod(shape) != held:
        raise ValueError(f"the array {name!r} is not as large as it claims to be")
    with archive.open(info) as member:
        array: Array = npy.read_array(member, allow_pickle=False)
    return array
