"""Every answer of every check: what did not pass cause by cause, and folded below it all the others."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Finding, Scorecard
from evaluator.report import _causes, _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Chip, Heading, Line, Lines, Table, Text, column, lines, missing

TITLES = ("State", "Score", "Risk", "Framework", "Scenario", "Subject", "Why", "Evidence", "Repeat")
_NUMBER = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Findings of one check that say the same of several subjects, but for the figures."""

    title: str  # of the check
    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        """The one that speaks for all: they are sorted, the worst first."""
        return self.findings[0]

    @property
    def about(self) -> str:
        """What they are about: "TorchServe (PyTorch, tiny); TF Serving (TensorFlow, tiny)"."""
        told = (f"{f.subject} ({_format.framework(f.candidate)}, {f.scenario})" for f in self.findings)
        return "; ".join(dict.fromkeys(told))


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """The findings of one category: what a reader must see, and what can be unfolded."""

    title: str
    counts: str
    shown: tuple[Group, ...]
    passed: tuple[Finding, ...]
    unmeasured: tuple[Finding, ...]


class Findings(Section):
    """The findings by category."""

    name: ClassVar[str] = "findings"
    title: ClassVar[str] = "Findings"
    template: ClassVar[str] = "findings.html.j2"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return a table for each category."""
        blocks: list[Block] = []
        for category in categories(card):
            found = (*(f for group in category.shown for f in group.findings), *category.passed, *category.unmeasured)
            table = Table(
                caption=f"Findings: {category.title}",
                columns=tuple(column(name) for name in TITLES),
                rows=tuple(_row(card, finding) for finding in found),
                layout="wide",
            )
            blocks += [Heading(text=category.title, aside=category.counts), table]
        return tuple(blocks) or (missing("There are none."),)

    def context(self, card: Scorecard) -> dict[str, object]:
        """Return the findings by category, and the caution at those of a reference server."""
        return {"categories": categories(card), "provisional": _cells.provisional(), "about": about}


def categories(card: Scorecard) -> tuple[Category, ...]:
    """Return the findings by category; inside, what went worst comes first."""
    by_category: dict[str, list[Finding]] = {}
    for finding in card.findings:
        by_category.setdefault(finding.category, []).append(finding)
    return tuple(_category(card, name, sorted(found, key=_worst_first)) for name, found in by_category.items())


def _category(card: Scorecard, name: str, found: list[Finding]) -> Category:
    unmeasured = tuple(f for f in found if f.score is None)
    passed = tuple(f for f in found if f not in unmeasured and not _loud(card, f))
    return Category(
        title=_format.words(name).capitalize(),
        counts=_causes.counted(f.state for f in found),
        shown=_groups(card, (f for f in found if f not in unmeasured and f not in passed)),
        passed=passed,
        unmeasured=unmeasured,
    )


def _loud(card: Scorecard, finding: Finding) -> bool:
    """Tell whether a finding is shown unfolded: it did not pass, or with fewer points than being ready takes."""
    return finding.state is not Outcome.PASSED or (finding.score or 0.0) < card.policy.least_score


def _groups(card: Scorecard, found: Iterable[Finding]) -> tuple[Group, ...]:
    """Group findings by cause: same check, state, and reason but for its figures."""
    groups: dict[tuple[str, Outcome, str], list[Finding]] = {}
    for f in found:
        groups.setdefault((f.check, f.state, _NUMBER.sub("#", f.reason)), []).append(f)
    return tuple(
        Group(title=card.title("check", check), findings=tuple(same)) for (check, _, _), same in groups.items()
    )


def _worst_first(finding: Finding) -> tuple[bool, float]:
    return finding.score is None, finding.score or 0.0


def about(card: Scorecard, finding: Finding) -> str:
    """Say what kind of finding it is, and where it holds: "PyTorch · tiny · Latency · server"."""
    return _cells.joined(
        (
            *(_format.framework(finding.candidate), finding.scenario, card.title("check", finding.check)),
            *(_format.path(finding.path), _cells.device(card, finding.device), "gate" if finding.gate else ""),
        )
    )


def _row(card: Scorecard, finding: Finding) -> tuple[Lines, ...]:
    place = (finding.subject, _format.path(finding.path), _cells.device(card, finding.device))
    mark = " (provisional: reference server)" if finding.provisional else ""
    remedy = f". Remedy: {finding.remedy}" if finding.remedy else ""
    evidence: tuple[Line, ...] = tuple(
        (Text(ref.path, link=ref.path if ref.sha256 else ""), f" ({ref.sha256[:12]})") for ref in finding.evidence
    )
    state = _format.words(finding.state) + (" (gate)" if finding.gate else "")
    return (
        lines(Chip(state, _format.TONES[finding.state])),
        lines(_format.score(finding.score) + mark),
        lines(finding.risk),
        lines(_format.framework(finding.candidate)),
        lines(finding.scenario),
        lines(", ".join(part for part in place if part)),
        lines(finding.reason + remedy),
        evidence or lines("none"),
        lines(finding.reproduce or "none"),
    )


plugin = Findings()
