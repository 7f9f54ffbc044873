"""What an artifact weighs and which one it is: its sizes in bytes and its digest, over all its files."""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def files_below(path: Path) -> list[Path]:
    """Return a file, or all files below a folder, by their relative names. Raises `FileNotFoundError` for neither."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"no artifact at {path}")
    return sorted(
        (file for file in path.rglob("*") if file.is_file()), key=lambda file: file.relative_to(path).as_posix()
    )


def artifact_bytes(files: Sequence[Path]) -> int:
    """Return the bytes that the files hold (not what a file system rounds them up to)."""
    return sum(file.stat().st_size for file in files)


def compressed_bytes(files: Sequence[Path]) -> int:
    """Return what a download takes: each file deflated on its own, at zlib's usual level (6), as gzip does."""
    return sum(_deflated(file) for file in files)


def digest(path: Path, files: Sequence[Path] | None = None) -> str:
    """Return a SHA-256 in hex: over the only file's bytes, or over the names beside or below `path`, and the contents.

    Each name and content is hashed on its own first, so that no two different artifacts run together into the same
    bytes. Without `files`: those below `path`.
    """
    files = files_below(path) if files is None else files
    if list(files) == [path]:
        return _file_digest(path).hexdigest()
    top = path if path.is_dir() else path.parent
    return combined({file.relative_to(top).as_posix(): _file_digest(file).hexdigest() for file in files})


def combined(digests: Mapping[str, str]) -> str:
    """Return the digest of an artifact of several files, from theirs by their names."""
    whole = hashlib.sha256()
    for name, digest in sorted(digests.items()):
        whole.update(hashlib.sha256(name.encode()).digest() + bytes.fromhex(digest))
    return whole.hexdigest()


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
