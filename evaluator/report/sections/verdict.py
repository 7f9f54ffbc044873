"""What is ready, who is ahead for what, and how far that can be relied on: what a board reads, perhaps nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from evaluator.core.scorecard import CandidateScore, Scorecard
from evaluator.report import _cells, _claims, _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Chip,
    Column,
    FrameworkName,
    Heading,
    Items,
    Lines,
    Prose,
    Table,
    Text,
    column,
    item,
    lines,
)
from evaluator.report._candidates import overall_scores, scenario_scores
from evaluator.report._claims import Claim, Kind
from evaluator.report.sections.gaps import unmeasured

TURNED = "The order turns beside a neighbour"
OPEN = "Equivalent, or not told (PyTorch / TensorFlow)"
_OPEN: dict[Kind, str] = {
    "equivalent": "Equivalent",
    "undecided": "Undecided",
    "too disturbed": "Too disturbed to rank",
}
_REASONS = 5  # why something was not measured, that the first screen holds folded
_IN_BRIEF = 2  # places in which the order turns that the terminal names
CAREFUL = "Read these figures with care"
MISSING = "What is missing"
NO_BROWSER = "Nothing is timed in a browser; the export matrix (fweval export --matrix) proves what runs in one."
_VERDICTS = {  # -> what is said of one framework, and of both
    "ready": ("is ready", "are ready"),
    "not ready": ("is not ready", "are not ready"),
    "insufficient evidence": ("has too little evidence", "have too little evidence"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One sentence for the board, and why."""

    sentence: str
    support: str


class Verdict(Section):
    """The headline, and the scores of both frameworks."""

    name: ClassVar[str] = "verdict"
    title: ClassVar[str] = "Verdict"
    template: ClassVar[str] = "verdict.html.j2"
    opening: ClassVar[bool] = True

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return headline, cautions, who is ahead for what, which run it is about, and each framework's scores."""
        said = headline(card)
        run = f"Run {card.run}, {card.created_at}, profile {card.profile}, fweval {card.fweval}."
        opening = Prose(line=(Text(said.sentence, "strong"), f" {said.support}"))
        ahead = (targets(card),) if card.comparisons else ()
        others = _claims.of_others(card)
        audited = (Prose(line=(others,)),) if others else ()
        judged = (*_changed(card), *_unchanged(card), *audited, *_turns(card), *_careful(card))
        return (opening, *judged, *ahead, Prose(line=(run,)), _scores(card))

    def brief(self, card: Scorecard) -> tuple[Block, ...]:
        """Return who is ahead for what, with what that rests on, the scores of all scenarios, and the verdict."""
        said = headline(card)
        verdict = Prose(line=(Text(" ".join(filter(None, (said.sentence, said.support))), "strong"),))
        shown = overall_scores(card)
        return (*_changed(card), *_ahead(card), *_unchanged(card), *((_short(shown),) if shown else ()), verdict)

    def context(self, card: Scorecard) -> dict[str, object]:
        """Return what the page sets apart: headline, cautions, targets, and the scores of which it makes cards."""
        return {
            "headline": headline(card),
            "changed": _claims.changed(card),
            "judged_by": _claims.judged_by(card),
            "others": _claims.of_others(card),
            "turned": TURNED,
            "turns": _claims.turns(card),
            "careful": CAREFUL if _claims.cautions(card) else MISSING,
            "cautions": _folded(card),
            "targets": targets(card),
            "scores": overall_scores(card),
        }


def _changed(card: Scorecard) -> tuple[Block, ...]:
    """Say that the criteria are not those that the run began with: never behind anything that must be opened."""
    said = _claims.changed(card)
    return (Prose(line=(Text(said, "flag"),)),) if said else ()


def _unchanged(card: Scorecard) -> tuple[Block, ...]:
    return () if _claims.changed(card) else (Prose(line=(_claims.judged_by(card),)),)


