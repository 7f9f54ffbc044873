"""Targets: the figure that has full marks, and the one that has none. Both are declared, and nobody else's figures.

Between the two, points fall with the logarithm of the figure, so that twice as much costs the same anywhere: Lighthouse
scores by two control points on a log scale, too
(https://developer.chrome.com/docs/lighthouse/performance/performance-scoring). So one candidate more changes no other's
score. A scenario may declare targets of its own (`[targets.latency]`); else the bands of the policy hold, which follow
what the scenario and the model themselves need.
"""

from dataclasses import dataclass
from math import log
from typing import Annotated, Literal

import msgspec

from evaluator.core.coordinates import Record

Need = Literal["time limit", "rate", "weights"]  # `serve.slo_s`, `serve.rate_per_s`, bytes of the raw fp32 weights
Amount = Annotated[float, msgspec.Meta(gt=0, le=10**15)]
HIGHER = ("load",)  # names of targets of which more is better
FORMULA = "10 * log(none / value) / log(none / full), from 0 to 10"


@dataclass(frozen=True, slots=True)
class Figure:
    """What targets and limits are declared for: the check that finds it, its unit, and the key of a limit to it."""

    check: str
    unit: str
    limit: str
    of_training: bool = False  # of the findings of the check, those without a deployment path

    @property
    def more_is_better(self) -> bool:
        """Whether its limit is a least."""
        return self.limit.startswith("at_least")


FIGURES = {
    "latency": Figure("latency", "s", "at_most_s"),
    "load": Figure("serving_load", "1/s", "at_least_per_s"),
    "size": Figure("size", "bytes", "at_most_bytes"),
    "memory": Figure("memory", "bytes", "at_most_bytes"),
    "training_memory": Figure("memory", "bytes", "at_most_bytes", of_training=True),
    "training": Figure("training_time", "s", "at_most_s", of_training=True),
}


class Target(Record, frozen=True, kw_only=True):
    """Two figures in the unit of a metric; where `full` is the larger one, more is better."""

    full: Amount
    none: Amount
    source: str = ""  # who declared it, or what it follows

    def __post_init__(self) -> None:
        """Refuse two that are the same: nothing lies between them."""
        if self.full == self.none:
            raise ValueError("full marks and none are the same figure")

    def points(self, value: float) -> float:
        """Return 0 to 10."""
        if value <= 0:
            return 10.0 if self.full < self.none else 0.0
        return min(10.0, max(0.0, 10 * log(self.none / value) / log(self.none / self.full)))

    def within(self, low: float, high: float) -> float:
        """Return the points of a figure that is known to lie between two: the middle of theirs."""
        return (self.points(low) + self.points(high)) / 2

    def straddled(self, low: float, high: float) -> float | None:
        """Return which of the two figures lies between two others, None where neither does."""
        return next((each for each in (self.full, self.none) if low < each < high), None)


class Level(Record, frozen=True, kw_only=True):
    """A figure as a sum: so much, and so many times what is needed."""

    fixed: float = 0.0
    times: float = 0.0

    def of(self, need: float) -> float:
        """Return the figure."""
        return self.fixed + self.times * need


class Band(Record, frozen=True, kw_only=True):
    """A built-in target: it holds where the scenario declares none."""

    full: Level
    none: Level
    need: Need | None = None  # that the levels are multiples of
    source: str  # why these; "{need}" is where its figure is written

    def target(self, need: float, written: str) -> Target:
        """Return the target of a model or scenario that needs so much; `written` is the same for people."""
        return Target(full=self.full.of(need), none=self.none.of(need), source=self.source.format(need=written))


BANDS = {
    "latency": Band(
        full=Level(times=0.1),
        none=Level(times=1.0),
        need="time limit",
        source="built in: the time that the scenario allows a request (serve.slo_s, {need}), and a tenth of it",
    ),
    "load": Band(
        full=Level(times=1.0),
        none=Level(times=0.1),
        need="rate",
        source="built in: the rate that the scenario asks for (serve.rate_per_s, {need}), and a tenth of it",
    ),
    "size": Band(
        full=Level(fixed=64e3, times=1.05),  # what names and operators take weighs on small models only
        none=Level(fixed=512e3, times=2.0),
        need="weights",
        source="built in: 64 kB and 1.05 times, 512 kB and 2 times the raw fp32 weights ({need})",
    ),
    # An interpreter with a lean runtime takes about 100 MB, a framework whole about 500; weights are often held twice.
    "memory": Band(
        full=Level(fixed=200e6, times=2.0),
        none=Level(fixed=2e9, times=8.0),
        need="weights",
        source="built in: 200 MB and 2 times, 2 GB and 8 times the raw fp32 weights ({need})",
    ),
    # Weights, gradients and the two moments of Adam are four times the weights; what is kept of the layers' outputs is
    # no matter of the weights.
    "training_memory": Band(
        full=Level(fixed=500e6, times=4.0),
        none=Level(fixed=16e9, times=16.0),
        need="weights",
        source="built in: 500 MB and 4 times, 16 GB and 16 times the raw fp32 weights ({need})",
    ),
    "training": Band(
        full=Level(fixed=3_600.0),
        none=Level(fixed=30 * 86_400.0),
        source="built in: an hour, and 30 days, for all that is planned",
    ),
}
