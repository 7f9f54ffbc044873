"""Commercial and production readiness, as records: the register of components, and what a machine says of them.

The register is data (`evaluator/register/*.toml`): what the makers of a component say of its future, in their words,
with a source and two dates. A run keeps the register that it began with beside what was found installed, so that it
says the same next year.
"""

import tomllib
from datetime import date
from functools import cache
from importlib import resources
from typing import Annotated, Literal

import msgspec

from evaluator.core.coordinates import Record

ROOM = "evaluator.register"
EVIDENCE = "upkeep.json"  # what a step of the stage leaves behind
STALE_AFTER_DAYS = 90
Status = Literal["active", "minimal", "limited", "deprecated", "archived", "unknown"]
# What a status means. An entry that has no source has the last one.
MEANINGS: dict[Status, str] = {
    "active": "its makers release new features",
    "minimal": "its makers fix it, and add nothing of note",
    "limited": "its makers say themselves what keeps them: too few people, a short promise",
    "deprecated": "its makers name something else to use",
    "archived": "its makers have ended it: no fixes, no security patches",
    "unknown": "no statement of its makers was found",
}
Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)")]
Dated = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}(-\d{2})?$(?!\n)")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]*$(?!\n)", max_length=64)]
Short = Annotated[str, msgspec.Meta(max_length=300)]
Answer = Literal["agrees", "disagrees", "not installed", "cannot tell"]


class Covers(Record, frozen=True, kw_only=True):
    """What a component is part of: names of plug-ins, and of packages."""

    frameworks: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    exporters: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()  # that plug-ins name as what they need


class Detector(Record, frozen=True, kw_only=True):
    """What the installed package must look like where the entry is right. All that is given must hold."""

    package: str
    environment: str | None = None  # of exports/environments, where it is not in ours
    ecosystem: Literal["PyPI", "npm"] = "PyPI"
    file: str = ""  # below the folder of packages; "METADATA" for the package's own
    says: str = ""  # text in that file, whatever its white space
    version: str = ""  # a specifier that the installed version is in: "==0.12.0"


class Component(Record, frozen=True, kw_only=True):
    """One entry of the register."""

    id: Name
    title: Short
    status: Status
    quote: Short = ""  # official words
    source: Short = ""  # where they stand, as precisely as it can be said
    dated: Dated | None = None  # of the source; to the month where no day is known
    checked_on: Day  # when somebody last looked
    note: Short = ""  # ours
    covers: Covers = msgspec.field(default_factory=Covers)
    replaced_by: tuple[Name, ...] = ()  # components of the register
    migration: dict[str, str] = msgspec.field(default_factory=dict)  # name of an API -> what takes its place
    detector: Detector | None = None

    def __post_init__(self) -> None:
        """Refuse a status without a source, and days that no calendar has."""
        for day in filter(None, (self.dated, self.checked_on)):
            date.fromisoformat(day if len(day) > len("2026-11") else f"{day}-01")
        if self.status != "unknown" and not (self.quote and self.source and self.dated):
            raise ValueError(f"'{self.id}' has a status without quote, source and date: then it is unknown")

    def is_stale(self, today: str) -> bool:
        """Tell whether it was looked at too long before a day (ISO 8601) to be relied on."""
        return (date.fromisoformat(today[:10]) - date.fromisoformat(self.checked_on)).days > STALE_AFTER_DAYS


class Fact(Record, frozen=True, kw_only=True):
    """Something about how widely a framework is used: cited, never scored."""

    about: Short  # "PyTorch and TensorFlow"
    says: Short
    source: Short
    dated: Dated
    checked_on: Day
    caution: Short = ""  # what it does not tell


class Register(Record, frozen=True, kw_only=True):
    """All components, and facts of adoption."""

    components: tuple[Component, ...] = ()
    adoption: tuple[Fact, ...] = ()

    def __post_init__(self) -> None:
        """Refuse two entries of one name, and a replacement that is none of them."""
        known = [each.id for each in self.components]
        if len(set(known)) < len(known):
            raise ValueError("two components have one id")
        strange = {name for each in self.components for name in each.replaced_by} - set(known)
        if strange:
            raise ValueError(f"'{min(strange)}' replaces something, and is no component itself")

    def component(self, name: str) -> Component:
        """Return an entry by its id."""
        return next(each for each in self.components if each.id == name)

    def archived_servers(self) -> dict[str, str]:
        """Return the servers whose makers have ended them, and where they say so."""
        return {
            server: each.source
            for each in self.components
            if each.status == "archived"
            for server in each.covers.servers
        }


class Detected(Record, frozen=True, kw_only=True):
    """What the installed packages say of one entry."""

    answer: Answer
    said: str


