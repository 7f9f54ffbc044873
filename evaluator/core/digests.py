"""`digests.json`: the SHA-256 of every file of a run, written when a session of it ends.

What steps left is recorded once, and forgotten only when fweval does a step again: neither resuming nor scoring a run
records evidence anew that somebody changed. What follows from the evidence (findings, scores, reports) is recorded
whenever it is written, with the fweval that wrote it. `whole` is the digest of what `sha256sum` would print for all of
it, in the order of the names, and of the makers in the same form: so a change of this file shows, too. A run of before
there was this file has none.

Links, pipes and devices are no files of a run: fweval leaves none, and none is followed.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

import evaluator
from evaluator.core import files, machine, versions
from evaluator.core.coordinates import Record
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.reading import read_bytes

NAME = "digests.json"
SIGNATURE = ".intoto.jsonl"  # how the names of signatures end, which lie beside what they are of
LOCK = "lock"  # it is empty, and a run that is at work opens it
_ONCE = ("steps/", "run.json")  # how names begin of what is recorded once
_CHUNK_BYTES = 1 << 20


class Digests(Record, frozen=True, kw_only=True):
    """The digests of a run's files by their names, relative to its folder."""

    files: dict[str, str]
    makers: dict[str, str] = msgspec.field(default_factory=dict)  # of what follows from evidence: who wrote it
    whole: str  # of what `lines` returns for both

    @classmethod
    def of(cls, known: Mapping[str, str], makers: Mapping[str, str]) -> "Digests":
        """Return the record of these files; of what is not among them nobody needs to know the maker."""
        kept = {name: maker for name, maker in sorted(makers.items()) if name in known}
        return cls(files=dict(sorted(known.items())), makers=kept, whole=whole_of(known, kept))


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in a folder: its files by their names, and what is none, with what it is."""

    files: dict[str, Path]
    strange: dict[str, str]


def listed(root: Path) -> Listing:
    """List all files below a folder, in the order of their names; no link is followed."""
    found: dict[str, Path] = {}
    strange: dict[str, str] = {}
    for name, path, kind in _walk(root, ""):
        if kind:
            strange[name] = kind
        else:
            found[name] = path
    return Listing(files=dict(sorted(found.items())), strange=dict(sorted(strange.items())))


def recorded(name: str) -> bool:
    """Tell whether a file is one that is recorded: one that is signed, and not the record itself."""
    return name != NAME and signed(name)


def signed(name: str) -> bool:
    """Tell whether a file is one that signatures are of: not themselves, nor the lock."""
    return name != LOCK and not ("/" not in name and name.endswith(SIGNATURE))


def sha256(path: Path, tell: Callable[[int], None] = lambda _: None) -> str:
    """Return the digest of a regular file, in hex, piece by piece; `ValueError` when it is none, or a link.

    `tell` hears of each piece, how many bytes it had.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f"{path} is no file")
        hashed = hashlib.sha256()
        while piece := file.read(_CHUNK_BYTES):
            hashed.update(piece)
            tell(len(piece))
    return hashed.hexdigest()


def lines(known: Mapping[str, str]) -> str:
    """Return what `sha256sum` prints for these files, in the order of their names, with plain line ends."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(known.items()))


def whole_of(known: Mapping[str, str], makers: Mapping[str, str]) -> str:
    """Return the digest of all digests and makers."""
    return hashlib.sha256((lines(known) + lines(makers)).encode()).hexdigest()


@cache
def me() -> str:
    """Name this fweval as a maker of files: its version, and its revision where it runs from a checkout.

    What this process runs was read when it was started: what becomes of the checkout meanwhile is another fweval.
    """
    revision = machine.git_revision()
    return f"fweval {evaluator.__version__}" + (f" ({revision})" if revision else "")


def read(root: Path) -> Digests | None:
    """Return what a run folder records; None where it records nothing.

    `IncompleteEvidence` when the file is damaged, or is not as fweval wrote it.
    """
    path = root / NAME
    if not os.path.lexists(path):
        return None
    found = files.read_record(path, Digests)
    ours = versions.of(path) < versions.VERSION or files.encoded_record(found) == read_bytes(path)
    if not ours or found != Digests.of(found.files, found.makers):
        raise IncompleteEvidence(
            f"{path} was changed: it is not as fweval wrote it",
            remedy="restore it from a copy; without it, nothing is known of how the other files were",
        )
    return found


def record(root: Path) -> None:
    """Record the files of a run whose session ended; evidence that is recorded already stays as it is known."""
    before = read(root) or Digests.of({}, {})
    known = {name: digest for name, digest in before.files.items() if name.startswith(_ONCE)}
    for name, path in listed(root).files.items():
        if recorded(name) and name not in known:
            known[name] = sha256(path)
    follows = [name for name in known if "/" not in name and name.startswith(("findings.", "scorecard."))]
    _write(root, Digests.of(known, {**dict.fromkeys(follows, me()), **_still(before, known)}))


def renew(root: Path, names: Iterable[str]) -> None:
    """Record files anew that follow from the evidence and were just written; nothing where nothing is recorded."""
    before = read(root)
    if before is None:
        return
    fresh = {name: sha256(root / name) for name in names}
    _write(root, Digests.of({**before.files, **fresh}, {**before.makers, **dict.fromkeys(fresh, me())}))


def forget(root: Path, folder: str) -> None:
    """Forget what lay in a folder that is removed, because its step is done again."""
    before = read(root)
    if before is None:
        return
    kept = {name: digest for name, digest in before.files.items() if not name.startswith(f"{folder}/")}
    if len(kept) < len(before.files):
        _write(root, Digests.of(kept, before.makers))


def drop(root: Path, names: Iterable[str]) -> None:
    """Forget files beside the evidence that were removed."""
    before, gone = read(root), frozenset(names)
    if before is not None and not gone.isdisjoint(before.files):
        _write(root, Digests.of({name: each for name, each in before.files.items() if name not in gone}, before.makers))


def _still(before: Digests, known: Mapping[str, str]) -> dict[str, str]:
    """Return the makers of those files that are as they were."""
    return {name: maker for name, maker in before.makers.items() if known.get(name) == before.files.get(name)}


def _write(root: Path, found: Digests) -> None:
    files.write_record(root / NAME, found)


def _walk(folder: Path, above: str) -> Iterator[tuple[str, Path, str]]:
    """Yield the name, the path and, of what is neither file nor folder, the kind of everything below a folder."""
    with os.scandir(folder) as entries:
        inside = sorted(entries, key=lambda entry: entry.name)
    for entry in inside:
        name = above + os.fsencode(entry.name).decode(errors="backslashreplace")
        if entry.is_symlink():
            yield name, Path(entry.path), f"a link to {Path(entry.path).readlink()}"
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{name}/")
        else:
            yield name, Path(entry.path), "" if entry.is_file(follow_symlinks=False) else "no file"
