"""Files of claims: TOML, read strictly. Those beside this file are built in; a person's own has the same form.

A wrong key, name or value ends with one line that says in which claim and test it stands, and what is near it. Names
are looked up when a file is read: a metric that nobody knows would otherwise be "not testable here" for ever.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, get_args

import msgspec

from evaluator.core import criteria, metrics, registry, toml
from evaluator.core.claims import (
    UNITS,
    AmountTest,
    AnyTest,
    Cited,
    Claim,
    Claims,
    ComparisonTest,
    CriteriaTest,
    FindingTest,
    MaintainedTest,
    RatioTest,
    ScoreTest,
    Where,
)
from evaluator.core.errors import UsageError
from evaluator.core.kinds import VARIANTS
from evaluator.core.policy import STANDARD
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Scorecard
from evaluator.core.text import line
from evaluator.core.upkeep import register

_HERE = Path(__file__).parent
ORDER = ("article", "serving")  # of the built-in files
KINDS = {each.__struct_config__.tag: each for each in get_args(AnyTest)}
_PLUGINS = ("stage", "format", "exporter", "runtime", "server", "launcher", "device", "variant")
_ANY = re.compile(r"[*?\[]")


def builtin() -> tuple[Claims, ...]:
    """Return the files of claims that come with fweval."""
    return tuple(load(_HERE / f"{name}.toml") for name in ORDER)


def find(name_or_path: str) -> Path:
    """Return the path of a file of claims: a built-in one by its name, or somebody's own."""
    return _HERE / f"{name_or_path}.toml" if name_or_path in ORDER else Path(name_or_path)


def load(path: Path, card: Scorecard | None = None) -> Claims:
    """Read a file of claims; `UsageError` says in one line what is wrong, and where.

    Names of plug-ins and questions that a scorecard has are known, too, be they installed now or not.
    """
    text, table = toml.parse(path)
    _refuse_kinds(path, text, table)
    try:
        file = msgspec.convert(table, Claims)
    except msgspec.ValidationError as error:
        raise _malformed(path, text, table, error) from error
    twice = _first_twice(claim.id for claim in file.claims)
    if twice is not None:
        raise UsageError(f"{_at(path, text, twice)}: two claims have this id", remedy="give each its own")
    known = _Known(card)
    for claim in file.claims:
        for number, test in enumerate(claim.tests, start=1):
            wrong = next(known.wrong(test), None)
            if wrong is not None:
                told = line(f"{_at(path, text, claim.id)}, test {number}: {wrong[0]}")
                raise UsageError(told, remedy=wrong[1])
    return file


def scale(metric: str, unit: str) -> float | None:
    """Return what one of a unit is in the metric's own; None where it is no unit of it."""
    own = metrics.metric(metric).unit
    return UNITS.get(own, {own: 1.0}).get(unit)


class _Known:
    """The names that a test may use."""

    def __init__(self, card: Scorecard | None) -> None:
        self._card = card

    def wrong(self, test: AnyTest) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a test, and what to do."""
        if isinstance(test, ComparisonTest):
            yield from _unmatched("question", test.question, self._questions())
            yield from _unmatched("device", test.device, self._plugins("device"))
        elif isinstance(test, RatioTest):
            yield from _figure(test.metric, test.labels)
            yield from self._cells(test.of)
            yield from self._cells(test.to)
            yield from _one_of({"is": test.direction, "above": test.above, "below": test.below})
        elif isinstance(test, AmountTest):
            yield from _figure(test.metric, test.labels)
            yield from self._cells(test.where)
            yield from _one_of({"above": test.above, "below": test.below})
            yield from _unit(test)
        elif isinstance(test, ScoreTest):
            yield from _unmatched("category", test.category or "*", self._categories())
        elif isinstance(test, FindingTest):
            yield from _unmatched("check", test.check, self._plugins("check"))
            if test.metric is not None:
                yield from _unmatched("metric", test.metric, _metrics())
        elif isinstance(test, CriteriaTest):
            yield from _unmatched("criteria", test.criteria, criteria.names())
        elif isinstance(test, MaintainedTest):
            yield from self._maintained(test)

    def _maintained(self, test: MaintainedTest) -> Iterator[tuple[str, str]]:
        yield from _one_of({"server": test.server, "component": test.component})
        yield from _unmatched("server", test.server or "*", self._plugins("server"))
        yield from _unmatched("component", test.component or "*", self._components())

    def _components(self) -> Collection[str]:
        known = [each.id for each in register().components]
        found = self._card.upkeep.standings if self._card is not None and self._card.upkeep is not None else ()
        return (*known, *(each.component.id for each in found))

    def _cells(self, where: Where) -> Iterator[tuple[str, str]]:
        for kind in _PLUGINS:
            yield from _unmatched(kind, getattr(where, kind) or "*", self._plugins(kind))
        yield from _unmatched("framework", where.framework or "*", FRAMEWORKS)

    def _plugins(self, kind: str) -> Collection[str]:
        seen = self._card.titles.get(kind, {}) if self._card is not None else {}
        found = {each.check for each in self._card.findings} if self._card is not None and kind == "check" else ()
        also = self._plugins(VARIANTS[-1]) if kind == VARIANTS[0] else ()
        return (*registry.names(kind), *seen, *found, *also)

    def _questions(self) -> Collection[str]:
        compared = (each.question for each in self._card.comparisons) if self._card is not None else ()
        return tuple(dict.fromkeys((*_questions_of_checks(), *compared)))

    def _categories(self) -> Collection[str]:
        weighed = self._card.policy.categories if self._card is not None else ()
        asked = (check.category for check in registry.load_all("check"))
        return tuple(dict.fromkeys((*asked, *STANDARD.categories, *weighed)))


def _questions_of_checks() -> Iterator[str]:
    for check in registry.load_all("check"):
        yield from check.questions


def _unmatched(kind: str, given: str, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the mistake when no known name is meant."""
    if not any(fnmatchcase(name, given) for name in known):
        error = registry.unknown(kind, given, tuple(dict.fromkeys(known)))
        yield error.message, str(error.remedy)


