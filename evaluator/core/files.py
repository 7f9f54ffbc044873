"""Records and raw samples as files: written whole or not at all, read strictly."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from evaluator.core import turns, versions
from evaluator.core.coordinates import Record
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.reading import read_bytes

T = TypeVar("T")
_NOT_AS_IT_WAS = (KeyError, TypeError, AttributeError)  # what updating an older record meets when it is damaged
_LONGEST_S = 1e9  # of a sample
_NO_SECONDS = frozenset({"loss", "heldout_accuracy"})  # series of plain numbers, NaN when a training diverged


def write_text(path: Path, text: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part of it."""
    data = text.encode() if isinstance(text, str) else text
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    try:
        part.replace(path)
    except IsADirectoryError as error:
        part.unlink()
        raise IncompleteEvidence(f"{path} is a folder, where a file is to be", remedy="move it elsewhere") from error


def write_record(path: Path, record: Record | Mapping[str, Any], *, indent: int = 2) -> None:
    """Write a record of a run, or records by name, as JSON with keys in a fixed order; `version` comes first."""
    write_text(path, encoded_record(record, indent=indent))


def encoded_record(record: Record | Mapping[str, Any], *, indent: int = 2) -> bytes:
    """Return what `write_record` writes."""
    encoded = msgspec.json.encode(record, order="deterministic")
    head = b'{"%s":%d%s' % (versions.KEY.encode(), versions.VERSION, b"" if encoded == b"{}" else b",")
    return msgspec.json.format(head + encoded[1:], indent=indent) + b"\n"


def read_record(path: Path, kind: type[T]) -> T:
    """Read a record of that type, of this version or an older one.

    `IncompleteEvidence` names the file when it is missing or damaged, `NewerVersion` when a newer fweval wrote it.
    """
    try:
        document = msgspec.json.decode(read_bytes(path))
        return msgspec.convert(versions.current(document, kind.__name__, path), kind)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise IncompleteEvidence(f"{path} is missing", remedy=_remedy(path)) from error
    except OSError as error:
        raise IncompleteEvidence(f"{path} cannot be read: {error.strerror}", remedy=_remedy(path)) from error
    except (ValueError, RecursionError, *_NOT_AS_IT_WAS) as error:
        raise IncompleteEvidence(f"{path} is damaged: {error}", remedy=_remedy(path)) from error


def _remedy(path: Path) -> str:
    """Say how a file of a run can be had again; what only this run knows is never to be deleted."""
    if path.parent.parent.name == "steps":
        return again(path.parent)
    run = path.parent
    remedies = {
        "run.json": "restore it from a copy: nothing else knows what was asked for, and the steps are of no use alone",
        "plan.json": f"resume the run to plan it again: fweval full --resume {run}",
        "catalogue.json": f"resume the run to plan it again: fweval full --resume {run}",
        "digests.json": "restore it from a copy; without it, nothing is known of how the other files were",
        "findings.json": f"judge the evidence again: fweval score {run}",
        "scorecard.json": f"score the evidence again: fweval score {run}",
    }
    return remedies.get(path.name, "make it again")


def again(step: Path | str) -> str:
    """Say how a step is done again that passed: a resumed run keeps what has passed."""
    return f"move {step} elsewhere and resume the run: the step is done again"


def write_samples(folder: Path, series: Mapping[str, Iterable[float]]) -> None:
    """Keep raw samples: `samples/<series>.jsonl`, one number a line, in the order they were taken."""
    (folder / "samples").mkdir(exist_ok=True)
    for name, values in series.items():
        write_text(folder / "samples" / f"{name}.jsonl", "".join(f"{value!r}\n" for value in values))


def read_samples(folder: Path) -> dict[str, tuple[float, ...]]:
    """Read every series that a step left, of seconds but for losses and accuracies; none is an empty dictionary."""
    found = {}
    for path in sorted((folder / "samples").glob("*.jsonl")):
        try:
            found[path.stem] = _series(read_bytes(path), seconds=path.stem not in _NO_SECONDS)
        except OSError as error:
            raise IncompleteEvidence(f"{path} cannot be read: {error.strerror}", remedy=again(folder)) from error
        except ValueError as error:
            raise IncompleteEvidence(f"{path} is damaged: {error}", remedy=again(folder)) from error
    return found


def read_blocks(folder: Path, series: Mapping[str, tuple[float, ...]] | None = None) -> turns.Blocks:
    """Read the blocks of a step from its folder; none where it left none. `IncompleteEvidence` when damaged.

    `series` are the step's samples, where they have been read already.
    """
    path = folder / turns.NAME
    if not path.exists():
        return turns.Blocks()
    found = read_record(path, turns.Blocks)
    series = read_samples(folder) if series is None else series
    for track in {block.track for block in found.blocks}:
        try:
            turns.medians(found, track, series.get(track, ()))
        except ValueError as error:
            raise IncompleteEvidence(f"{path} is damaged: {error}", remedy=again(folder)) from error
    return found


def _series(data: bytes, *, seconds: bool) -> tuple[float, ...]:
    values = tuple(_number(line) for line in data.decode().splitlines())
    if seconds and not all(0 <= value <= _LONGEST_S for value in values):
        raise ValueError("it holds what is no time")
    return values


def _number(line: str) -> float:
    try:
        return float(line)
    except ValueError as error:
        raise ValueError(f"it holds what is no number: {line[:40]}") from error


def sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
