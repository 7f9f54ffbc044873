"""Folders that travel: file by file, each with its digest, which is compared on arrival."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from evaluator.core import digests
from evaluator.core.cluster import PIECE, PIECE_BYTES, Sent, encoded
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.text import line


def contents(folder: Path, below: str) -> Iterator[tuple[Sent, Path]]:
    """Yield what a folder holds, folders before what is in them; no link in it is followed, and none is sent.

    A file is all that there is of itself.
    """
    if not folder.is_dir():
        yield announced(folder, below), folder
        return
    yield Sent(name=below), folder
    for root, folders, _ in os.walk(folder):
        for name in sorted(folders):
            path = Path(root) / name
            if not path.is_symlink():
                yield Sent(name=f"{below}/{path.relative_to(folder).as_posix()}"), path
    for name, path in digests.listed(folder).files.items():
        yield announced(path, f"{below}/{name}"), path


def announced(path: Path, name: str) -> Sent:
    """Describe a file that is to be sent."""
    return Sent(name=name, bytes=path.stat().st_size, sha256=digests.sha256(path), executable=os.access(path, os.X_OK))


def frames(folder: Path, below: str) -> Iterator[bytes]:
    """Yield a folder, or a file, as frames."""
    for sent, path in contents(folder, below):
        yield encoded(sent)
        if sent.sha256:
            for piece in read(path):
                yield PIECE + piece


def read(path: Path) -> Iterator[bytes]:
    """Yield a file in pieces."""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


class Receiver:
    """Writes what arrives below a folder; `IncompleteEvidence` when it is not what was sent."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sent: Sent | None = None
        self._file: BinaryIO | None = None
        self._hashed = hashlib.sha256()
        self._had = 0

    def frame(self, frame: bytes) -> None:
        """Take a frame: a file's record, or a piece of the file."""
        if frame.startswith(PIECE):
            self.take(frame[len(PIECE) :])
        else:
            self.begin(msgspec.json.decode(frame, type=Sent))

    def begin(self, sent: Sent) -> None:
        """Take what is announced; what came before must be whole."""
        self.end()
        path = self._path(sent.name)
        if not sent.sha256:
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._sent, self._hashed, self._had = sent, hashlib.sha256(), 0
        self._file = path.open("wb")

    def take(self, piece: bytes) -> None:
        """Take a piece of the file that was announced last."""
        if self._file is None:
            raise IncompleteEvidence("a piece of a file arrived that nobody had announced", remedy="try again")
        self._file.write(piece)
        self._hashed.update(piece)
        self._had += len(piece)

    def end(self) -> None:
        """Close the last file, and compare it with what was announced."""
        if self._file is None or self._sent is None:
            return
        self._file.close()
        sent, self._file = self._sent, None
        if self._had != sent.bytes or self._hashed.hexdigest() != sent.sha256:
            raise IncompleteEvidence(
                f"{line(sent.name)} did not arrive as it was sent ({self._had:,} of {sent.bytes:,} bytes)",
                remedy="see the network and the disks of both machines, then resume the run",
            )
        self._path(sent.name).chmod(0o755 if sent.executable else 0o644)

    def _path(self, name: str) -> Path:
        """Return where a file belongs; one that names a place outside is refused."""
        parts = Path(name).parts
        if not parts or Path(name).is_absolute() or ".." in parts:
            raise IncompleteEvidence(f"a file was sent to {line(name)}, which is outside", remedy="see who sent it")
        return self._root / name


def remove(folder: Path) -> None:
    """Remove a folder and whatever is in it."""
    shutil.rmtree(folder, ignore_errors=True)
