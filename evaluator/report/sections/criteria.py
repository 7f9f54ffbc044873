"""By what this run was judged, who decided that, and whether it was before anything was measured."""

from collections.abc import Iterator
from typing import ClassVar

from evaluator.core.coordinates import DEVICE
from evaluator.core.criteria import Criteria, CriteriaUsed
from evaluator.core.policy import CATEGORIES, Gate
from evaluator.core.scorecard import Scorecard
from evaluator.core.targets import FIGURES
from evaluator.report import _claims, _format
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Column, Facts, Heading, Lines, Prose, Table, Text, column, lines, missing

NONE = (
    "This run had no criteria record: its scores follow the weights and targets that are built in. Give one before the "
    "first step with --criteria."
)
_LIKE = "Must-haves cap the verdict; no weight buys them out."
_BAR = 2  # percent that one sign of a bar stands for


class CriteriaSection(Section):
    """The criteria record: weights, targets, must-haves, digest."""

    name: ClassVar[str] = "criteria"
    title: ClassVar[str] = "Criteria"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return the record that the scores follow, or that there is none."""
        used = card.criteria
        if used is None:
            return (missing(NONE),)
        said = _claims.changed(card)
        opening = Prose(line=(Text(said, "flag") if said else _fixed(used),))
        late = _late(card)
        return (opening, *late, *described(used.record, used.sha256, unasked=used.unasked))


def described(record: Criteria, sha256: str, *, unasked: tuple[str, ...] = (), bars: bool = False) -> tuple[Block, ...]:
    """Return a record of criteria for people; with `bars`, weights have one of text."""
    facts = (
        ("Criteria", f"{record.title} ({record.name})"),
        *((("In short", record.summary),) if record.summary else ()),
        ("Decided", f"by {record.decided_by} on {record.decided_on.isoformat()}"),
        ("SHA-256", sha256),
        ("Verdict", f"ready from {record.least_score:g} of 10, with {_format.coverage(record.least_coverage)} covered"),
        ("About", _paths(record)),
        ("Equivalent", f"within {100 * record.margin:.3g} %" if record.margin else "within what each scenario says"),
    )
    return (Facts(rows=facts), _weights(record, unasked, bars=bars), *_targets(record), *_gates(record))


def _paths(record: Criteria) -> str:
    """Say on which paths findings count."""
    asked = record.policy.paths
    return f"{' and '.join(_format.path(each) for each in asked)} only" if asked else "every path"


def _fixed(used: CriteriaUsed) -> str:
    return f"“{used.record.name}” was fixed before the first step: its SHA-256 is in run.json."


def _late(card: Scorecard) -> tuple[Block, ...]:
    """Say so where a record dates itself after the run: then it was not decided when it was given."""
    used = card.criteria
    if used is None or used.record.decided_on.isoformat() <= card.created_at[:10]:
        return ()
    day = used.record.decided_on.isoformat()
    said = f"The record dates its decision {day}, after the run began ({card.created_at[:10]})."
    return (Prose(line=(Text(said, "flag"),)),)


def _weights(record: Criteria, unasked: tuple[str, ...], *, bars: bool) -> Table:
    rows = []
    for name in CATEGORIES:
        percent = record.weights.get(name, 0.0)
        note = "left out: this run had no stage for it" if name in unasked and percent else ""
        bar = "=" * round(percent / _BAR) if bars else ""
        rows.append(tuple(lines(each) for each in (_format.words(name), f"{percent:.4g} %", bar or note)))
    columns: tuple[Column, ...] = (column("Category"), column("Weight", right=True), column(""))
    return Table(caption="Weights", columns=columns, rows=tuple(rows))


def _targets(record: Criteria) -> Iterator[Block]:
    if record.targets:
        rows = tuple(_target(record, name) for name in record.targets)
        titles = ("Figure", "Full marks", "None", "Why")
        yield Heading(text="Targets of the criteria")
        yield Table(caption="Targets", columns=tuple(column(each) for each in titles), rows=rows)


def _target(record: Criteria, name: str) -> tuple[Lines, ...]:
    target, unit = record.targets[name], FIGURES[name].unit
    ends = (_format.quantity(target.full, unit), _format.quantity(target.none, unit))
    return tuple(lines(each) for each in (_format.words(name), *ends, target.source))


def _gates(record: Criteria) -> Iterator[Block]:
    if record.gates:
        rows = tuple(tuple(lines(each) for each in _gate(gate)) for gate in record.gates)
        yield Heading(text="Must-haves", aside=_LIKE)
        titles = ("What", "Limit", "Where", "Why")
        yield Table(caption="Must-haves", columns=tuple(column(each) for each in titles), rows=rows, layout="stacked")


def _gate(gate: Gate) -> tuple[str, str, str, str]:
    limit = "passes" if gate.needs == "all" else "one passes"
    if gate.figure:
        side = "at least" if FIGURES[gate.figure].more_is_better else "at most"
        limit = f"{side} {_format.quantity(gate.limit, FIGURES[gate.figure].unit)}"
    where = ", ".join(filter(None, (gate.scenario, gate.path, gate.device if gate.device != DEVICE else "")))
    return _format.words(gate.figure or gate.check), limit, where or "everywhere", gate.why


plugin = CriteriaSection()
