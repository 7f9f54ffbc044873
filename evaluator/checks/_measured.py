"""What one framework showed in one place, or why it showed nothing; and what two such say of which is better.

Figures are medians of all that was measured; who is better is decided by pairs of blocks that were measured in the same
turns (`measure.pairs`). What was not measured in turns has an interval where its rounds carry one, or where it is known
what starts differ by, and else none: then nothing is decided. What is counted, such as bytes, is exact.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from math import hypot, sqrt
from statistics import median

import msgspec

from evaluator.core import metrics
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Interval, Reply, relative_difference
from evaluator.core.turns import Block, guests, others_share
from evaluator.judging.evidence import Entry, Evidence
from evaluator.judging.evidence import Gap as Gap  # noqa: PLC0414  # taken from here, beside what it stands in for
from evaluator.measure import pairs
from evaluator.measure.pairs import Estimate, Rounds
from evaluator.measure.statistics import median_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one framework showed: values by round, and the steps they come from (the first one is repeatable)."""

    subject: str
    rounds: tuple[tuple[float, ...], ...]
    entries: tuple[Entry, ...]
    provisional: bool = False
    track: str | None = None  # of its blocks, which are compared; None: it has none
    worth: Callable[[Entry, float], float] = lambda _, seconds: seconds  # what the median of a block says of the figure
    start: float | None = None  # deviation from start to start, of the logarithm, where a process has one such figure
    deviation: float = pairs.START_DEVIATION  # the same of what blocks are worth
    rivals: tuple["Measurement", ...] = ()  # the framework's other candidates for the same place
    quiet: tuple[tuple[float, ...], ...] = ()  # values by round, without those that others disturbed; none: `rounds`
    counts: Callable[[int], bool] = lambda _: True  # whether the blocks of a turn are compared

    @property
    def interval(self) -> Interval:
        """Return the median of all values with its interval."""
        return median_interval(tuple(chain.from_iterable(self.rounds)))

    @property
    def scored(self) -> Interval | None:
        """Return the same of what others did not disturb; None where too little of it is left to count."""
        if len(self.blocks) >= pairs.LEAST_PAIRS > sum(block.quiet for block in self.blocks):
            return None
        return median_interval(tuple(chain.from_iterable(self.quiet or self.rounds)))

    @property
    def paired(self) -> Rounds:
        """Return what the quiet blocks say, in seconds, by round and turn."""
        told: dict[int, dict[int, float]] = {}
        for entry in self.entries if self.track else ():
            for turn, seconds in entry.medians(str(self.track)).items():
                if seconds > 0 and self.counts(turn):  # a clock that stood still tells no ratio
                    told.setdefault(entry.step.round, {})[turn] = self.worth(entry, seconds)
        return told

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Return all blocks, also those that others disturbed."""
        return tuple(b for entry in self.entries for b in entry.blocks.blocks if b.track == self.track)


Found = Measurement | Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What two measurements say of which is better; the ratio is that of the metric, first to second."""

    ratio: Interval
    reply: Reply
    margin: float
    rounds: int
    repeats: Mapping[str, Interval] = field(default_factory=dict)
    pairs: int = 0
    disturbed: float | None = None
    others: float | None = None
    guests: int = 0
    more: float | None = None


def weigh(evidence: Evidence, metric: str, scenario: str, found: Mapping[str, Found]) -> Weighed | None:
    """Weigh what both frameworks showed; None where one of them showed nothing.

    Where a framework has several candidates, the better ones are compared; what is said of them must hold against each
    of the other's, with one error rate over all pairs.
    """
    first, second = (found.get(name) for name in FRAMEWORKS)
    if not isinstance(first, Measurement) or not isinstance(second, Measurement):
        return None
    margin = evidence.margin(scenario)
    about = metrics.metric(metric)
    if about.provenance == metrics.COUNTED:
        return _counted(first, second, margin)
    pairing = _Pairing(
        evidence,
        margin,
        lower=about.better == "lower",
        pairs=_alike(first) * _alike(second),
        looked=_looked(evidence, first, second),
    )
    estimate = pairing.estimate(first, second)
    interval = estimate.interval(pairing.confidence)
    repeats = {name: again for name in FRAMEWORKS if (again := _repeat(found[name])) is not None}
    reply = pairs.answer(interval, margin, repeats.values())
    if estimate.error is None and _spoiled(first, second):
        reply = "disturbed"
    in_turns = bool(first.paired and second.paired)
    longer = None
    if reply == "undecided" and (in_turns or estimate.error is not None):
        longer = pairs.more(estimate, margin, pairing.confidence)
    if not pairing.holds(reply, first, second):
        reply = "undecided"
    return Weighed(
        ratio=interval if pairing.lower else estimate.inverse.interval(pairing.confidence),
        reply=reply,
        margin=margin,
        repeats=repeats,
        pairs=estimate.pairs if in_turns else 0,
        disturbed=max((each for one in (first, second) if (each := _disturbed(one)) is not None), default=None),
        others=others_share((*first.blocks, *second.blocks), evidence.cores(first.entries)),
        guests=guests((*first.blocks, *second.blocks)),
        more=longer,
        rounds=min(len(first.rounds), len(second.rounds)),
    )


