"""Which of all candidates are the best at one question, with one error rate over all of them. Pure.

All that were proven, of both frameworks, in all their runtimes, are set against the one with the best figure: those
that are shown to be worse by more than the margin are slower, the others cannot be told apart from the best. The pairs
share one error rate (Holm; J. C. Hsu, "Multiple comparisons with the best", 1981, is the question).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import fsum, isfinite

from evaluator.core.scorecard import Ranking
from evaluator.judging.evidence import Entry, Evidence
from evaluator.measure import pairs
from evaluator.measure.pairs import Estimate, Rounds

Worse = Callable[[str, str], Estimate | None]
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True, slots=True)
class _Question:
    """What candidates are ranked by: blocks of one track of one stage, in which fewer seconds are better."""

    name: str
    stage: str
    track: str
    rate: bool = False  # the figure is a rate: more is better


_QUESTIONS = (
    _Question("latency", "run", "latency"),
    _Question("throughput", "run", "throughput", rate=True),
    _Question("latency on one core", "edge", "latency"),
)


def rankings(evidence: Evidence) -> tuple[Ranking, ...]:
    """Rank the candidates of every scenario and device by every question in which they took turns."""
    return tuple(
        ranking
        for scenario in evidence.scenarios
        for device in dict.fromkeys(entry.step.device for entry in evidence.select("verify", scenario=scenario))
        for question in _QUESTIONS
        for ranking in _ranking(evidence, scenario, device, question)
    )


def _ranking(evidence: Evidence, scenario: str, device: str, question: _Question) -> Iterator[Ranking]:
    entries = evidence.select(question.stage, scenario=scenario, device=device)
    measured = _candidates(evidence, scenario, device, question)
    if len(measured) < 2 or not any(block.track == question.track for each in entries for block in each.blocks.blocks):
        return
    margin = evidence.margin(scenario)
    ranked = {name: rounds for name, rounds in measured.items() if rounds and like_itself(rounds)}
    found = standing(list(ranked), in_turns(ranked), margin)
    best, slower = found.best, found.slower
    told = {
        name: (each.inverse if question.rate else each).interval(found.confidence)
        for name, each in found.behind.items()
    }
    unranked = tuple(name for name in measured if name not in found.behind)
    yield Ranking(
        scenario=scenario,
        device=device,
        question=question.name,
        best=best,
        slower=slower,
        statement=_statement(best, slower, unranked),
        unranked=unranked,
        ratios=told,
        error=1 - pairs.CONFIDENCE,
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is among the best, who is shown to be worse, and how many times as bad as the best one each is."""

    best: tuple[str, ...]
    slower: tuple[str, ...]
    behind: Mapping[str, Estimate]  # without those of which nothing is known
    confidence: float  # of each interval, so that all of them have one error rate


def in_turns(ranked: Mapping[str, Rounds]) -> Worse:
    """Return what compares candidates by their blocks: in the same turns, or over one that was with both."""

    def compared(a: str, b: str) -> Estimate | None:
        others = (rounds for name, rounds in ranked.items() if name not in (a, b))
        return pairs.between(ranked[a], ranked[b], others)

    return compared


def standing(names: Sequence[str], worse: Worse, margin: float) -> Standing:
    """Set candidates against the best of them; `worse` says how many times as bad as a second a first one is."""
    behind = _behind_the_best(names, worse)
    others = [name for name, each in behind.items() if each.pairs]  # the best one itself has none
    beyond = pairs.holm([behind[name].beyond(margin) for name in others])
    slow = {name for name, each in zip(others, beyond, strict=True) if each}
    return Standing(
        best=tuple(name for name in names if name in behind and name not in slow),
        slower=tuple(name for name in names if name in slow),
        behind=behind,
        confidence=1 - (1 - pairs.CONFIDENCE) / max(1, len(others)),
    )


def _behind_the_best(names: Sequence[str], worse: Worse) -> dict[str, Estimate]:
    """Return how many times as bad as the best one each candidate is; itself 1, exactly.

    The best is the one that is ahead of all that it can be compared with, taken together. Without a pair with it there
    is no estimate.
    """
    known: dict[tuple[str, str], Estimate] = {}
    for a, b in combinations(names, 2):
        found = worse(a, b)
        if found is not None:
            known |= {(a, b): found, (b, a): found.inverse}
    able = [name for name in names if any(name in pair and _told(each) for pair, each in known.items())]
    if not able:
        return {}
    sums = {name: fsum(known[name, other].log for other in able if (name, other) in known) for name in able}
    best = min(able, key=lambda name: sums[name])
    itself = Estimate(log=0.0, error=0.0, pairs=0, rounds=0)
    behind = {name: itself if name == best else known.get((name, best)) for name in able}
    return {name: each for name, each in behind.items() if each is not None and _told(each)}


def _told(estimate: Estimate) -> bool:
    return estimate.error is not None and isfinite(estimate.error)


def like_itself(rounds: Rounds) -> bool:
    """Tell whether a candidate's two halves agree."""
    again = pairs.repeat(rounds)
    return again is None or pairs.holds_1(again)


def _candidates(evidence: Evidence, scenario: str, device: str, question: _Question) -> dict[str, Rounds]:
    """Return the blocks of every proven artifact in every runtime, by what people call it; none where it has none."""
    proofs = [proof for proof in evidence.select("verify", scenario=scenario, device=device) if proof.passed]
    subjects = Counter(evidence.subject(proof) for proof in proofs)
    found: dict[str, Rounds] = {}
    for proof in proofs:
        entries = evidence.sharing(proof.step, question.stage, "model", "artifact", "place")
        if not entries or not all(entry.passed for entry in entries):
            continue  # it has no figure, or one that does not count
        subject = evidence.subject(proof)
        of = "" if subjects[subject] == 1 else f" (of {evidence.title(proof.step.framework)})"
        found[f"{subject}{of}"] = _blocks(entries, question.track)
    return found


def _blocks(entries: tuple[Entry, ...], track: str) -> Rounds:
    told: dict[int, Mapping[int, float]] = {}
    for entry in entries:
        blocks = {turn: seconds for turn, seconds in entry.medians(track).items() if seconds > 0}
        if blocks:
            told[entry.step.round] = blocks
    return told


def _statement(best: tuple[str, ...], slower: tuple[str, ...], unranked: tuple[str, ...]) -> str:
    """Say who is among the best: "these three cannot be told apart, the others are slower: …"."""
    left = f"; not ranked: {', '.join(unranked)}" if unranked else ""
    if not best:
        return f"too disturbed to rank, or not measured in the same turns: {', '.join(unranked)}"
    if len(best) == 1:
        rest = "the other is slower" if len(slower) == 1 else f"the other {_count(len(slower))} are slower"
        return f"{best[0]} is the best; {rest}{left}" if slower else f"{best[0]} is the only one that is ranked{left}"
    others = {0: "", 1: ", the other is slower"}.get(len(slower), ", the others are slower")
    return f"these {_count(len(best))} cannot be told apart{others}: {', '.join(best)}{left}"


def _count(number: int) -> str:
    return _COUNTS[number] if number < len(_COUNTS) else str(number)
