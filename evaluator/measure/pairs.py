"""What was measured in turns, compared in pairs: ratios, repeats, answers. Pure; the rules are in rigour.md, "Pairs".

Two candidates that were asked for a block of calls in the same turn of the same round had the same machine: what it did
to both cancels out of the difference of their logarithms. Such differences are the observations here, and

- within a round they are summarised by the Hodges-Lehmann estimate, whose error is that of Wilcoxon's signed ranks (a
  heavy tail does not decide), as much larger as neighbouring differences hang together;
- a round is a fresh process, and two starts of one artifact differ. From three rounds on their estimates alone carry
  the interval (Student's t); with one or two, blocks do, and what two starts differ by is added.

J. L. Hodges and E. L. Lehmann, "Estimates of location based on rank tests", 1963; L. Bulej et al., "Duet benchmarking:
improving measurement accuracy in the cloud", ICPE 2020. Figures are seconds, or anything else that is positive.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, inf, isfinite, log, log1p, sqrt

import numpy as np
from numpy.typing import NDArray

from evaluator.core.scorecard import MARGIN, Interval, Reply

Rounds = Mapping[int, Mapping[int, float]]  # round -> turn, which no other group of the round has -> median of a block
Floats = NDArray[np.float64]

START_DEVIATION = 0.02  # of the logarithm of a latency, from start to start of one artifact: measured in A/A pairs
CONFIDENCE = 0.95  # of an interval that is looked at once
LOOKS = (0.995, 0.985, 0.97)  # of those of three looks: together they are wrong as often as one at 0.95
ROUNDS = (3, 6, 10)  # at which is looked
TIMES_LEAST = (1, 2, 4)  # the least number of blocks: at which is looked within a round
REPEAT = 0.99  # confidence of an A/A interval: one in a hundred questions is called disturbed for no reason
CARRYING = 3  # rounds, from which on they carry the interval
LEAST_IN_ROUND = 3  # pairs of blocks that a round must have to carry it with others
LEAST_PAIRS = 6  # of blocks in a round: with fewer, Wilcoxon's signed ranks have no interval at 0.95
MOST_MORE = 100.0  # times as much measuring: who would need more lies on the margin
_MOST = 200  # differences that are summarised one by one; of more, neighbours are put together
_EXACT = 60  # signed ranks whose distribution is counted; of more it is normal


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The logarithm of a ratio with its standard error, which is None where too little was measured to know it."""

    log: float
    error: float | None
    freedom: float = inf  # degrees of freedom of the error
    pairs: int  # that it rests on
    rounds: int
    blocks: float = 0.0  # the part of the error that more blocks of the same processes would lessen

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Return the ratio with its interval."""
        if self.error is None:
            return Interval(value=exp(self.log), low=None, high=None)
        reach = _students_t((1 + confidence) / 2, self.freedom) * self.error
        return Interval(value=exp(self.log), low=exp(self.log - reach), high=exp(self.log + reach))

    def times(self, other: "Estimate") -> "Estimate":
        """Return the product of two ratios whose errors are independent: a / c times c / b is a / b."""
        pairs, rounds = min(self.pairs, other.pairs), min(self.rounds, other.rounds)
        if self.error is None or other.error is None:
            return Estimate(log=self.log + other.log, error=None, pairs=pairs, rounds=rounds)
        error, freedom = _together(((self.error, self.freedom), (other.error, other.freedom)))
        blocks = sqrt(self.blocks**2 + other.blocks**2)
        both = self.log + other.log
        return Estimate(log=both, error=error, freedom=freedom, pairs=pairs, rounds=rounds, blocks=blocks)

    @property
    def inverse(self) -> "Estimate":
        """Return b / a."""
        return _but(self, log=-self.log)

    def beyond(self, margin: float = MARGIN) -> float:
        """Return how probable so large a ratio is at the most if the true one is no more than 1 + margin: its p."""
        if self.error is None:
            return 1.0
        above = self.log - log1p(margin)
        if self.error == 0:
            return float(above <= 0)
        return _students_t_tail(above / self.error, self.freedom)


def ratio(a: Rounds, b: Rounds, start: float = START_DEVIATION) -> Estimate | None:
    """Return a / b from their pairs; None without any. `start` is the deviation of one start, of the logarithm."""
    found = _differences(a, b)
    if not found:
        return None
    count = sum(map(len, found))
    carrying = [each for each in found if len(each) >= LEAST_IN_ROUND]
    if len(carrying) >= CARRYING:
        return _over_rounds([_location(each)[0] for each in carrying], count)
    known = [_location(each) for each in found if len(each) >= LEAST_PAIRS]
    if not known:
        return Estimate(log=float(np.median(np.concatenate(found))), error=None, pairs=count, rounds=len(found))
    rounds = len(known)
    blocks, freedom = _together([(error / rounds, free) for _, error, free in known])
    starts = start * sqrt(2 / rounds)
    error, freedom = _together(((blocks, freedom), (starts, inf)))
    middle = float(np.mean([where for where, _, _ in known]))
    return Estimate(log=middle, error=error, freedom=freedom, pairs=count, rounds=rounds, blocks=blocks)


def once(a: Mapping[int, float], b: Mapping[int, float], start: float | None = None) -> Estimate | None:
    """Return a / b of figures that a process has one of, such as its largest memory: round -> figure.

    With one or two rounds the error is what starts are known to differ by: none where that is not known.
    """
    logs = [log(a[number] / b[number]) for number in sorted(a.keys() & b.keys())]
    count = len(logs)
    if not count:
        return None
    if count >= CARRYING:
        return _over_rounds(logs, count)
    error = None if start is None else start * sqrt(2 / count)
    return Estimate(log=float(np.mean(logs)), error=error, pairs=count, rounds=count)


def between(a: Rounds, b: Rounds, others: Iterable[Rounds] = (), start: float = START_DEVIATION) -> Estimate | None:
    """Return a / b of pairs where they were in the same turns, else over the candidate that was with both of them.

    Of several such the one with the smallest error counts. None where there is no such way.
    """
    direct = ratio(a, b, start)
    if direct is not None:
        return direct
    ways = [(ratio(a, c, start), ratio(c, b, start)) for c in others]
    found = [first.times(second) for first, second in ways if first is not None and second is not None]
    return min(found, key=lambda one: inf if one.error is None else one.error, default=None)


def confidence(rounds: int, most_rounds: int | None) -> float:
    """Return the confidence of an interval after so many rounds, where up to `most_rounds` may be looked at.

    Without further ones it is looked at once.
    """
    if most_rounds is None or most_rounds <= ROUNDS[0]:
        return CONFIDENCE
    look = next((number for number, reached in enumerate(ROUNDS) if rounds <= reached), len(ROUNDS) - 1)
    return LOOKS[look]


def repeat(rounds: Rounds) -> Interval | None:
    """Return a candidate's ratio to itself at 99 %: its even against its odd blocks. None with fewer than a dozen.

    Neighbouring blocks make pairs whose order alternates, so that a steady drift cancels out.
    """
    series = [np.log([blocks[turn] for turn in sorted(blocks)]) for blocks in rounds.values()]
    halves = [each[: len(each) // 2 * 2].reshape(-1, 2) for each in series]
    signs = [np.where(np.arange(len(each)) % 2, -1.0, 1.0) for each in halves]
    found = [sign * (each[:, 0] - each[:, 1]) for sign, each in zip(signs, halves, strict=True)]
    known = [_location(each) for each in found if len(each) >= LEAST_PAIRS]
    if not known:
        return None
    error, freedom = _together([(error / len(known), free) for _, error, free in known])
    middle = float(np.mean([where for where, _, _ in known]))
    return Estimate(log=middle, error=error, freedom=freedom, pairs=0, rounds=len(known)).interval(REPEAT)


def holds_1(interval: Interval) -> bool:
    """Tell whether two that are the same may have such a ratio."""
    return interval.low is None or interval.high is None or interval.low <= 1 <= interval.high


def answer(interval: Interval, margin: float = MARGIN, repeats: Iterable[Interval] = ()) -> Reply:
    """Say whether two differ by more than the margin, are equivalent within it, or whether that is not known."""
    if not all(map(holds_1, repeats)):
        return "disturbed"
    if interval.low is None or interval.high is None:
        return "undecided"
    if interval.low > 1 + margin or interval.high < 1 / (1 + margin):
        return "different"
    return "equivalent" if 1 / (1 + margin) < interval.low and interval.high < 1 + margin else "undecided"


def decided(a: Rounds, b: Rounds, look: int, margin: float = MARGIN) -> bool:
    """Tell at the first, second or third look (0, 1, 2) whether measuring may end: it is decided, or it cannot be.

    It cannot where blocks of these processes have told nearly all that they know: what starts differ by is by far the
    larger part of the error, and only further rounds lessen it.
    """
    found = ratio(a, b)
    if found is None or found.error is None:
        return False
    told = found.rounds < CARRYING and 2 * found.blocks < sqrt(max(0.0, found.error**2 - found.blocks**2))
    return told or answer(found.interval(LOOKS[look]), margin) != "undecided"


def more(found: Estimate, margin: float = MARGIN, confidence: float = CONFIDENCE) -> float | None:
    """Return how many times as much would have to be measured, in rounds, for an answer, if the ratio is as it seems.

    None where that is more than a hundred times: then it lies on the margin. With too few blocks in a round for an
    interval it is what lacks to the least.
    """
    if found.error is None:
        return LEAST_PAIRS * found.rounds / found.pairs if found.pairs < LEAST_PAIRS * found.rounds else None
    room = abs(abs(found.log) - log1p(margin))
    one = found.error * sqrt(found.rounds)
    for rounds in range(found.rounds + 1, int(MOST_MORE) * found.rounds + 1):
        freedom = found.freedom if rounds < CARRYING else rounds - 1
        if _students_t((1 + confidence) / 2, freedom) * one / sqrt(rounds) < room:
            return rounds / found.rounds
    return None


def power(difference: float, margin: float = MARGIN, *, rounds: int, deviation: float) -> float:
    """Return in which share of runs a true difference is found to lie beyond the margin, in an interval of 95 %.

    `deviation` is what two candidates' ratio varies by from round to round, of the logarithm: sqrt(2) times that of a
    start, and what the blocks of a round leave open. With 0.03, three rounds find 10 % to be beyond 5 % in 33 % of
    runs and 20 % in 95 %; six rounds find 10 % in 86 %.
    """
    from scipy.special import nctdtr

    error = deviation / sqrt(rounds)
    away = (log1p(difference) - log1p(margin)) / error
    freedom = rounds - 1 if rounds >= CARRYING else inf
    needed = _students_t((1 + CONFIDENCE) / 2, freedom)
    return _students_t_tail(needed - away, inf) if freedom == inf else 1 - float(nctdtr(freedom, away, needed))


def holm(probabilities: Sequence[float], error: float = 1 - CONFIDENCE) -> tuple[bool, ...]:
    """Tell which of several hypotheses are rejected so that any of them is wrongly in that share of cases at the most.

    S. Holm, "A simple sequentially rejective multiple test procedure", 1979: the smallest probability must stay below
    error / n, the next below error / (n - 1), until one does not.
    """
    count, rejected = len(probabilities), [False] * len(probabilities)
    for rank, place in enumerate(sorted(range(count), key=lambda index: probabilities[index])):
        if probabilities[place] > error / (count - rank):
            break
        rejected[place] = True
    return tuple(rejected)


def _but(found: Estimate, *, log: float) -> Estimate:
    return Estimate(
        log=log,
        error=found.error,
        freedom=found.freedom,
        pairs=found.pairs,
        rounds=found.rounds,
        blocks=found.blocks,
    )


def _differences(a: Rounds, b: Rounds) -> list[Floats]:
    """Return round by round, in the order of the turns, how far the logarithms of neighbouring blocks lie apart."""
    found = []
    for number in sorted(a.keys() & b.keys()):
        turns = sorted(a[number].keys() & b[number].keys())
        if turns:
            found.append(np.log([a[number][turn] for turn in turns]) - np.log([b[number][turn] for turn in turns]))
    return found


def _over_rounds(logs: Sequence[float], pairs: int) -> Estimate:
    """Let rounds carry the interval: each has one say."""
    count = len(logs)
    error = float(np.std(logs, ddof=1)) / sqrt(count)
    return Estimate(log=float(np.mean(logs)), error=error, freedom=count - 1, pairs=pairs, rounds=count)


def _location(values: Floats) -> tuple[float, float, float]:
    """Return the Hodges-Lehmann estimate of a series, its standard error, and the degrees of freedom of that.

    The error is half of Wilcoxon's interval in units of Student's t, times the square root of how many observations of
    the series say as much as one that stands alone.
    """
    if len(values) > _MOST:
        values = np.array([np.median(part) for part in np.array_split(values, _MOST)])
    count = len(values)
    first, second = _pairs_of(count)
    averages = np.sort((values[first] + values[second]) / 2)
    middle = float(averages[(len(averages) - 1) // 2] + averages[len(averages) // 2]) / 2
    if count < LEAST_PAIRS:
        return middle, inf, 1.0
    aside, confidence = _set_aside(count, CONFIDENCE)
    half = (averages[len(averages) - 1 - aside] - averages[aside]) / 2
    hanging = _hanging_together(values)
    freedom = max(1.0, count / hanging - 1)
    error = float(half) / _students_t((1 + confidence) / 2, count - 1) * sqrt(hanging)
    return middle, error, freedom


@cache
def _pairs_of(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the places of every pair of so many values, of each with itself, too: their means are Walsh's averages."""
    return np.triu_indices(count)


