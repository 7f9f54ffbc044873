"""What measuring in turns is made of: tracks that a candidate can be asked for, and blocks of calls.

Candidates of one question are alive at once, each in a process of its own, and asked for one short block at a time, so
that what the machine does meanwhile happens to all of them alike (rigour.md, "Sampling").
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from statistics import median
from typing import Annotated

import msgspec

from evaluator.core.coordinates import Record

NAME = "blocks.json"
INTERVAL_BLOCKS = 12  # that a track should have at the least: fewer give an interval that decides nothing
Natural = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Cores = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Joules = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class Track(Record, frozen=True, kw_only=True):
    """One kind of call that a candidate can be asked for again and again: an answer, a batch, a training step.

    Blocks of it are asked for until all minima hold, of all that are alive, or the cap is reached.
    """

    name: str  # also of its samples: `samples/<name>.jsonl`
    min_calls: int = 1
    min_seconds: float = 0.0
    min_blocks: int = 1  # what an interval needs
    cap_seconds: float = 1e9
    block_s: float = 0.15  # what one block takes at the least,
    block_calls: int = 3  # and how many calls it has at the least
    untimed: int = 1  # calls before those of each block: what ran meanwhile has taken the caches
    neighbours: bool = False  # measured beside deliberately busy neighbours, one for each core
    quota_cores: float | None = None  # measured with the time of so many cores, whatever it sees
    decides: bool = True  # a question rests on it; False: it shows the machine, and nothing of the candidate

    @property
    def usual(self) -> bool:
        """Whether it shows the candidate as it is: with the machine to itself."""
        return self.decides and not self.neighbours and self.quota_cores is None


class Block(Record, frozen=True, kw_only=True):
    """One block of calls. Its samples are the next `calls` of its track's."""

    track: str
    turn: Natural  # blocks of one turn are neighbours in time: each candidate alive has one
    calls: Natural
    begin_s: Seconds  # since the first one began
    elapsed_s: Seconds
    own_cores: Cores | None = None  # that the processes of the one that was asked kept busy; None: not known
    others_cores: Cores | None = None  # that everybody else on the machine kept busy
    steal_cores: Cores = 0.0  # that the machine's host gave to other guests
    stalled: Cores = 0.0  # share of the time in which something waited for memory
    throttled: Natural = 0  # how often cores were slowed down because of their heat
    slowdown: Cores | None = None  # how many times as long as at best fixed work took before or after it
    guests: Natural | None = None  # others' processes that computed on its device; None: the machine itself, or unknown
    engine_cores: Cores | None = None  # of `others_cores`, what the engine of a cluster kept busy; None: there is none
    quiet: bool = True  # whether it counts in comparisons
    untimed: Natural = 0  # calls before those that are counted
    energy_j: Joules | None = None  # that its device took for all of its calls; None: no counter tells
    energy_s: Seconds | None = None  # how long the counter was watched: it moves in steps


class Blocks(Record, frozen=True, kw_only=True):
    """`blocks.json`: all blocks of one step, in the order in which they were measured."""

    together: tuple[str, ...] = ()  # ids of the steps that were alive at once, in the order of the plan
    begun: Natural = 0  # Unix time when the turns began: what tells turns of one group from those of another
    idle_cores: Cores | None = None  # that this one kept busy while others were asked
    blocks: tuple[Block, ...] = ()


def guests(blocks: Iterable[Block]) -> int:
    """Return how many processes of others computed on the device of blocks at most."""
    return max((block.guests for block in blocks if block.guests is not None), default=0)


def others_share(blocks: Iterable[Block], cores: int) -> float | None:
    """Return the share of a machine's time that went to others during blocks; None where that is not known."""
    known = [(b.elapsed_s, b.others_cores + b.steal_cores) for b in blocks if b.others_cores is not None]
    elapsed = sum(seconds for seconds, _ in known)
    if not elapsed:
        return None
    return min(1.0, sum(seconds * cores for seconds, cores in known) / elapsed / max(1, cores))


_A_GROUP = 1_000_000  # more turns than a group has


def medians(found: Blocks, track: str, seconds: Sequence[float]) -> dict[int, float]:
    """Return the median of each quiet block of a track by its turn, in seconds; `seconds` are the track's samples.

    Turns are numbered so that those of two groups are never the same. `ValueError` when the samples are not those of
    the blocks.
    """
    own = [block for block in found.blocks if block.track == track]
    if sum(block.calls for block in own) != len(seconds):
        raise ValueError(f"{NAME} counts {sum(block.calls for block in own)} calls of '{track}', not {len(seconds)}")
    return {
        found.begun * _A_GROUP + block.turn: median(samples)
        for block, samples in by_block(own, seconds)
        if block.quiet and samples
    }


def by_block(own: Iterable[Block], seconds: Sequence[float]) -> Iterator[tuple[Block, Sequence[float]]]:
    """Yield the blocks of one track, each with its own of the track's samples."""
    begin = 0
    for block in own:
        yield block, seconds[begin : begin + block.calls]
        begin += block.calls


def undisturbed(own: Iterable[Block], seconds: tuple[float, ...]) -> tuple[float, ...]:
    """Return the samples of a track's quiet blocks; those of all of them where none was quiet."""
    quiet = (samples for block, samples in by_block(own, seconds) if block.quiet)
    return tuple(chain.from_iterable(quiet)) or seconds


class Mark(Record, frozen=True, kw_only=True):
    """What was seen of the machine during one block, by who asked for it."""

    others_cores: Cores | None = None
    steal_cores: Cores = 0.0
    stalled: Cores = 0.0
    throttled: Natural = 0
    slowdown: Cores | None = None
    guests: Natural | None = None
    engine_cores: Cores | None = None
    quiet: bool = True


class Ready(Record, frozen=True, kw_only=True, tag="ready"):
    """A candidate is loaded and warm: what it can be asked for."""

    tracks: tuple[Track, ...]
    last: bool = False  # nothing is measured afterwards: it may end beside others


class Answered(Record, frozen=True, kw_only=True, tag="answered"):
    """A candidate has made a block of calls, and sleeps again."""

    calls: int
    median_s: float | None  # of its calls; None: there were none
    timed_s: float  # of all its calls
    elapsed_s: float  # with those before that are not timed
    own_s: float | None  # processor time that its processes had meanwhile; None: not known
    idle_s: float  # processor time since its last block,
    idle_for_s: float  # and how long that was
    finished: bool = False  # there are no more calls to be made on this track


class Ask(Record, frozen=True, kw_only=True, tag="ask"):
    """A block of a track is wanted."""

    track: str
    turn: int


class Over(Record, frozen=True, kw_only=True, tag="over"):
    """Nothing more is wanted; what was seen during each of the blocks, in their order."""

    together: tuple[str, ...]
    begun: int
    marks: tuple[Mark, ...]


Said = Ready | Answered  # by a candidate
Wanted = Ask | Over  # of it