def _folded(card: Scorecard) -> list[tuple[str, tuple[str, ...]]]:
    """Return what a reader must know, as a short line each, and what unfolds below it."""
    told: list[tuple[str, tuple[str, ...]]]
    told = [(_capital(each.brief), (each.sentence,)) for each in _claims.cautions(card)]
    gaps = unmeasured(card)
    count = sum(len(each.affected) for each in gaps)
    if not count:
        return told
    reasons = sorted(gaps, key=lambda each: -len(each.affected))
    why = tuple(f"{len(e.affected)}: {e.reason}{f' → {e.remedy}' if e.remedy else ''}" for e in reasons[:_REASONS])
    more = (f"{len(gaps) - _REASONS} more reasons below",) if len(gaps) > _REASONS else ()
    short = f"{count} {'step or finding' if count == 1 else 'steps or findings'} not measured"
    return [*told, (short, (*why, *more))]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _turns(card: Scorecard, most: int | None = None) -> tuple[Block, ...]:
    """Say where the order turns beside a neighbour, of so many places."""
    found = _claims.turns(card)
    if not found:
        return ()
    more = f" ({len(found) - most} more in the report)" if most and len(found) > most else ""
    return (Prose(line=(Text(f"{TURNED}{more}:", "flag"),)), Items(items=tuple(map(item, found[:most]))))


def _ahead(card: Scorecard) -> tuple[Block, ...]:
    """Return a line for each target: who is ahead in which questions. Amounts and intervals stand in the report."""
    if not card.comparisons:
        return ()
    told = [(target, _in_short(card, path)) for path, target in _claims.TARGETS.items()]
    rows = tuple((lines(Text(target)), lines(said)) for target, said in told if said)
    resting = ", ".join(each.brief for each in _claims.cautions(card))
    careful = (Prose(line=(Text(f"These figures rest on {resting}.", "flag"),)),) if resting else ()
    table = Table(caption="Ahead", columns=(column(""), column("")), rows=rows)
    ahead = (Heading(text="Ahead"), table) if rows else ()  # nobody is ahead of one framework alone
    return (*ahead, *_turns(card, _IN_BRIEF), *careful)


def _in_short(card: Scorecard, path: str | None) -> str:
    """Name who is ahead in what for one target; without anybody, count why."""
    names = _cells.scenarios(card)
    found = [(scenario, one) for scenario in names for one in _claims.claims(card, scenario, path)]
    where: dict[str, dict[str, list[str]]] = {}
    for scenario, one in found:
        if one.kind == "ahead":
            where.setdefault(one.framework, {}).setdefault(one.question, []).append(scenario)
    ahead = [f"{_format.framework(who)} in {_questions(what, names)}" for who, what in where.items()]
    kinds = [one.kind for _, one in found if one.kind not in ("ahead", "not compared")]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    if ahead:
        return "; ".join((*ahead, counts) if counts and _claims.answered(card) else ahead)
    return f"nobody ({counts})" if kinds else ""


def _questions(what: Mapping[str, list[str]], names: Sequence[str]) -> str:
    """Name questions, and of several scenarios those that an answer holds for, if not for all."""
    return ", ".join(
        question if len(where) == len(names) else f"{question} ({', '.join(where)})" for question, where in what.items()
    )


def _careful(card: Scorecard) -> tuple[Block, ...]:
    found = [each.sentence for each in _claims.cautions(card)]
    return (Prose(line=(Text(f"{CAREFUL}:", "flag"),)), Items(items=tuple(map(item, found)))) if found else ()


def headline(card: Scorecard) -> Headline:
    """Say in one sentence what is ready, or that the evidence does not suffice to say so."""
    scored = [s for s in overall_scores(card) if s.overall is not None]
    if not scored:
        return Headline(
            sentence="Insufficient evidence: nothing could be scored.",
            support="What could not be measured, and how to get it, is listed below.",
        )
    short = [s for s in scored if s.verdict == "insufficient evidence"]
    support = [f"{_format.framework(s.candidate)}: {_why(s)}" for s in scored if s.verdict == "not ready"]
    support += [f"{_format.framework(s.candidate)}: {_open(s)}" for s in scored if _is_open(card, s)]
    short = [s for s in short if not _is_open(card, s)]
    if short:
        covered = " and ".join(f"{_format.coverage(s.coverage)} for {_format.framework(s.candidate)}" for s in short)
        needed = _format.coverage(card.policy.least_coverage)
        support.append(f"The evidence covers {covered}; {needed} is needed.")
    return Headline(sentence=_ready(scored), support=" ".join(support))


