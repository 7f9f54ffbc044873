"""Whether a difference that is there is found, and how soon: the same runtime with a known delay put into its calls.

Differences of 3, 5 and 10 % are planted on made-up noise and live. They must be found as often as the design predicts
(a power analysis: noncentral t), and the time until a true 5 % is found in four of five cases is set against what one
after the other would have taken, on the same blocks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log, log1p, pi, sqrt
from typing import Any

import numpy as np
from scipy.special import nctdtr, stdtrit

from bench import _live, _neighbour, _noise
from bench._live import Candidate, Found
from bench._loops import Loop, Loops
from bench._noise import Floats, Kind
from bench._question import How, Question
from bench._records import Line
from bench.false_alarms import share
from evaluator.measure import pairs

DIFFERENCES = (0.03, 0.05, 0.10)
SEED = 5
OWN = 0.02  # deviation of a block's median, made up
PER_ROUND = 16  # turns
TOLERANCE = 0.08  # of a rate that was predicted: its own sampling error, and what a deviation is known to
TO_FIND = 0.05
POWER = 0.8
TIMES_FEWER = 5.0
PLAIN, AGAIN = "plain", "again"
SWITCHED = (4.0, 4.0)  # seconds that the neighbour is busy, and idle
GAPS = range(40, 90, 5)  # blocks, some ten seconds: what starting, loading and warming up the next candidate takes
_LEAST_WINDOWS = 3  # that do not overlap: in fewer, all that is seen is seen once
_WINDOWS = 100  # at the most, in which is looked for what two that are the same seem to differ by
_LEAST = pairs.LEAST_PAIRS


def predicted(difference: float, error: float, freedom: float) -> float:
    """Return in which share of cases the interval of a true difference lies above 1, by the standard error it has."""
    needed = float(stdtrit(freedom, (1 + pairs.CONFIDENCE) / 2))
    return 1 - float(nctdtr(freedom, log1p(difference) / error, needed))


@dataclass(slots=True)
class Seen:
    """How often a planted difference was seen, and how often its interval held it."""

    tried: int = 0
    seen: int = 0
    held: int = 0

    def add(self, found: pairs.Estimate | None, difference: float) -> None:
        """Count one more."""
        if found is None or found.error is None:
            return
        interval = found.interval()
        low, high = interval.low or 0.0, interval.high or 0.0
        self.tried += 1
        self.seen += low > 1
        self.held += low <= 1 + difference <= high


def rate(what: str, found: Seen, expected: float) -> Line:
    """Return how often a difference was seen, with the rate that the design predicts as its goal."""
    if not found.tried:
        return Line(what=what, unit="share", reached=None, note="no pair of blocks was quiet")
    reached, low, high = share(found.seen, found.tried)
    return Line(
        what=what,
        unit="share",
        reached=reached,
        low=low,
        high=high,
        at_least=max(0.0, expected - TOLERANCE),
        at_most=min(1.0, expected + TOLERANCE),
        note=f"predicted {100 * expected:.1f} %; the interval holds it in {100 * found.held / found.tried:.1f} %",
    )


def made_up(rounds: int, difference: float, times: int, rng: np.random.Generator) -> Line:
    """Plant a difference on white noise of a known size."""
    kind = Kind(name="white", own=_noise.white(OWN))
    found = Seen()
    for _ in range(times):
        a, b = kind.pair(rng, rounds, PER_ROUND)
        slower = {number: {turn: value * (1 + difference) for turn, value in a[number].items()} for number in a}
        found.add(pairs.ratio(slower, b), difference)
    # The Hodges-Lehmann estimate of n normal differences has the variance of their mean times pi / 3.
    error = sqrt(2 * (kind.start**2 + OWN**2 * pi / 3 / PER_ROUND) / rounds)
    expected = predicted(difference, error, rounds - 1)
    return rate(f"{100 * difference:.0f} % in {rounds} rounds, made up", found, expected)


# Live: within one process, where no start differs


def windows(count: int, length: int, times: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Draw places of so many turns in a row."""
    for begin in rng.integers(0, max(1, count - length + 1), size=times):
        yield list(range(int(begin), min(count, int(begin) + length)))


