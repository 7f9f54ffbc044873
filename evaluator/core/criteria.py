"""Criteria: by what a run is to be judged, written down by somebody before anything is measured. TOML, read strictly.

A file of criteria says how much each category weighs, in percent, which figures have full marks and none, which
must-haves cap the verdict, and who decided that when. It is copied into the run folder, and its SHA-256 into run.json,
before the first step: so anybody can see that criteria were not made to fit the results. (FAR 15.305 has proposals
assessed "solely on the factors and subfactors specified in the solicitation"; reg. 31 of the UK's Procurement
Regulations 2024 wants each score explained by criteria that were published.) Another file can be given afterwards;
then the first page says so.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from math import fsum
from pathlib import Path
from typing import Annotated, Any

import msgspec

from evaluator.core import given_files, registry, toml
from evaluator.core.errors import IncompleteEvidence, UsageError
from evaluator.core.given_files import GivenFile
from evaluator.core.policy import CATEGORIES, PATHS, STANDARD, DeploymentPath, Gate, Policy
from evaluator.core.records import Name, Record, RunRecord, Title
from evaluator.core.targets import FIGURES, Target

NAME = "criteria.toml"  # in the run folder: those that the run began with
AFTER = "criteria-after.toml"  # those that were given after the results, while they are in force
DEFAULT = "balanced"
_FOLDER = Path(__file__).parents[1] / "criteria"
_WHOLE = 100.0  # percent
_EXACT = 1e-6
_WITHOUT_SERVERS = tuple(path for path in PATHS if path != "server")

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Written = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class Criteria(Record, frozen=True, kw_only=True):
    """One file of criteria, as read."""

    name: Name
    title: Written
    summary: Title = ""
    decided_by: Written
    decided_on: dt.date
    weights: dict[str, Percent]  # category -> percent; they add up to 100, and one that is not there weighs nothing
    targets: dict[str, Target] = msgspec.field(default_factory=dict)  # figure -> before those of scenarios
    gates: tuple[Gate, ...] = ()
    paths: tuple[DeploymentPath, ...] = ()  # that the decision is about; none: all, but servers where nobody serves
    # A relative difference of less decides nothing; None: what each scenario says.
    margin: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    least_coverage: Annotated[float, msgspec.Meta(ge=0, le=1)] = STANDARD.least_coverage
    least_score: Annotated[float, msgspec.Meta(ge=0, le=10)] = STANDARD.least_score

    @property
    def policy(self) -> Policy:
        """What scores are computed by."""
        source = f"the criteria's [targets.{{}}]: {self.name}"
        return msgspec.structs.replace(
            STANDARD,
            categories={name: self.weights[name] for name in CATEGORIES if self.weights.get(name)},
            targets={
                name: target if target.source else msgspec.structs.replace(target, source=source.format(name))
                for name, target in self.targets.items()
            },
            gates=self.gates,
            stand_in_suffices=False,
            paths=self.paths or (() if self.weights.get("serving") else _WITHOUT_SERVERS),
            margin=STANDARD.margin if self.margin is None else self.margin,
            margin_declared=self.margin is not None,
            least_coverage=self.least_coverage,
            least_score=self.least_score,
        )


class NamedCriteria(Record, frozen=True, kw_only=True):
    """Which criteria: their name, and the SHA-256 of their file."""

    name: str
    sha256: str


class CriteriaUsed(Record, frozen=True, kw_only=True):
    """The criteria that a scorecard was made by."""

    record: Criteria
    sha256: str
    fixed: bool  # whether the run began with them; else they were given after its results
    before: NamedCriteria | None = (
        None  # those that it began with, where others are in force; None where it began with none
    )
    unasked: tuple[str, ...] = ()  # categories that the run had no stage for: left out, not missing


# What stands in for the rest while one key is looked at.
_VALID: Mapping[str, Any] = {
    "name": "name",
    "title": "title",
    "decided_by": "somebody",
    "decided_on": dt.date(2000, 1, 1),
    "weights": {},
}
_REQUIRED = tuple(_VALID)


def names() -> tuple[str, ...]:
    """List the built-in criteria."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def built_in(name: str) -> Criteria:
    """Return built-in criteria."""
    path = find(name)
    return read(path, toml.read(path))


def given(name_or_path: str) -> GivenFile:
    """Read the criteria that somebody names, built-in ones or a file; `UsageError` for the first mistake in them."""
    file = given_files.read(find(name_or_path), NAME)
    read(file.source, file.text, registry.names("check"))
    return file


def find(name_or_path: str) -> Path:
    """Return the file that is meant."""
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        return Path(name_or_path)
    if name_or_path not in names():
        raise registry.unknown("criteria", name_or_path, names())
    return _FOLDER / f"{name_or_path}.toml"


def read(path: Path, text: str, checks: tuple[str, ...] | None = None) -> Criteria:
    """Read the text of a file of criteria; `checks` are those that gates may name, None: any."""
    _, table = toml.parsed(path, text)
    first = next(_mistakes(path, text, table, checks), None)
    if first is not None:
        raise first
    return msgspec.convert(table, Criteria)