def _is_open(card: Scorecard, score: CandidateScore) -> bool:
    """Whether nothing but must-haves that nobody could look at keeps a verdict open."""
    short = score.coverage < card.policy.least_coverage
    return score.verdict == "insufficient evidence" and bool(score.open_gates) and not short


def _open(score: CandidateScore) -> str:
    more = f" ({len(score.open_gates) - 1} more below)" if len(score.open_gates) > 1 else ""
    return f"{score.open_gates[0]}{more}."


def _ready(scored: list[CandidateScore]) -> str:
    """Name who is ready, who is not, and of whom too little is known."""
    if all(s.verdict == "insufficient evidence" for s in scored):
        return "Insufficient evidence to decide."
    told = []
    for verdict, words in _VERDICTS.items():
        who = [_format.framework(s.candidate) for s in scored if s.verdict == verdict]
        if who:
            told.append(f"{' and '.join(who)} {words[len(who) > 1]}")
    return f"{'; '.join(told)}."


def _why(score: CandidateScore) -> str:
    """Say what a framework is not ready for."""
    count = len(score.gates)
    if not count:
        return f"its score is {_format.score(score.overall)} of 10."
    more = f" ({count - 1} more below)" if count > 1 else ""
    return f"{score.gates[0].rstrip('.')}{more}."


def targets(card: Scorecard) -> Table:
    """Return who is ahead for what, by how much and how surely: a row for each target in each scenario."""
    names = _cells.scenarios(card)
    rows: list[tuple[Lines, ...]] = []
    for path, target in _claims.TARGETS.items():
        for scenario in names:
            found = _claims.claims(card, scenario, path)
            about = (Text(scenario, "soft"),) if len(names) > 1 else ()
            if found or path == "web":
                rows.append((lines(Text(target, "strong"), *about), _shown(found), _unsure(found)))
        if path == "web" and len(names) > 1:
            rows[-len(names) :] = [(lines(Text(target, "strong")), *rows[-1][1:])]
    return Table(
        caption="Who is ahead, for what, by how much, and how sure that is",
        columns=(
            column("For"),
            column("Ahead"),
            column(OPEN if _claims.answered(card) else "No difference shown, or not sure"),
        ),
        rows=tuple(rows) if card.comparisons else (),
        otherwise="Nothing was compared.",
        layout="stacked",
    )


def _shown(found: tuple[Claim, ...]) -> Lines:
    ahead = [one for one in found if one.kind == "ahead"]
    if not ahead:
        return lines(Text("nobody, as far as is shown" if found else "not compared", "missing"))
    return tuple(
        (FrameworkName(name), f": {'; '.join(one.amount for one in ahead if one.framework == name)}")
        for name in dict.fromkeys(one.framework for one in ahead)
    )


def _unsure(found: tuple[Claim, ...]) -> Lines:
    """Say what was measured without showing a difference, and what was not measured."""
    if not found:
        return lines(Text(NO_BROWSER, "soft"))
    unsure: dict[str, list[str]] = {}
    for one in found:
        if one.kind == "not sure":
            unsure.setdefault(one.doubt, []).append(f"{_format.framework(one.framework)} {one.amount}")
    answers = ((title, [one for one in found if one.kind == kind]) for kind, title in _OPEN.items())
    equal = [one.question for one in found if one.kind == "no difference"]
    without = [one.question for one in found if one.kind == "not compared"]
    return lines(
        *((Text(f"Not sure ({doubt}):", "strong"), f" {'; '.join(told)}") for doubt, told in unsure.items()),
        *(
            (Text(f"{title}:", "strong"), f" {', '.join(one.question for one in ones)}")
            for title, ones in answers
            if ones
        ),
        *([(Text("No difference shown:", "strong"), f" {', '.join(equal)}")] if equal else []),
        *([Text(f"Not compared: {', '.join(without)}", "soft")] if without else []),
    )


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
                lines("; ".join((*score.gates, *(f"open: {each}" for each in score.open_gates))) or "none"),
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
        lines(_format.coverage(score.coverage)),
    )


def _weakest(score: CandidateScore, between: str) -> str:
    return f"{_format.words(score.weakest)}{between}{_format.score(score.weakest_score)}" if score.weakest else ""


plugin = Verdict()