def live(where: tuple[str, Found], difference: float, turns: int, times: int, rng: np.random.Generator) -> Line:
    """Look for a difference in windows of a few turns each, and predict its rate from what nothing looked like.

    Both need windows that differ, hence as many turns as some of them have together.
    """
    runtime, found = where
    what = f"{100 * difference:.0f} % in {turns} turns, live, {runtime}"
    plain, again, slower = (found.medians(track) for track in (PLAIN, AGAIN, track_of(difference)))
    nothing = [
        each.log for each in _estimates(again, plain, turns, times, rng) if each is not None and each.error is not None
    ]
    seen = Seen()
    for each in _estimates(slower, plain, turns, times, rng):
        seen.add(each, difference)
    if len(nothing) < _LEAST or len(plain.keys() & again.keys()) < _LEAST_WINDOWS * turns:
        return rate(what, Seen(), 0.0)
    error = float(np.sqrt(np.mean(np.square(nothing))))
    return rate(what, seen, predicted(difference, error, turns - 1))


def _estimates(
    a: Mapping[int, float], b: Mapping[int, float], turns: int, times: int, rng: np.random.Generator
) -> Iterator[pairs.Estimate | None]:
    shared = sorted(a.keys() & b.keys())
    if len(shared) >= turns:
        for places in windows(len(shared), turns, times, rng):
            chosen = [shared[place] for place in places]
            ours, theirs = ({1: {turn: side[turn] for turn in chosen}} for side in (a, b))
            yield pairs.ratio(ours, theirs, start=0.0)


def track_of(difference: float) -> str:
    """Name the track whose calls take so much longer."""
    return f"plus_{100 * difference:.0f}"


# Seconds to find it


def after_each_other(logs: Floats, blocks: int, gaps: Sequence[int]) -> Floats:
    """Return what two that are the same seem to differ by, each measured in half of so many blocks in a row.

    Between them lie the blocks in which the second one is started, loaded and warmed up; how long that takes varies, so
    that no rhythm of the machine fits it by chance.
    """
    half = blocks // 2
    middles = np.array([np.median(logs[begin : begin + half]) for begin in range(len(logs) - half + 1)])
    apart = [middles[: len(middles) - half - gap] - middles[half + gap :] for gap in gaps if half + gap < len(middles)]
    return np.concatenate(apart) if apart else np.array([])