def mistakes(file: GivenFile) -> tuple[UsageError, ...]:
    """Return all mistakes in a file of criteria."""
    try:
        text, table = toml.parsed(file.source, file.text)
    except UsageError as error:
        return (error,)
    return tuple(_mistakes(file.source, text, table, registry.names("check")))


def begun_with(root: Path, record: RunRecord) -> tuple[Criteria, NamedCriteria] | None:
    """Return the criteria that a run began with; None for one without. `IncompleteEvidence` when they were changed."""
    content = given_files.content(root, record, NAME)
    if content is None:
        return None
    return _of_run(GivenFile(name=NAME, source=root / NAME, content=content))


def given_after(root: Path) -> tuple[Criteria, NamedCriteria] | None:
    """Return the criteria that were given to a run after its results, while they are in force; else None."""
    try:
        return _of_run(given_files.read(root / AFTER, AFTER)) if (root / AFTER).exists() else None
    except UsageError as error:
        remedy = f"score the run again: fweval score {root}"
        raise IncompleteEvidence(f"{root / AFTER} is damaged: {error.message}", remedy=remedy) from error


def in_force(root: Path, record: RunRecord) -> CriteriaUsed | None:
    """Return the criteria that the next scorecard of a run is made by; None where nobody ever gave it any."""
    first, later = begun_with(root, record), given_after(root)
    criteria, named = later or first or (None, None)
    if criteria is None or named is None:
        return None
    before = first[1] if first is not None else None
    fixed = before is not None and before.sha256 == named.sha256
    return CriteriaUsed(record=criteria, sha256=named.sha256, fixed=fixed, before=None if fixed else before)


def _of_run(file: GivenFile) -> tuple[Criteria, NamedCriteria]:
    found = read(file.source, file.text)
    return found, NamedCriteria(name=found.name, sha256=file.sha256)


def _mistakes(path: Path, text: str, table: dict[str, Any], checks: tuple[str, ...] | None) -> Iterator[UsageError]:
    """Yield every mistake, in the order of the keys: each key is looked at as if the others were right."""
    for key, value in table.items():
        if key in _LOOKS and isinstance(value, list if key == "gates" else dict):
            yield from _LOOKS[key](path, text, value)
        else:
            yield from _refusal(path, text, {**_VALID, key: value}, Criteria)
    for key in _REQUIRED:
        if key not in table:
            yield from _refusal(path, text, {name: value for name, value in _VALID.items() if name != key}, Criteria)
    gates = table.get("gates", ())
    for number, gate in enumerate(gates if isinstance(gates, list) else ()):
        name = gate.get("check") if isinstance(gate, dict) else None
        if checks is not None and isinstance(name, str) and name and name not in checks:
            where = _where(path, text, (f"gates[{number}]",), "check")
            yield UsageError(f"{where}: unknown check '{name}'", remedy=toml.did_you_mean(name, checks))


def _weights(path: Path, text: str, table: dict[str, Any]) -> Iterator[UsageError]:
    wrong = False
    for name, value in table.items():
        if name not in CATEGORIES:
            where = _where(path, text, ("weights",), name)
            yield UsageError(f"{where}: unknown category", remedy=toml.did_you_mean(name, CATEGORIES))
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _WHOLE:
            yield UsageError(f"{_where(path, text, ('weights',), name)}: {value!r} is no percentage from 0 to 100")
        else:
            continue
        wrong = True
    whole = 0.0 if wrong else fsum(table.values())
    if not wrong and abs(whole - _WHOLE) > _EXACT:
        where = f"{path}, line {toml.line_of(text, ('weights',), '')}, key 'weights'"
        away = f"{abs(whole - _WHOLE):.6g} too {'much' if whole > _WHOLE else 'little'}"
        yield UsageError(f"{where}: they add up to {whole:.6g} percent, not 100", remedy=away)


def _targets(path: Path, text: str, table: dict[str, Any]) -> Iterator[UsageError]:
    for name, value in table.items():
        if name not in FIGURES:
            where = _where(path, text, ("targets",), name)
            yield UsageError(f"{where}: unknown figure", remedy=toml.did_you_mean(name, tuple(FIGURES)))
            continue
        refused = tuple(_refusal(path, text, value, Target, within=("targets", name)))
        yield from refused
        if not refused and (value["full"] > value["none"]) is not FIGURES[name].more_is_better:
            more = "more" if FIGURES[name].more_is_better else "less"
            where = _where(path, text, ("targets",), name)
            yield UsageError(f"{where}: of {name} {more} is better", remedy="exchange full and none")


def _gates(path: Path, text: str, table: list[Any]) -> Iterator[UsageError]:
    for number, value in enumerate(table):
        yield from _refusal(path, text, value, Gate, within=(f"gates[{number}]",))


_LOOKS: Mapping[str, Callable[[Path, str, Any], Iterator[UsageError]]] = {
    "weights": _weights,
    "targets": _targets,
    "gates": _gates,
}


def _refusal(
    path: Path, text: str, table: Any, kind: type[Record], within: tuple[str, ...] = ()
) -> Iterator[UsageError]:
    try:
        toml.convert(path, text, table, kind, within=within)
    except UsageError as error:
        yield error


def _where(path: Path, text: str, tables: tuple[str, ...], key: str) -> str:
    return f"{path}, line {toml.line_of(text, tables, key)}, key '{'.'.join((*tables, key))}'"
