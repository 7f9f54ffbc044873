"""Temporary folders of steps: short paths outside the run folder, found and removed whatever became of their maker."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path


def of(folder: Path) -> Path:
    """Return the step's temporary folder: its name follows from the step's, so that a later run finds it.

    It lies in the system's temporary folder because run folders lie deep, and a unix socket's path may have 107 bytes.
    """
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"fweval-{os.getuid()}-{digest}"


def clear(folder: Path) -> None:
    """Remove the step's temporary folder, also one that a killed run left."""
    shutil.rmtree(of(folder), ignore_errors=True)


def sweep() -> tuple[Path, ...]:
    """Remove the temporary folders of steps whose evaluator was killed; return those that are gone now."""
    return sweep_in(Path(tempfile.gettempdir()), f"fweval-{os.getuid()}-*")


def sweep_in(folder: Path, names: str) -> tuple[Path, ...]:
    """Remove those folders in a folder whose lock nobody holds, by a pattern of their names; return them."""
    removed = []
    for temp in sorted(folder.glob(names)):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:  # OSError: locked, or just removed
            descriptor = os.open(temp, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(temp)
            removed.append(temp)
    return tuple(removed)


def make_locked(temp: Path) -> int:
    """Make a temporary folder and hold a lock on it, which the kernel frees when this process ends, however it does."""
    while True:
        temp.mkdir(mode=0o700)
        with contextlib.suppress(FileNotFoundError):  # swept away before it was locked: again
            descriptor = os.open(temp, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if temp.exists():
                return descriptor
            os.close(descriptor)
