"""Who is to be taken, why, how firm that is, what speaks for and against, and what would change it."""

from typing import ClassVar

from evaluator.core.decision import Decision, Gap, Kind, Merits, Point, TippingPoint
from evaluator.core.scorecard import Scorecard
from evaluator.report import _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Chip,
    FrameworkName,
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

MEMO = "scorecard.memo.html"
DRAWN = (
    "Weights are drawn around the chosen ones, figures within their intervals; the second column draws what is missing "
    "as well, from nothing to full marks. ± is what the number of draws leaves open."
)
TIPS = "How far the weight of one category may go before the order turns; the others keep their proportions."
MISSING = (
    "“Could turn the order”: if it showed the worst of the leader and the best of a rival, all else as measured. "
    "“Would bring a verdict”: with it there would be evidence enough."
)
_KINDS: dict[Kind, tuple[str, Tone]] = {
    "strength": ("strength", "good"),
    "weakness": ("weakness", "bad"),
    "risk": ("risk", "warn"),
}


class DecisionSection(Section):
    """The outcome with its reasons, draws, tipping points, merits and gaps."""

    name: ClassVar[str] = "decision"
    title: ClassVar[str] = "The decision, and how firm it is"
    short: ClassVar[str] = "Decision"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing for runs that were scored before there were decisions."""
        found = card.decision
        if found is None:
            return ()
        memo = Prose(line=("On one page, to print and to sign: ", Text("the memo", link=MEMO), "."))
        return (
            Prose(line=(Text(found.statement, "strong"),)),
            Items(items=tuple(item(each) for each in found.because)),
            memo,
            *_draws(card, found),
            *_tips(found),
            *_merits(found),
            *_gaps(found),
        )


def _draws(card: Scorecard, found: Decision) -> tuple[Block, ...]:
    """Return in what share of the draws each is first, and scores enough."""
    if found.whole is None:
        return ()
    robust, least = card.robustness, f"{card.policy.least_score:g}"
    rows = tuple(
        (
            lines(FrameworkName(name)),
            lines(
                _share(robust.first.get(name), robust.error.get(name)) if robust else "too little is measured of both"
            ),
            lines(_share(found.whole.first[name], found.whole.error[name])),
            lines(_share(found.ready.get(name), None)),
        )
        for name in found.whole.first
    )
    compared = f" Compared on {', '.join(map(_format.words, robust.compared))}." if robust and robust.compared else ""
    table = Table(
        caption="In what share of the draws each scores highest",
        columns=(
            *(column("Framework"), column("First, as measured"), column("First, whatever is missing")),
            column(f"Scores {least} or more"),
        ),
        rows=rows,
        layout="stacked",
    )
    return (Heading(text="How firm the order is"), soft(f"{DRAWN}{compared}"), table)


def _share(share: float | None, error: float | None) -> Text:
    if share is None:
        return Text(_format.NOT_MEASURED, "missing")
    return Text(f"{_format.share(share)}{'' if error is None else f' (±{100 * error:.1f})'}", "figure")


def _tips(found: Decision) -> tuple[Block, ...]:
    if not found.tipping:
        return ()
    table = Table(
        caption="What weight of a category turns the order",
        columns=(column("Category"), column("Weight now"), column("The order")),
        rows=tuple(map(_tip, found.tipping)),
        layout="stacked",
    )
    return (Heading(text="What turns it"), soft(TIPS), table)


def _tip(tip: TippingPoint) -> tuple[Lines, ...]:
    statement: Line = (tip.statement,) if tip.turns_at is not None else (Text(tip.statement, "soft"),)
    return lines(_format.words(tip.category)), lines(Text(_format.share(tip.share), "figure")), (statement,)


def _merits(found: Decision) -> tuple[Block, ...]:
    """Return what speaks for and against each, what weighs most first."""
    if not any(each.points for each in found.merits):
        return ()
    blocks: list[Block] = [Heading(text="Strengths, weaknesses and risks")]
    for each in found.merits:
        rest = _rest(each)
        blocks.append(Heading(text=_format.framework(each.candidate), level=4))
        blocks.append(Items(items=(*(_point(point) for point in each.points), *([item(rest)] if rest else []))))
    return tuple(blocks)


def _point(point: Point) -> Item:
    word, tone = _KINDS[point.kind]
    said = (Chip(word, tone), f" {point.text}")
    return item((*said, " ", Text("evidence", "soft", point.evidence)) if point.evidence else said)


def _rest(found: Merits) -> str:
    told = ", ".join(f"{number} {_plural(kind, number)}" for kind, number in found.more.items())
    return f"and {told} that weigh less" if told else ""


def _plural(kind: Kind, number: int) -> str:
    return kind if number == 1 else {"strength": "strengths", "weakness": "weaknesses", "risk": "risks"}[kind]


def _gaps(found: Decision) -> tuple[Block, ...]:
    if not found.gaps:
        return ()
    table = Table(
        caption="What was not measured, and what it could change",
        columns=(column("Not measured"), column("Could change"), column("To get it")),
        rows=tuple(map(_gap, found.gaps)),
        layout="stacked",
    )
    more = (soft(f"{found.more_gaps} more reasons stand below."),) if found.more_gaps else ()
    return (Heading(text="What is missing, and what it could change"), soft(MISSING), table, *more)


def _gap(gap: Gap) -> tuple[Lines, ...]:
    changes = [
        *(["could turn the order"] if gap.turns else []),
        *(f"would bring a verdict on {_format.framework(name)}" for name in gap.decides),
        *([f"{gap.gates} must-haves are among it"] if gap.gates else []),
    ]
    told = Text("; ".join(changes), "flag") if changes else Text("neither order nor verdict", "soft")
    remedy: Lines = lines(gap.remedy) if gap.remedy else ()
    command: Lines = lines(Text(gap.command, "code")) if gap.command else ()
    return lines(gap.text), lines(told), (*remedy, *command)


plugin = DecisionSection()
