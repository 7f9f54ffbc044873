"""PyTorch's zip files: everything lies in one folder, tensors as plain files, the rest as pickles, text and JSON.

Programs of torch.export from before PyTorch 2.8 lie in no folder.

What is read of a stranger's file is bounded: its table of contents, what is unpacked of it in all, and its pickles.
Layout: https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/docs/serialization.md
"""

import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from exports.contract import NotReadError
from exports.formats import _pickle

_LARGEST = 256 << 20  # bytes of all programs and pickles that are read, unpacked; tensors are not read
_LARGEST_TABLE = 16 << 20  # bytes of the table of contents: some hundred thousand entries
_LONGEST_SAID = 200  # characters of what a library says of a file, or of a name in it
_LONGEST_VERSION = 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)
_STORAGES = {  # PyTorch's name of a kind of storage -> numpy's name of its type, bytes per number
    "Float": ("float32", 4),
    "Double": ("float64", 8),
    "Half": ("float16", 2),
    "BFloat16": ("bfloat16", 2),
    "Long": ("int64", 8),
    "Int": ("int32", 4),
    "Short": ("int16", 2),
    "Char": ("int8", 1),
    "Byte": ("uint8", 1),
    "Bool": ("bool", 1),
    "QInt8": ("int8", 1),
    "QUInt8": ("uint8", 1),
    "QInt32": ("int32", 4),
    "ComplexFloat": ("complex64", 8),
    "ComplexDouble": ("complex128", 16),
}


# Operators that read or write files, run Python or call another process; the last two are torchvision's.
# https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/runtime/register_prim_ops_fulljit.cpp
_REACHING = frozenset(
    {
        *("aten::save", "aten::from_file", "prim::PythonOp", "prim::IgnoredPythonOp"),
        *("prim::rpc_async", "prim::rpc_sync", "prim::rpc_remote", "image::read_file", "image::write_file"),
    }
)


class Archive:
    """An open file of that kind; names are given without the folder that all entries lie in."""

    def __init__(self, whole: zipfile.ZipFile) -> None:
        self._whole = whole
        self._left = _LARGEST
        listed = whole.infolist()
        self.flat = not (listed and "/" in listed[0].filename)
        folder = "" if self.flat else listed[0].filename.partition("/")[0] + "/"  # as PyTorch's reader takes it
        self._entries: Mapping[str, zipfile.ZipInfo] = {
            name: info
            for info in listed
            if info.filename.startswith(folder) and (name := info.filename.removeprefix(folder))
        }

    def names(self, start: str = "", end: str = "") -> tuple[str, ...]:
        """List the entries whose names begin and end so."""
        return tuple(name for name in self._entries if name.startswith(start) and name.endswith(end))

    def has(self, name: str) -> bool:
        """Tell whether there is an entry of that name."""
        return name in self._entries

    def size(self, name: str) -> int:
        """Return the bytes that an entry takes in the file; `ValueError` when there is no such entry."""
        if name not in self._entries:
            raise ValueError(f"the file has no entry {name[:_LONGEST_SAID]!r}")
        return self._entries[name].compress_size

    def read(self, name: str) -> bytes:
        """Return the content of an entry; `ValueError` when it is not there, damaged, or larger than it may be."""
        self.size(name)
        info = self._entries[name]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"the entry {name[:_LONGEST_SAID]!r} is compressed in a way that PyTorch does not know")
        self._left -= info.file_size
        if self._left < 0:
            raise NotReadError(f"its programs and pickles have more than {_LARGEST >> 20} MiB, which are not read")
        try:
            return self._whole.read(info)
        except _DAMAGED as error:
            said = str(error)[:_LONGEST_SAID]
            raise ValueError(f"the entry {name[:_LONGEST_SAID]!r} cannot be read: {said}") from error

    @contextmanager
    def inside(self, name: str) -> Iterator["Archive"]:
        """Open an entry that is such a file itself; what is read of it counts as read of this one."""
        try:
            # A member is a raw file in all but its type.
            with _Bounded(cast("io.RawIOBase", self._whole.open(self._entries[name]))) as file:
                inner = Archive(_table(file))
                inner._left = self._left
                yield inner
                self._left = inner._left
        except _DAMAGED as error:
            said = str(error)[:_LONGEST_SAID]
            raise ValueError(f"the entry {name[:_LONGEST_SAID]!r} cannot be read: {said}") from error


