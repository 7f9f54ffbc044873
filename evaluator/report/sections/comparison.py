"""PyTorch against TensorFlow, question by question: both sides on the same evidence, or not compared at all."""

from typing import ClassVar

from markupsafe import Markup

from evaluator.core import answers
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Comparison, Interval, Scorecard
from evaluator.report import _cells, _claims, _format, _svg
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Column,
    Drawing,
    FrameworkName,
    Heading,
    Items,
    Line,
    Lines,
    Prose,
    Table,
    Text,
    column,
    item,
    lines,
    missing,
    soft,
)

READING = (
    "Both sides on the same evidence, or not compared at all. A figure is the median of all that was measured, below "
    "it its 95 % confidence interval where there is one."
)
ANSWERS = (
    "The ratio is that of neighbouring blocks, measured in turns: different where its interval lies beyond the margin, "
    "equivalent where it lies inside, else undecided. Blocks beside a neighbour are left out; where too few are left, "
    "or where a side differs from itself, the machine was too disturbed to rank."
)
PICTURES = (
    "A mark on the left half means that PyTorch is better, on the right half TensorFlow; the line is the confidence "
    "interval of the ratio. An arrow lies beyond the axis."
)
_MARGIN = "The grey band is the margin: who differs by less is not better."
_NOISE = "The grey band is the noise of this machine: what lies in it means nothing."


class SideBySide(Section):
    """Every question with both figures, who is ahead by which factor, and how sure that is."""

    name: ClassVar[str] = "comparison"
    title: ClassVar[str] = "Comparison"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return a table for each scenario, and what could not be compared in it; nothing of one framework alone."""
        if len({score.candidate for score in card.scores}) == 1 and not card.comparisons:
            return ()
        found = tuple(block for scenario in _cells.scenarios(card) for block in _scenario(card, scenario))
        answered = _claims.answered(card)
        return (
            soft(f"{READING} {ANSWERS}" if answered else READING),
            Prose(line=(f"{PICTURES} {_MARGIN if answered else _NOISE}",), soft=True, picture=True),
            *(found or (missing("Nothing was compared."),)),
        )


def compared(card: Scorecard, scenario: str) -> tuple[Comparison, ...]:
    """Return a scenario's comparisons that have a value to show, those that could be made first."""
    shown = [c for c in card.comparisons if c.scenario == scenario and c.values]
    return tuple(sorted(shown, key=lambda comparison: comparison.ratio is None))


def incomparable(card: Scorecard, scenario: str) -> tuple[Comparison, ...]:
    """Return a scenario's comparisons of which neither side was measured."""
    return tuple(c for c in card.comparisons if c.scenario == scenario and not c.values)


def provisional_sides(card: Scorecard, comparison: Comparison) -> tuple[str, ...]:
    """Return the frameworks whose figure in a provisional comparison comes from a reference server.

    The provisional findings of the same place tell; where they do not, both sides are labelled.
    """
    if not comparison.provisional:
        return ()
    place = (comparison.scenario, comparison.device)
    known = {f.candidate for f in card.findings if f.provisional and (f.scenario, f.device) == place}
    return tuple(name for name in comparison.values if name in known) or tuple(comparison.values)


def _scenario(card: Scorecard, scenario: str) -> tuple[Block, ...]:
    rows, without = compared(card, scenario), incomparable(card, scenario)
    farthest = _svg.reach(rows)
    blocks: list[Block] = [Heading(text=scenario, aside=card.scenarios.get(scenario, ""))]
    if rows:
        caption = f"{scenario}: PyTorch against TensorFlow, with confidence intervals where there are any"
        sides = tuple(Column(title=lines(FrameworkName(name)), half=True) for name in FRAMEWORKS)
        picture = Column(title=lines(Drawing(_ends(f"{farthest:g}x better"))), picture=True)
        blocks.append(
            Table(
                caption=caption,
                columns=(column("Question"), *sides, picture, column("In words")),
                rows=tuple(_row(card, comparison, farthest) for comparison in rows),
                layout="stacked",
            )
        )
    if without:
        why = tuple(item((Text(_question(card, each), "strong"), f": {each.statement}")) for each in without)
        blocks += [Heading(text="Not comparable", level=4), Items(items=why)]
    return (*blocks, missing("Nothing was compared.")) if len(blocks) == 1 else tuple(blocks)


