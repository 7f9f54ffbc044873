"""How long a training takes until it is good enough: its steps, counted in several orders of the data, and seconds."""

from typing import Annotated

import msgspec

from evaluator.core.coordinates import Record

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Steps = Annotated[int, msgspec.Meta(ge=1)]


class Seed(Record, frozen=True, kw_only=True):
    """One training until the target, in one order of the data."""

    number: int  # from 1; the first is the run's own seed
    seed: int
    steps: Steps | None  # after which the target was first seen reached; None: it was not
    best_accuracy: Share | None = None  # that was seen on the way
    loading_share: Share | None = None  # part of the time that was spent on data
    reason: str = ""  # why it did not get there
    evidence: str  # the folder of the step


class Learning(Record, frozen=True, kw_only=True):
    """How long one framework takes. A training that did not get there takes longer than any other."""

    seeds: tuple[Seed, ...]
    steps: float | None = None  # the median; None where it is of a training that did not get there
    seconds: float | None = None  # start and so many steps; None where it cannot be told
    least_s: float | None = None  # of the seeds; of five or more, without the fastest and the slowest
    most_s: float | None = None
    arithmetic: str  # as a sentence with its numbers, or why there is no figure


class TimeToQuality(Record, frozen=True, kw_only=True):
    """The target of a scenario on held-out data, and how long each framework takes to reach it, on one device."""

    scenario: str
    device: str
    target: Share
    every: int  # steps between two evaluations: to so many the steps are known
    most_steps: int  # that were tried
    frameworks: dict[str, Learning]
    statement: str  # one sentence
