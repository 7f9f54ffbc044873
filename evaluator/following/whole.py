"""Whether a run that others look at is all there: scored, and with the evidence that its findings name, unchanged."""

from evaluator.core import files
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.scorecard import Finding, Scorecard
from evaluator.core.store import RunFolder
from evaluator.judging import replay


def read(folder: RunFolder) -> Scorecard:
    """Return the scorecard of a run that is whole; `IncompleteEvidence` names the first file that is not as it was."""
    card = replay.read_scorecard(folder)
    demand(folder, card.findings)
    return card


def demand(folder: RunFolder, findings: tuple[Finding, ...]) -> None:
    """Refuse a run of which evidence is missing, or is not what a finding rests on."""
    named = {ref.path: ref.sha256 for finding in findings for ref in finding.evidence if ref.sha256}
    remedy = f"copy the run again, or score what is there: fweval score {folder.path}"
    for name, digest in named.items():
        path = folder.path / name
        if ".." in path.parts or not path.is_file():
            raise IncompleteEvidence(f"{path} is missing: a finding rests on it", remedy=remedy)
        if files.sha256(path) != digest:
            raise IncompleteEvidence(f"{path} is not what a finding rests on: its digest is another", remedy=remedy)
