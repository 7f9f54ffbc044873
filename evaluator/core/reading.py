"""Files that others may have put there, read to an end: no waiting for a pipe, no device, no terabyte of nothing."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_LARGEST_BYTES = 1 << 28  # of a file that is read whole: a record of a large run has a few megabytes


def read_bytes(path: Path) -> bytes:
    """Read a file whole; `ValueError` when it is none, or none of a sensible size."""
    with _opened(path) as (file, size):
        if size > _LARGEST_BYTES:
            raise ValueError(f"it has {size:,} bytes")
        return file.read()


def read_end(path: Path, size: int) -> str:
    """Return the last bytes of a log as text; empty when it is not there, or cannot be read."""
    try:
        with _opened(path) as (file, whole):
            file.seek(max(0, whole - size))
            return file.read(size).decode(errors="replace")
    except (OSError, ValueError):
        return ""


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file and say how long it is; opening a pipe would wait for a writer."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise ValueError("it is no file")
    with os.fdopen(descriptor, "rb") as file:
        yield file, about.st_size
