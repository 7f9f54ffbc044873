"""Whether every record of a run can be read: by the very types that wrote it, unknown keys and wrong types refused.

`scorecard.json` is read by the type that docs/scorecard.schema.json is generated from, and so keeps that schema.
"""

import posixpath
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from evaluator.auditing.hashing import Hashes, Progress
from evaluator.auditing.verdicts import Checked, Kind, Problem
from evaluator.core import catalogue, files, metrics, turns
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.reading import read_bytes
from evaluator.core.records import Anatomy, Result, RunRecord, Step
from evaluator.core.scorecard import Scorecard
from evaluator.core.store import Plan, RunFolder
from evaluator.judging import replay
from evaluator.judging.evidence import RESULT
from evaluator.stages._evidence import ANATOMY, ARTIFACT, Artifact

_OF_A_RUN: dict[str, Any] = {
    "run.json": RunRecord,
    "plan.json": Plan,
    catalogue.NAME: catalogue.Catalogue,
    replay.FINDINGS: replay.Judgement,
    "scorecard.json": Scorecard,
}
_COUNTED = re.compile(r"counts (\d+) calls of '([^']*)', not (\d+)$")  # as `turns.medians` says it
_OF_A_STEP: dict[str, Any] = {
    "job.json": Step,
    RESULT: Result,
    turns.NAME: turns.Blocks,
    ANATOMY: Anatomy,
    ARTIFACT: Artifact,
}


def check(folder: RunFolder, hashes: Hashes, progress: Progress) -> Checked:
    """Read every record and every series of samples."""
    problems: list[Problem] = []
    names = [name for name in hashes.listing.files if _kind(name) is not None or _is_json(name)]
    for name in names:
        problems += _read(folder, name)
        progress.at(lambda: f"records: {len(names):,} are being read")
    steps = [posixpath.dirname(name) for name in hashes.listing.files if _kind(name) is Result]
    for step in steps:
        problems += _samples(folder, hashes, step)
    return Checked(
        name="records",
        proves="FWEVAL_RECORDS_STRICT",
        said=f"{len(names):,} records, and the samples of {len(steps):,} steps",
        count=len(names),
        problems=tuple(problems),
    )


def _kind(name: str) -> Any:
    """Return the type of a record by where it lies; None for any other file."""
    if "/" not in name:
        return _OF_A_RUN.get(name)
    folder, _, last = name.rpartition("/")
    return _OF_A_STEP.get(last) if folder.startswith("steps/") and folder.count("/") == 1 else None


def _is_json(name: str) -> bool:
    """Tell whether a step left a file of its own in JSON: its form is the stage's affair."""
    at_step = name.startswith("steps/") and name.count("/") == 2
    return name.endswith(".json") and at_step


def _read(folder: RunFolder, name: str) -> Iterator[Problem]:
    path, kind = folder.path / name, _kind(name)
    try:
        if kind is None:
            msgspec.json.decode(read_bytes(path))
            return
        found = files.read_record(path, kind)
        why = metrics.damaged(found) if isinstance(found, Result) else None
    except IncompleteEvidence as error:
        why = error.message.partition(f"{path} ")[2] or error.message
    except (OSError, ValueError, RecursionError) as error:
        why = f"is damaged: {error}"
    if why:
        yield Problem(kind="damaged", file=name, said=why)


def _samples(folder: RunFolder, hashes: Hashes, step: str) -> Iterator[Problem]:
    """Read the series of a step; blocks count the calls that they hold."""
    if any(name.startswith(f"{step}/") for name in hashes.listing.strange):
        return
    place = folder.path / step
    try:
        files.read_blocks(place, files.read_samples(place))
    except IncompleteEvidence as error:
        name, _, said = error.message.removeprefix(f"{folder.path}/").partition(" ")
        counted = _COUNTED.search(said)
        if counted is None:
            yield Problem(kind="damaged", file=name, said=said)
            return
        blocks, track, samples = counted.groups()
        kind: Kind = "damaged" if int(samples) else "missing"
        said = f"it has {samples} samples, {turns.NAME} counts {blocks}"
        yield Problem(kind=kind, file=f"{step}/samples/{track}.jsonl", said=said)
