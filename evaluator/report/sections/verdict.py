"""Who comes first, and how far that can be relied on: what a board reads, perhaps nothing else."""

from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from evaluator.core.scorecard import CandidateScore, Scorecard
from evaluator.report import _format
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Chip, Column, Heading, Items, Lines, Prose, Table, Text, column, item, lines
from evaluator.report._candidates import overall_scores, scenario_scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One sentence for the board, and how far it can be relied on."""

    sentence: str
    support: str


class Verdict(Section):
    """The headline, and the scores of both frameworks."""

    name: ClassVar[str] = "verdict"
    title: ClassVar[str] = "Verdict"
    template: ClassVar[str] = "verdict.html.j2"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return the headline, which run it is about, and a row of scores for each framework."""
        said = headline(card)
        run = f"Run {card.run}, {card.created_at}, profile {card.profile}, fweval {card.fweval}."
        return (Prose(line=(Text(said.sentence, "strong"), f" {said.support}")), Prose(line=(run,)), _scores(card))

    def brief(self, card: Scorecard) -> tuple[Block, ...]:
        """Return the headline and the scores, with what caps a verdict below them."""
        said = headline(card)
        opening = (Prose(line=(Text(said.sentence, "strong"),)), Prose(line=(said.support,)))
        shown = (*overall_scores(card), *chain.from_iterable(scenario_scores(card).values()))
        if not shown:
            return opening
        gates = dict.fromkeys(f"gate: {_format.framework(s.candidate)}: {gate}" for s in shown for gate in s.gates)
        capped = (Items(items=tuple(item(Chip(gate, "bad")) for gate in gates)),) if gates else ()
        return (*opening, Heading(text="Scores"), _short(shown), *capped)

    def context(self, card: Scorecard) -> dict[str, object]:
        """Return the headline, and the scores of which the page makes cards."""
        return {"headline": headline(card), "scores": overall_scores(card)}


def headline(card: Scorecard) -> Headline:
    """Say in one sentence who comes first, or that the evidence does not suffice to say so."""
    scored = sorted((s for s in overall_scores(card) if s.overall is not None), key=_rank)
    if not scored:
        return Headline(
            sentence="Insufficient evidence: nothing could be scored.",
            support="What could not be measured, and how to get it, is listed below.",
        )
    short = [s for s in scored if s.verdict == "insufficient evidence"]
    if short:
        covered = " and ".join(f"{_format.percent(s.coverage)} for {_format.framework(s.candidate)}" for s in short)
        return Headline(
            sentence="Insufficient evidence to decide.",
            support=f"The evidence covers {covered}; {_format.percent(card.policy.least_coverage)} is needed. "
            f"On what was measured: {_ranking(scored)}",
        )
    verdicts = "; ".join(f"{_format.framework(s.candidate)} is {s.verdict}" for s in scored)
    support = [f"{verdicts}.", *_reliance(scored)]
    if card.robustness is not None and len(scored) > 1:
        support.append(card.robustness.statement)
    return Headline(sentence=_ranking(scored), support=" ".join(support))


def _rank(score: CandidateScore) -> tuple[float, str]:
    return -(score.overall or 0.0), score.candidate


def _ranking(scored: list[CandidateScore]) -> str:
    first, *others = scored
    name, points = _format.framework(first.candidate), _format.score(first.overall)
    if not others:
        return f"{name} scores {points} of 10."
    second = others[0]
    other = _format.framework(second.candidate)
    if points == _format.score(second.overall):
        return f"{name} and {other} are level at {points} of 10."
    if second.verdict == "ready" != first.verdict:
        return f"{name} scores {points} against {_format.score(second.overall)}, but only {other} is ready."
    # Missing evidence may still turn the order: then it is a lead, not a result.
    place = "leads so far" if _reversible(first, second) else "comes first"
    return f"{name} {place}: {points} of 10, against {_format.score(second.overall)} for {other}."


def _reliance(scored: list[CandidateScore]) -> tuple[str, ...]:
    if len(scored) < 2:
        return ()
    if _reversible(scored[0], scored[1]):
        return ("Their bounds overlap: evidence that is still missing could reverse the order.",)
    return ("No evidence that is still missing could reverse the order.",)


def _reversible(first: CandidateScore, second: CandidateScore) -> bool:
    return second.upper > first.lower


def _scores(card: Scorecard) -> Table:
    titles = ("Framework", "Scenario", "Verdict", "Score (of 10)", "Bounds", "Coverage", "Weakest category", "Gates")
    shown = (*overall_scores(card), *chain.from_iterable(scenario_scores(card).values()))
    return Table(
        caption="Scores",
        columns=tuple(column(title) for title in titles),
        rows=tuple(
            (
                lines(_format.framework(score.candidate)),
                lines(score.scenario or "all"),
                *_figures(score),
                lines(_weakest(score, ", ") or _format.NOT_MEASURED),
                lines("; ".join(score.gates) or "none"),
            )
            for score in shown
        ),
        otherwise="Nothing was scored.",
    )


def _short(shown: tuple[CandidateScore, ...]) -> Table:
    columns: tuple[Column, ...] = (
        *(column(""), column("verdict", whole=True), column("score", right=True, whole=True)),
        *(column("bounds", whole=True), column("coverage", right=True, whole=True), column("weakest category")),
    )
    rows = tuple(
        (
            lines(f"{_format.framework(score.candidate)}{f', {score.scenario}' if score.scenario else ''}"),
            *_figures(score),
            lines(_weakest(score, " ") or "-"),
        )
        for score in shown
    )
    return Table(caption="Scores", columns=columns, rows=rows)


def _figures(score: CandidateScore) -> tuple[Lines, ...]:
    """Return verdict, score, bounds and coverage."""
    return (
        lines(Chip(score.verdict, _format.VERDICTS[score.verdict])),
        lines(_format.score(score.overall)),
        lines(f"{_format.score(score.lower)} to {_format.score(score.upper)}"),
        lines(_format.percent(score.coverage)),
    )


def _weakest(score: CandidateScore, between: str) -> str:
    return f"{_format.words(score.weakest)}{between}{_format.score(score.weakest_score)}" if score.weakest else ""


plugin = Verdict()
