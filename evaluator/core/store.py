"""The run folder: everything that a run leaves behind, and nothing outside it.

```
run.json  plan.json  catalogue.json  events.jsonl  digests.json  lock      nodes.json: of a cluster
steps/<step-id>/   job.json  result.json  resources.json  reproduce.sh  stdout  stderr  samples/*.jsonl  …
findings.json  scorecard.{json,html,md,csv,xml}      criteria.toml …: files that people gave to the run
```
Each JSON file begins with its version (`versions.py`): a folder of an older fweval can be read for ever.
Artifacts stay in the folder of the step that exported them, named by digest in its result: a run can be moved, zipped
and audited as one thing. (A store shared by runs would save disk and cost that.)
"""

import contextlib
import fcntl
import os
import shlex
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from evaluator.core import catalogue, clock, digests, files, metrics, scratch
from evaluator.core.catalogue import Catalogue
from evaluator.core.errors import IncompleteEvidence, UsageError
from evaluator.core.given_files import GivenFile
from evaluator.core.outcome import Outcome
from evaluator.core.reading import read_bytes
from evaluator.core.records import Cell, Node, Record, Result, RunRecord, Step

NODES = "nodes.json"
# Endings that a resumed run keeps; after the others another try may well end differently. (What is not applicable is
# for the plan to say anew: another launcher may be the one that works now.)
_KEPT = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.UNSUPPORTED})


class Plan(Record, frozen=True, kw_only=True):
    """All steps of a run, in order, and those of them whose ending is known already."""

    steps: tuple[Step, ...]
    impossible: tuple[Result, ...]

    @property
    def possible(self) -> list[Step]:
        """The steps that can be tried on this machine."""
        ended = {result.step for result in self.impossible}
        return [step for step in self.steps if step.id not in ended]


class Nodes(Record, frozen=True, kw_only=True):
    """`nodes.json`: the machines of a cluster that a run has had, also those that it could not use."""

    nodes: tuple[Node, ...]


class _Told(msgspec.Struct):
    """What `run.json` says of when it was written, in every version; the rest is not looked at."""

    id: str
    created_at: str


