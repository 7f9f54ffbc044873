"""Known vulnerabilities, from an offline copy of an OSV database: which installed packages are among those affected.

As osv.dev publishes them for PyPI: a file with one record, a list of them or the answer of its interface, a folder of
records, or all of them in a .zip (https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip). A run keeps the
records about packages that it may meet, and the digest of all that was given.
Specification: https://ossf.github.io/osv-schema, "Evaluation".
"""

import hashlib
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from evaluator.core import files
from evaluator.core.coordinates import Record
from evaluator.core.errors import UsageError
from evaluator.core.text import line
from evaluator.core.upkeep import Database, Match, Package

NAME = "advisories.json"  # in a run folder
ECOSYSTEM = "PyPI"
_LARGEST_BYTES = 1 << 28  # of one file, unpacked
_MOST = 1_000_000  # records
_LONGEST = 200  # characters of a summary
_FORM = "OSV records: a .json file, a folder of them, or the all.zip of osv.dev"


class Range(Record, frozen=True, kw_only=True):
    """Where a vulnerability begins and ends: (event, version), as they stand in the record."""

    events: tuple[tuple[str, str], ...]


class Affected(Record, frozen=True, kw_only=True):
    """The versions of one package that a vulnerability is in."""

    package: str  # canonical name
    versions: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()


class Vulnerability(Record, frozen=True, kw_only=True):
    """One record of the database, as far as it is needed."""

    id: str
    aliases: tuple[str, ...] = ()
    summary: str = ""
    severity: str = ""
    affected: tuple[Affected, ...] = ()


class Advisories(Record, frozen=True, kw_only=True):
    """What a run keeps of the database that was given to it."""

    database: Database
    vulnerabilities: tuple[Vulnerability, ...] = ()


class _Named(msgspec.Struct):
    ecosystem: str
    name: str


class _Range(msgspec.Struct):
    type: str
    events: list[dict[str, str]] = []


class _Affected(msgspec.Struct):
    package: _Named | None = None
    versions: list[str] = []
    ranges: list[_Range] = []
    ecosystem_specific: dict[str, Any] | None = None


class _Severity(msgspec.Struct):
    type: str
    score: str


class _Record(msgspec.Struct):
    """A record of the OSV schema; what it has beside is left unread."""

    id: str
    modified: str
    affected: list[_Affected] = []
    aliases: list[str] = []
    summary: str = ""
    withdrawn: str | None = None
    severity: list[_Severity] = []
    database_specific: dict[str, Any] | None = None


class _Answer(msgspec.Struct):
    vulns: list[_Record]


def of_run(run: Path) -> Advisories | None:
    """Return what a run keeps; None where nobody gave it any."""
    path = run / NAME
    return files.read_record(path, Advisories) if path.exists() else None


