"""Files that an artifact names: which are its own, and what is said of those that are not.

A name in a file from anywhere is not trusted: it may lead elsewhere by its path or by a link, to a device, or to a pipe
that never ends. Nothing is opened here. Where the model itself is a link into a store of files, as in the caches of
model hubs, what it names may lie in that store, too; ONNX Runtime has the same rule (`ValidateExternalDataPath`).
https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/framework/tensorprotoutils.h
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from evaluator.core import registry

if TYPE_CHECKING:
    from exports.contract import Format

A_PIPE = "a pipe"
_LONGEST = 80  # characters of a name that are shown
_MOST_ENTRIES = 100_000  # of a folder that are looked at: somebody may name all that they have
_BY_CONTENT = re.compile(r"[0-9a-f]{30}")  # in names of files that stores call by what is in them


class PartError(ValueError):
    """A file that an artifact names is none of its own; `remedy` says what to do."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class AbsentError(PartError):
    """Files that an artifact names are not there, or may not be seen; `names` are all that it names."""

    def __init__(self, message: str, names: Sequence[str]) -> None:
        super().__init__(message, remedy="get it too, and put it beside the model")
        self.names = tuple(names)


def own(artifact: Path, names: Sequence[str]) -> list[Path]:
    """Return the files of these names, beside the file `artifact` or in folders there, each once, in order.

    Raises `AbsentError` when some are not there, `PartError` for a name that leads elsewhere or to no plain file.
    """
    found = {name: _own(artifact, name) for name in dict.fromkeys(names)}
    absent = [name for name, path in found.items() if path is None]
    if absent:
        others = f", nor are {len(absent) - 1} others" if absent[1:] else ""
        raise AbsentError(f"its file '{shown(absent[0])}' is not there{others}", tuple(found))
    return list(dict.fromkeys(path for path in found.values() if path is not None))


def _own(artifact: Path, name: str) -> Path | None:
    if not name or "\0" in name:
        raise PartError(f"'{shown(name)}' should be a file of it, and no file is called so", remedy="export it again")
    below = os.path.normpath(name)
    path = artifact.parent / below
    real = Path(os.path.realpath(path))
    homes = Path(os.path.realpath(artifact.parent)), Path(os.path.realpath(artifact)).parent
    outside = PurePath(below).is_absolute() or PurePath(below).parts[:1] == ("..",)
    if outside or not any(real.is_relative_to(home) for home in homes):
        raise PartError(
            f"its file '{shown(name)}' would lie outside the model's folder", remedy="copy the file into that folder"
        )
    try:
        mode = real.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PartError(
            f"its file '{shown(name)}' cannot be seen: {error.strerror}", remedy="export it again"
        ) from error
    if not stat.S_ISREG(mode):
        raise PartError(f"'{shown(name)}' should be a file of it, and is {kind(mode)}", remedy="get the file itself")
    return path


def mounts(artifact: Path, formats: Iterable[str]) -> dict[Path, PurePath]:
    """Return what a container must see of an artifact of one of these formats, and where below one folder.

    That is the path itself for a folder, and for what cannot be read: then it is the runtime that says so.
    """
    forms: Iterator[Format] = (registry.load("format", name) for name in formats)
    form = None if artifact.is_dir() else next((form for form in forms if form.recognises(artifact)), None)
    try:
        whole = [artifact] if form is None else form.files(artifact)
    except ValueError:
        whole = [artifact]
    return {path: path.relative_to(artifact.parent) for path in whole}


def kind(mode: int) -> str:
    """Say what it is that is no plain file."""
    named = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: A_PIPE, stat.S_ISSOCK: "a socket"}
    return next((said for asked, said in named.items() if asked(mode)), "a device")


def shown(name: str) -> str:
    """Shorten a name that comes out of a file."""
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"


def no_files(folder: Path) -> dict[str, str]:
    """Return what lies in a folder and is neither a file nor a folder: its name there -> what it is."""
    found = {}
    for path in _entries(folder):
        try:
            mode = path.stat().st_mode
        except OSError:
            found[path.relative_to(folder).as_posix()] = "a link to nothing"
            continue
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            found[path.relative_to(folder).as_posix()] = kind(mode)
    return found


def linked(folder: Path) -> list[Path]:
    """Return what the links in a folder stand for and lies outside it: files of stores, where names tell contents.

    Model hubs, DVC and git-annex put links in the place of large files. Of other links nothing is known, and an archive
    can hold one to anywhere.
    https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    top = Path(os.path.realpath(folder))
    real = (Path(os.path.realpath(path)) for path in islice(_entries(folder), _MOST_ENTRIES) if path.is_symlink())
    return [path for path in dict.fromkeys(real) if not path.is_relative_to(top) and is_of_a_store(path)]


def _entries(folder: Path) -> Iterator[Path]:
    return (Path(at, name) for at, folders, files in os.walk(folder) for name in (*folders, *files))


def is_of_a_store(path: Path) -> bool:
    """Tell whether a file lies in a store whose names tell what the files hold."""
    return path.is_file() and (path.parent.name == "blobs" or _BY_CONTENT.search(path.name) is not None)