def in_turns(logs: Floats, quiet: Sequence[bool], blocks: int) -> Floats:
    """Return what they seem to differ by in as many blocks, of which each has every other one; disturbed pairs are out.

    A window in which too few pairs are left finds nothing, and counts as infinitely far off.
    """
    found = []
    step = max(2, (len(logs) - blocks) // _WINDOWS // 2 * 2)
    for begin in range(0, len(logs) - blocks + 1, step):
        chosen = [place for place in range(begin, begin + blocks - 1, 2) if quiet[place] and quiet[place + 1]]
        ours, theirs = ({1: {place: float(np.exp(logs[place + side])) for place in chosen}} for side in (0, 1))
        estimate = pairs.ratio(ours, theirs, start=0.0)
        found.append(np.inf if estimate is None or estimate.error is None else estimate.log)
    return np.array(found)


def needed(errors: Callable[[int], Floats], sizes: Sequence[int], difference: float) -> int | None:
    """Return the least number of blocks with which a true difference is found in four of five cases; None: more.

    Found is what exceeds all but 5 % of the errors that there are without any difference. Of the difference, such an
    error must be left in four of five cases. (Of normal errors it must be 1.96 + 0.84 deviations.)
    """
    for size in sizes:
        found = errors(size)
        if len(found) < _LEAST:
            return None
        alarm, lost = (
            float(np.quantile(each, share_of, method="higher"))
            for each, share_of in ((np.abs(found), pairs.CONFIDENCE), (found, POWER))
        )
        if alarm + max(0.0, lost) <= log1p(difference):
            return size
    return None


def sizes(least: int, most: int) -> list[int]:
    """Return even numbers, each by about a twentieth larger than the one before."""
    found = [least]
    while (larger := found[-1] + max(2, found[-1] // 20 // 2 * 2)) <= most:
        found.append(larger)
    return found


def sooner(name: str, logs: Floats, quiet: Sequence[bool], gaps: Sequence[int] = GAPS) -> Line:
    """Return how many times as many blocks one after the other takes as turns do, to find a difference of 5 %."""
    what = f"Times fewer seconds to find 5 %: {name}"
    turns = needed(lambda size: in_turns(logs, quiet, size), sizes(2 * _LEAST, len(logs) - 2 * _LEAST), TO_FIND)
    tried = sizes(2, len(logs) - max(gaps) - _LEAST)
    apart = needed(lambda size: after_each_other(logs, size, gaps), tried, TO_FIND)
    if turns is None:
        return Line(what=what, unit="times", reached=None, note="not found in turns", at_least=TIMES_FEWER)
    most = apart or tried[-1]
    if apart is None and most < TIMES_FEWER * turns:
        note = f"{turns} blocks in turns; one after the other more than the {most} that could be tried"
        return Line(what=what, unit="times", reached=None, note=note, at_least=TIMES_FEWER)
    note = f"{turns} blocks in turns, {'' if apart else 'more than '}{most} one after the other"
    return Line(what=what, unit="times", reached=most / turns, at_least=TIMES_FEWER, note=note)


def alternating(found: Found) -> tuple[Floats, list[bool]]:
    """Return the blocks of both tracks in the order in which they were measured, and which of them count."""
    quiet = {track: found.medians(track) for track in (PLAIN, AGAIN)}
    every = {track: found.medians(track, every=True) for track in (PLAIN, AGAIN)}
    shared = sorted(every[PLAIN].keys() & every[AGAIN].keys())
    logs = [log(every[track][turn]) for turn in shared for track in (PLAIN, AGAIN)]
    return np.array(logs), [turn in quiet[track] for turn in shared for track in (PLAIN, AGAIN)]


def candidate(runtime: str, seconds: float, differences: Sequence[float]) -> Candidate:
    """Return a process with the same call twice, and once more for every delay."""
    tracks = (
        Loop(name=PLAIN, seconds=seconds),
        Loop(name=AGAIN, seconds=seconds),
        *(Loop(name=track_of(each), delay=each, seconds=seconds) for each in differences),
    )
    return Candidate(
        name=runtime, scenario=_live.SLOW, runtime=runtime, loops=Loops(tracks=tracks, least_s=1e-3), defaults=False
    )


def _lines(how: How) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    rng = np.random.default_rng(SEED)
    told = [made_up(rounds, difference, how.times(2000, 100), rng) for rounds in (3, 6) for difference in DIFFERENCES]
    raw: dict[str, Any] = {}
    for runtime in ("torch_jit", "onnx_runtime"):
        planted = _live.conduct(how, f"planted-{runtime}", [candidate(runtime, how.times(20, 4), DIFFERENCES)])[runtime]
        for turns in (8, 16):
            told += [live((runtime, planted), each, turns, how.times(1000, 100), rng) for each in DIFFERENCES]
        raw[f"planted {runtime}"] = {track: _live.raw(planted, track) for track in planted.samples}
        for name, switched in (("quiet", False), ("beside a switched neighbour", True)):
            found = _seconds(how, runtime, name.split()[0], switched=switched)
            told.append(sooner(f"{runtime}, {name}", *alternating(found)))
            raw[f"{name} {runtime}"] = {track: _live.raw(found, track) for track in found.samples}
    return tuple(told), raw


def _seconds(how: How, runtime: str, name: str, *, switched: bool) -> Found:
    group = f"seconds-{runtime}-{name}"
    who = [candidate(runtime, how.times(45, 12), ())]
    if not switched:
        return _live.conduct(how, group, who)[runtime]
    with _neighbour.switched(*SWITCHED):
        return _live.conduct(how, group, who)[runtime]


question = Question(name="planted", title="Is a difference found that is there, and how soon?", lines=_lines)
