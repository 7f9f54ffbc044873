"""Noise to try statistics on: made up in several kinds, or drawn again from what a machine was seen to do.

Blocks of two candidates are measured in turns, a dozen a second or so. What the machine does is shared by both, as far
as it lasts; what a process does is its own; and two starts of one artifact differ. All figures are logarithms.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluator.measure.pairs import Rounds

Floats = NDArray[np.float64]
Series = Callable[[np.random.Generator, Floats], Floats]  # of the times at which it is looked at, in seconds
BLOCK_S = 0.17  # from one block's begin to the next one's
START = 0.02  # deviation of one start, as two starts of one artifact were seen to differ


def _nothing(_: np.random.Generator, at: Floats) -> Floats:
    return np.zeros(len(at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of noise: what is shared through the machine, what each process has of its own, and its starts."""

    name: str
    own: Series
    machine: Series = _nothing
    start: float = START

    def pair(self, rng: np.random.Generator, rounds: int, turns: int) -> tuple[Rounds, Rounds]:
        """Measure one artifact twice in turns: the order of every second turn is that of the one before, mirrored."""
        a: dict[int, Mapping[int, float]] = {}
        b: dict[int, Mapping[int, float]] = {}
        for number in range(1, rounds + 1):
            first = rng.random(turns) < 0.5
            first[1::2] = ~first[: turns // 2 * 2 : 2]
            begin = np.linspace(0, 2 * BLOCK_S * turns, turns, endpoint=False)
            places = begin + np.where(first, 0, BLOCK_S), begin + np.where(first, BLOCK_S, 0)
            at = np.concatenate(places)
            order = np.argsort(at)
            shared = np.empty(len(at))
            shared[order] = self.machine(rng, at[order])
            for blocks, mine, when in ((a, shared[:turns], places[0]), (b, shared[turns:], places[1])):
                logs = mine + self.own(rng, when) + rng.normal(0, self.start)
                blocks[number] = dict(enumerate(np.exp(logs).tolist()))
        return a, b


def white(deviation: float) -> Series:
    """Return noise without memory."""
    return lambda rng, at: rng.normal(0, deviation, len(at))


def hanging(deviation: float, lasts_s: float) -> Series:
    """Return noise that hangs together for about so many seconds (AR(1), an Ornstein-Uhlenbeck process)."""

    def series(rng: np.random.Generator, at: Floats) -> Floats:
        values = np.empty(len(at))
        values[0] = rng.normal(0, deviation)
        for place, gap in enumerate(np.diff(at), start=1):
            kept = np.exp(-gap / lasts_s)
            values[place] = kept * values[place - 1] + rng.normal(0, deviation * np.sqrt(1 - kept**2))
        return values

    return series


def drift(per_second: float) -> Series:
    """Return a machine that becomes slower or faster all the time, by up to that much."""
    return lambda rng, at: rng.uniform(-per_second, per_second) * at


def heavy(scale: float, freedom: float = 2.0) -> Series:
    """Return noise with a heavy tail (Student's t): now and then a block takes much longer."""
    return lambda rng, at: np.abs(scale * rng.standard_t(freedom, len(at)))


def states(slowdown: float, share: float, lasts_s: float) -> Series:
    """Return a machine that is slower for that share of the time, for about so many seconds at a stretch."""

    def series(rng: np.random.Generator, at: Floats) -> Floats:
        means = np.array([lasts_s * (1 - share) / share, lasts_s])
        state, ends = int(rng.random() < share), 0.0
        values = np.empty(len(at))
        ends = rng.exponential(means[state])
        for place, when in enumerate(at):
            while when >= ends:
                state = 1 - state
                ends += rng.exponential(means[state])
            values[place] = np.log(slowdown) if state else 0.0
        return values

    return series


def both(*parts: Series) -> Series:
    """Return the sum of several."""
    return lambda rng, at: np.sum([part(rng, at) for part in parts], axis=0)
