"""When a round has measured enough: at fixed looks, whether its questions are decided (rigour.md, "Pairs").

A question sets the frameworks side by side on one deployment path: the best of either side must be told apart, or be
shown to be equivalent. Where several rounds carry the interval, blocks beyond the minima tell nothing that matters.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import median

import msgspec

from evaluator.core import registry
from evaluator.core.records import Profile, Step
from evaluator.measure.pairs import CARRYING, TIMES_LEAST, Rounds, decided
from evaluator.running.candidates import Candidate, judge


class Looks:
    """The looks at the tracks of one group: at the first, twice and four times as many blocks as the minima want."""

    def __init__(self) -> None:
        self._least: dict[str, int] = {}  # track -> turns when its minima were met
        self._looked: dict[str, int] = {}  # track -> looks so far
        self._enough: set[str] = set()

    def enough(self, track: str, candidates: Sequence[Candidate]) -> bool:
        """Tell of a track whose minima are met whether it needs no more blocks."""
        if track in self._enough or candidates[0].tracks[track].track.neighbours:
            return True
        if _carried_by_rounds(candidates[0].step) or self._look(track, candidates):
            self._enough.add(track)
        return track in self._enough

    def _look(self, track: str, candidates: Sequence[Candidate]) -> bool:
        """Look, if it is time to, and tell whether that was the last time."""
        played = max(len(one.tracks[track].medians) for one in candidates)
        look = self._looked.get(track, 0)
        if played < TIMES_LEAST[look] * self._least.setdefault(track, played):
            return False
        self._looked[track] = look + 1
        seen = judge(candidates)
        rounds: dict[Candidate, Rounds] = {one: {1: one.quiet(track, seen[one])} for one in candidates}
        last = look + 1 == len(TIMES_LEAST)
        return last or all(decided(rounds[a], rounds[b], look) for a, b in questions(track, candidates))


def questions(track: str, candidates: Sequence[Candidate]) -> Iterator[tuple[Candidate, Candidate]]:
    """Yield the pairs that a track's questions come down to: path by path, the best of either framework."""
    sides: dict[str | None, dict[str, list[Candidate]]] = defaultdict(lambda: defaultdict(list))
    for one in candidates:
        if one.tracks[track].medians and one.step.standard and not one.step.control and one.step.variant is None:
            sides[_path(one.step)][one.step.framework].append(one)
    for side in sides.values():
        best = [min(each, key=lambda one: median(one.tracks[track].medians.values())) for each in side.values()]
        yield from combinations(best, 2)


def _path(step: Step) -> str | None:
    return None if step.format is None else registry.load("format", step.format).path


def _carried_by_rounds(step: Step) -> bool:
    profile = step.settings.get("profile")
    return profile is not None and msgspec.convert(profile, Profile).rounds >= CARRYING
