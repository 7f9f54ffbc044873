"""The decision's records: who is to be taken, how firm that is, what speaks for and against, and what is missing.

Sentences here are made of findings and say no more than they do; points are those of the overall score (0 to 10).
"""

from typing import Annotated, Literal

import msgspec

from evaluator.core.coordinates import Record

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
# "ahead": one is ready, and leads the others that are; "only ready": others are not, or too little is known of them;
# "level": several are ready, and none of them leads in most of what may be; "ready": the only candidate that there is.
Outcome = Literal["ahead", "only ready", "level", "ready", "not ready", "insufficient evidence"]
Kind = Literal["strength", "weakness", "risk"]


class Acceptability(Record, frozen=True, kw_only=True):
    """How often each candidate scores highest (rank acceptability of SMAA, Lahdelma and Salminen 2001)."""

    first: dict[str, float]  # framework -> share of the draws
    error: dict[str, float]  # framework -> half of what the draws leave open of that, with 95 % confidence
    draws: int
    seed: int


class TippingPoint(Record, frozen=True, kw_only=True):
    """From which weight of one category on the order of the leader and a rival turns; the others keep proportions."""

    rival: str
    category: str
    share: Share  # of the weight that it has, among the categories that are compared
    turns_at: Share | None  # of the weight; None where no weighting of this category turns the order
    direction: Literal["more", "less"] | None  # on which side of that the rival leads
    statement: str


class Point(Record, frozen=True, kw_only=True):
    """One thing that speaks for or against a candidate."""

    kind: Kind
    text: str  # one sentence
    effect: float  # points of the overall score that it brings, costs or may cost
    finding: str = ""  # id of the first finding or comparison that says so
    evidence: str = ""  # the first file that this rests on, in the run folder
    count: int = 1  # of findings that say so


class Merits(Record, frozen=True, kw_only=True):
    """What speaks for and against one candidate: what weighs most of each kind, the rest counted."""

    candidate: str
    points: tuple[Point, ...]
    more: dict[Kind, int] = msgspec.field(default_factory=dict)


class Gap(Record, frozen=True, kw_only=True):
    """What was not measured for one reason, and what it could change."""

    reason: str
    remedy: str | None
    command: str | None  # that measures the first of them, in the run folder
    finding: str  # id of the first
    count: int
    weight: dict[str, Share]  # framework -> share of the whole weight that is missing for this reason
    turns: bool  # it alone could turn the order: nothing for the leader, full marks for a rival
    decides: tuple[str, ...]  # frameworks of which it alone would bring enough evidence for a verdict
    gates: int = 0  # must-haves among them
    text: str  # one sentence


class Decision(Record, frozen=True, kw_only=True):
    """The outcome, and how firm it is. How firm on the evidence that there is stands in `Scorecard.robustness`."""

    outcome: Outcome
    chosen: str | None  # framework; None where none can be named
    statement: str  # one sentence
    because: tuple[str, ...]
    whole: Acceptability | None  # as `robustness`, whatever the missing evidence would show; None without a rival
    ready: dict[str, float]  # framework -> share of the draws in which it scores enough to be ready
    tipping: tuple[TippingPoint, ...]
    merits: tuple[Merits, ...]
    gaps: tuple[Gap, ...]  # those that could change the answer first
    more_gaps: int = 0
