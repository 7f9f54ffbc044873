"""Which of all candidates are the best, question by question: those that cannot be told apart share the first place."""

from collections.abc import Iterable
from typing import ClassVar

from evaluator.core import answers
from evaluator.core.scorecard import Interval, Ranking, Scorecard
from evaluator.report import _cells, _format, _svg
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Chip,
    Column,
    Drawing,
    Heading,
    Lines,
    Prose,
    Table,
    Text,
    column,
    lines,
    soft,
)

READING = (
    "All candidates for one question at once, with one error rate over all of them. Who is worse is shown to be worse "
    "than another; who may be the best is not, be it equal or be it only not known. A figure is how many times that of "
    "the first, with its interval."
)


class Rankings(Section):
    """A table for each question: the best, the others, and how far from the best each is."""

    name: ClassVar[str] = "rankings"
    title: ClassVar[str] = "Rankings"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing where nothing was ranked."""
        found = tuple(block for scenario in _cells.scenarios(card) for block in _scenario(card, scenario))
        return (soft(READING), *found) if found else ()

    def brief(self, card: Scorecard) -> tuple[Block, ...]:
        """Return a line for each question: the best, and how many others there are; not where paths say more."""
        if card.paths:
            return ()
        rows = tuple((lines(_asked(card, each, scenario=True)), lines(_in_short(each))) for each in card.rankings)
        table = Table(caption="Best", columns=(column(""), column("")), rows=rows)
        return (Heading(text="Best of all candidates"), table) if rows else ()


def _scenario(card: Scorecard, scenario: str) -> Iterable[Block]:
    own = [each for each in card.rankings if each.scenario == scenario]
    if own:
        yield Heading(text=scenario)
    for ranking in own:
        asked = _asked(card, ranking)
        yield Heading(text=_capital(asked), level=4)
        yield Prose(line=(Text(_capital(ranking.statement), "strong"),))
        yield _table(ranking, f"{scenario}: {asked}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _asked(card: Scorecard, ranking: Ranking, *, scenario: bool = False) -> str:
    device = _cells.device(card, ranking.device)
    return f"{f'{ranking.scenario}, ' if scenario else ''}{ranking.question}{f' on {device}' if device else ''}"


def _in_short(ranking: Ranking) -> str:
    count = len(ranking.best)
    best = f"{count} may be the best" if count > 1 else "".join(ranking.best) or "nobody"
    others = ((ranking.slower, "worse"), (ranking.unranked, "not ranked"))
    return ", ".join((best, *(f"{len(names)} {words}" for names, words in others if names)))


def _table(ranking: Ranking, caption: str) -> Table:
    scale = _svg.around_one(ranking.ratios.values())
    ends = Drawing(_svg.ticks(scale, "")) if scale else ""
    return Table(
        caption=caption,
        columns=(
            *(column("Candidate"), column("Standing", whole=True), column("Times the first", right=True)),
            Column(title=lines(ends), picture=True),
        ),
        rows=tuple(
            _row(name, chip, ranking.ratios.get(name), scale)
            for names, chip in (
                (ranking.best, Chip("may be the best" if len(ranking.best) > 1 else "the best", "good")),
                (ranking.slower, Chip("worse", "none")),
                (ranking.unranked, Chip("not ranked", "warn")),
            )
            for name in names
        ),
        layout="stacked",
    )


def _row(name: str, chip: Chip, ratio: Interval | None, scale: _svg.Axis | None) -> tuple[Lines, ...]:
    if ratio is None or scale is None:
        return lines(name), lines(chip), lines(Text("not known", "missing")), ()
    exact = ratio.low is None or ratio.low == ratio.high  # the first against itself
    ends = "" if exact else f" ({answers.ends(ratio)})"
    value = (Text(_format.significant(ratio.value), "figure"), " ", Text(ends.strip(), "soft"))
    return (
        lines(name),
        lines(chip),
        lines(value),
        lines(Drawing(_svg.estimate(scale, ratio, good=chip.tone == "good"))),
    )


plugin = Rankings()
