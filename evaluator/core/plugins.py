"""Plug-ins from outside: folders that `--plugins` or $FWEVAL_PLUGINS names, and packages with an entry point.

A folder is laid out like ours (`exports/exporters/x.py`) or in short (`exporters/x.py`, `checks/y.py`,
`environments/z.txt`). An entry point of the group `fweval.plugins` names a package whose folder is laid out likewise:
https://packaging.python.org/en/latest/specifications/entry-points/. Files whose name begins with an underscore are
helpers of the others, which import them relatively (`from ._x import y`).

Listing imports nothing of them; `core.registry` lists them behind ours. Whatever is wrong with one is a `UsageError`
of one line that names the file.
"""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from evaluator.core.errors import FwevalError, UsageError
from evaluator.core.kinds import CONTRACTS, ENVIRONMENTS, KINDS, OURS_ONLY, folders

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

VARIABLE = "FWEVAL_PLUGINS"  # folders, with ":" between them
GROUP = "fweval.plugins"
_TOLD = "FWEVAL_PLUGINS_TOLD"  # in a child: its parent has looked for entry points, and told their folders as well
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LAYOUT = "a plug-in lies in exporters/NAME.py, checks/NAME.py … : docs/plugins.md"
_NEAR = 0.9  # of two names: "exporter" and "exporters" are
_NO_CODE = ("__pycache__", "node_modules", "site-packages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder of plug-ins, and whose it is: a distribution's, or that of a person who names it."""

    folder: Path
    origin: str
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The file of a plug-in from outside; nothing of it was executed."""

    kind: str
    name: str
    file: Path
    place: Place

    @property
    def said(self) -> str:
        """Say where it comes from, for people."""
        return f"{self.place.origin} {self.place.version}".rstrip()


def told() -> str:
    """Return what the environment says of folders: whatever is kept of plug-ins is kept for this text."""
    return os.environ.get(VARIABLE, "")


def name_folders(named: Iterable[Path], before: str = "") -> None:
    """Let this process and its children find the plug-ins of these folders, behind those that were named before."""
    known = [each for each in before.split(os.pathsep) if each]
    for folder in named:
        path = str(folder.absolute())
        if os.pathsep in path:
            raise UsageError(f"{path}: a folder of plug-ins may have no '{os.pathsep}' in its path", remedy="move it")
        known += [] if path in known else [path]
    os.environ[VARIABLE] = os.pathsep.join(known)
    for place in places():
        _looked_at(place)


def variables() -> dict[str, str]:
    """Return what the environment of a child must say, so that it finds the same plug-ins and looks for no others."""
    known = os.pathsep.join(str(place.folder) for place in places())
    return {VARIABLE: known, _TOLD: "1"} if known else {_TOLD: "1"}


def places() -> tuple[Place, ...]:
    """Return the folders there are: those of entry points, then those that were named, each once."""
    return _places(told(), _TOLD in os.environ)


@cache
def _places(named: str, all_told: bool) -> tuple[Place, ...]:  # noqa: FBT001  # it belongs to the key of what is kept
    found = {each.folder: each for each in (() if all_told else map(_installed, _entry_points()))}
    for path in map(Path, filter(None, named.split(os.pathsep))):
        if not path.is_dir():
            raise UsageError(f"there is no folder of plug-ins {path}", remedy="see --plugins, and $FWEVAL_PLUGINS")
        found.setdefault(path.resolve(), Place(folder=path.resolve(), origin=str(path.resolve())))
    return tuple(found.values())


def _entry_points() -> Sequence["EntryPoint"]:
    from importlib.metadata import entry_points

    return sorted(entry_points(group=GROUP), key=lambda each: (each.name, each.value))


def _installed(entry: "EntryPoint") -> Place:
    """Return the folder of the package that an entry point names, without importing the package."""
    dist = entry.dist
    origin, version = ("a package", "") if dist is None else (dist.name, dist.version)
    top, *inner = entry.module.split(".")
    spec = importlib.util.find_spec(top)
    roots = () if spec is None else tuple(spec.submodule_search_locations or ())
    for path in (Path(root).joinpath(*inner) for root in roots):
        if path.is_dir():
            return Place(folder=path.resolve(), origin=origin, version=version)
        if path.with_suffix(".py").is_file():
            return Place(folder=path.parent.resolve(), origin=origin, version=version)
    raise UsageError(
        f"{origin} {version} has the entry point '{entry.name} = {entry.value}' ({GROUP}), which is no package here",
        remedy=f"mend it, or pip uninstall {origin}",
    )


def found() -> tuple[Found, ...]:
    """Return the plug-ins from outside, in the order of their folders; two of one kind and name are refused."""
    return _found(places())


@cache
def _found(known: tuple[Place, ...]) -> tuple[Found, ...]:
    seen: dict[tuple[str, str], Found] = {}
    for each in (one for place in known for one in listed(place)):
        other = seen.setdefault((each.kind, each.name), each)
        if other is not each:
            raise UsageError(f"{each.file}: there is a {each.kind} '{each.name}' in {other.file}", remedy="rename one")
    return tuple(seen.values())


def listed(place: Place) -> Iterator[Found]:
    """Yield the plug-ins of a folder; `UsageError` where a file can be none."""
    for kind in KINDS:
        for path in _files(place, kind):
            if kind in OURS_ONLY:
                raise UsageError(f"{path}: a {kind} cannot come from outside", remedy=OURS_ONLY[kind])
            if not _NAME.fullmatch(path.stem):
                raise UsageError(
                    f"{path}: '{path.stem}' is no name of a plug-in",
                    remedy="lower case letters, digits and underscores; a helper's begins with an underscore",
                )
            yield Found(kind=kind, name=path.stem, file=path, place=place)


def _files(place: Place, kind: str) -> list[Path]:
    paths = (path for folder in folders(kind) for path in (place.folder / folder).glob("*.py"))
    return sorted(path for path in paths if not path.name.startswith("_"))


def lists(place: Place) -> tuple[Path, ...]:
    """Return the folders in which a place has its lists of packages for environments."""
    found = (place.folder / each for each in (ENVIRONMENTS.replace(".", "/"), "environments"))
    return tuple(path for path in found if path.is_dir())


def _looked_at(place: Place) -> None:
    """Refuse a folder without any plug-in, and one where a folder's name is nearly that of a kind."""
    known = ["environments", *(f"{kind}s" for kind in KINDS)]
    ours = {package.partition(".")[0] for package in KINDS.values()}
    for folder in (each for each in sorted(place.folder.iterdir()) if each.is_dir() and any(each.glob("*.py"))):
        near = difflib.get_close_matches(folder.name, known, n=1, cutoff=_NEAR)
        if near and folder.name not in (near[0], *ours):
            raise UsageError(f"{folder}: no plug-ins are looked for there", remedy=f"did you mean '{near[0]}'?")
    if not lists(place) and not any(listed(place)):
        raise UsageError(f"there is no plug-in in {place.folder}", remedy=_LAYOUT)


def digests() -> dict[tuple[str, str], str]:
    """Return (kind, name) -> sha256 of every plug-in from outside: of its file, and of what it may import or read."""
    beside = {place: _digest_of_helpers(place) for place in places()}
    return {
        (each.kind, each.name): hashlib.sha256(each.file.read_bytes() + beside[each.place]).hexdigest()
        for each in found()
    }


def _digest_of_helpers(place: Place) -> bytes:
    """Digest what lies beside plug-ins: any file in a folder of a kind, and Python code everywhere else."""
    whole, own = hashlib.sha256(), {each.file for each in listed(place)}
    kinds = [place.folder / folder for kind in KINDS for folder in folders(kind)]
    for root, below, names in os.walk(place.folder):
        here = Path(root)
        below[:] = sorted(each for each in below if not each.startswith(".") and each not in _NO_CODE)
        beside = any(here == folder or folder in here.parents for folder in kinds)
        for path in (here / name for name in sorted(names) if beside or name.endswith(".py")):
            if path not in own and path.is_file():
                whole.update(f"\0{path.relative_to(place.folder)}\0".encode())
                whole.update(path.read_bytes())
    return whole.digest()


def load(one: Found) -> Any:
    """Import a plug-in and return it; `UsageError` when it cannot be imported, or is not what its folder says."""
    package = _package(one.place.folder)
    inner = one.file.relative_to(one.place.folder).with_suffix("").parts
    with one_line(one.file, one.place.folder):
        module = importlib.import_module(".".join((package, *inner)))
    plugin = getattr(module, "plugin", None)
    if plugin is None:
        raise UsageError(f"{one.file}: nothing in it is called `plugin`", remedy=f"end it with: plugin = {_class(one)}")
    lacking = _lacking(one, plugin)
    if lacking:
        raise UsageError(f"{one.file}: {lacking}", remedy=f"fweval check {one.place.folder}")
    return plugin


def contract(kind: str) -> type:
    """Return the class that plug-ins of a kind are instances of."""
    module, _, name = CONTRACTS[kind].partition(":")
    base: type = getattr(importlib.import_module(module), name)
    return base


def _lacking(one: Found, plugin: Any) -> str | None:
    """Say what keeps an object from being the plug-in that its file promises; None when nothing does."""
    base: Any = contract(one.kind)
    if not isinstance(plugin, base):
        return f"`plugin` is no {base.__module__}.{base.__name__}"
    absent = [name for name in inspect.get_annotations(base) if not hasattr(plugin, name)]
    if absent:
        return f"`{type(plugin).__name__}` does not say {', '.join(f'`{name}`' for name in absent)}"
    if plugin.name != one.name:
        return f"its name is '{plugin.name}', and must be the file's, '{one.name}'"
    return None


def _class(one: Found) -> str:
    return f"{''.join(part.capitalize() for part in one.name.split('_'))}()"


def _package(folder: Path) -> str:
    """Return the package that the modules of a folder belong to: so they find one another, and hide nothing."""
    name = f"fweval_plugins_{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        module = ModuleType(name, f"The plug-ins of {folder}.")
        module.__path__ = [str(folder)]
        sys.modules[name] = module
    return name


class one_line:  # noqa: N801  # reads as a statement: `with one_line(file, folder):`
    """Makes whatever a foreign module raises while it is imported a `UsageError` that names file and line."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.file = file
        self.folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, raised: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(raised, (Exception, SystemExit)) and not isinstance(raised, FwevalError):
            where = place_of(raised, (self.folder,)) or str(self.file)
            raise UsageError(
                f"{where}: {type(raised).__name__}: {raised.msg if isinstance(raised, SyntaxError) else raised}",
                remedy=f"mend the plug-in: fweval check {self.folder}",
            ) from raised


def place_of(raised: BaseException, where: Iterable[Path]) -> str | None:
    """Return file and line of the deepest call into one of these folders; None when there was none."""
    roots = tuple(where)
    if isinstance(raised, SyntaxError) and raised.filename and _below(raised.filename, roots):
        return f"{raised.filename}:{raised.lineno}"
    frames = [frame for frame in traceback.extract_tb(raised.__traceback__) if _below(frame.filename, roots)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def culprit(raised: BaseException) -> str | None:
    """Return where a plug-in from outside raised, or called what raised; None when it was none of theirs."""
    return place_of(raised, (place.folder for place in places()))


def _below(file: str, roots: Sequence[Path]) -> bool:
    return any(root in Path(file).parents for root in roots)
