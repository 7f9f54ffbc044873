"""The criterion x candidate matrix: what every candidate showed at every criterion, as rows for spreadsheets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evaluator.core.answers import NAMES
from evaluator.core.scorecard import CandidateScore, Finding, Scorecard

Value = str | float | int | None
ABOUT = ("kind", "category", "weight", "risk", "check", "scenario", "path", "device", "criterion")
OF_EACH = (
    "state",
    "score",
    "lower bound",
    "upper bound",
    "coverage",
    "value",
    "value, low",
    "value, high",
    "unit",
    "provisional",
    "reason",
    "evidence",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One criterion, and what each candidate showed."""

    about: tuple[Value, ...]
    each: Mapping[str, tuple[Value, ...]]  # framework -> in the order of `OF_EACH`


def candidates(card: Scorecard) -> tuple[str, ...]:
    """Return the candidates, in the order of the frameworks."""
    known = {each.candidate for each in card.scores} | {each.candidate for each in card.findings}
    return (*(name for name in NAMES if name in known), *sorted(known - NAMES.keys()))


def header(card: Scorecard) -> tuple[str, ...]:
    """Return the titles of the columns."""
    return (*ABOUT, *(f"{NAMES.get(name, name)}: {title}" for name in candidates(card) for title in OF_EACH))


def rows(card: Scorecard) -> Iterator[Row]:
    """Yield the overall scores, those of categories, then every finding; each over all scenarios first."""
    yield from _overall(card)
    yield from _categories(card)
    yield from _findings(card)


def flat(card: Scorecard, row: Row) -> tuple[Value, ...]:
    """Return a row as cells, with empty ones where a candidate has nothing."""
    empty: tuple[Value, ...] = (None,) * len(OF_EACH)
    return (*row.about, *(value for name in candidates(card) for value in row.each.get(name, empty)))


def _scenarios(card: Scorecard) -> tuple[str | None, ...]:
    return (None, *card.scenarios)


def _scores(card: Scorecard, scenario: str | None) -> dict[str, CandidateScore]:
    return {each.candidate: each for each in card.scores if each.scenario == scenario}


def _overall(card: Scorecard) -> Iterator[Row]:
    for scenario in _scenarios(card):
        found = _scores(card, scenario)
        if found:
            about = ("overall", None, None, None, None, scenario, None, None, "overall score and verdict")
            yield Row(about, {name: _scored(each) for name, each in found.items()})


def _scored(each: CandidateScore) -> tuple[Value, ...]:
    rest = (None, None, None, None, None, "; ".join(each.gates), None)
    return (each.verdict, each.overall, each.lower, each.upper, each.coverage, *rest)


def _categories(card: Scorecard) -> Iterator[Row]:
    for scenario in _scenarios(card):
        found = _scores(card, scenario)
        names = dict.fromkeys(part.category for each in found.values() for part in each.categories)
        for category in names:
            parts = {
                name: next((part for part in each.categories if part.category == category), None)
                for name, each in found.items()
            }
            weight = next(part.weight for part in parts.values() if part is not None)
            about = ("category", category, weight, None, None, scenario, None, None, f"category {category}")
            told = {
                name: (None, part.score, part.lower, part.upper, part.coverage, *((None,) * 7))
                for name, part in parts.items()
                if part is not None
            }
            yield Row(about, told)


def _findings(card: Scorecard) -> Iterator[Row]:
    """Yield a row for each finding that is told apart by anything but the candidate."""
    found: dict[tuple[str, ...], dict[str, Finding]] = {}
    for each in card.findings:
        found.setdefault(_criterion(each), {})[each.candidate] = each
    for told in found.values():
        one = next(iter(told.values()))
        weight = card.policy.risks.get(card.policy.risk(one.risk, one.device))
        topic = _criterion(one)[-1]
        name = " ".join(filter(None, (one.check.replace("_", " "), topic)))
        about = ("finding", one.category, weight, one.risk.value, one.check, one.scenario, one.path, one.device, name)
        yield Row(about, {candidate: _found(each) for candidate, each in told.items()})


def _criterion(each: Finding) -> tuple[str, ...]:
    """Return what findings have in common that ask the same of several candidates: the id, without the candidate."""
    parts = each.id.split("/")
    known = (each.check, each.scenario, each.candidate, each.path, each.device)
    topic = "/".join(part for part in parts if part not in known)
    return (each.check, each.scenario, each.path or "", each.device, topic)


def _found(each: Finding) -> tuple[Value, ...]:
    low, high = (each.interval.low, each.interval.high) if each.interval is not None else (None, None)
    evidence = "; ".join(f"{ref.path} sha256:{ref.sha256}" for ref in each.evidence)
    figures = (each.value, low, high, each.unit, "yes" if each.provisional else "no")
    return (each.state.value, each.score, None, None, None, *figures, each.reason, evidence)