class RunFolder:
    """A run on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def steps(self) -> Path:
        """The folder of all step folders."""
        return self.path / "steps"

    @classmethod
    def create(cls, path: Path, record: RunRecord, inputs: Iterable[GivenFile] = ()) -> "RunFolder":
        """Make a new run folder with the files that were given to it; their digests go into the record.

        A folder that already holds something is refused, never wiped.
        """
        inputs = tuple(inputs)
        record = msgspec.structs.replace(record, inputs={each.name: each.sha256 for each in inputs})
        try:
            os.fspath(path).encode()
        except UnicodeEncodeError as error:  # records are JSON, which holds text only
            named = os.fsencode(path).decode(errors="replace")
            raise UsageError(f"the name {named} is not UTF-8", remedy="choose another folder") from error
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            resumable = (path / "run.json").exists()
            hint = f"continue it with --resume {path}" if resumable else "choose another folder"
            raise UsageError(f"{path} is not empty", remedy=hint)
        try:
            (path / "steps").mkdir(parents=True)
            for each in inputs:
                files.write_text(path / each.name, each.content)
            files.write_record(path / "run.json", record)
        except OSError as error:
            raise UsageError(f"cannot write to {path}: {error.strerror}", remedy="choose another folder") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open an existing run folder; `UsageError` when it is none."""
        if not (path / "run.json").is_file():
            raise UsageError(f"{path} is no run folder (it has no run.json)", remedy="fweval list run")
        return cls(path)

    @property
    def record(self) -> RunRecord:
        """What was asked for."""
        return files.read_record(self.path / "run.json", RunRecord)

    @property
    def plan(self) -> Plan:
        """The steps of this run."""
        return files.read_record(self.path / "plan.json", Plan)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The machines of a cluster that this run has had; none of one that was made on one machine."""
        path = self.path / NODES
        return files.read_record(path, Nodes).nodes if path.exists() else ()

    @property
    def catalogue(self) -> Catalogue:
        """What its plug-ins were called, and what they make."""
        return catalogue.read(self.path)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process; `UsageError` when another run holds it. Ends with the process."""
        self.demand_writing()
        with (self.path / digests.LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UsageError(
                    f"another run is at work in {self.path}", remedy="wait for it, or choose another folder"
                ) from error
            yield

    def demand_writing(self) -> None:
        """Raise `UsageError` when this user may only read the folder: it is another's, or archived."""
        if not os.access(self.path, os.W_OK):
            remedy = f"work on a copy: cp -r {shlex.quote(str(self.path))} .; `fweval cells` reads it as it is"
            raise UsageError(f"{self.path} cannot be written", remedy=remedy)

    def event(self, kind: str, **fields: str | float) -> None:
        """Append one line to `events.jsonl`; one that a full disk cut off is ended first."""
        line = msgspec.json.encode({"at": clock.utc_now(), "event": kind, **fields}) + b"\n"
        with (self.path / "events.jsonl").open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else b"\n" + line
            file.write(line)

    def folder(self, step_id: str) -> Path:
        """Return the folder of a step."""
        return self.steps / step_id

    def result(self, step_id: str) -> Result | None:
        """Return how a step ended; None when it has not, or when its result was damaged by a crash."""
        try:
            result = files.read_record(self.folder(step_id) / "result.json", Result)
        except IncompleteEvidence:
            return None
        return result if metrics.damaged(result) is None else None

    def reusable(self, step_id: str) -> Result | None:
        """Return the result that a resumed run keeps; None when the step is to be done, or done again."""
        result = self.result(step_id)
        return result if result is not None and result.outcome in _KEPT else None

    def unfinished(self, steps: Iterable[Step]) -> list[Step]:
        """Return those of the steps, given in the order of the plan, that are still to do; their folders are cleared.

        What rests on a step that is done again is done again too: its evidence was of something else.
        """
        todo: dict[str, Step] = {}
        for step in steps:
            if self.reusable(step.id) is None or not todo.keys().isdisjoint(step.needs.values()):
                self.discard(step.id)
                todo[step.id] = step
        return list(todo.values())

    def discard(self, step_id: str) -> None:
        """Remove what a step left that is to be done again, its temporary folder included."""
        scratch.clear(self.folder(step_id))
        digests.forget(self.path, f"steps/{step_id}")
        shutil.rmtree(self.folder(step_id), ignore_errors=True)

    def save(self, result: Result) -> None:
        """Write how a step ended."""
        folder = self.folder(result.step)
        folder.mkdir(parents=True, exist_ok=True)
        files.write_record(folder / "result.json", result)

    def planned_cells(self) -> list[Step]:
        """Return the planned steps that are shown as cells, in order: not those of stages that only prepare.

        Nor spare ones that nobody needed.
        """
        steps, preparing = self.plan.steps, self.catalogue.preparing
        shown = [step for step in steps if step.stage not in preparing]
        return [step for step in shown if not step.spare or self.result(step.id) is not None]

    def results(self) -> list[tuple[Step, Result]]:
        """Return every planned step that has ended, in the order of the plan."""
        return self._ended(self.plan.steps)

    def judged(self) -> list[tuple[Step, Result]]:
        """Return those of them that answer for the run: not what further kinds of machines measured again."""
        return [(step, result) for step, result in self.results() if not step.column]

    def cells(self) -> tuple[Cell, ...]:
        """Return the flat table: one row per ended step of a stage that is shown, in the order of the plan."""
        return tuple(cell_of(step, result) for step, result in self._ended(self.planned_cells()))

    def _ended(self, steps: Iterable[Step]) -> list[tuple[Step, Result]]:
        ended = ((step, self.result(step.id)) for step in steps)
        return [(step, result) for step, result in ended if result is not None]


def latest(below: Path) -> Path | None:
    """Return the run folder below another that was made last, by its own record; None when there is none.

    When its files were touched says nothing: old runs are reported anew, copied and unpacked. A folder whose record is
    damaged is no candidate; of copies, the one that bears the run's own name is the run.
    """
    found = [(*made, path.parent.name, path.parent) for path in below.glob("*/run.json") if (made := _made(path))]
    return max(found)[-1] if found else None


def _made(path: Path) -> tuple[datetime, bool] | None:
    """Return when a run was made, and whether its folder bears its name. Of any version: older or newer."""
    try:
        told = msgspec.json.decode(read_bytes(path), type=_Told)
        made = datetime.fromisoformat(told.created_at)
    except (OSError, ValueError, RecursionError):
        return None
    return (made if made.tzinfo else made.replace(tzinfo=UTC)), told.id == path.parent.name


def cell_of(step: Step, result: Result) -> Cell:
    """Return the row of one step."""
    return Cell(
        **step.coordinates(),
        outcome=result.outcome,
        reason=result.reason,
        remedy=result.remedy,
        evidence=f"steps/{step.id}",
        metrics=result.metrics,
        figures=result.figures,
        node=result.node,
    )
