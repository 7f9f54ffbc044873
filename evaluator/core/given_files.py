"""Files that a person gives to a run: copied into its folder before the first step, with their SHA-256 in `run.json`.

So a board can tell that criteria were not made to fit the results, and nobody needs the place where the file once lay.
Such a file is read here, whole and once; what is checked is what is copied. Who reads it later asks `content`, which
knows the digest that it had.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from evaluator.core import toml
from evaluator.core.errors import IncompleteEvidence, UsageError
from evaluator.core.reading import read_bytes
from evaluator.core.records import RunRecord

LARGEST_BYTES = 1 << 20  # of a file that a person writes; a database may be larger, and says so


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFile:
    """One file as it was read: under which name it will lie in the run folder, whence it came, and what it holds."""

    name: str  # "criteria.toml"
    source: Path  # for messages
    content: bytes

    @property
    def sha256(self) -> str:
        """Its digest, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def text(self) -> str:
        """What stands in it, without a byte order mark and with plain line ends."""
        return toml.decoded(self.source, self.content)


def read(path: Path, name: str, *, largest_bytes: int = LARGEST_BYTES) -> GivenFile:
    """Read a text file that somebody names; `UsageError` when it is none, is too large, or is not UTF-8."""
    try:
        content = read_bytes(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", remedy="give the path of a text file") from error
    except ValueError as error:
        raise UsageError(f"{path} cannot be read: {error}", remedy="give the path of a text file") from error
    if len(content) > largest_bytes:
        raise UsageError(f"{path} has {len(content):,} bytes", remedy=f"such a file has {largest_bytes:,} at most")
    toml.decoded(path, content)
    return GivenFile(name=name, source=path, content=content)


def content(root: Path, record: RunRecord, name: str) -> bytes | None:
    """Return what a file of a run folder holds that was given to the run; None where none of that name was.

    `IncompleteEvidence` names it when it is gone, or is not the one that was given.
    """
    expected = record.inputs.get(name)
    if expected is None:
        return None
    path = root / name
    remedy = "restore it from a copy of the run, or from the file that was given"
    try:
        found = read_bytes(path)
    except FileNotFoundError as error:
        raise IncompleteEvidence(f"{path} is missing, which was given to this run", remedy=remedy) from error
    except OSError as error:
        raise IncompleteEvidence(f"{path} cannot be read: {error.strerror}", remedy=remedy) from error
    except ValueError as error:
        raise IncompleteEvidence(f"{path} cannot be read: {error}", remedy=remedy) from error
    if hashlib.sha256(found).hexdigest() != expected:
        raise IncompleteEvidence(f"{path} was changed: run.json has the SHA-256 of another", remedy=remedy)
    return found
