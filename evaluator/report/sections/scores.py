"""The scores category by category: what the overall ones are made of."""

from dataclasses import dataclass
from math import fsum
from typing import ClassVar

import msgspec
from markupsafe import Markup

from evaluator.core.scorecard import CandidateScore, CategoryScore, Finding, Scorecard
from evaluator.report import _format, _svg
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Chip,
    Column,
    Drawing,
    Folded,
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
    missing,
    soft,
)
from evaluator.report._candidates import overall_scores, scenario_scores

TARGETS = (
    "Between full marks and none, points fall with the logarithm of the figure. No score rests on what another "
    "candidate reached, so one more changes nobody's."
)
_FINE = 20  # the sum of whole weights from which on they move by ones
WEIGHTS = "Only the weights vary there, not the figures: what those rest on is said beside the verdict."


class Scores(Section):
    """Score, bounds and coverage of every category, over all scenarios and in each."""

    name: ClassVar[str] = "scores"
    title: ClassVar[str] = "Scores by category"
    short: ClassVar[str] = "Scores"
    template: ClassVar[str] = "scores.html.j2"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return the categories over all scenarios, then those of each."""
        overall = overall_scores(card)
        everywhere = _categories(overall, "Over all scenarios") if overall else missing("Nothing was scored.")
        return (*_robustness(card), everywhere, *_by_scenario(card), *_targets(card))

    def context(self, card: Scorecard) -> dict[str, object]:
        """Return what the page's script weighs again, and whose verdict a gate caps."""
        return {
            "weighing": weighing(card),
            "gated": [score for score in overall_scores(card) if score.gates or score.open_gates],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """What the page needs to compute scores again under other weights: in the words of its script."""

    weights: tuple[tuple[str, float], ...]
    most: float  # that a slider gives
    step: str
    data: Markup  # JSON that can stand inside any element


def weighing(card: Scorecard) -> Weighing | None:
    """Return it where all candidates were scored in the same categories by the same weights."""
    groups = {"Over all scenarios": overall_scores(card), **scenario_scores(card)}
    weights = {tuple((c.category, c.weight) for c in score.categories) for found in groups.values() for score in found}
    if len(weights) != 1 or not (chosen := weights.pop()):
        return None
    told = [weight for _, weight in chosen]
    whole = all(weight == int(weight) for weight in told) and sum(told) >= _FINE
    data = {
        "categories": [{"name": _format.words(name), "weight": weight} for name, weight in chosen],
        "least_coverage": card.policy.least_coverage,
        "least_score": card.policy.least_score,
        "groups": [
            {"title": title, "candidates": [_candidate(score) for score in found]} for title, found in groups.items()
        ],
    }
    written = msgspec.json.encode(data).decode()
    for sign in "<>&\u2028\u2029":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return Weighing(weights=chosen, most=fsum(told), step="1" if whole else "any", data=Markup(written))  # noqa: S704


def _candidate(score: CandidateScore) -> dict[str, object]:
    return {
        "name": _format.framework(score.candidate),
        "gates": len(score.gates),
        "open": len(score.open_gates),
        "categories": [(c.score, c.lower, c.upper, c.coverage) for c in score.categories],
    }


def category_rows(scores: tuple[CandidateScore, ...]) -> tuple[tuple[CategoryScore | None, ...], ...]:
    """Return one row per category, with a score for each candidate in their order (None where it has none)."""
    names = dict.fromkeys(category.category for score in scores for category in score.categories)
    by_name = [{category.category: category for category in score.categories} for score in scores]
    return tuple(tuple(each.get(name) for each in by_name) for name in names)


def _robustness(card: Scorecard) -> tuple[Block, ...]:
    found = card.robustness
    if found is None or card.decision is not None:  # which says it
        return ()
    first = ", ".join(f"{_format.framework(name)} {_format.share(share)}" for name, share in found.first.items())
    drawn = f" ({found.draws:,} weightings drawn at random, seed {found.seed}; first: {first})"
    return (Prose(line=(found.statement, Text(drawn, "soft"), f" {WEIGHTS}")),)


def _by_scenario(card: Scorecard) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for name, scores in scenario_scores(card).items():
        title = f"Categories of {name}"
        items = Items(items=tuple(item(_told(score)) for score in scores))
        blocks += [Heading(text=name), items, Folded(title=title, blocks=(_categories(scores, title),))]
    return tuple(blocks)


def _targets(card: Scorecard) -> tuple[Block, ...]:
    """Return what figures are scored by, and who declared it: once for each check, place and pair of figures."""
    rows: dict[tuple[str, ...], tuple[Lines, ...]] = {}
    for found in card.findings:
        if found.target is None:
            continue
        full, none = (_format.quantity(each, found.unit) for each in (found.target.full, found.target.none))
        what = f"{card.title('check', found.check)}{' of training' if _trains(found) else ''}"
        said = (found.scenario, what, full, none, found.target.source)
        rows[said] = tuple(lines(each) for each in said)
    if not rows:
        return ()
    titles = ("Scenario", "Figure", "Full marks", "None", "Declared by")
    columns = tuple(column(title) for title in titles)
    table = Table(caption="What figures are scored by", columns=columns, rows=tuple(rows.values()), layout="stacked")
    return (Folded(title="Targets: what figures are scored by", blocks=(soft(TARGETS), table)),)


def _trains(found: Finding) -> bool:
    return found.path is None and found.check == "memory"


def _told(score: CandidateScore) -> tuple[FrameworkName | Chip | str, ...]:
    bounds = f"bounds {_format.score(score.lower)} to {_format.score(score.upper)}"
    gates = "".join((*(f"; gate: {gate}" for gate in score.gates), *(f"; open: {gate}" for gate in score.open_gates)))
    figures = f" {_format.score(score.overall)} ({bounds}, coverage {_format.coverage(score.coverage)}){gates}"
    return FrameworkName(score.candidate), ": ", Chip(score.verdict, _format.VERDICTS[score.verdict]), figures


def _categories(scores: tuple[CandidateScore, ...], caption: str) -> Table:
    heads = tuple(Column(title=lines(FrameworkName(score.candidate))) for score in scores)
    rows = []
    for row in category_rows(scores):
        some = next(category for category in row if category is not None)
        cells = (_category(one, score.candidate) for one, score in zip(row, scores, strict=True))
        rows.append((lines(_format.words(some.category)), lines(_format.tick(some.weight, None)), *cells))
    return Table(
        caption=f"{caption}: score of 0 to 10 with its bounds, and coverage",
        columns=(column("Category"), column("Weight"), *heads),
        rows=tuple(rows),
        layout="wide",
        shown_caption=True,
    )


def _category(found: CategoryScore | None, candidate: str) -> Lines:
    if found is None:
        return lines(Text("not assessed", "missing"))
    bounds = f"{_format.score(found.lower)} to {_format.score(found.upper)}"
    value: Text = Text(_format.score(found.score), "missing" if found.score is None else "strong")
    return lines(
        (value, Text(f" ({bounds}), coverage {_format.coverage(found.coverage)}", "soft")),
        Drawing(_svg.score(found.score, found.lower, found.upper, candidate)),
    )


plugin = Scores()
