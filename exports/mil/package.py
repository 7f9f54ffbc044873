"""The files of a Core ML package: a folder whose `Manifest.json` names a model, and weights beside that.

Format: https://apple.github.io/coremltools/docs-guides/source/mlmodel-and-mlpackage.html
"""

import struct
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path

import msgspec

from exports.parts import own, shown

MANIFEST = "Manifest.json"
AUTHOR = "com.apple.CoreML"
_DATA = "Data"
_BESIDE = "@model_path/"  # how a model's constants name the folder that it lies in
_MOST_BYTES = 1 << 20  # of a manifest
_MOST_MODEL_BYTES = (1 << 31) - 1  # of a message: https://protobuf.dev/programming-guides/encoding/#size-limit
# A record of weights: https://github.com/apple/coremltools/blob/main/mlmodel/src/MILBlob/Blob/StorageFormat.hpp
_RECORD = struct.Struct("<IIQQ")  # its mark, the type, the size in bytes, where the data begin
_RECORD_BYTES = 64
_MARK = 0xDEADBEEF


class _Item(msgspec.Struct):
    path: str
    author: str = ""


class _Manifest(msgspec.Struct):
    items: dict[str, _Item] = msgspec.field(name="itemInfoEntries")
    root: str = msgspec.field(name="rootModelIdentifier")


def is_package(path: Path) -> bool:
    """Tell whether a folder is one, by its manifest."""
    try:
        return model_of(path).is_file()
    except ValueError:
        return False


def model_of(package: Path) -> Path:
    """Return the file of the model in a package; raises `ValueError` where the manifest names none."""
    path = package / MANIFEST
    if not path.is_file():
        raise ValueError(f"it has no {MANIFEST}")
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{MANIFEST} has {path.stat().st_size} bytes")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=_Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{MANIFEST} names no model: {shown(str(error))}") from error
    item = manifest.items.get(manifest.root)
    if item is None or item.author != AUTHOR:
        raise ValueError(f"{MANIFEST} names no model of Core ML")
    (found,) = own(path, [f"{_DATA}/{item.path}"])
    return found


def content_of(model: Path) -> bytes:
    """Return the bytes of a model; its weights lie elsewhere."""
    size = model.stat().st_size
    if size > _MOST_MODEL_BYTES:
        raise ValueError(f"{model.name} has {size} bytes, and a message has {_MOST_MODEL_BYTES} at most")
    return model.read_bytes()


@dataclass(slots=True)
class Weights:
    """The files with a model's weights, each opened when it is first asked for."""

    model: Path
    _opened: dict[str, memoryview] = field(default_factory=dict)

    def read(self, name: str, offset: int) -> memoryview:
        """Return the data of the record at this place of a file; raises `ValueError` where there is none."""
        whole = self._opened.get(name)
        if whole is None:
            whole = self._opened[name] = self._open(name)
        if offset + _RECORD_BYTES > len(whole):
            raise ValueError(f"{shown(name)} has {len(whole)} bytes, and weights should begin at {offset}")
        mark, _, size, start = _RECORD.unpack_from(whole, offset)
        if mark != _MARK:
            raise ValueError(f"{shown(name)} has no weights at {offset}")
        if start + size > len(whole):
            raise ValueError(f"{shown(name)} is cut off: it has {len(whole)} bytes, and weights end at {start + size}")
        return whole[start : start + size]

    def _open(self, name: str) -> memoryview:
        (path,) = own(self.model, [name.removeprefix(_BESIDE)])
        if not path.stat().st_size:
            return memoryview(b"")
        with path.open("rb") as file:
            return memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
