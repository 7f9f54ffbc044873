"""What a planned training costs: a start that is paid once, and steps that are paid each time. Pure arithmetic.

    total(n) = start + (n - 1) x step = fixed + n x step, with fixed = start - step
    start = import of the framework + build of network and optimizer + first step (tracing and compiling included)

A fixed cost is never added to the few steps of a toy and compared: there the start decides, in a training of a week
it is nothing. Steps are measured in turns and compared in pairs, each as the total that it would make; a start is one
event of a process, which a cold page cache or others on the machine lengthen. With one or two rounds it is taken to be
right within a factor of `START_FACTOR`, which is part of the total's error by as much as the start weighs in it; from
three rounds on, what starts differ by is seen in the rounds.
"""

import math
from dataclasses import dataclass

from evaluator.measure.pairs import START_DEVIATION

START_FACTOR = 2.0  # at 95 %: two standard deviations of the logarithm


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What training costs in one framework, in seconds."""

    start_s: float  # from nothing to the end of the first step
    step_s: float  # in steady state

    @property
    def fixed_s(self) -> float:
        """What is paid once, on top of all steps."""
        return self.start_s - self.step_s

    def total_s(self, steps: float) -> float:
        """Return what that many steps take, at least one."""
        return self.start_s + (steps - 1) * self.step_s

    def share(self, steps: float) -> float:
        """Return which share of that the start is."""
        return self.start_s / self.total_s(steps)

    def deviation(self, steps: float) -> float:
        """Return by how much that differs from start to start: the standard deviation of its logarithm."""
        return math.hypot(START_DEVIATION, math.log(START_FACTOR) / 2 * self.share(steps))


def turning_point(a: Cost, b: Cost, ratio: float) -> float | None:
    """Return the number of steps at which both have taken the same time, `ratio` being that of the steps, a / b.

    The ratio is what was measured in pairs: both steps are taken as far apart as it says, around their geometric
    middle. None where there is no such number: the one that starts earlier also takes the shorter steps, or neither
    does either.
    """
    middle, half = math.sqrt(a.step_s * b.step_s), math.sqrt(ratio)
    apart = middle * half - middle / half
    if apart == 0:
        return None
    steps = 1 + (b.start_s - a.start_s) / apart
    return steps if steps > 1 and math.isfinite(steps) else None
