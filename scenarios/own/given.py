"""What a command's words say of a model of one's own, and what its file says: both become the same form."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from evaluator.core.errors import IncompleteEvidence, UsageError
from scenarios.own import sources
from scenarios.own.form import RANDOM, Own

KEYS = tuple(field for field in Own.__struct_fields__ if field not in ("digests", "found"))
_PLACES = (
    "origin",
    "pytorch",
    "tensorflow",
    "inputs",
    "labels",
    "quality",
    "train_step",
    "train_inputs",
    "train_labels",
)
_SOURCES = ("origin", "pytorch", "tensorflow")


def is_own(table: Mapping[str, Any]) -> bool:
    """Tell whether a scenario file is about a model of one's own."""
    return "model" not in table and any(key in table for key in _SOURCES)


def table_of(word: str) -> dict[str, Any]:
    """Return what a command's word says: "mine.py:build", or a model's file."""
    path = Path(word.rpartition(":")[0] if sources.is_function(word) else word)
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem).strip("_-") or "own"
    return {
        "name": name[:64],
        "title": Path(word).name,
        "summary": f"A model of one's own: {Path(word).name}",
        "origin": word,
    }


def placed(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a table in which every path is absolute, and what it names is there."""
    made = dict(table)
    for key in _PLACES:
        value = made.get(key)
        if isinstance(value, str):
            made[key] = _placed(key, value, folder)
        elif isinstance(value, dict):
            made[key] = {name: _placed(key, str(each), folder) for name, each in value.items()}
    return made


def _placed(key: str, value: str, folder: Path) -> str:
    if key in _SOURCES:
        return str(sources.read(value, folder))
    if (key == "inputs" and value == RANDOM) or (key == "quality" and not _names_a_file(value)):
        return value
    if value.endswith(".py") or sources.is_function(value):
        path, name = sources.function_in(value, folder)
        return f"{path}:{name}"
    return str(sources.existing(value, folder))


def _names_a_file(quality: str) -> bool:
    """Tell whether a measure is a function of the person's; `UsageError` for a name that no measure has."""
    from scenarios.own import measures  # here: it takes NumPy, which no command needs that only lists

    measures.check(quality)
    return sources.is_function(quality)


def files(own: Own) -> tuple[Path, ...]:
    """Return the person's files that a form names, each once."""
    named: list[str] = []
    for key in _PLACES:
        value = getattr(own, key)
        named += value.values() if isinstance(value, dict) else [value] if value else []
    paths = [Path(each.rpartition(":")[0] if sources.is_function(each) else each) for each in named]
    return tuple(dict.fromkeys(path for path in paths if path.is_absolute()))


def checked(own: Own, frameworks: tuple[str, ...]) -> Own:
    """Return a form of which nothing contradicts the rest; `UsageError` says what does."""
    if own.origin is not None and (own.pytorch or own.tensorflow):
        raise UsageError("`origin` and a framework's own source are given", remedy="leave one of them out")
    for key in ("inputs", "train_step", "train_inputs"):
        told = getattr(own, key)
        for name in told if isinstance(told, dict) else ():
            if name not in frameworks:
                raise UsageError(f"{key}.{name}: no framework has this name", remedy=f"known: {', '.join(frameworks)}")
    return own


def with_digests(own: Own) -> Own:
    """Return a form that knows its files' digests."""
    return msgspec.structs.replace(own, digests={str(path): sources.digest(path) for path in files(own)})


def refuse_changed(own: Own) -> None:
    """Raise `IncompleteEvidence` where a file of the person's is not the one that the run began with."""
    for name, digest in own.digests.items():
        path = Path(name)
        if not path.exists() or sources.digest(path) != digest:
            raise IncompleteEvidence(
                f"{path.name} is not what it was when the run began",
                remedy="begin a new run: figures of two versions do not belong together",
            )
