"""Every way to take a training step that was tried: what a step takes, what is paid once, from when on it pays."""

from collections.abc import Iterable
from typing import ClassVar

from evaluator.core.answers import ends
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import percent
from evaluator.core.scorecard import Interval, Scorecard, Training, VariantCost
from evaluator.report import _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Bar,
    Bars,
    Block,
    Column,
    Figures,
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

READING = (
    "A framework is as fast as the way it is used. Each way was shown to take the default's step, as far as its "
    "precision goes, and then took turns with it. Ratios and their intervals are of blocks in the same turns. The best "
    "of a framework is chosen by half of the turns; the other half compares it with the other framework's best, so "
    "that choosing does not flatter. Full precision is compared with full precision."
)
_DEFAULT = "default"
_MUCH = 0.05  # of the comparisons
_WORDS = {"different": "", "equivalent": "as fast", "undecided": "undecided", "disturbed": "too disturbed"}


class Variants(Section):
    """The ways to train, and the two questions: default against default, and best against best."""

    name: ClassVar[str] = "variants"
    title: ClassVar[str] = "Ways to train"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return answers, a table and a picture for each training; nothing where no variant was planned."""
        found = [block for each in card.trainings if each.variants for block in _training(card, each)]
        return (soft(READING), *found) if found else ()


def shown(card: Scorecard) -> tuple[Block, ...]:
    """Return the same without the sentence that explains it, for the terminal."""
    return tuple(block for each in card.trainings if each.variants for block in _training(card, each))


def _training(card: Scorecard, training: Training) -> Iterable[Block]:
    yield Heading(text=training.scenario, aside=_cells.device(card, training.device))
    answers = tuple(_answers(card, training))
    if answers:
        yield Items(items=answers)
    yield _table(card, training)
    lacking = tuple(_lacking(card, each) for each in training.variants if each.outcome is not Outcome.PASSED)
    if lacking:
        yield Prose(line=(Text("Not measured:", "strong"),))
        yield Items(items=lacking)
    bars = tuple(
        Bar(label=_name(card, each), framework=each.framework, value=each.step_s.value, between=_between(each.step_s))
        for each in training.variants
        if each.step_s is not None
    )
    if bars:
        spread = max(bar.value for bar in bars) > 10 * min(bar.value for bar in bars)
        yield Figures(
            figures=(Bars(title="Time of a training step, with its interval", unit="s", bars=bars, log=spread),)
        )


def _answers(card: Scorecard, training: Training) -> Iterable[Item]:
    """Return the answers to both questions, as the comparisons have them."""
    for each in card.comparisons:
        if (each.scenario, each.device) != (training.scenario, training.device) or "training time" not in each.question:
            continue
        best = each.question != "training time"
        about = "Best against best" if best else "Default against default"
        kind = each.question.partition(" in ")[2]
        title = f"{about}{f', {kind}' if kind else ''}: "
        who = f" ({' and '.join(each.subjects.values())})" if best and each.ratio is not None else ""
        yield item((Text(title, "strong"), f"{each.statement}{who}."))


def _table(card: Scorecard, training: Training) -> Table:
    titles = ("One step", "To the default", "Fixed", "Planned training", "Pays", "Same step")
    return Table(
        caption=f"Ways to train {training.scenario}",
        columns=(column("Way"), *(Column(title=lines(title), half=True) for title in titles)),
        rows=tuple(_row(card, each) for each in training.variants if each.outcome is Outcome.PASSED),
        otherwise="No way to train has figures.",
        layout="stacked",
    )


def _row(card: Scorecard, way: VariantCost) -> tuple[Lines, ...]:
    best = (Text("best of its framework", "flag"),) if way.best and way.variant is not None else ()
    return (
        lines((FrameworkName(way.framework), f" {_name(card, way)}"), *best),
        _with_ends(way.step_s),
        _ratio(way),
        lines(_figure(way.fixed_s)),
        lines(_figure(way.planned_s)),
        lines(Text(way.pays or ("" if way.variant is None else _format.NOT_MEASURED), "soft")),
        lines(_parity(way), *_blind(way)),
    )


def _name(card: Scorecard, way: VariantCost) -> str:
    name = _DEFAULT if way.variant is None else card.title("training_variant", way.variant)
    return name if way.precision == "fp32" or way.precision in name else f"{name} ({way.precision})"


def _figure(value: float | None) -> Text:
    return Text(_format.quantity(value, "s"), "missing" if value is None else "figure")


def _with_ends(found: Interval | None) -> Lines:
    if found is None:
        return lines(Text(_format.NOT_MEASURED, "missing"))
    value = Text(_format.quantity(found.value, "s"), "figure")
    ends_of = _between(found)
    if ends_of is None:
        return lines(value)
    return lines(value, Text(" to ".join(_format.quantity(end, "s") for end in ends_of), "soft"))


def _between(found: Interval) -> tuple[float, float] | None:
    return None if found.low is None or found.high is None else (found.low, found.high)


def _ratio(way: VariantCost) -> Lines:
    if way.variant is None:
        return lines(Text("1", "soft"))
    if way.ratio is None or way.ratio.low is None:
        return lines(Text(_WORDS.get(way.answer or "", "") or _format.NOT_MEASURED, "missing"))
    word = _WORDS.get(way.answer or "", "")
    told: Line = (Text(f"{way.ratio.value:.2f}", "figure"), Text(f" ({ends(way.ratio)})", "soft"))
    return lines(told, *((Text(word, "soft"),) if word else ()))


def _parity(way: VariantCost) -> Text:
    """Say how far its first steps are from the default's, of what rounding explains."""
    if way.variant is None:
        return Text("", "soft")
    if way.parity is None:
        return Text("not shown", "missing")
    return Text("bit by bit" if way.parity == 0 else f"{percent(way.parity)} of rounding", "soft")


def _blind(way: VariantCost) -> Iterable[Text]:
    """Say how much could not be compared, where that is more than a little: what few bits leave is no proof."""
    if way.blind >= _MUCH:
        yield Text(f"{percent(way.blind)} cannot be told", "flag")


def _lacking(card: Scorecard, way: VariantCost) -> Item:
    remedy = f" → {way.remedy}" if way.remedy else ""
    outcome = _format.words(way.outcome)
    return item((FrameworkName(way.framework), f" {_name(card, way)}: {outcome}, {way.reason}{remedy}"))


plugin = Variants()