@cache
def _set_aside(count: int, confidence: float) -> tuple[int, float]:
    """Return how many Walsh averages lie outside of Wilcoxon's interval at either end, and the confidence it has."""
    from scipy.special import ndtri

    if count > _EXACT:
        deviation = sqrt(count * (count + 1) * (2 * count + 1) / 24)
        return int(count * (count + 1) / 4 + float(ndtri((1 - confidence) / 2)) * deviation), confidence
    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1
    for rank in range(1, count + 1):
        ways[rank:] = ways[rank:] + ways[:-rank]
    below = np.cumsum(ways) / 2.0**count
    aside = int(np.searchsorted(below, (1 - confidence) / 2, side="right"))
    return max(0, aside - 1), 1 - 2 * float(below[max(0, aside - 1)])


def _hanging_together(values: Floats) -> float:
    """Return how many values of a series say as much as one that stands alone: (1 + r) / (1 - r), at least 1.

    r is the correlation of neighbours, of their ranks because a heavy tail must not decide this either, without the
    bias that it has in short series (M. H. Quenouille, 1949; F. H. C. Marriott and J. A. Pope, 1954).
    """
    count = len(values)
    _, places, shared = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(shared) - (shared - 1) / 2)[places] - (count + 1) / 2
    if not ranks.any():
        return 1.0
    seen = float(np.dot(ranks[:-1], ranks[1:]) / np.dot(ranks, ranks))
    r = min(0.9, (count * seen + 1) / (count - 4)) if count > LEAST_PAIRS else seen
    return max(1.0, (1 + r) / (1 - r))


def _together(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the standard error of a sum and its degrees of freedom (Welch, Satterthwaite), from those of its parts."""
    total = sum(error**2 for error, _ in parts)
    if not isfinite(total):
        return inf, 1.0
    uncertain = sum(error**4 / freedom for error, freedom in parts)
    return sqrt(total), total**2 / uncertain if uncertain else inf


def _students_t(probability: float, freedom: float) -> float:
    """Return the quantile of Student's t."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if freedom == inf else stdtrit(freedom, probability))


def _students_t_tail(value: float, freedom: float) -> float:
    """Return how probable a larger value of Student's t is."""
    from scipy.special import ndtr, stdtr

    return float(ndtr(-value) if freedom == inf else stdtr(freedom, -value))
