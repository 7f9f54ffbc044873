"""Runs as they are looked at afterwards, and files that are written for others."""

from pathlib import Path

from evaluator.core import files
from evaluator.core.errors import UsageError
from evaluator.core.store import RunFolder
from evaluator.following import whole
from evaluator.following.differences import Told


def told(folder: RunFolder) -> Told:
    """Return what is looked at of a run; `IncompleteEvidence` when it is not whole."""
    return Told(whole.read(folder), folder.record)


def write(path: Path, text: str | bytes) -> None:
    """Write a file that a person asked for; `UsageError` when it cannot be."""
    try:
        files.write_text(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", remedy="choose another file") from error