@dataclass(frozen=True, slots=True)
class _Pairing:
    """How two measurements are compared: `a` is so many times worse than `b`, whichever direction is better."""

    evidence: Evidence
    margin: float
    lower: bool  # is better
    pairs: int  # that share one error rate
    looked: float  # the confidence that all of them are to have

    @property
    def confidence(self) -> float:
        """Return the confidence of one of so many intervals, of a run that may be looked at several times."""
        return 1 - (1 - self.looked) / self.pairs

    def estimate(self, a: Measurement, b: Measurement) -> Estimate:
        """Return a / b, or b / a where more is better; seconds of blocks are better when they are fewer."""
        found = _in_turns(self.evidence, a, b)
        if found is not None:
            return found
        told = pairs.once(_by_round(a), _by_round(b), a.start)
        if told is None:
            raise ValueError("a measurement has no round")
        return told if self.lower else told.inverse

    def holds(self, reply: Reply, first: Measurement, second: Measurement) -> bool:
        """Tell whether what is said of the better candidates is shown to hold against each other one of either side."""
        if reply == "different":
            better = self.estimate(first, second).log < 0
            ahead, behind = (first, second) if better else (second, first)
            return self._behind(ahead, behind.rivals, 1 + self.margin)
        if reply == "equivalent":
            least = 1 / (1 + self.margin)
            return self._behind(first, second.rivals, least) and self._behind(second, first.rivals, least)
        return True

    def _behind(self, ahead: Measurement, rivals: Iterable[Measurement], least: float) -> bool:
        lows = [self.estimate(rival, ahead).interval(self.confidence).low for rival in rivals]
        return all(low is not None and low > least for low in lows)


def companions(evidence: Evidence, one: Measurement) -> Iterable[Rounds]:
    """Return the blocks of all that a measurement may have been in turns with, candidate by candidate."""
    step, track = one.entries[0].step, one.track
    found: dict[object, dict[int, Mapping[int, float]]] = {}
    for entry in evidence.select(step.stage, scenario=step.scenario, device=step.device):
        blocks = entry.medians(track) if track else {}
        if entry.passed and blocks:
            found.setdefault(msgspec.structs.replace(entry.step, round=1).key(), {})[entry.step.round] = blocks
    return found.values()


def _in_turns(evidence: Evidence, a: Measurement, b: Measurement) -> Estimate | None:
    """Return a / b in seconds of blocks; over a candidate that was in turns with both where they were not."""
    if not a.paired or not b.paired:
        return None
    start = hypot(a.deviation, b.deviation) / sqrt(2)
    return pairs.ratio(a.paired, b.paired, start) or pairs.between(a.paired, b.paired, companions(evidence, a), start)


def _counted(first: Measurement, second: Measurement, margin: float) -> Weighed:
    ratio = median(chain.from_iterable(first.rounds)) / median(chain.from_iterable(second.rounds))
    return Weighed(
        ratio=Interval(value=ratio, low=None, high=None),
        reply="different" if relative_difference(ratio) > margin else "equivalent",
        margin=margin,
        rounds=min(len(first.rounds), len(second.rounds)),
    )


def _looked(evidence: Evidence, first: Measurement, second: Measurement) -> float:
    """Return the confidence of what was looked at more than once: blocks within a round, or rounds."""
    rounds = min(len(first.rounds), len(second.rounds))
    if rounds < pairs.CARRYING and first.paired and second.paired:
        return pairs.LOOKS[-1]
    return pairs.confidence(rounds, evidence.run.profile.most_rounds)


def _alike(one: Measurement) -> int:
    return 1 + len(one.rivals)


def _by_round(one: Measurement) -> dict[int, float]:
    return {number: median(values) for number, values in enumerate(one.rounds, start=1)}


def _repeat(found: Found) -> Interval | None:
    return pairs.repeat(found.paired) if isinstance(found, Measurement) and found.paired else None


def _spoiled(*both: Measurement) -> bool:
    """Tell whether there would be pairs enough, had others not disturbed them."""
    return all(len(one.blocks) >= pairs.LEAST_PAIRS for one in both) and any(_disturbed(one) for one in both)


def _disturbed(one: Measurement) -> float | None:
    """Return the share of the blocks that others disturbed."""
    return 1 - sum(block.quiet for block in one.blocks) / len(one.blocks) if one.blocks else None
