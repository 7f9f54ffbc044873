"""`fweval gate`: a policy's rules asked of a run, with waivers. Reading the files, and ruling; ruling is pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from evaluator.core import registry, toml, waivers
from evaluator.core.errors import UsageError
from evaluator.core.records import Record
from evaluator.core.waivers import Waiver
from evaluator.following.rules import RULES, Answer, Rule, Seen

Ruled = Literal["passed", "failed", "missing", "warned", "waived"]
FAILED, INCOMPLETE = 1, 3  # exit codes
_TABLES = ("rules", "waivers")
_SEE = "see docs/following.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """Rules and waivers, by the names that somebody gave them."""

    path: Path
    rules: Mapping[str, Rule]
    waivers: Mapping[str, Waiver]


class Ruling(Record, frozen=True, kw_only=True):
    """What became of one rule; of one that is about several, of each."""

    rule: str
    ask: str
    outcome: Ruled
    about: str
    measured: str
    wanted: str
    why: str
    waived: tuple[str, ...] = ()  # who answers for what, in words


class Gate(Record, frozen=True, kw_only=True):
    """The answer of a gate."""

    run: str
    baseline: str | None
    exit_code: int
    rulings: tuple[Ruling, ...]
    notes: tuple[str, ...]  # about waivers that no longer count, or never did


def read(path: Path, beside: Mapping[str, Waiver] | None = None) -> GatePolicy:
    """Read a policy, whose waivers come before those that lie beside it; `UsageError` says what is wrong, and where."""
    text, table = toml.parse(path)
    rules = {name: _rule(path, text, name, each) for name, each in _tables(path, text, table, "rules")}
    if not rules:
        raise UsageError(f"{path} asks nothing: it has no rule", remedy=f"begin one with [rules.NAME]; {_SEE}")
    own = dict(waivers.tables(path, text, table.get("waivers", {})))
    return GatePolicy(path=path, rules=rules, waivers={**(beside or {}), **own})


def _tables(path: Path, text: str, table: dict[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in table:
        if name not in _TABLES:
            where = f"{path}, line {toml.line_of(text, (), name)}, key '{name}'"
            raise UsageError(f"{where}: unknown key", remedy=toml.did_you_mean(name, _TABLES))
    found = table.get(kind, {})
    for name, each in found.items() if isinstance(found, dict) else [(kind, found)]:
        if not isinstance(each, dict):
            where = f"{path}, line {toml.line_of(text, (kind,), name)}, key '{kind}.{name}'"
            raise UsageError(f"{where}: no table", remedy=f"begin it with [{kind}.NAME]")
        yield name, each


def _rule(path: Path, text: str, name: str, table: dict[str, Any]) -> Rule:
    asked = table.get("ask")
    if asked not in RULES:
        where = f"{path}, line {toml.line_of(text, ('rules', name), 'ask')}, key 'rules.{name}.ask'"
        if asked is None:
            raise UsageError(f"{where}: missing key", remedy=f"known: {', '.join(RULES)}")
        error = registry.unknown("question", str(asked), RULES)
        raise UsageError(f"{where}: {error.message}", remedy=error.remedy)
    rest = {key: each for key, each in table.items() if key != "ask"}
    return toml.convert(path, text, rest, RULES[str(asked)], within=("rules", name))


def rule(policy: GatePolicy, seen: Seen, today: date) -> Gate:
    """Ask every rule of a run; `UsageError` names the rule in which a name is that nothing bears."""
    counting = {each.of: each for each in policy.waivers.values() if each.counts(today)}
    known = {each.id for each in seen.card.findings}
    seen = Seen(run=seen.run, baseline=seen.baseline, waived=frozenset(counting) & known)
    rulings = tuple(
        ruling for name, each in policy.rules.items() for ruling in _rulings(policy, name, each, seen, counting)
    )
    return Gate(
        run=seen.card.run,
        baseline=None if seen.baseline is None else seen.baseline.card.run,
        exit_code=_exit_code(rulings),
        rulings=rulings,
        notes=tuple(_notes(policy, known, today)),
    )


def _rulings(policy: GatePolicy, name: str, one: Rule, seen: Seen, counting: Mapping[str, Waiver]) -> Iterator[Ruling]:
    if one.needs_baseline and seen.baseline is None:
        raise UsageError(f"the rule '{name}' compares with a baseline, and there is none", remedy="--baseline RUN")
    try:
        answers = tuple(one.answers(seen))
    except UsageError as error:
        raise UsageError(f"{policy.path}, rule '{name}': {error.message}", remedy=error.remedy) from error
    for answer in answers:
        waived = tuple(f"{each}: {counting[each].said}" for each in answer.waived)
        outcome = _outcome(one, answer)
        if name in counting and outcome in ("failed", "missing"):
            outcome, waived = "waived", (*waived, f"{name}: {counting[name].said}")
        yield Ruling(
            rule=name,
            ask=one.asks,
            outcome=outcome,
            about=answer.about,
            measured=answer.measured,
            wanted=answer.wanted,
            why=one.why,
            waived=waived,
        )


def _outcome(one: Rule, answer: Answer) -> Ruled:
    if answer.outcome == "missing" and one.missing == "warn":
        return "warned"
    return "waived" if answer.outcome == "passed" and answer.waived else answer.outcome


def _exit_code(rulings: tuple[Ruling, ...]) -> int:
    outcomes = {each.outcome for each in rulings}
    return FAILED if "failed" in outcomes else INCOMPLETE if "missing" in outcomes else 0


def _notes(policy: GatePolicy, known: set[str], today: date) -> Iterator[str]:
    for name, each in policy.waivers.items():
        if not each.counts(today):
            yield f"the waiver '{name}' ended on {each.until.isoformat()}: it does not count any more"
        elif each.of not in known and each.of not in policy.rules:
            near = registry.unknown("finding or rule", each.of, (*policy.rules, *sorted(known)))
            hint = near.remedy if near.remedy and near.remedy.startswith("did") else "it may be gone"
            yield f"the waiver '{name}' is of '{each.of}', which is no finding of this run and no rule: {hint}"