class Package(Record, frozen=True, kw_only=True):
    """One installed package."""

    name: str
    version: str = ""  # empty: it is wanted, and not installed
    environment: str = ""  # of exports/environments; ours has no name
    ecosystem: Literal["PyPI", "npm"] = "PyPI"
    licence: str = ""  # an SPDX expression; empty: unknown
    licence_from: str = ""  # "License-Expression", "classifiers", "License", "package.json"
    licence_said: str = ""  # what stands there, where it is no SPDX expression
    requires_python: str = ""
    platforms: tuple[str, ...] = ()  # of the installed wheel; ("any",) for one without machine code
    pythons: tuple[str, ...] = ()  # that the installed wheel is made for: "cp311", "py3"
    released: str = ""  # the day of its newest release, where the index was asked

    @property
    def key(self) -> str:
        """Name it among all packages of a run."""
        return f"{self.environment}:{self.name}" if self.environment else self.name


class Use(Record, frozen=True, kw_only=True):
    """How often one file names an API that something else replaces."""

    component: str
    api: str
    replacement: str
    file: str
    count: Annotated[int, msgspec.Meta(ge=1)]


class Way(Record, frozen=True, kw_only=True):
    """One way from a framework to where it runs, by its plug-ins."""

    framework: str
    exporter: str
    format: str
    runtime: str
    server: str | None = None
    components: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()  # its parts that no component of the register covers: "runtime 'mine'"
    packages: tuple[str, ...] = ()  # keys
    uses: tuple[Use, ...] = ()  # of what is replaced: by its plug-ins and by the scenario's code

    @property
    def key(self) -> tuple[str, str, str, str | None]:
        """Tell it from other ways of its framework."""
        return self.exporter, self.format, self.runtime, self.server


class Inventory(Record, frozen=True, kw_only=True):
    """What a step found out: `upkeep.json`."""

    register: Register
    detected: dict[str, Detected] = msgspec.field(default_factory=dict)  # component -> what is installed of it
    packages: dict[str, Package] = msgspec.field(default_factory=dict)  # key -> package
    ways: tuple[Way, ...] = ()
    releases_asked: str = ""  # the day on which the index was asked for releases; empty: not asked


class Match(Record, frozen=True, kw_only=True):
    """A known vulnerability of the version of a package that is installed."""

    package: str  # key
    version: str
    id: str  # "GHSA-…", "PYSEC-…"
    aliases: tuple[str, ...] = ()  # "CVE-…"
    summary: str = ""
    severity: str = ""  # as the database has it: a word, or a CVSS vector
    fixed: tuple[str, ...] = ()  # versions in which it is mended


class Database(Record, frozen=True, kw_only=True):
    """The database of vulnerabilities that was given to a run."""

    given: str  # the name of the file or folder
    sha256: str
    records: int
    newest: str = ""  # the day on which any of its records was last changed


class Standing(Record, frozen=True, kw_only=True):
    """What an entry of the register comes to in this run."""

    component: Component
    detected: Detected
    stale: bool  # looked at too long before the run
    counts_as: Status  # "unknown" where it is stale, or where the installed packages say otherwise
    points: float


class PathUpkeep(Record, frozen=True, kw_only=True):
    """What one path rests on."""

    scenario: str
    framework: str
    path: str  # deployment path
    title: str
    exporter: str
    format: str
    runtime: str
    server: str | None = None
    proven: bool = False  # whether this run shows that it computes the same
    status: Status  # of the weakest of its components
    decided_by: str  # the title of that one; a part that the register does not know
    points: float
    capped: str = ""  # why its verdict is, if it is
    components: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()
    packages: int = 0
    licences: dict[str, int] = msgspec.field(default_factory=dict)  # expression -> packages; "" for unknown ones
    copyleft: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)  # package -> its copyleft licences
    unlicensed: tuple[str, ...] = ()  # packages whose licence is unknown
    missing: tuple[str, ...] = ()  # that are wanted and not installed here
    pythons: tuple[str, ...] = ()  # that all of its packages allow
    python_limits: tuple[str, ...] = ()  # packages that keep it from others: "torchserve <3.12"
    platforms: dict[str, int] = msgspec.field(default_factory=dict)  # of installed wheels -> packages
    vulnerabilities: tuple[Match, ...] = ()
    uses: tuple[Use, ...] = ()  # of what is replaced


class Upkeep(Record, frozen=True, kw_only=True):
    """Commercial and production readiness: what a scorecard says of it."""

    standings: tuple[Standing, ...] = ()  # of the components on the paths
    paths: tuple[PathUpkeep, ...] = ()
    packages: tuple[Package, ...] = ()  # all of them
    database: Database | None = None  # None: nobody asked for known vulnerabilities
    releases_asked: str = ""
    adoption: tuple[Fact, ...] = ()


@cache
def register() -> Register:
    """Return the register that came with this fweval."""
    room = resources.files(ROOM)
    components = tomllib.loads((room / "lifecycle.toml").read_text("utf-8"))["component"]
    adoption = tomllib.loads((room / "adoption.toml").read_text("utf-8"))["fact"]
    return msgspec.convert({"components": components, "adoption": adoption}, Register)
