"""PyTorch's zip files: everything lies in one folder, tensors as plain files, the rest as pickles, text and JSON.

Layout: https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/docs/serialization.md
"""

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from exports.formats import _pickle

_LARGEST = 256 << 20  # bytes of one program or pickle, unpacked; tensors are not read
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


class Archive:
    """An open file of that kind; names are given without the folder that all entries lie in."""

    def __init__(self, whole: zipfile.ZipFile) -> None:
        self._whole = whole
        self._entries: Mapping[str, zipfile.ZipInfo] = {
            name: info for info in whole.infolist() if (name := info.filename.partition("/")[2])
        }

    def names(self, start: str = "", end: str = "") -> tuple[str, ...]:
        """List the entries whose names begin and end so."""
        return tuple(name for name in self._entries if name.startswith(start) and name.endswith(end))

    def size(self, name: str) -> int:
        """Return the bytes that an entry takes in the file; `ValueError` when there is no such entry."""
        if name not in self._entries:
            raise ValueError(f"the file has no entry {name}")
        return self._entries[name].compress_size

    def read(self, name: str) -> bytes:
        """Return the content of an entry; `ValueError` when it is not there, damaged, or larger than it may be."""
        if self.size(name) and self._entries[name].file_size > _LARGEST:
            raise ValueError(f"the entry {name} is larger than {_LARGEST} bytes")
        try:
            return self._whole.read(self._entries[name])
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise ValueError(f"the entry {name} cannot be read: {error}") from error


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open a file; raises `ValueError` when it is no zip file or a truncated one."""
    try:
        whole = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{path.name} is no zip file, or was truncated: {error}") from error
    with whole:
        yield Archive(whole)


def holds(path: Path, *, wanted: tuple[str, ...], unwanted: tuple[str, ...] = ()) -> bool:
    """Tell whether a path is such a file, with entries that begin like all of one list and none of the other."""
    if not path.is_file():
        return False
    try:
        with opened(path) as archive:
            return all(archive.names(start) for start in wanted) and not any(archive.names(s) for s in unwanted)
    except ValueError:
        return False


def weights(archive: Archive, pickles: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """Return numpy's name of a type -> bytes of all storages that some pickles refer to, each storage once.

    `pickles`: entry -> the folders that its storages lie in. Raises `ValueError` when one is missing or too short.
    """
    found: dict[str, str] = {}
    for pickle, folders in pickles.items():
        if not archive.names(pickle):
            continue
        for reference in _pickle.read(archive.read(pickle))[1]:
            _, kind, key, _, count, *_ = reference
            dtype, width = _STORAGES.get(str(kind).removeprefix("torch.").removesuffix("Storage"), (str(kind), 0))
            places = [f"{folder}/{key}" for folder in folders if archive.names(f"{folder}/{key}")]
            if not places or archive.size(places[0]) < int(count) * width:
                raise ValueError(f"the tensor {key} of {pickle} is missing or too short")
            found[places[0]] = dtype
    sizes: Counter[str] = Counter()
    for name, dtype in found.items():
        sizes[dtype] += archive.size(name)
    return dict(sizes)
