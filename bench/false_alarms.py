"""How often an artifact seems to differ from itself, and how often an interval holds the truth.

Two candidates that are the same are measured in turns and compared like any others. Whoever names a winner raises a
false alarm: in at most 5 % of pairs. The interval of their ratio is to hold 1 in at least 94 %. Asked on made-up noise
of many kinds, on what this machine was recorded to do, and live, beside a neighbour that is busy for four seconds and
idle for four.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import betaincinv

from bench import _live, _neighbour, _noise, _recorded
from bench._live import Candidate
from bench._loops import Loop, Loops
from bench._noise import Kind
from bench._question import How, Question
from bench._recorded import Pair, Recording
from bench._records import Line
from evaluator.core import clock, machine
from evaluator.core.scorecard import Reply
from evaluator.measure import pairs
from evaluator.measure.pairs import Rounds

MOST_ALARMS = 0.05
LEAST_COVERAGE = 0.94
SEED = 12
DESIGNS = ((1, 16), (1, 48), (2, 16), (3, 16), (6, 16))  # rounds, and turns in each
KINDS = (
    Kind(name="white", own=_noise.white(0.02)),
    Kind(name="AR(1), half a second", own=_noise.hanging(0.02, 0.5)),
    Kind(name="AR(1), two seconds", own=_noise.hanging(0.02, 2.0)),
    Kind(name="drift", own=_noise.white(0.01), machine=_noise.drift(0.02)),
    Kind(name="heavy tails", own=_noise.heavy(0.02)),
    Kind(name="slow states of half a second", own=_noise.white(0.01), machine=_noise.states(1.65, 0.2, 0.5)),
    Kind(name="slow states of four seconds", own=_noise.white(0.01), machine=_noise.states(1.65, 0.5, 4.0)),
    Kind(
        name="all of it",
        own=_noise.both(_noise.hanging(0.01, 0.5), _noise.heavy(0.01)),
        machine=_noise.both(_noise.drift(0.02), _noise.states(1.65, 0.2, 0.5)),
    ),
)
RUNTIMES = ("torch_jit", "tensorflow", "onnx_runtime")
RECORDED = ((1, 8), (1, 16), (3, 8), (3, 16))  # of what was recorded: rounds, and turns in each
SWITCHED = (4.0, 4.0)  # seconds that the neighbour is busy, and idle
QUIET, BESIDE = "no neighbour", "a neighbour that is busy for 4 s and idle for 4 s"
_TRACK = "ours"
Drawn = Callable[[np.random.Generator], tuple[Rounds, Rounds] | None]


@dataclass(slots=True)
class Tally:
    """How pairs that are the same were judged; only those with an interval count."""

    tried: int = 0
    alarms: int = 0  # named different
    missed: int = 0  # the interval leaves out 1
    disturbed: int = 0  # the A/A interval of one of both leaves out 1

    def add(self, a: Rounds, b: Rounds, confidence: float = pairs.CONFIDENCE) -> None:
        """Judge one more pair, as comparisons do; one that has no interval is none."""
        found = pairs.ratio(a, b)
        if found is None or found.error is None:
            return
        interval = found.interval(confidence)
        repeats = [one for one in (pairs.repeat(a), pairs.repeat(b)) if one is not None]
        reply: Reply = pairs.answer(interval, repeats=repeats)
        self.tried += 1
        self.alarms += reply == "different"
        self.missed += not pairs.holds_1(interval)
        self.disturbed += reply == "disturbed"

    def plus(self, other: "Tally") -> "Tally":
        """Return both together."""
        return Tally(
            self.tried + other.tried,
            self.alarms + other.alarms,
            self.missed + other.missed,
            self.disturbed + other.disturbed,
        )


def share(count: int, of: int) -> tuple[float, float, float]:
    """Return a share with its interval of 95 % (C. J. Clopper and E. S. Pearson, 1934)."""
    low = float(betaincinv(count, of - count + 1, 0.025)) if count else 0.0
    high = float(betaincinv(count + 1, of - count, 0.975)) if count < of else 1.0
    return count / of, low, high


def lines(name: str, tallies: Mapping[str, Tally]) -> tuple[Line, ...]:
    """Return both figures of one kind of noise, over all designs; the note names the worst of these."""
    found = {design: each for design, each in tallies.items() if each.tried}
    whole = sum_of(found.values())
    if not whole.tried:
        return (Line(what=f"Coverage, {name}", unit="share", reached=None, note="nothing was measured"),)
    missed = {design: each.missed / each.tried for design, each in found.items()}
    worst = max(missed, key=lambda design: missed[design])
    covered, low, high = share(whole.tried - whole.missed, whole.tried)
    coverage = Line(
        what=f"Coverage, {name}",
        unit="share",
        reached=covered,
        low=low,
        high=high,
        at_least=LEAST_COVERAGE,
        note=f"worst: {100 * (1 - found[worst].missed / found[worst].tried):.1f} % in {worst}"
        if len(found) > 1
        else "",
    )
    alarms, low, high = share(whole.alarms, whole.tried)
    false = Line(what=f"False alarms, {name}", unit="share", reached=alarms, low=low, high=high, at_most=MOST_ALARMS)
    return coverage, false


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """Return all together."""
    whole = Tally()
    for each in tallies:
        whole = whole.plus(each)
    return whole


def judged(pair: Drawn, times: int, rng: np.random.Generator) -> Tally:
    """Judge so many pairs."""
    found = Tally()
    for _ in range(times):
        drawn = pair(rng)
        if drawn is not None:
            found.add(*drawn)
    return found


def looked(kind: Kind, times: int, rng: np.random.Generator) -> Tally:
    """Judge pairs as they are where measuring goes on until it is decided: at three, six and ten rounds.

    An alarm at any look is one, and so is a miss: the error rate is that of all looks together.
    """
    found = Tally()
    for _ in range(times):
        a, b = kind.pair(rng, pairs.ROUNDS[-1], DESIGNS[-1][1])
        looks = Tally()
        for rounds, confidence in zip(pairs.ROUNDS, pairs.LOOKS, strict=True):
            first = range(1, rounds + 1)
            looks.add({number: a[number] for number in first}, {number: b[number] for number in first}, confidence)
        found = found.plus(Tally(1, bool(looks.alarms), bool(looks.missed), bool(looks.disturbed)))
    return found


def live(how: How, beside: str) -> Recording:
    """Measure every runtime twice in turns, round by round with fresh processes, beside the neighbour or without it."""
    switched = beside == BESIDE
    rounds: dict[str, list[Pair]] = {name: [] for name in RUNTIMES}
    for number in range(how.times(5, 1)):
        name = f"twice-{'switched' if switched else 'quiet'}-{number}"
        with _neighbour.switched(*SWITCHED) if switched else contextlib.nullcontext():
            found = _live.conduct(how, name, candidates(how.times(4, 2)))
        for runtime in RUNTIMES:
            both = (found[f"{runtime}_{which}"].medians(_TRACK) for which in "ab")
            rounds[runtime].append((next(both), next(both)))
    return Recording(
        at=clock.utc_now(),
        machine=machine.describe(None, None).processor,
        beside=beside,
        rounds={name: tuple(each) for name, each in rounds.items()},
    )


def candidates(seconds: float) -> tuple[Candidate, ...]:
    """Return every runtime twice."""
    loops = Loops(tracks=(Loop(name=_TRACK, seconds=seconds),))
    return tuple(
        Candidate(name=f"{runtime}_{which}", scenario=_live.SLOW, runtime=runtime, loops=loops)
        for runtime in RUNTIMES
        for which in "ab"
    )


def of_rounds(recording: Recording) -> dict[str, Tally]:
    """Judge what was measured as it was: each round alone, and three rounds in a row together."""
    tallies = {"1 round": Tally(), "3 rounds": Tally()}
    for rounds in recording.rounds.values():
        for a, b in rounds:
            tallies["1 round"].add({1: a}, {1: b})
        for begin in range(0, len(rounds) - 2, 3):
            three = dict(enumerate(rounds[begin : begin + 3]))
            one, other = ({number: pair[side] for number, pair in three.items()} for side in (0, 1))
            tallies["3 rounds"].add(one, other)
    return tallies


def again(recording: Recording, times: int, rng: np.random.Generator) -> dict[str, Tally]:
    """Judge what was recorded, drawn again in several designs."""
    return {
        _named(rounds, turns): sum_of(
            judged(partial(_drawn, pairs_, rounds, turns), times // len(recording.rounds), rng)
            for pairs_ in recording.rounds.values()
        )
        for rounds, turns in RECORDED
    }


def _drawn(found: tuple[Pair, ...], rounds: int, turns: int, rng: np.random.Generator) -> tuple[Rounds, Rounds] | None:
    return _recorded.drawn(found, rng, rounds, turns)


def _made_up(kind: Kind, rounds: int, turns: int, rng: np.random.Generator) -> tuple[Rounds, Rounds]:
    return kind.pair(rng, rounds, turns)


def _lines(how: How) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    rng = np.random.default_rng(SEED)
    times = how.times(600, 60)
    found: dict[str, dict[str, Tally]] = {}
    for kind in KINDS:
        how.say(f"made-up noise: {kind.name}")
        found[kind.name] = {
            _named(rounds, turns): judged(partial(_made_up, kind, rounds, turns), times, rng)
            for rounds, turns in DESIGNS
        }
        found[kind.name]["up to ten rounds, three looks"] = looked(kind, times // 4, rng)
    for beside in (QUIET, BESIDE):
        measured = live(how, beside)
        found[f"live, {beside}"] = of_rounds(measured)
        if how.keep:
            _recorded.write(_recorded.read().with_one(measured))
    for recording in _recorded.read().recordings:
        found[f"recorded, {recording.beside}"] = again(recording, times, rng)
    return tuple(line for name, tallies in found.items() for line in lines(name, tallies)), found


def _named(rounds: int, turns: int) -> str:
    return f"{rounds} round{'' if rounds == 1 else 's'} of {turns} turns"


question = Question(name="false_alarms", title="Does an artifact differ from itself?", lines=_lines)
