"""The sizes that an artifact's makers state in words for inputs that leave them free, wherever they write them.

Ultralytics' exporter writes the same few facts into an ONNX file, into `metadata.yaml` beside a folder's files and into
a zip behind a TFLite file: https://github.com/ultralytics/ultralytics/blob/main/ultralytics/engine/exporter.py
"""

import ast
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from mmap import mmap
from pathlib import Path

import msgspec

from evaluator.core.records import TensorSpec

Sizes = tuple[int, ...]

BESIDE = "metadata.yaml"
LARGEST = 1 << 16  # that a stated size may have
_KEYS = ("imgsz", "img_size", "image_size", "input_size", "input_shape", "shape")  # the first one that is there counts
_CHANNELS = (1, 3, 4)
_IMAGE = 4  # dimensions
_NUMBER = re.compile(r"(?<![\d.-])\d{1,6}(?![\d.])")
_MOST_BYTES = 1 << 18  # of a text
_MOST_ZIPPED = 1 << 22  # bytes of a zip behind a file: it has a few texts
_ENTRY = re.compile(r"([A-Za-z_]\w*):(.*)")  # of the outermost mapping
_ITEM = re.compile(r"\s*-\s(.*)")
_IN_THE_ZIP = ("metadata.json", "temp_meta.txt")  # the second is what it was called until 2025, in Python's words
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


def of_images(told: Mapping[str, str], inputs: Iterable[TensorSpec], *, last: bool) -> dict[str, Sizes]:
    """Return input -> the shape that is stated for it, of images with a free size behind the first.

    `last` tells where the channels are, in case that a shape does not.
    """
    stated = _numbers({key.lower(): value for key, value in told.items()})
    free = [spec for spec in inputs if None in spec.shape[1:]]
    found = {spec.name: _filled(spec, stated, last=last) for spec in free}
    return {name: sizes for name, sizes in found.items() if sizes and all(0 < size <= LARGEST for size in sizes)}


def beside(folder: Path) -> dict[str, str]:
    """Return what `metadata.yaml` in a folder states: of its outermost mapping the numbers, texts and lists of them.

    YAML has much that is not read; what is not understood is not stated.
    """
    path = folder / BESIDE
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return {}
    told: dict[str, str] = {}
    key = ""
    for line in path.read_bytes().decode("utf-8", "replace").splitlines():
        entry, item = _ENTRY.match(line), _ITEM.match(line)
        if entry:
            key = entry[1]
            told[key] = entry[2].partition(" #")[0]
        elif key and item:
            told[key] += f" {item[1].partition(' #')[0]}"
        elif line.strip():
            key = ""
    return told


def behind(content: mmap) -> dict[str, str]:
    """Return what a zip at the end of a file's content states; nothing where there is none, or too large a one."""
    try:
        with zipfile.ZipFile(io.BytesIO(content[-_MOST_ZIPPED:])) as whole:
            name = next((name for name in _IN_THE_ZIP if name in whole.namelist()), None)
            text = b"" if name is None or whole.getinfo(name).file_size > _MOST_BYTES else whole.read(name)
    except _DAMAGED:
        return {}
    return _mapping(text)


def _mapping(text: bytes) -> dict[str, str]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        try:
            found = ast.literal_eval(text.decode())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _numbers(told: Mapping[str, str]) -> Sizes:
    """Return the numbers of the first key that has some: "[640, 640]", "640", "1x3x224x224"."""
    values = (tuple(map(int, _NUMBER.findall(told[key]))) for key in _KEYS if key in told)
    return next((numbers for numbers in values if 0 < len(numbers) <= _IMAGE), ())


def _filled(spec: TensorSpec, stated: Sizes, *, last: bool) -> Sizes | None:
    """Put the stated sizes into the free dimensions of an image; None for what is none, or where they contradict it."""
    if len(spec.shape) != _IMAGE or not stated:
        return None
    told = [spec.shape[axis] in _CHANNELS for axis in (1, 3)]
    last = told[1] if told[0] != told[1] else last
    if len(stated) == _IMAGE:
        whole = stated
    else:
        height, width = (stated[-3:-1] if last else stated[-2:]) if len(stated) == _IMAGE - 1 else (stated * 2)[:2]
        channels = spec.shape[3 if last else 1] or _CHANNELS[1]
        whole = (1, height, width, channels) if last else (1, channels, height, width)
    merged = tuple(size if fixed is None else fixed for fixed, size in zip(spec.shape, whole, strict=True))
    return merged if merged[1:] == whole[1:] else None