def _metrics() -> tuple[str, ...]:
    return (*metrics.METRICS, *(each.name for each in metrics.of_plugins()))


def _figure(name: str, labels: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the mistake when no cell could have such a figure."""
    about = metrics.known(name)
    if about is None:
        yield from _unmatched("metric", name, _metrics())
        return
    if about.unit in ("text", "list", "yes or no"):
        yield f"the metric '{name}' is no number", "see docs/metrics.md"
    for label in labels:
        if label not in about.labels:
            error = registry.unknown(f"label of the metric '{name}'", label, about.labels or ("none",))
            yield error.message, str(error.remedy)
    if "statistic" in about.labels:
        statistic = str(labels.get("statistic", ""))
        if statistic not in metrics.STATISTICS:
            known = ", ".join(metrics.STATISTICS)
            yield f"of the metric '{name}' it must be said which statistic", f'labels = {{statistic = "p99"}}: {known}'


def _one_of(given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    if sum(value is not None for value in given.values()) != 1:
        yield "it does not say what is claimed", f"give one of {', '.join(given)}"


def _unit(test: AmountTest) -> Iterator[tuple[str, str]]:
    if scale(test.metric, test.unit) is None:
        own = metrics.metric(test.metric).unit
        yield f"'{test.unit}' is no unit of '{test.metric}'", f"one of {', '.join(UNITS.get(own, {own: 1.0}))}"


def _refuse_kinds(path: Path, text: str, table: Mapping[str, Any]) -> None:
    """Name a test of an unknown kind, or of none: the decoder would only say that it is invalid."""
    for claim, number, test in _tests(table):
        kind = test.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            error = registry.unknown("kind of test", str(kind), sorted(map(str, KINDS)))
            message = "a test has no kind" if kind is None else error.message
            remedy = f"one of {', '.join(sorted(map(str, KINDS)))}" if kind is None else error.remedy
            told = line(f"{_at(path, text, str(claim.get('id', '')))}, test {number}: {message}")
            raise UsageError(told, remedy=remedy)


def _tests(table: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], int, Mapping[str, Any]]]:
    """Yield every test that is a table at all, with its claim and its number there."""
    claims = table.get("claims")
    for claim in claims if isinstance(claims, list) else ():
        tests = claim.get("tests") if isinstance(claim, dict) else None
        for number, test in enumerate(tests if isinstance(tests, list) else (), start=1):
            if isinstance(test, dict):
                yield claim, number, test


def _malformed(path: Path, text: str, table: Mapping[str, Any], error: msgspec.ValidationError) -> UsageError:
    """Say in which claim and test a key is wrong, and what is near it."""
    what, _, place = str(error).partition(" - at ")
    named = re.search(r"(unknown|required) field `(.+)`$", what)
    key = named[2] if named else place.rpartition(".")[2].strip("`")
    what = {"unknown": "unknown key", "required": "missing key"}[named[1]] if named else what
    numbers = [int(number) for number in re.findall(r"\[(\d+)\]", place)]
    where = str(path)
    if numbers:
        claim = table["claims"][numbers[0]]
        name = str(claim.get("id", "")) if isinstance(claim, dict) else ""
        where = _at(path, text, name, numbers[0] + 1)
        if ".tests[" in place:
            where = f"{where}, test {numbers[1] + 1}"
    remedy = toml.did_you_mean(key, _keys(table, place, numbers)) if named and named[1] == "unknown" else None
    return UsageError(line(f"{where}, key '{key}': {what}"), remedy=remedy)


def _keys(table: Mapping[str, Any], place: str, numbers: list[int]) -> tuple[str, ...]:
    """List the keys of the table that a place leads to."""
    if not numbers:
        return Claims.__struct_encode_fields__
    last = place.rstrip("`").rpartition(".")[2]
    if last.startswith("claims["):
        return Claim.__struct_encode_fields__
    if last.startswith("cites["):
        return Cited.__struct_encode_fields__
    if last in ("of", "to", "where"):
        return Where.__struct_encode_fields__
    test = table["claims"][numbers[0]]["tests"][numbers[1]]
    return ("kind", *KINDS[test["kind"]].__struct_encode_fields__)


def _first_twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _at(path: Path, text: str, claim: str, number: int | None = None) -> str:
    """Name a claim's place: the line of its id, where it has one."""
    wanted = re.compile(rf"""\s*id\s*=\s*["']{re.escape(claim)}["']""")
    found = next((at for at, each in enumerate(text.split("\n"), start=1) if claim and wanted.match(each)), None)
    told = "" if found is None else f", line {found}"
    named = f"'{claim}'" if claim else str(number or "without an id")
    return f"{path}{told}, claim {named}"
