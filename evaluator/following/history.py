"""The runs below a folder, over time: an index that can be rebuilt from them at any moment, and series of figures.

The index is a cache and nothing else: a SQLite file beside the runs, or in the user's cache folder where that may only
be read. It is brought up to date by itself: runs that are new or were scored again are read, those that are gone are
left out; a file that is damaged, or of another version, is made anew. Runs of machines of different kinds, and of
scenarios that mean something else, are different series: what a line connects was measured alike.
"""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from evaluator.core import metrics, registry
from evaluator.core.cache import cache_folder, make_folder
from evaluator.core.errors import FwevalError, UsageError
from evaluator.core.records import Record, RunRecord
from evaluator.core.scorecard import Interval, Scorecard
from evaluator.core.store import RunFolder
from evaluator.following import figures
from evaluator.following.differences import meaning
from evaluator.judging import replay

NAME = ".fweval-history.sqlite3"
VERSION = 1
_TABLES = """
CREATE TABLE runs (folder TEXT PRIMARY KEY, stamp TEXT NOT NULL, id TEXT, created_at TEXT, fweval TEXT, profile TEXT,
                   machine TEXT, kind TEXT);
CREATE TABLE scores (folder TEXT NOT NULL, candidate TEXT, verdict TEXT, overall REAL, lower REAL, upper REAL,
                     coverage REAL);
CREATE TABLE figures (folder TEXT NOT NULL, id TEXT, metric TEXT, unit TEXT, meaning TEXT, value REAL, low REAL,
                      high REAL);
CREATE INDEX of_figures ON figures (id);
"""


class Score(Record, frozen=True, kw_only=True):
    """What a run said of a candidate, over all scenarios."""

    candidate: str
    verdict: str
    overall: float | None
    coverage: float


class Past(Record, frozen=True, kw_only=True):
    """One run."""

    folder: str
    id: str
    created_at: str
    fweval: str
    profile: str
    machine: str
    scores: tuple[Score, ...]


class Point(Record, frozen=True, kw_only=True):
    """One figure of one run."""

    run: str
    created_at: str
    value: Interval


class Series(Record, frozen=True, kw_only=True):
    """A figure over runs that were made alike."""

    id: str
    metric: str
    unit: str
    machine: str
    points: tuple[Point, ...]


class History(Record, frozen=True, kw_only=True):
    """All that is told of the runs below a folder."""

    below: str
    runs: tuple[Past, ...]
    series: tuple[Series, ...] = ()
    notes: tuple[str, ...] = ()  # runs that could not be read, an index that was made anew


def read(below: Path, figure: str | None = None, *, rebuild: bool = False) -> History:
    """Bring the index up to date and return what it holds; of figures those of an id, or of a pattern of ids."""
    if not below.is_dir():
        raise UsageError(f"there is no folder {below}", remedy="--below DIR names the folder that holds the runs")
    with _opened(below, rebuild=rebuild) as (index, notes):
        left_out = _update(index, below)
        runs = tuple(_runs(index))
        series = () if figure is None else _series(index, figure)
        return History(below=str(below), runs=runs, series=series, notes=(*notes, *left_out))


def place(below: Path) -> Path:
    """Return where the index of a folder lies: in it, or in the cache where it cannot be written."""
    if os.access(below, os.W_OK):
        return below / NAME
    folder = cache_folder() / "history"
    make_folder(folder)
    return folder / f"{hashlib.sha256(os.fsencode(below.absolute())).hexdigest()[:16]}.sqlite3"


@contextlib.contextmanager
def _opened(below: Path, *, rebuild: bool) -> Iterator[tuple[sqlite3.Connection, list[str]]]:
    path, notes = place(below), []
    if rebuild:
        path.unlink(missing_ok=True)
    try:
        index = _connected(path)
    except sqlite3.DatabaseError:
        notes.append(f"the index {path} was damaged, or of another version: it was made anew")
        path.unlink(missing_ok=True)
        index = _connected(path)
    with contextlib.closing(index):
        yield index, notes


def _connected(path: Path) -> sqlite3.Connection:
    """Open an index, or make one; `DatabaseError` when it is none of ours."""
    fresh = not path.exists() or path.stat().st_size == 0
    index = sqlite3.connect(path, timeout=60)
    try:
        if fresh:
            index.executescript(_TABLES)
            index.execute(f"PRAGMA user_version = {VERSION}")
        _demand_ours(index)
    except sqlite3.DatabaseError:
        index.close()
        raise
    return index


def _demand_ours(index: sqlite3.Connection) -> None:
    if index.execute("PRAGMA user_version").fetchone() != (VERSION,):
        raise sqlite3.DatabaseError("another version")
    if index.execute("PRAGMA quick_check").fetchone() != ("ok",):
        raise sqlite3.DatabaseError("damaged")
    index.execute("SELECT folder, stamp FROM runs").fetchone()


def _update(index: sqlite3.Connection, below: Path) -> list[str]:
    """Read what is new or was scored again, forget what is gone; return what could not be read."""
    notes = []
    known = dict(index.execute("SELECT folder, stamp FROM runs"))
    here = {path.parent.name: path.parent for path in sorted(below.glob("*/run.json"))}
    for gone in known.keys() - here.keys():
        _forget(index, gone)
    for name, folder in here.items():
        stamp = _stamp(folder)
        if known.get(name) == stamp:
            continue
        _forget(index, name)
        try:
            card, record = replay.read_scorecard(RunFolder.open(folder)), RunFolder.open(folder).record
        except FwevalError as error:
            notes.append(f"{folder} is left out: {error.message}")
            continue
        _insert(index, name, stamp, card, record)
    index.commit()
    return notes