def read(path: Path, names: Collection[str]) -> Advisories:
    """Read a database, and keep what is about packages of these names; `UsageError` in one line where it is none."""
    if not path.exists():
        raise UsageError(f"there is no {path}", remedy=f"give {_FORM}")
    wanted = {canonicalize_name(name) for name in names}
    whole, count, newest = hashlib.sha256(), 0, ""
    kept: list[Vulnerability] = []
    for name, data in _contents(path):
        whole.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
        for record in _records(path, name, data):
            count, newest = count + 1, max(newest, record.modified[:10])
            found = _affecting(record, wanted)
            if found and record.withdrawn is None:
                kept.append(_kept(record, found))
    if not count:
        raise UsageError(f"{path} holds no record of vulnerabilities", remedy=f"give {_FORM}")
    digest = files.sha256(path) if path.is_file() else whole.hexdigest()
    database = Database(given=line(path.name), sha256=digest, records=count, newest=newest)
    return Advisories(database=database, vulnerabilities=tuple(sorted(kept, key=lambda each: each.id)))


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files that hold records, sorted by name."""
    try:
        if path.is_dir():
            for each in sorted(path.rglob("*.json"))[:_MOST]:
                yield each.relative_to(path).as_posix(), _small(each, each.stat().st_size).read_bytes()
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for info in sorted(archive.infolist(), key=lambda each: each.filename)[:_MOST]:
                    if info.filename.endswith(".json"):
                        _small(path / info.filename, info.file_size)
                        yield info.filename, archive.read(info)
        else:
            yield path.name, _small(path, path.stat().st_size).read_bytes()
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise UsageError(f"{path} cannot be read: {error}", remedy=f"give {_FORM}") from error


def _small(path: Path, size: int) -> Path:
    if size > _LARGEST_BYTES:
        raise UsageError(f"{path} has {size:,} bytes, which no record of vulnerabilities has", remedy=f"give {_FORM}")
    return path


def _records(path: Path, name: str, data: bytes) -> list[_Record]:
    try:
        found = msgspec.json.decode(data, type=_Record | list[_Record] if b'"vulns"' not in data[:64] else _Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        where = path if path.name == name else f"{path}: {name}"
        raise UsageError(f"{where} is no OSV record: {line(str(error))}", remedy=f"give {_FORM}") from error
    if isinstance(found, _Answer):
        return found.vulns
    return found if isinstance(found, list) else [found]


def _affecting(record: _Record, wanted: Collection[str]) -> list[Affected]:
    return [
        Affected(
            package=canonicalize_name(each.package.name),
            versions=tuple(each.versions),
            ranges=tuple(
                Range(events=tuple(pair for event in one.events for pair in event.items()))
                for one in each.ranges
                if one.type == "ECOSYSTEM"
            ),
        )
        for each in record.affected
        if each.package is not None
        and each.package.ecosystem.partition(":")[0] == ECOSYSTEM
        and canonicalize_name(each.package.name) in wanted
    ]


def _kept(record: _Record, affected: list[Affected]) -> Vulnerability:
    word = (record.database_specific or {}).get("severity")
    vector = next((each.score for each in record.severity), "")
    return Vulnerability(
        id=line(record.id),
        aliases=tuple(line(each) for each in record.aliases),
        summary=line(record.summary)[:_LONGEST],
        severity=line(word if isinstance(word, str) else vector),
        affected=tuple(affected),
    )


def matches(advisories: Advisories, packages: Iterable[Package]) -> tuple[Match, ...]:
    """Return the vulnerabilities of these packages, in the order of the packages."""
    about: dict[str, list[tuple[Vulnerability, Affected]]] = {}
    for each in advisories.vulnerabilities:
        for affected in each.affected:
            about.setdefault(affected.package, []).append((each, affected))
    return tuple(
        match
        for package in packages
        if package.ecosystem == ECOSYSTEM and package.version
        for match in _of(package, about)
    )


def _of(package: Package, about: Mapping[str, list[tuple[Vulnerability, Affected]]]) -> Iterator[Match]:
    seen = set[str]()
    for found, affected in about.get(canonicalize_name(package.name), ()):
        if found.id not in seen and not seen & set(found.aliases) and is_affected(package.version, affected):
            seen |= {found.id, *found.aliases}  # two databases in one may tell the same twice
            yield Match(
                package=package.key,
                version=package.version,
                id=found.id,
                aliases=found.aliases,
                summary=found.summary,
                severity=found.severity,
                fixed=tuple(version for one in affected.ranges for event, version in one.events if event == "fixed"),
            )


def is_affected(version: str, affected: Affected) -> bool:
    """Tell whether a version is one of those that are named, or lies in a range. What has no order is in none.

    A local part, as of builds for one kind of processor ("2.1.0+cpu"), is left out: databases know none.
    """
    own = _version(version)
    if version in affected.versions:
        return True
    if own is None:
        return False
    if any(own == _version(each) for each in affected.versions):
        return True
    return any(_inside(own, each.events) for each in affected.ranges)


def _inside(own: Version, events: Iterable[tuple[str, str]]) -> bool:
    """Go through the events in the order of their versions, and see what holds at the last before this one."""
    known = [(Version("0.dev0") if version == "0" else _version(version), event) for event, version in events]
    inside = False
    for version, event in sorted((version, event) for version, event in known if version is not None):
        if event == "introduced":
            inside = inside or own >= version
        elif own > version or (own == version and event != "last_affected"):
            inside = False
    return inside


def _version(text: str) -> Version | None:
    try:
        return Version(Version(text).public)
    except InvalidVersion:
        return None
