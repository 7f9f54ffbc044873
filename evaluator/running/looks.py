"""When a round has measured enough: at fixed looks, whether its questions are decided (rigour.md, "Pairs").

A question sets the frameworks side by side on one deployment path: the best of either side must be told apart, or be
shown to be equivalent. Where several rounds carry the interval, blocks beyond the minima tell nothing that matters.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from statistics import median

import msgspec

from evaluator.core import registry
from evaluator.core.records import Profile, Step
from evaluator.measure.pairs import CARRYING, TIMES_LEAST, Rounds, decided
from evaluator.running.candidates import Candidate, judge


class Looks:
    """The looks at the tracks of one group: at the first, twice and four times as many blocks as the minima want."""

    def __init__(self) -> None:
        self._looks: dict[str, _Look] = {}

    def undecided(self, track: str, candidates: Sequence[Candidate]) -> set[Candidate]:
        """Return those of a track whose minima are met that need more blocks, for a question that is undecided."""
        about = candidates[0].tracks[track].track if candidates else None
        if about is None or not about.usual or _carried_by_rounds(candidates[0].step):
            return set()
        played = max(len(one.tracks[track].medians) for one in candidates)
        look = self._looks.setdefault(track, _Look(least=played, open=set(candidates)))
        if look.open and played >= TIMES_LEAST[look.number] * look.least:
            look.open = set() if look.number + 1 == len(TIMES_LEAST) else _open(track, candidates, look.number)
            look.number += 1
        return look.open & set(candidates)


@dataclass(slots=True, kw_only=True)
class _Look:
    """Where the looks at one track stand."""

    least: int  # blocks when the minima were met
    open: set[Candidate]
    number: int = 0  # looks so far


def _open(track: str, candidates: Sequence[Candidate], look: int) -> set[Candidate]:
    """Look at the quiet blocks so far, and return the candidates of the pairs that are undecided."""
    seen = judge(candidates)
    rounds: dict[Candidate, Rounds] = {one: {1: one.quiet(track, seen[one])} for one in candidates}
    pairs = (pair for pair in questions(track, candidates) if not decided(rounds[pair[0]], rounds[pair[1]], look))
    return set(chain.from_iterable(pairs))


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
