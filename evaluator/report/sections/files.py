"""The files that findings rest on, each once, with the digest it had when it was judged."""

from collections.abc import Iterator
from typing import ClassVar

from evaluator.core.scorecard import EvidenceRef, Finding, Scorecard
from evaluator.report._base import Section
from evaluator.report._blocks import Block, soft

READING = (
    "Findings name their evidence by these numbers; below each file in steps/ is its SHA-256. A step is repeated by "
    "the script in its folder: sh steps/…/reproduce.sh, in the run folder."
)


class Files(Section):
    """A row for each file; on the page only, for scorecard.json has path and digest beside each finding."""

    name: ClassVar[str] = "files"
    title: ClassVar[str] = "Evidence, file by file"
    short: ClassVar[str] = "Evidence"
    template: ClassVar[str] = "files.html.j2"
    appendix: ClassVar[bool] = True
    page_only: ClassVar[bool] = True

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return what the numbers are, where there are any."""
        return (soft(READING),) if numbers(card) else ()

    def context(self, card: Scorecard) -> dict[str, object]:
        """Return the files with their numbers."""
        return {"files": numbers(card)}


def numbers(card: Scorecard) -> dict[EvidenceRef, int]:
    """Give the files that findings rest on their numbers, in the order in which they are first named."""
    return {ref: number for number, ref in enumerate(dict.fromkeys(_all(card)), start=1)}


def repeated_by_its_folder(finding: Finding) -> bool:
    """Whether the command that repeats a finding is the script beside its evidence."""
    folders = {ref.path.rpartition("/")[0] for ref in finding.evidence}
    return finding.reproduce in {f"sh {folder}/reproduce.sh" for folder in folders}


def _all(card: Scorecard) -> Iterator[EvidenceRef]:
    for finding in card.findings:
        yield from finding.evidence


plugin = Files()
