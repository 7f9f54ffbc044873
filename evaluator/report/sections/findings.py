"""Every answer of every check: what did not pass cause by cause, and folded below it all the others."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import EvidenceRef, Finding, Scorecard
from evaluator.report import _causes, _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Chip,
    Folded,
    Heading,
    Item,
    Items,
    Line,
    Lines,
    Table,
    Text,
    column,
    item,
    lines,
    missing,
    soft,
)
from evaluator.report.sections import files

TITLES = ("Score", "Risk", "Framework", "Scenario", "Subject", "Why")  # of what passed
READING = (
    "What did not pass, and what scored below {least}, is listed cause by cause; what passed has a row each. The "
    "digest of each evidence, and the command that repeats it, stand in scorecard.json and on the page."
)
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

    @property
    def evidence(self) -> tuple[EvidenceRef, ...]:
        """What they rest on, each file once."""
        return tuple(dict.fromkeys(ref for finding in self.findings for ref in finding.evidence))

    @property
    def counted(self) -> str:
        """How many there are: "1 finding", "3 findings"."""
        return f"{len(self.findings)} finding{'' if len(self.findings) == 1 else 's'}"


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
        """Return for each category what did not pass by cause, then what passed, then what was not measured."""
        blocks = tuple(block for category in categories(card) for block in _blocks(card, category))
        reading = soft(READING.format(least=_format.score(card.policy.least_score)))
        return (reading, *blocks) if blocks else (missing("There are none."),)

    def context(self, card: Scorecard) -> dict[str, object]:
        """Return the findings by category, and the caution at those of a reference server."""
        return {
            "categories": categories(card),
            "provisional": _cells.provisional(),
            "about": about,
            "causes": causes,
            "numbers": files.numbers(card),
            "by_folder": files.repeated_by_its_folder,
        }


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


def causes(card: Scorecard, found: Iterable[Finding]) -> tuple[Group, ...]:
    """Group findings that say the very same, word by word."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for f in found:
        groups.setdefault((f.check, f.state, f.provisional, f.reason, f.remedy), []).append(f)
    return tuple(Group(title=card.title("check", same[0].check), findings=tuple(same)) for same in groups.values())


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


def _blocks(card: Scorecard, category: Category) -> Iterable[Block]:
    yield Heading(text=category.title, aside=category.counts)
    if category.shown:
        yield Items(items=tuple(map(_cause, category.shown)))
    if category.passed:
        yield Folded(title=f"{category.title}, what passed: {len(category.passed)}", blocks=(_passed(card, category),))
    if category.unmeasured:
        causes = tuple(map(_unmeasured, _groups(card, category.unmeasured)))
        title = f"{category.title}, what was not measured: {len(category.unmeasured)}"
        yield Folded(title=title, blocks=(Items(items=causes),))


def _cause(group: Group) -> Item:
    """Write a cause in the words of the worst finding, with all that it concerns, a remedy, and where to look."""
    first = group.first
    points = f"{first.risk} risk, {_format.score(first.score)} of 10{_marked(first)}"
    about = f"{group.about}; {points}" if len(group.findings) == 1 else f"{group.counted}: {group.about}; {points}"
    looked: Line = ("Evidence: ", *_evidence(group))
    return item(_said(group), Text(about, "soft"), *_remedy(first), *((looked,) if len(looked) > 1 else ()))


def _unmeasured(group: Group) -> Item:
    return item(_said(group), Text(f"{group.counted}: {group.about}", "soft"), *_remedy(group.first))


def _said(group: Group) -> Line:
    first = group.first
    chip = Chip(_format.words(first.state), _format.TONES[first.state])
    return (chip, " ", Text(group.title, "strong"), f"{', gate' if first.gate else ''}: {first.reason}")


def _remedy(finding: Finding) -> tuple[Line, ...]:
    return ((f"Remedy: {finding.remedy}",),) if finding.remedy else ()


def _evidence(group: Group) -> Line:
    """Link what a cause rests on, each file once."""
    found = {ref.path: ref for finding in group.findings for ref in finding.evidence}
    links = [Text(ref.path, link=ref.path if ref.sha256 else "") for ref in found.values()]
    return tuple(piece for link in links for piece in (", ", link))[1:]


def _marked(finding: Finding) -> str:
    return " (provisional: reference server)" if finding.provisional else ""


def _passed(card: Scorecard, category: Category) -> Table:
    return Table(
        caption=f"Findings that passed: {category.title}",
        columns=tuple(column(name) for name in TITLES),
        rows=tuple(_row(card, finding) for finding in category.passed),
        layout="wide",
    )


def _row(card: Scorecard, finding: Finding) -> tuple[Lines, ...]:
    place = (finding.subject, _format.path(finding.path), _cells.device(card, finding.device))
    return (
        lines(_format.score(finding.score) + _marked(finding)),
        lines(finding.risk),
        lines(_format.framework(finding.candidate)),
        lines(finding.scenario),
        lines(", ".join(part for part in place if part)),
        lines(finding.reason),
    )


plugin = Findings()
