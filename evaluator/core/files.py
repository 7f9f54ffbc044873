"""Records and raw samples as files: written whole or not at all, read strictly."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from evaluator.core.errors import IncompleteEvidence

T = TypeVar("T")


def write_text(path: Path, text: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part of it."""
    data = text.encode() if isinstance(text, str) else text
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def write_record(path: Path, record: Any) -> None:
    """Write a record (or a container of records) as indented JSON with keys in a fixed order."""
    write_text(path, msgspec.json.format(msgspec.json.encode(record, order="deterministic"), indent=2) + b"\n")


def read_record(path: Path, kind: type[T]) -> T:
    """Read a record of that type; `IncompleteEvidence` names the file when it is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError as error:
        raise IncompleteEvidence(f"{path} is missing", remedy="resume the run to make it again") from error
    except msgspec.DecodeError as error:
        raise IncompleteEvidence(f"{path} is damaged: {error}", remedy="delete it and resume the run") from error


def write_samples(folder: Path, series: Mapping[str, Iterable[float]]) -> None:
    """Keep raw samples: `samples/<series>.jsonl`, one number a line, in the order they were taken."""
    (folder / "samples").mkdir(exist_ok=True)
    for name, values in series.items():
        write_text(folder / "samples" / f"{name}.jsonl", "".join(f"{value!r}\n" for value in values))


def read_samples(folder: Path) -> dict[str, tuple[float, ...]]:
    """Read every series that a step left; none is an empty dictionary."""
    try:
        return {
            path.stem: tuple(float(line) for line in path.read_text().splitlines())
            for path in sorted((folder / "samples").glob("*.jsonl"))
        }
    except ValueError as error:
        raise IncompleteEvidence(f"{folder / 'samples'} is damaged: {error}", remedy="resume the run") from error


def sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