class TooLargeError(NotReadError):
    """A file would take minutes to be looked at."""


class _Bounded(io.BufferedReader):
    """A file whose table of contents is read at once only if it is of a sensible size."""

    opening = True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, as any file; `ValueError` for a table of contents that would take minutes to go through."""
        if self.opening and size is not None and size > _LARGEST_TABLE:
            raise TooLargeError(f"its table of contents has more than {_LARGEST_TABLE >> 20} MiB, which are not read")
        return super().read(size)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open a file; raises `ValueError` when it is no zip file, a truncated one, or one of too many entries."""
    with _Bounded(io.FileIO(path)) as file:
        try:
            whole = _table(file)
        except _DAMAGED as error:
            said = str(error)[:_LONGEST_SAID]
            raise ValueError(f"{path.name} is no zip file, or was truncated: {said}") from error
        yield Archive(whole)


def _table(file: _Bounded) -> zipfile.ZipFile:
    """Read a file's table of contents."""
    whole = zipfile.ZipFile(file)
    file.opening = False
    return whole


def holds(path: Path, suffixes: tuple[str, ...], *, wanted: tuple[str, ...], unwanted: tuple[str, ...] = ()) -> bool:
    """Tell whether a path is such a file, with entries in a folder that begin like all of one list and none of another.

    One that has too many to look at is taken by the end of its name: its anatomy says what it has too many of.
    """
    if not path.is_file():
        return False
    try:
        with opened(path) as archive:
            found = all(archive.names(start) for start in wanted) and not any(archive.names(s) for s in unwanted)
            return found and not archive.flat
    except TooLargeError:
        return path.suffix in suffixes
    except ValueError:
        return False


def weights(archive: Archive, pickles: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """Return numpy's name of a type -> bytes of all storages that some pickles refer to, each storage once.

    `pickles`: entry -> the folders that its storages lie in. Raises `ValueError` when one is missing or too short.
    """
    found: dict[str, str] = {}
    for pickle, folders in pickles.items():
        if not archive.has(pickle):
            continue
        for reference in _pickle.read(archive.read(pickle))[1]:
            kind, key, count = _storage(reference)
            dtype, width = _STORAGES.get(kind.removeprefix("torch.").removesuffix("Storage"), (kind, 0))
            places = [f"{folder}/{key}" for folder in folders if archive.has(f"{folder}/{key}")]
            if not places or archive.size(places[0]) < count * width:
                raise ValueError(f"the tensor {key[:_LONGEST_SAID]!r} of {pickle} is missing or too short")
            found[places[0]] = dtype
    sizes: Counter[str] = Counter()
    for name, dtype in found.items():
        sizes[dtype] += archive.size(name)
    return dict(sizes)


def reaching(operators: Mapping[str, int]) -> dict[str, int]:
    """Return those operators, named NAMESPACE::NAME, that read or write files or run Python -> how many."""
    return {name: count for name, count in operators.items() if name in _REACHING}


def version(archive: Archive, entry: str) -> str:
    """Return the one line of an entry that holds a version; `ValueError` for what is none."""
    said = archive.read(entry).decode("ascii").strip()
    if not (said.isprintable() and len(said) <= _LONGEST_VERSION):
        raise ValueError(f"the entry '{entry}' holds no version")
    return said


def _storage(reference: Any) -> tuple[str, str, int]:
    """Return a storage's kind, key and number of elements, of ("storage", kind, key, device, count, …)."""
    if isinstance(reference, Sequence) and len(reference) > 4:
        _, kind, key, _, count, *_ = reference
        if isinstance(kind, str) and len(kind) <= _LONGEST_SAID and isinstance(key, str) and _is_count(count):
            return kind, key, count
    raise ValueError("a pickle refers to a tensor in a way that PyTorch does not write")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62
