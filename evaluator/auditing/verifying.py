"""`verify`: every question to a run, in one order. The folder is only read, and only what lies in it counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluator.auditing import digested, recomputing, signing, strictness, tracing
from evaluator.auditing.hashing import Hashes, Progress, Tell
from evaluator.auditing.verdicts import Checked, Verification
from evaluator.core import digests, files, registry
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.records import Cell
from evaluator.core.scorecard import Finding
from evaluator.core.store import RunFolder
from evaluator.judging import replay


@dataclass(frozen=True, slots=True)
class Signature:
    """What a run is to be signed by: the public key, and where the envelope lies."""

    key: Path
    file: Path


def verify(
    folder: RunFolder,
    signature: Signature | None = None,
    tell: Tell = lambda _: None,
    hashes: Hashes | None = None,
) -> Verification:
    """Ask everything of a run; `UsageError` when a newer fweval wrote it, or it is no run.

    `hashes` are for whoever goes on with those files that were verified.
    """
    progress = Progress(tell)
    record, me = folder.record, digests.me()
    hashes = hashes or Hashes(folder.path, progress)
    makers = _makers(folder, f"fweval {record.fweval}" + (f" ({record.git_revision})" if record.git_revision else ""))
    findings, cells = _judged(folder), _cells(folder)
    checks = [digested.check(folder, hashes, findings, cells), strictness.check(folder, hashes, progress)]
    checks += _replayed(folder, hashes, makers, me, checks, progress)
    if signature is not None:
        checks.append(signing.check(hashes, signature.key, signature.file))
    return Verification(run=record.id, verifier=me, checks=tuple(checks))


def _replayed(  # what both replays rest on
    folder: RunFolder,
    hashes: Hashes,
    makers: Mapping[str, str],
    me: str,
    before: list[Checked],
    progress: Progress,
) -> list[Checked]:
    """Compute scores and reports again, where what they rest on is there to be read."""
    why = _unreadable(folder, hashes, before)
    if why:
        return [
            Checked(name="scores", said="not computed again", skipped=why),
            Checked(name="reports", said="not written again", skipped=why),
        ]
    progress.at(lambda: "scores: computed again from the samples")
    again = recomputing.check(folder, makers, me)
    try:
        # What this fweval scored is held against what it scores; the reports of another follow from its own scorecard.
        doubted = makers.get(recomputing.SCORECARD) == me and not again.checked.holds
        card = again.scorecard if doubted and again.scorecard else replay.read_scorecard(folder)
        reports = tracing.check(folder, card, hashes, makers, me, progress)
    except (IncompleteEvidence, OSError, ValueError) as error:
        reports = Checked(name="reports", said="not written again", skipped=str(error))
    return [again.checked, reports]


def _unreadable(folder: RunFolder, hashes: Hashes, before: list[Checked]) -> str:
    """Say why nothing can be computed again; empty where all that scores rest on is there."""
    if hashes.listing.strange:
        return "links and what is no file are not read"
    if "scorecard.json" not in hashes.listing.files:
        return f"it has no scorecard: fweval score {folder.path}"
    needed = {"run.json", "plan.json", "catalogue.json", "result.json", "blocks.json", "anatomy.json", "job.json"}
    for problem in (each for check in before for each in check.problems if each.kind in ("missing", "damaged")):
        name = problem.file
        if name.rpartition("/")[2] in needed or "/samples/" in name:
            return f"{name} is {problem.kind}"
    return ""


def _makers(folder: RunFolder, begun: str) -> Mapping[str, str]:
    """Return who wrote each file that follows from evidence; who began the run, where nothing is recorded."""
    try:
        known = digests.read(folder.path)
    except IncompleteEvidence:
        known = None
    names = [replay.FINDINGS, *(each.filename for each in registry.load_all("report"))]
    return {**dict.fromkeys(names, begun), **(known.makers if known else {})}


def _judged(folder: RunFolder) -> tuple[Finding, ...]:
    try:
        return files.read_record(folder.path / replay.FINDINGS, replay.Judgement).findings
    except IncompleteEvidence:
        return ()


def _cells(folder: RunFolder) -> tuple[Cell, ...]:
    try:
        return replay.read_scorecard(folder).every_cell
    except IncompleteEvidence:
        return ()
