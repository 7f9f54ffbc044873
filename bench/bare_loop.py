"""What our call costs: the median of our calls against the tightest loop on each runtime's own API.

In one process, in turns, so that nothing differs but who calls; quiet, and beside one busy neighbour on each core. And
against a process of its own with nothing of ours set around it, where two starts differ as they do. Goals: within 2 %
from a millisecond on, within 5 % from a tenth of one; intervals of 1 % to either side.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import _live
from bench._live import Candidate, Found
from bench._loops import BARE, Loop, Loops
from bench._question import How, Question
from bench._records import Line
from evaluator.core.scorecard import Interval
from evaluator.measure import pairs

WITHIN = {_live.SLOW: 0.02, _live.FAST: 0.05}
LEAST_S = {_live.SLOW: 1e-3, _live.FAST: 1e-4}
NAMES = {_live.SLOW: "a millisecond and more", _live.FAST: "a tenth of one"}
HALF_WIDTH = 0.01
OURS, BARE_LOOP, OURS_BESIDE, BARE_BESIDE = "ours", "bare", "ours_beside", "bare_beside"
_ALONE = "own"  # the process with nothing of ours


def sized(how: How, scenario: str, runtime: str) -> int:
    """Return how many inputs at a time take so long, as one process finds it: two might find different numbers."""
    track = Loop(name=BARE_LOOP, bare=True, seconds=0.0)
    loops = Loops(tracks=(track,), least_s=LEAST_S[scenario])
    asked = Candidate(name="size", scenario=scenario, runtime=runtime, loops=loops)
    return _live.conduct(how, f"size-{scenario}-{runtime}", (asked,))[asked.name].size


def candidates(scenario: str, runtime: str, number: int, seconds: float, size: int) -> tuple[Candidate, Candidate]:
    """Return who takes part in one round: our call and the bare loop in one process, and the loop alone in another."""
    tracks = [
        Loop(name=OURS, seconds=seconds),
        Loop(name=BARE_LOOP, bare=True, seconds=seconds),
        Loop(name=OURS_BESIDE, neighbours=True, seconds=seconds),
        Loop(name=BARE_BESIDE, bare=True, neighbours=True, seconds=seconds),
    ]
    order = tuple(tracks[::-1] if number % 2 else tracks)  # who comes first finds other caches
    alone = (Loop(name=OURS, bare=True, seconds=seconds),)  # of the same name: blocks of one track are neighbours
    return (
        Candidate(name=OURS, scenario=scenario, runtime=runtime, loops=Loops(tracks=order, size=size)),
        Candidate(name=_ALONE, scenario=scenario, runtime=runtime, loops=Loops(tracks=alone, size=size), defaults=True),
    )


def lines(what: str, interval: Interval, within: float, *, alone: bool = False) -> Iterator[Line]:
    """Return how many times as long as the loop our call takes, and how well that is known."""
    yield Line(
        what=what,
        unit="times",
        reached=interval.value,
        low=interval.low,
        high=interval.high,
        at_most=1 + within,
    )
    if not alone and interval.low is not None and interval.high is not None:
        yield Line(
            what=f"Half-width, {what[0].lower()}{what[1:]}",
            unit="share",
            reached=(interval.high - interval.low) / 2 / interval.value,
            at_most=HALF_WIDTH,
        )


def compared(found: Sequence[Mapping[str, Found]], ours: tuple[str, str], theirs: tuple[str, str]) -> Interval | None:
    """Compare two tracks, each given by the candidate and its own name, over all rounds; None without any pair.

    Within one process no start differs.
    """
    one, other = (
        {number: each[candidate].medians(track) for number, each in enumerate(found, start=1)}
        for candidate, track in (ours, theirs)
    )
    estimate = pairs.ratio(one, other, start=0.0 if ours[0] == theirs[0] else pairs.START_DEVIATION)
    return None if estimate is None else estimate.interval()


def shown(where: str, scenario: str, found: Sequence[Mapping[str, Found]]) -> Iterator[Line]:
    """Return all lines of one runtime and model."""
    within = WITHIN[scenario]
    sides = (
        (f"Our call to the bare loop: {where}", (OURS, OURS), (OURS, BARE_LOOP)),
        (f"Beside neighbours: {where}", (OURS, OURS_BESIDE), (OURS, BARE_BESIDE)),
        (f"Processes apart: {where}", (OURS, OURS), (_ALONE, OURS)),
    )
    for what, ours, theirs in sides:
        interval = compared(found, ours, theirs)
        if interval is None:
            yield Line(what=what, unit="times", reached=None, note="no pair of blocks was quiet", at_most=1 + within)
        else:
            yield from lines(what, interval, within, alone=ours[0] != theirs[0])


def _lines(how: How) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    told: list[Line] = []
    raw: dict[str, Any] = {}
    for scenario in (_live.SLOW, _live.FAST):
        for runtime in BARE:
            size, seconds = sized(how, scenario, runtime), how.times(5, 2)
            found = [
                _live.conduct(
                    how,
                    f"bare-{scenario}-{runtime}-{number}",
                    candidates(scenario, runtime, number, seconds, size),
                )
                for number in range(how.times(2, 1))
            ]
            told += shown(f"{runtime}, {NAMES[scenario]}", scenario, found)
            raw[f"{runtime} {scenario}"] = [
                {f"{name} {track}": _live.raw(each, track) for name, each in one.items() for track in each.samples}
                for one in found
            ]
    return tuple(told), raw


question = Question(name="bare_loop", title="What does our call cost?", lines=_lines)
