"""Which path to take: for each question the best paths, the figure, and what separates the next."""

from typing import ClassVar

from evaluator.core import answers
from evaluator.core.scorecard import Absent, Candidate, PathChoice, Scorecard
from evaluator.report import _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Chip,
    Column,
    Folded,
    Heading,
    Line,
    Lines,
    Prose,
    Table,
    Text,
    column,
    lines,
    soft,
)

READING = (
    "Paths are ranked within a question and never across: what is best behind a server says nothing of a phone. The "
    "best are those that are not shown to be worse than another by more than the margin. What was proven wrong, or was "
    "not proven, takes no part. “As it is” is the origin in its own framework."
)
_IN_BRIEF = 7  # answers that the terminal shows: its summary fits a screen
_SHOWN = 3  # of the best that the first screen names


class Paths(Section):
    """A row for each question, and folded below it all candidates."""

    name: ClassVar[str] = "paths"
    title: ClassVar[str] = "Which path to take"
    short: ClassVar[str] = "Paths"
    leading: ClassVar[bool] = True

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing where nobody asked."""
        if not card.paths:
            return ()
        table = Table(
            caption="The best path for each question, its figure, and what separates the next",
            columns=(column("Question"), column("Best path"), column("What separates the next")),
            rows=tuple(_row(card, each) for each in card.paths),
            layout="stacked",
        )
        everyone = tuple(block for each in card.paths for block in _candidates(card, each))
        return (table, Folded(title="All paths, question by question", blocks=(soft(READING), *everyone)))

    def screen(self, card: Scorecard) -> tuple[Block, ...]:
        """Return a line for each answer, who has none in one more, and all the rest folded."""
        if not card.paths:
            return ()
        table = Table(
            caption="The best path for each question, its figure, and by how much the next is worse",
            columns=(
                *(column("For"), column("Best path"), Column(title=lines("Figure"), whole=True, half=True)),
                Column(title=lines("The next is behind by"), whole=True, half=True),
            ),
            rows=tuple(_brief(card, each) for each in card.paths if each.best),
            otherwise="No path could be called the best.",
            layout="stacked",
        )
        everything = (soft(READING), *(block for each in card.paths for block in _told(card, each)))
        return (table, *_limits(card), *_open(card), Folded(title="All paths, question by question", blocks=everything))

    def brief(self, card: Scorecard) -> tuple[Block, ...]:
        """Return a line for each question: the best, and its figure."""
        told = [each for each in card.paths if each.best]
        rows = tuple((lines(_asked(card, each)), lines(_in_short(each))) for each in told[:_IN_BRIEF])
        if len(told) > len(rows):
            rows = (*rows, (lines("Others"), lines(f"{len(told) - len(rows)} more answers stand in the report")))
        table = Table(caption="Which path to take", columns=(column(""), column("")), rows=rows)
        return (Heading(text=self.title), table) if rows else ()


def _asked(card: Scorecard, choice: PathChoice) -> str:
    """Name a question, with the scenario where there are several: "Phone, bert"."""
    scenario = choice.scenario if len(_cells.scenarios(card)) > 1 else ""
    return ", ".join(filter(None, (choice.title, scenario, _cells.device(card, choice.device))))


def _in_short(choice: PathChoice) -> str:
    first, *others = choice.best
    figure = _figure(choice, first)
    also = f", or {len(others)} more that may be as good" if others else ""
    return f"{first.title}{f' ({figure})' if figure else ''}{also}"


def _row(card: Scorecard, choice: PathChoice) -> tuple[Lines, ...]:
    cautious = choice.caution and (choice.best or choice.unranked)
    caution: tuple[Line, ...] = ((Text(choice.caution, "soft"),),) if cautious else ()
    shown, more = choice.best[:_SHOWN], len(choice.best) - _SHOWN
    best = tuple(_named(choice, each) for each in shown)
    also = (f"and {more} more that cannot be told from {'it' if len(shown) == 1 else 'these'}",)
    return (
        (*lines(_asked(card, choice)), *caution),
        (*best, *((also,) if more > 0 else ())) if best else lines(Text("none", "missing")),
        (*lines(_capital(choice.separates)), *_as_it_is(choice), *map(_left_out, choice.absent)),
    )


def _brief(card: Scorecard, choice: PathChoice) -> tuple[Lines, ...]:
    """Return the best, who is as good, and how far the next is behind."""
    first, *others = choice.best
    also = "; ".join(f"{each.title} ({_figure(choice, each) or 'proven'})" for each in others[: _SHOWN - 1])
    more = len(others) - _SHOWN + 1
    either = f"or {also}{f'; {more} more' if more > 0 else ''}"
    return (
        lines(f"{_asked(card, choice)}{'*' if choice.caution else ''}"),
        lines(Text(first.title, "strong"), *((Text(either, "soft"),) if others else ())),
        lines(Text(_figure(choice, first) or "proven", "figure")),
        _behind(choice, others),
    )


def _behind(choice: PathChoice, others: list[Candidate]) -> Lines:
    """Say how far the next is behind, with its interval, and whether the best themselves are told apart."""
    how = "equivalent" if all(each.answer == "equivalent" for each in others) else "not told apart"
    among = (Text(f"the best {len(choice.best)} are {how}", "soft"),) if others else ()
    near = next((each for each in choice.others if each.ratio is not None), None)
    if near is None:
        return lines(*among) if among else lines(Text("no other was ranked", "missing"))
    return lines(_times(near), *among)


def _limits(card: Scorecard) -> tuple[Block, ...]:
    """Say once what figures of a question are not."""
    told = dict.fromkeys((each.title, each.caution) for each in card.paths if each.best and each.caution)
    text = " ".join(f"{title}: {caution}." for title, caution in told)
    return (Prose(line=(Text(f"* {text}", "soft"),)),) if told else ()


def _open(card: Scorecard) -> tuple[Block, ...]:
    """Name the questions that have no answer, those of one reason together."""
    without: dict[str, list[str]] = {}
    for each in card.paths:
        if not each.best:
            without.setdefault(each.separates, []).append(_asked(card, each))
    return tuple(
        Prose(line=(Text("No answer: ", "strong"), f"{'; '.join(asked)}: {why}.")) for why, asked in without.items()
    )


def _told(card: Scorecard, choice: PathChoice) -> tuple[Block, ...]:
    """Return what separates the next in words, what else is known of a question, and all its paths."""
    head, *table = _candidates(card, choice) or (Heading(text=_asked(card, choice)),)
    beside = (*_as_it_is(choice), *map(_left_out, choice.absent))
    words: Line = (f"{_capital(choice.separates)}.", *(Text(f" {piece.text}.", "soft") for (piece,) in beside))
    return (head, Prose(line=words), *table)


def _named(choice: PathChoice, one: Candidate) -> Line:
    return (Text(one.title, "strong"), ": ", Text(_figure(choice, one) or "proven", "figure"))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _as_it_is(choice: PathChoice) -> tuple[tuple[Text], ...]:
    """Say how the origin as it is does, where it is not the best itself."""
    found = [each for each in choice.others if each.baseline and each.ratio is not None]
    return tuple((Text(f"{each.title}: {_times(each)} the best", "soft"),) for each in found)


def _left_out(absent: Absent) -> tuple[Text]:
    """Count what takes no part, with its reason."""
    return (Text(f"Out: {len(absent.titles)}, {absent.why}", "soft"),)


def _candidates(card: Scorecard, choice: PathChoice) -> tuple[Block, ...]:
    """Return every path of a question with its standing."""
    several = "may be the best" if len(choice.best) > 1 else "the best"
    standings = (
        (choice.best, Chip(several, "good")),
        (choice.others, Chip("worse", "none")),
        (choice.unranked, Chip("not ranked", "warn")),
    )
    rows = tuple(_standing(choice, each, chip) for found, chip in standings for each in found)
    out = tuple(
        (lines(title), lines(Chip("out", "bad")), lines(each.why)) for each in choice.absent for title in each.titles
    )
    if not rows and not out:
        return ()
    table = Table(
        caption=f"{choice.title}: all paths",
        columns=(
            *(column("Path"), column("Standing", whole=True), column("Figure", right=True)),
            column("Times the first", right=True),
        ),
        rows=(*rows, *out),
        layout="stacked",
    )
    return (Heading(text=_asked(card, choice)), table)


def _standing(choice: PathChoice, one: Candidate, chip: Chip) -> tuple[Lines, ...]:
    told = _times(one)
    ratio: Lines = lines(Text(told, "figure")) if told else lines(Text("not known", "missing"))
    figure = _figure(choice, one)
    shown = lines(Text(figure, "figure")) if figure else lines(Text("proven, not timed", "missing"))
    return lines(one.title), lines(chip), shown, ratio


def _figure(choice: PathChoice, one: Candidate) -> str:
    return "" if one.figure is None else _format.quantity(one.figure.value, choice.unit)


def _times(one: Candidate) -> str:
    """Write how many times as bad as the first a path is, with the ends of the interval."""
    if one.ratio is None:
        return ""
    exact = one.ratio.low is None or one.ratio.low == one.ratio.high
    return f"{_format.times(one.ratio.value)}{'' if exact else f' ({answers.ends(one.ratio)})'}"


plugin = Paths()
