"""What an artifact weighs and which one it is: its sizes in bytes and its digest, be it a file or a folder."""

import hashlib
import zlib
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def artifact_bytes(path: Path) -> int:
    """Return the bytes that a file, or all files below a folder, hold (not what a file system rounds them up to)."""
    return sum(file.stat().st_size for file in _files(path))


def compressed_bytes(path: Path) -> int:
    """Return what a download takes: each file deflated on its own, at zlib's usual level (6), as gzip does."""
    return sum(_deflated(file) for file in _files(path))


def digest(path: Path) -> str:
    """Return a SHA-256 in hex: over a file's bytes, or over a folder's relative names and contents, sorted by name.

    Each name and content of a folder is hashed on its own first, so that no two different folders run together into
    the same bytes.
    """
    if path.is_file():
        return _file_digest(path).hexdigest()
    whole = hashlib.sha256()
    for file in _files(path):
        name = file.relative_to(path).as_posix().encode()
        whole.update(hashlib.sha256(name).digest() + _file_digest(file).digest())
    return whole.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"no artifact at {path}")
    return sorted(
        (file for file in path.rglob("*") if file.is_file()), key=lambda file: file.relative_to(path).as_posix()
    )


def _deflated(path: Path) -> int:
    packer, size = zlib.compressobj(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            size += len(packer.compress(chunk))
    return size + len(packer.flush())


def _file_digest(path: Path) -> "hashlib._Hash":
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            hashed.update(chunk)
    return hashed