def _stamp(folder: Path) -> str:
    """Return what changes when a run is scored again."""
    return " ".join(
        f"{about.st_size}:{about.st_mtime_ns}" if (about := _about(folder / name)) else "-"
        for name in ("run.json", "scorecard.json")
    )


def _about(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _forget(index: sqlite3.Connection, folder: str) -> None:
    for table in ("runs", "scores", "figures"):
        index.execute(f"DELETE FROM {table} WHERE folder = ?", (folder,))  # noqa: S608  # names of ours


def _insert(index: sqlite3.Connection, name: str, stamp: str, card: Scorecard, run: RunRecord) -> None:
    machine = card.machine
    kind = " ".join(map(str, (machine.cpu, machine.cores, round(machine.memory_bytes / 1e9), machine.gpu)))
    about = (name, stamp, card.run, card.created_at, card.fweval, card.profile, machine.processor, kind)
    index.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", about)
    for each in card.scores:
        if each.scenario is None:
            told = (each.candidate, each.verdict, each.overall, each.lower, each.upper, each.coverage)
            index.execute("INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?, ?)", (name, *told))
    for figure in _figures(card, run):
        index.execute("INSERT INTO figures VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (name, *figure))


def _figures(card: Scorecard, run: RunRecord) -> Iterator[tuple[Any, ...]]:
    """Yield every figure that two runs could be compared by, and the scores."""
    for each in figures.of(card).values():
        value = each.value
        yield each.id, each.metric, each.unit, _alike(run, (each.scenario,)), value.value, value.low, value.high
    for score in card.scores:
        where = "/".join(filter(None, (score.candidate, score.scenario)))
        alike = _alike(run, tuple(card.scenarios) if score.scenario is None else (score.scenario,))
        if score.overall is not None:
            yield f"score/{where}", "score", "of 10", alike, score.overall, score.lower, score.upper
        yield f"coverage/{where}", "coverage", "share", alike, score.coverage, None, None


def _alike(run: RunRecord, scenarios: Iterable[str]) -> str:
    """Return what is equal for runs whose scenarios mean the same."""
    told = {name: meaning(run.scenarios.get(name, {})) for name in scenarios}
    return hashlib.sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()[:12]


def _runs(index: sqlite3.Connection) -> Iterator[Past]:
    scores: dict[str, list[Score]] = {}
    for folder, *told in index.execute(
        "SELECT folder, candidate, verdict, overall, coverage FROM scores ORDER BY rowid"
    ):
        one = Score(candidate=told[0], verdict=told[1], overall=told[2], coverage=told[3])
        scores.setdefault(folder, []).append(one)
    asked = "SELECT folder, id, created_at, fweval, profile, machine FROM runs ORDER BY created_at, folder"
    for folder, name, created_at, fweval, profile, machine in index.execute(asked):
        yield Past(
            folder=folder,
            id=name,
            created_at=created_at,
            fweval=fweval,
            profile=profile,
            machine=machine,
            scores=tuple(scores.get(folder, ())),
        )


@dataclass(frozen=True, slots=True)
class _Alike:
    """What points of one series have in common."""

    id: str
    metric: str
    unit: str
    kind: str
    meaning: str


def _series(index: sqlite3.Connection, figure: str) -> tuple[Series, ...]:
    """Return the series of all figures that a pattern matches, the longest first."""
    ids = [name for (name,) in index.execute("SELECT DISTINCT id FROM figures ORDER BY id")]
    asked = [figure] if figure in ids else [name for (name,) in _matching(index, figure)]
    if not asked:
        raise registry.unknown("figure", figure, ids)
    units = {unit for name in asked for (unit,) in index.execute("SELECT unit FROM figures WHERE id = ?", (name,))}
    if len(units) > 1:
        raise UsageError(f"'{figure}' means figures of several units ({', '.join(sorted(units))})", remedy="name one")
    points: dict[_Alike, list[Point]] = {}
    machines: dict[_Alike, str] = {}
    for name in asked:
        for alike, machine, point in _points(index, name):
            points.setdefault(alike, []).append(point)
            machines[alike] = machine
    found = [
        Series(id=each.id, metric=each.metric, unit=each.unit, machine=machines[each], points=tuple(told))
        for each, told in points.items()
    ]
    return tuple(sorted(found, key=lambda each: (-len(each.points), each.id)))


def _matching(index: sqlite3.Connection, pattern: str) -> Iterable[tuple[str]]:
    return index.execute("SELECT DISTINCT id FROM figures WHERE id GLOB ? ORDER BY id", (pattern,))


def _points(index: sqlite3.Connection, name: str) -> Iterator[tuple[_Alike, str, Point]]:
    asked = (
        "SELECT figures.id, metric, unit, kind, meaning, machine, runs.id, created_at, value, low, high FROM figures "
        "JOIN runs ON runs.folder = figures.folder WHERE figures.id = ? ORDER BY created_at, runs.folder"
    )
    for *alike, machine, run, created_at, value, low, high in index.execute(asked, (name,)):
        point = Point(run=run, created_at=created_at, value=Interval(value=value, low=low, high=high))
        yield _Alike(*alike), machine, point


def better(series: Series) -> str:
    """Say which direction is better."""
    if series.metric in ("score", "coverage"):
        return "more is better"
    about = metrics.known(series.metric)
    words = {"lower": "less is better", "higher": "more is better"}
    return "" if about is None else words.get(about.better, "")
