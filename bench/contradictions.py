"""Whether two complete runs contradict each other, one made on a quiet machine, one beside a busy neighbour.

`python -m bench.contradictions RUN RUN` reads both scorecards and ends with 1 where they do. Two runs may well know
different things: what is undecided in one contradicts nothing. But no question may have two winners, no candidate be
among the best of one ranking and behind one that it beat in the other, and the first screens must not call different
frameworks ready, or ahead in most weightings.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from bench import _runs
from bench._question import How, Question
from bench._records import Line
from evaluator.core.errors import IncompleteEvidence

MOST = 0.5  # of the weightings: who scores higher in more of them is named on the first screen


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What one scorecard says on one question; `answer` is absent in one of before there were three answers."""

    id: str
    answer: str | None = None
    winner: str | None = None
    statement: str = ""

    @property
    def named(self) -> str | None:
        """The framework that is said to be ahead."""
        return self.winner if self.answer in ("different", None) else None


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """Which candidates cannot be told from the best, and which are slower."""

    scenario: str
    device: str
    question: str
    best: tuple[str, ...] = ()
    slower: tuple[str, ...] = ()
    statement: str = ""


class Leading(msgspec.Struct, frozen=True, kw_only=True):
    """In what share of the weightings each framework scores highest."""

    first: dict[str, float]
    statement: str = ""


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """What a scorecard says of a framework, in a scenario or, without one, over all."""

    candidate: str
    scenario: str | None = None
    verdict: str = ""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What of a scorecard may contradict another's; all else is left unread, so that any version can be asked."""

    comparisons: tuple[Compared, ...]
    rankings: tuple[Ranked, ...] = ()
    robustness: Leading | None = None
    scores: tuple[Scored, ...] = ()

    @property
    def ready(self) -> dict[str, bool]:
        """Whether each framework is said to be ready; of which too little is known is not in it."""
        words = {each.candidate: each.verdict for each in self.scores if each.scenario is None}
        return {name: word == "ready" for name, word in words.items() if word in ("ready", "not ready")}

    @property
    def leader(self) -> str | None:
        """The framework that the first screen says scores higher in most weightings."""
        first = self.robustness.first if self.robustness else {}
        return next((name for name, share in first.items() if share > MOST), None)


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """One question, and what each of two runs says."""

    question: str
    one: str
    other: str


def read(run: Path) -> Card:
    """Read the scorecard of a run, given as its folder or as the file."""
    path = run / "scorecard.json" if run.is_dir() else run
    try:
        return msgspec.json.decode(path.read_bytes(), type=Card)
    except (OSError, msgspec.DecodeError) as error:
        raise IncompleteEvidence(f"{path} cannot be read: {error}", remedy=f"fweval score {run}") from error


def contradictions(one: Card, other: Card) -> tuple[Contradiction, ...]:
    """Return every question on which two scorecards name different winners."""
    return (*_winners(one, other), *_rankings(one, other), *_first_screen(one, other))


def _winners(one: Card, other: Card) -> Iterator[Contradiction]:
    theirs = {each.id: each for each in other.comparisons}
    for ours in one.comparisons:
        their = theirs.get(ours.id)
        if their is not None and ours.named and their.named and ours.named != their.named:
            yield Contradiction(question=ours.id, one=ours.statement, other=their.statement)


def _rankings(one: Card, other: Card) -> Iterator[Contradiction]:
    """Find pairs of candidates whose order turns: a is best and b slower here, b is best and a slower there."""
    theirs = {(each.scenario, each.device, each.question): each for each in other.rankings}
    for ours in one.rankings:
        their = theirs.get((ours.scenario, ours.device, ours.question))
        if their is None:
            continue
        if (set(ours.best) & set(their.slower)) and (set(ours.slower) & set(their.best)):
            place = f"ranking/{ours.question}/{ours.scenario}/{ours.device}"
            yield Contradiction(question=place, one=ours.statement, other=their.statement)


def _first_screen(one: Card, other: Card) -> Iterator[Contradiction]:
    if one.leader and other.leader and one.leader != other.leader:
        told = [each.robustness.statement if each.robustness else "" for each in (one, other)]
        yield Contradiction(question="first screen, weightings", one=told[0], other=told[1])
    turned = {name: is_ready for name, is_ready in one.ready.items() if other.ready.get(name) is (not is_ready)}
    if len(set(turned.values())) > 1:
        told = [
            f"ready: {', '.join(name for name, is_ready in each.ready.items() if is_ready)}" for each in (one, other)
        ]
        yield Contradiction(question="first screen, readiness", one=told[0], other=told[1])


def agreement(one: Card, other: Card) -> Mapping[str, int]:
    """Count how the questions of both runs were answered: "different/undecided" is how many."""
    theirs = {each.id: each for each in other.comparisons}
    pairs = ((ours, theirs[ours.id]) for ours in one.comparisons if ours.id in theirs)
    counts: dict[str, int] = {}
    for ours, their in pairs:
        kind = "/".join(sorted((_kind(ours), _kind(their))))
        counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items()))


def _kind(compared: Compared) -> str:
    return compared.answer or ("different" if compared.winner else "no winner")


def _lines(how: How) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    quiet, beside = (read(each) for each in _runs.pair(how))
    found, counts = contradictions(quiet, beside), agreement(quiet, beside)
    raw = {"contradictions": [msgspec.to_builtins(each) for each in found], "answers": counts}
    told = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    return (
        Line(
            what="Questions in which a quiet run and one beside a neighbour name different winners",
            unit="count",
            reached=len(found),
            at_most=0,
        ),
        Line(what="Questions that both asked", unit="count", reached=sum(counts.values()), note=told),
    ), raw


def main(paths: list[str]) -> int:
    """Print what contradicts, and return 1 where anything does, 2 where a run cannot be read."""
    if len(paths) != 2:
        click.echo("usage: python -m bench.contradictions RUN RUN", err=True)
        return 2
    try:
        one, other = (read(Path(path)) for path in paths)
    except IncompleteEvidence as error:
        click.echo(f"{error.message} ({error.remedy})", err=True)
        return 2
    found = contradictions(one, other)
    for each in found:
        click.echo(f"{each.question}: one says: {each.one}; the other: {each.other}")
    told = ", ".join(f"{number} {kind}" for kind, number in agreement(one, other).items())
    click.echo(f"{len(found)} contradictions in {sum(agreement(one, other).values())} questions ({told})")
    return 1 if found else 0


question = Question(
    name="contradictions",
    title="Do two complete runs contradict each other?",
    lines=_lines,
    beside="the second run had a neighbour that kept one core busy, the first had none",
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
