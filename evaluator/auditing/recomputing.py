"""Findings, comparisons and scores, computed again from raw samples and compared with what the run says of itself.

Nothing is written. What another fweval scored is compared in what it knew: fields that are newer than its scorecard are
no difference, and said. Files of an older version were judged by the rules of their day: of those, the rows are
compared.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from evaluator.auditing.verdicts import Checked, Problem
from evaluator.core import files, versions
from evaluator.core.errors import IncompleteEvidence, UsageError
from evaluator.core.reading import read_bytes
from evaluator.core.records import Record
from evaluator.core.scorecard import Scorecard
from evaluator.core.store import RunFolder
from evaluator.judging import replay
from evaluator.judging.evidence import Evidence
from evaluator.report import json

SCORECARD = "scorecard.json"
_NEAR = 1e-9  # relative: two builds of NumPy and SciPy differ by less, and no figure that is shown by more
_LONGEST = 80  # characters of a value that is shown
_NOTHING = object()  # where a document has no such field
_ELSEWHERE = ("/checks/", "/plugins/")  # whose `folder` is where they lie on the machine that asks


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two documents differ."""

    pointer: str
    stored: Any
    fresh: Any

    def said(self) -> str:
        """Say it in a few words."""
        return f"it has {_shown(self.stored)}; computed again: {_shown(self.fresh)}"


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What the evidence gives now, and how it compares."""

    checked: Checked
    scorecard: Scorecard | None  # None where it could not be computed


def check(folder: RunFolder, makers: Mapping[str, str], me: str) -> Recomputed:
    """Judge and score the evidence in memory, and compare with findings.json and scorecard.json."""
    try:
        evidence, by = _by_its_rules(folder, replay.gather(folder), known=makers.get(SCORECARD) == me)
        judgement = replay.judged(evidence)
        card = replay.scored(folder, evidence, judgement)
    except (IncompleteEvidence, UsageError) as error:  # a price sheet is no record, and mistakes in it are its writer's
        if isinstance(error, versions.NewerVersion):
            raise
        return Recomputed(_skipped(f"the evidence cannot be read: {error.message}"), None)
    strange = replay.not_asked(judgement, evidence)
    if strange:
        names = ", ".join(each.name for each in strange)
        return Recomputed(_skipped(f"checks from outside are not here: {names}; see --plugins"), None)
    problems: list[Problem] = []
    notes = [by] if by else []
    old = versions.of(folder.path / SCORECARD) < versions.VERSION
    for name, fresh in ((replay.FINDINGS, judgement), (SCORECARD, card)):
        if _document(folder.path / name) is None:
            continue
        compared = _old(folder.path / name, fresh) if old else _compared(folder.path / name, fresh)
        found, newer = _without_newer(compared, known=makers.get(name) == me)
        problems += _problems(name, found, makers.get(name, ""), me)
        notes += [f"{name} of {makers.get(name)} knew nothing of: {', '.join(newer)}"] if newer else []
    said = (
        f"{len(judgement.findings):,} findings, {len(judgement.comparisons):,} comparisons, {len(card.scores):,} scores"
    )
    checked = Checked(
        name="scores",
        proves="FWEVAL_SCORES_RECOMPUTED",
        said=f"{said} computed again from {len(card.cells):,} rows",
        count=len(judgement.findings) + len(judgement.comparisons) + len(card.scores),
        problems=tuple(problems),
        notes=tuple(notes),
        skipped=_OLD.format(versions.of(folder.path / SCORECARD)) if old and not problems else "",
    )
    return Recomputed(checked, card)


def _by_its_rules(folder: RunFolder, evidence: Evidence, *, known: bool) -> tuple[Evidence, str]:
    """Return the evidence with the policy that another fweval scored by, and a word about that: policy is data."""
    try:
        policy = replay.read_scorecard(folder).policy
    except IncompleteEvidence:
        return evidence, ""
    if known or policy == evidence.policy or versions.of(folder.path / SCORECARD) < versions.VERSION:
        return evidence, ""
    said = f"judged by the weights and thresholds that stand in {SCORECARD}: this fweval has others"
    return dataclasses.replace(evidence, policy=policy), said


_OLD = (
    "files of version {} were judged by the rules of their day: rows are compared, points are not; `fweval score` "
    "scores a copy by today's"
)


def differences(stored: Any, fresh: Any, pointer: str = "") -> Iterator[Difference]:
    """Yield where two JSON documents differ, in their order. What the stored one has no field for is `nothing`."""
    if isinstance(stored, dict) and isinstance(fresh, dict):
        lies = pointer.startswith(_ELSEWHERE)
        for key in [each for each in {**stored, **fresh} if not (lies and each == "folder")]:
            inner = f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
            yield from differences(stored.get(key, _NOTHING), fresh.get(key, _NOTHING), inner)
    elif isinstance(stored, list) and isinstance(fresh, list):
        if len(stored) != len(fresh):
            yield Difference(pointer, f"{len(stored)} items", f"{len(fresh)} items")
        for number, pair in enumerate(zip(stored, fresh, strict=False)):
            yield from differences(*pair, f"{pointer}/{number}")
    elif not _same(stored, fresh):
        yield Difference(pointer, stored, fresh)


def plain(record: Record) -> Any:
    """Return a record as JSON has it, without its version."""
    found = msgspec.json.decode(msgspec.json.encode(record))
    found.pop(versions.KEY, None)
    return found


def _same(stored: Any, fresh: Any) -> bool:
    numbers = isinstance(stored, int | float) and isinstance(fresh, int | float)
    if numbers and not isinstance(stored, bool) and not isinstance(fresh, bool):
        return stored == fresh or math.isclose(stored, fresh, rel_tol=_NEAR)
    return type(stored) is type(fresh) and bool(stored == fresh)


def _compared(path: Path, fresh: Record) -> list[Difference]:
    """Compare with what the file itself has: also which fields it has."""
    document = _document(path) or {}
    found = list(differences(document, plain(fresh)))
    if not found and document == plain(fresh) and _layout(path, fresh) != read_bytes(path):
        return [Difference("", "the same values in another layout", "the layout that fweval writes")]
    return found


def _document(path: Path) -> dict[str, Any] | None:
    """Return a file as JSON, without its version; None when it is damaged, which the question about records names."""
    try:
        found = msgspec.json.decode(read_bytes(path))
    except (OSError, ValueError, RecursionError):
        return None
    return {name: value for name, value in found.items() if name != versions.KEY} if isinstance(found, dict) else None


def _layout(path: Path, fresh: Record) -> bytes:
    return json.encode(fresh).encode() if path.name == SCORECARD else files.encoded_record(fresh)


def _old(path: Path, fresh: Record) -> list[Difference]:
    """Compare the rows, which no rule touches; the record is brought to today's version first."""
    if path.name != SCORECARD or not isinstance(fresh, Scorecard):
        return []
    stored = plain(files.read_record(path, Scorecard))
    return list(differences(stored["cells"], plain(fresh)["cells"], "/cells"))


def _without_newer(found: list[Difference], *, known: bool) -> tuple[list[Difference], list[str]]:
    """Return the differences, and the fields that an older fweval had no word for."""
    if known:
        return found, []
    newer = [each for each in found if each.stored is _NOTHING]
    names = dict.fromkeys(each.pointer.rsplit("/", 1)[-1] for each in newer)
    return [each for each in found if each.stored is not _NOTHING], list(names)


def _problems(name: str, found: list[Difference], maker: str, me: str) -> Iterator[Problem]:
    """Name the first difference, and count the others."""
    if not found:
        return
    others = f" ({len(found) - 1:,} more differences)" if len(found) > 1 else ""
    by = (
        f"; {maker} wrote it, and this is {me}: the rules may have changed, verify with that one" if maker != me else ""
    )
    yield Problem(kind="differs", file=name, field=found[0].pointer, said=f"{found[0].said()}{others}{by}")


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _skipped(why: str) -> Checked:
    return Checked(name="scores", said="not computed again", skipped=why)