def _ends(better: str) -> Markup:
    """Write what the two ends of the pictures below mean."""
    sides = (Markup("<span>{}<br>{}</span>").format(_format.framework(name), better) for name in FRAMEWORKS)
    return Markup('<span class="ends">{}</span>').format(Markup("").join(sides))


def _row(card: Scorecard, comparison: Comparison, farthest: float) -> tuple[Lines, ...]:
    about = "lower is better" if comparison.lower_is_better else "higher is better"
    where = ", ".join(part for part in (_place(card, comparison), about) if part)
    picture = None if _bare(comparison) else _svg.advantage(comparison, farthest)
    without = "not comparable" if comparison.ratio is None else "no interval"
    return (
        lines(comparison.question, Text(where, "soft")),
        *(_side(card, comparison, name) for name in FRAMEWORKS),
        lines(Text(without, "missing") if picture is None else Drawing(picture)),
        lines(comparison.statement, *_ratio(comparison)),
    )


def _side(card: Scorecard, comparison: Comparison, name: str) -> Lines:
    found = comparison.values.get(name)
    subject = comparison.subjects.get(name, "")
    caution: tuple[Line, ...] = ((_cells.provisional(),),) if name in provisional_sides(card, comparison) else ()
    about: tuple[Line, ...] = ((Text(subject, "soft"),),) if subject else ()
    if found is None:
        return ((Text(_format.NOT_MEASURED, "missing"),), *caution, *about)
    value: Line = (Text(_format.quantity(found.value, comparison.unit), "strong"),)
    return (value, *_interval(found, comparison.unit), *caution, *about)


def _interval(found: Interval, unit: str) -> tuple[Line, ...]:
    if found.low is None or found.high is None:
        return ()
    return ((Text(f"{_format.quantity(found.low, unit)} to {_format.quantity(found.high, unit)}", "soft"),),)


def _ratio(comparison: Comparison) -> tuple[Line, ...]:
    ratio = comparison.ratio
    if ratio is None or _bare(comparison):
        return ()
    ends = ""
    if ratio.low is not None and ratio.high is not None:
        ends = f" ({answers.ends(ratio)})"
    said = f"PyTorch / TensorFlow: {_format.significant(ratio.value)}{ends}"
    if comparison.answer is None:
        noise = f"; noise ±{_format.percent(comparison.noise_floor)}" if comparison.noise_floor else ""
        return ((Text(f"{said}{noise}", "soft"),),)
    return tuple((Text(text, "soft"),) for text in (f"{said}{_resting(comparison)}", _repeats(comparison)) if text)


def _bare(comparison: Comparison) -> bool:
    """Whether the ratio of what is not told apart is no figure to rely on, and is not shown."""
    open_answer = comparison.answer in ("undecided", "disturbed")
    return open_answer and comparison.ratio is not None and answers.says_nothing(comparison.ratio)


def _resting(comparison: Comparison) -> str:
    """Say what the ratio rests on: pairs of blocks, rounds, and what was left out."""
    told = []
    if comparison.pairs:
        told.append(f"{comparison.pairs:,} pairs of blocks")
    if comparison.rounds and not comparison.counted:
        told.append(_claims.rounds(comparison.rounds))
    if comparison.disturbed:
        told.append(f"{_format.share(comparison.disturbed)} left out")
    return f"; {', '.join(told)}" if told else ""


def _repeats(comparison: Comparison) -> str:
    """Say how far each side differs from itself: 1 is not at all."""
    told = (f"{_format.framework(name)} {answers.ends(found)}" for name, found in comparison.repeats.items())
    said = ", ".join(told)
    return f"Each against itself: {said}" if said else ""


def _place(card: Scorecard, comparison: Comparison) -> str:
    """Name where something is compared: "server, GPU"."""
    about = (_format.path(comparison.path), _cells.device(card, comparison.device))
    return ", ".join(part for part in about if part)


def _question(card: Scorecard, comparison: Comparison) -> str:
    """Name what is compared, and where: "latency (server, GPU)"."""
    place = _place(card, comparison)
    return f"{comparison.question} ({place})" if place else comparison.question


plugin = SideBySide()
