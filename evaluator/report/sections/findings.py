"""Every answer of every check, with its reason, its evidence, and the command that repeats it."""

from typing import ClassVar

from evaluator.core.scorecard import Finding, Scorecard
from evaluator.report import _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Chip, Heading, Lines, Table, column, lines, missing

TITLES = ("State", "Score", "Risk", "Framework", "Scenario", "Subject", "Why", "Evidence", "Repeat")


class Findings(Section):
    """The findings by category."""

    name: ClassVar[str] = "findings"
    title: ClassVar[str] = "Findings"
    template: ClassVar[str] = "findings.html.j2"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return a table for each category."""
        blocks: list[Block] = []
        for category, found in categories(card).items():
            title = _format.words(category).capitalize()
            table = Table(
                caption=f"Findings: {title}",
                columns=tuple(column(name) for name in TITLES),
                rows=tuple(_row(finding) for finding in found),
                layout="wide",
            )
            blocks += [Heading(text=title), table]
        return tuple(blocks) or (missing("There are none."),)

    def context(self, card: Scorecard) -> dict[str, object]:
        """Return the findings by category, and the caution at those of a reference server."""
        return {"categories": categories(card), "provisional": _cells.provisional()}


def categories(card: Scorecard) -> dict[str, tuple[Finding, ...]]:
    """Return the findings by category; inside, what went worst comes first and what is unmeasured last."""
    by_category: dict[str, list[Finding]] = {}
    for finding in card.findings:
        by_category.setdefault(finding.category, []).append(finding)
    return {name: tuple(sorted(found, key=_worst_first)) for name, found in by_category.items()}


def _worst_first(finding: Finding) -> tuple[bool, float]:
    return finding.score is None, finding.score or 0.0


def _row(finding: Finding) -> tuple[Lines, ...]:
    subject = ", ".join(p for p in (finding.subject, finding.path, finding.device) if p)
    mark = " (provisional: reference server)" if finding.provisional else ""
    remedy = f". Remedy: {finding.remedy}" if finding.remedy else ""
    evidence = "; ".join(f"{ref.path} ({ref.sha256[:12]})" for ref in finding.evidence)
    state = _format.words(finding.state) + (" (gate)" if finding.gate else "")
    return (
        lines(Chip(state, _format.TONES[finding.state])),
        lines(_format.score(finding.score) + mark),
        lines(finding.risk),
        lines(_format.framework(finding.candidate)),
        lines(finding.scenario),
        lines(subject),
        lines(finding.reason + remedy),
        lines(evidence or "none"),
        lines(finding.reproduce or "none"),
    )


plugin = Findings()
