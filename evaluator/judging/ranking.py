"""Which of all candidates are the best at one question, with one error rate over all of them. Pure.

All that were proven, of both frameworks, in all their runtimes, are set against the one with the best figure: those
that are shown to be worse by more than the margin are slower, the others cannot be told apart from the best. The pairs
share one error rate (Holm; J. C. Hsu, "Multiple comparisons with the best", 1981, is the question).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import fsum, isfinite

from evaluator.core.scorecard import Ranking
from evaluator.judging.evidence import Entry, Evidence
from evaluator.measure import pairs
from evaluator.measure.pairs import Estimate, Rounds

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
    margin = evidence.setting(scenario, "margin", default=evidence.policy.margin)
    ranked = {name: rounds for name, rounds in measured.items() if rounds and _like_itself(rounds)}
    behind = _behind_the_best(ranked)
    others = [name for name, each in behind.items() if each.pairs]  # the best one itself has none
    slow = dict(zip(others, pairs.holm([behind[name].beyond(margin) for name in others]), strict=True))
    worse = {name: slow.get(name, False) for name in behind}
    best = tuple(name for name in ranked if name in worse and not worse[name])
    slower = tuple(name for name in ranked if worse.get(name))
    confidence = 1 - (1 - pairs.CONFIDENCE) / max(1, len(others))
    told = {name: (each.inverse if question.rate else each).interval(confidence) for name, each in behind.items()}
    unranked = tuple(name for name in measured if name not in worse)
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


def _behind_the_best(ranked: Mapping[str, Rounds]) -> dict[str, Estimate]:
    """Return how many times as long as the best one each candidate takes; itself 1, exactly.

    The best is the one that is the fastest in the turns that all shared. Without a pair with it there is no estimate.
    """
    known: dict[tuple[str, str], Estimate] = {}
    for a, b in combinations(ranked, 2):
        others = (rounds for name, rounds in ranked.items() if name not in (a, b))
        found = pairs.between(ranked[a], ranked[b], others)
        if found is not None:
            known |= {(a, b): found, (b, a): found.inverse}
    able = [name for name in ranked if any(name in pair and _told(each) for pair, each in known.items())]
    if not able:
        return {}
    sums = {name: fsum(known[name, other].log for other in able if (name, other) in known) for name in able}
    best = min(able, key=lambda name: sums[name])
    itself = Estimate(log=0.0, error=0.0, pairs=0, rounds=0)
    behind = {name: itself if name == best else known.get((name, best)) for name in able}
    return {name: each for name, each in behind.items() if each is not None and _told(each)}


def _told(estimate: Estimate) -> bool:
    return estimate.error is not None and isfinite(estimate.error)


def _like_itself(rounds: Rounds) -> bool:
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
