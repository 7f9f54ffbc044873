"""Those that take turns: how far each is on its tracks, and what was seen of the machine during its blocks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from evaluator.core.records import Step
from evaluator.core.turns import Answered, Mark, Track
from evaluator.measure.disturbance import Sight, marks


@dataclass(slots=True)
class Progress:
    """How far one candidate is on one track."""

    track: Track
    calls: int = 0
    timed_s: float = 0.0
    elapsed_s: float = 0.0
    medians: dict[int, float] = field(default_factory=dict)  # turn -> seconds
    finished: bool = False

    def add(self, turn: int, answered: Answered) -> None:
        """Count a block."""
        self.calls += answered.calls
        self.timed_s += answered.timed_s
        self.elapsed_s += answered.elapsed_s
        self.finished |= answered.finished
        if answered.median_s is not None:
            self.medians[turn] = answered.median_s

    @property
    def open(self) -> bool:
        """Tell whether it can be asked for more."""
        return not self.finished and self.elapsed_s < self.track.cap_seconds

    @property
    def wanting(self) -> bool:
        """Tell whether a minimum is not met, and can be."""
        return self.open and any(had < least for had, least in self._minima)

    @property
    def share(self) -> float:
        """How much of what is asked for has been taken, 0 to 1; all of it when no more can be asked for."""
        if not self.wanting:
            return 1.0
        nearest = min(had / least for had, least in self._minima if least)
        return max(self.elapsed_s / self.track.cap_seconds, nearest)

    @property
    def _minima(self) -> tuple[tuple[float, float], ...]:
        """What has been taken, and the least of it that is asked for."""
        track = self.track
        return (self.calls, track.min_calls), (self.timed_s, track.min_seconds), (len(self.medians), track.min_blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One block that was asked for."""

    track: str
    turn: int
    neighbours: bool  # beside some that were kept busy on purpose
    sight: Sight


@dataclass(slots=True, eq=False)
class Candidate:
    """One step that is alive and takes part."""

    job: Any  # the executor's
    step: Step
    tracks: dict[str, Progress]
    last: bool = False  # it measures nothing afterwards
    asked: list[Asked] = field(default_factory=list)
    idle_s: float = 0.0  # processor time while others were asked,
    idle_for_s: float = 0.0  # and how long that was
    awake: bool = False  # it never sleeps: it is compared with nobody

    @property
    def idle_cores(self) -> float:
        """How much of a core it kept busy while others were asked."""
        return self.idle_s / self.idle_for_s if self.idle_for_s else 0.0

    def quiet(self, track: str, seen: Sequence[Mark]) -> dict[int, float]:
        """Return the medians of a track's quiet blocks by turn, given the marks of all its blocks."""
        turns = {one.turn for one, mark in zip(self.asked, seen, strict=True) if one.track == track and mark.quiet}
        return {turn: each for turn, each in self.tracks[track].medians.items() if turn in turns}


def judge(candidates: Sequence[Candidate]) -> dict[Candidate, tuple[Mark, ...]]:
    """Return the marks of every candidate's blocks, judged by all that were seen of this machine together.

    Where neighbours were wanted, they disturb nothing; one that never sleeps is disturbed by itself.
    """
    alone = iter(marks([each.sight for one in candidates for each in one.asked if not each.neighbours]))
    return {
        one: tuple(_beside(each) if each.neighbours else _of(one, next(alone)) for each in one.asked)
        for one in candidates
    }


def _beside(asked: Asked) -> Mark:
    (mark,) = marks([asked.sight])
    return msgspec.structs.replace(mark, slowdown=None, quiet=True)


def _of(candidate: Candidate, mark: Mark) -> Mark:
    return msgspec.structs.replace(mark, quiet=mark.quiet and not candidate.awake)
