"""Claims that others made, and what this run says of each: verdict, figure, what is claimed, what is missing."""

from collections.abc import Sequence
from typing import ClassVar

from evaluator.core.claims import NOT_TESTABLE, Audited, Instance, Verdict
from evaluator.core.scorecard import Scorecard
from evaluator.report import _claims, _format
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
    Prose,
    Table,
    Text,
    column,
    item,
    lines,
    soft,
)
from evaluator.report._format import Tone

READING = (
    "A part of a claim is supported where the interval of what was measured lies beyond the margin, or beyond the "
    "claimed limit; “equivalent” contradicts a claimed difference. A claim is supported where all of its parts are, "
    "and mixed where some are contradicted and others not. Undecided: measured, but not so that it decides. What a "
    "stand-in for a server did says nothing of the server."
)
TONES: dict[Verdict, Tone] = {
    "supported": "good",
    "contradicted": "bad",
    "mixed": "warn",
    "undecided": "warn",
    "not testable here": "none",
}
_PARTS = 4  # of a claim, in the table: all of them stand below it


class Claims(Section):
    """A row for each claim that the run has something to say about; the others, and all parts, folded."""

    name: ClassVar[str] = "claims"
    title: ClassVar[str] = "Claims of others, audited"
    short: ClassVar[str] = "Claims"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing in scorecards of before claims were audited."""
        if not card.claims:
            return ()
        tested = [each for each in card.claims if each.verdict != NOT_TESTABLE]
        others = [each for each in card.claims if each.verdict == NOT_TESTABLE]
        shown = (
            table(tested) if tested else (Prose(line=(f"None of {len(others)} claims could be tested by this run.",)),)
        )
        untested = (Folded(title=_untested(len(others)), blocks=table(others)),) if others else ()
        parts = Folded(title="Each part of each claim, with its evidence", blocks=(soft(READING), *_parts(card.claims)))
        return (Prose(line=(_claims.of_others(card),)), *shown, *untested, parts)

    def brief(self, card: Scorecard) -> tuple[Block, ...]:
        """Return how many claims have which verdict, where any could be tested."""
        tested = any(each.verdict != NOT_TESTABLE for each in card.claims)
        return (Prose(line=(_claims.of_others(card),)),) if tested else ()


def table(claims: Sequence[Audited]) -> tuple[Block, ...]:
    """Return the claims of each file below its title, a row each."""
    blocks: list[Block] = []
    for file in dict.fromkeys(each.file for each in claims):
        rows = tuple(_row(each) for each in claims if each.file == file)
        blocks += [
            Heading(text=file),
            Table(
                caption=f"Claims: {file}",
                columns=(
                    *(column("Claim"), column("Verdict", whole=True), column("Measured"), column("Claimed")),
                    column("Why, and what is missing"),
                ),
                rows=rows,
                layout="stacked",
            ),
        ]
    return tuple(blocks)


def _row(claim: Audited) -> tuple[Lines, ...]:
    figures = [each for each in claim.tests if each.value is not None]
    measured = tuple(_measured(each, alone=len(claim.tests) == 1) for each in figures[:_PARTS])
    more = len(figures) - _PARTS
    told = (*measured, *((f"and {more} more",) if more > 0 else ()))
    return (
        lines(Text(claim.id, "strong"), claim.statement),
        lines(Chip(claim.verdict, TONES[claim.verdict])),
        lines(*told) if told else lines(Text("no figure", "missing")),
        lines(claim.figure) if claim.figure else lines(*_claimed(figures)),
        _why(claim),
    )


def _measured(one: Instance, *, alone: bool) -> Line:
    """Write what was measured, with its interval, and of what it is a ratio; of several parts, of which."""
    sign = "" if alone else f" {_format.SIGNS[TONES[one.verdict]]} {one.asked}"
    return Text(_figure(one), "figure"), Text(f"{f' ({one.ratio})' if one.ratio else ''}{sign}", "soft")


def _figure(one: Instance) -> str:
    if one.value is None:
        return "no figure"
    value = _amount(one.value, one.unit)
    if one.high == one.value:  # a percentile
        return f"at most {value}" if one.low is None else f"{_amount(one.low, one.unit)} to {value}"
    if one.low is None or one.high is None:
        return value
    return f"{value} ({_amount(one.low, one.unit)} to {_amount(one.high, one.unit)})"


def _amount(value: float, unit: str | None) -> str:
    return _format.significant(value) if unit is None else _format.quantity(value, unit)


def _claimed(figures: Sequence[Instance]) -> tuple[Text, ...]:
    told = dict.fromkeys(_amount(each.claimed, each.unit) for each in figures if each.claimed is not None)
    return tuple(Text(each, "figure") for each in told) or (Text("no figure", "missing"),)


def _why(claim: Audited) -> Lines:
    """Say why, and what would have a part tested that was not, each once."""
    missing = dict.fromkeys(each.missing for each in claim.tests if each.missing)
    shown = list(missing)[:_PARTS]
    return lines(_capital(claim.reason), *(Text(f"To do: {each}", "soft") for each in shown))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _untested(count: int) -> str:
    return f"{count} {'claim' if count == 1 else 'claims'} that this run does not test, and why"


def _parts(claims: Sequence[Audited]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for claim in claims:
        date = f", {claim.date}" if claim.date else ""
        blocks += [
            Heading(text=claim.id, level=4),
            soft(f"“{claim.statement}” ({claim.source}{date})"),
            *(soft(f"Read as: {each}.") for each in claim.readings),
            Items(items=tuple(map(_part, claim.tests))),
            *(
                soft(f"Cited: “{each.quote}” ({', '.join(filter(None, (each.source, each.date)))})")
                for each in claim.cites
            ),
        ]
    return tuple(blocks)


def _part(one: Instance) -> Item:
    said: Line = (Chip(one.verdict, TONES[one.verdict]), f" {one.asked}: {one.reason}")
    evidence: list[Line] = []
    if one.evidence:
        evidence = [("Evidence: ", *(piece for each in one.evidence for piece in _reference(each)))]
    return item(said, *((f"To do: {one.missing}",) if one.missing else ()), *evidence)


def _reference(place: str) -> tuple[Text, ...]:
    """Write where evidence lies: a step's folder is a link, the id of a comparison or finding is not."""
    file = f"{place}/result.json" if place.startswith("steps/") else place
    link = _format.address(file) if file.endswith(".json") else ""
    return Text(place, "code", link), Text(" ")


plugin = Claims()
