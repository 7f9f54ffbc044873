"""A candidate's side of measuring in turns: it is asked for blocks of calls over a socket, and sleeps in between.

Without anybody who asks, as in `reproduce.sh`, it goes through its blocks alone.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

import msgspec

from evaluator.children import neighbours, quota
from evaluator.core import files
from evaluator.core.energy import Meter, Unmetered
from evaluator.core.records import Metrics
from evaluator.core.turns import (
    NAME,
    Answered,
    Block,
    Blocks,
    Mark,
    Over,
    Ready,
    Said,
    Track,
    Wanted,
    by_block,
    undisturbed,
)

Call = Callable[[int], object]  # given the number of the call, from 0 on; StopIteration: there are no more
CpuSeconds = Callable[[], float | None]
_ASLEEP_FROM_S = 0.1  # blocks of others take longer, being asked again at once does not
TURNS = "--turns="  # the worker's argument: the number of the socket over which it is asked


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What a call may return that was timed in another process: the seconds of the calls that were made there."""

    seconds: tuple[float, ...]


def own_cpu_s() -> float:
    """Return the processor time of this process, all its threads, in seconds."""
    return time.process_time()


class Line:
    """One end of a socket over which records go as lines of JSON."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._read = b""

    def send(self, record: Said | Wanted) -> None:
        """Send a record; `OSError` when the other end is gone."""
        self.end.sendall(msgspec.json.encode(record) + b"\n")

    def receive(self) -> bytes | None:
        """Wait for the next record, encoded; None when the other end is gone."""
        while b"\n" not in self._read:
            more = self.end.recv(1 << 16)
            if not more:
                return None
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return line


@dataclass(slots=True)
class _Series:
    """What has been taken of one track."""

    track: Track
    call: Call
    seconds: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)  # calls of each block
    elapsed_s: float = 0.0
    index: int = 0
    untimed: int = 0  # calls of the last block that are not timed
    finished: bool = False

    def block(self) -> tuple[list[float], float]:
        """Make one block of calls; return their seconds, and how long all of it took."""
        quota_cores = self.track.quota_cores
        with contextlib.nullcontext() if quota_cores is None else quota.limited(quota_cores):
            return self._block()

    def _block(self) -> tuple[list[float], float]:
        self.untimed = 0
        begin = time.perf_counter()
        taken: list[float] = []
        try:
            for _ in range(self.track.untimed):
                self._next()
                self.untimed += 1
            start = time.perf_counter()
            while len(taken) < self.track.block_calls or time.perf_counter() - start < self.track.block_s:
                before = time.perf_counter()
                made = self._next()
                after = time.perf_counter()
                taken += made.seconds if isinstance(made, Elsewhere) else (after - before,)
        except StopIteration:
            self.finished = True
        self.seconds += taken
        self.counts.append(len(taken))
        self.elapsed_s += sum(taken)
        return taken, time.perf_counter() - begin

    def _next(self) -> object:
        made = self.call(self.index)
        self.index += 1
        return made

    @property
    def enough(self) -> bool:
        """Tell whether, without anybody who asks, enough has been taken."""
        track = self.track
        if self.finished or self.elapsed_s >= track.cap_seconds:
            return True
        minima = (len(self.seconds), track.min_calls), (self.elapsed_s, track.min_seconds)
        return all(had >= least for had, least in (*minima, (len(self.counts), track.min_blocks)))


@dataclass(frozen=True, slots=True)
class Taken:
    """All that one candidate was measured, block by block."""

    found: Blocks
    series: Mapping[str, tuple[float, ...]]  # track -> the samples of all its blocks, in order
    tracks: Mapping[str, Track]

    def blocks(self, track: str) -> tuple[tuple[float, ...], ...]:
        """Return the samples of each block of a track, in order."""
        return tuple(tuple(samples) for _, samples in by_block(self._of(track), self.series[track]))

    def seconds(self, track: str) -> tuple[float, ...]:
        """Return the samples of the quiet blocks; those of all of them where none was quiet."""
        return undisturbed(self._of(track), self.series[track])

    def capped(self, track: str) -> bool:
        """Tell whether the track's minima were not met, neighbours and finite tracks aside."""
        declared, taken = self.tracks[track], self.series[track]
        return len(taken) < declared.min_calls or sum(taken) < 0.99 * declared.min_seconds

    def write(self, folder: Path) -> None:
        """Keep the raw samples and what was seen of each block in the folder of the step."""
        files.write_samples(folder, self.series)
        files.write_record(folder / NAME, self.found, indent=0)

    def metrics(self) -> Metrics:
        """Return what the blocks say of the machine and of the candidate's manners; what is not known is left out."""
        usual = {name for name, each in self.tracks.items() if each.usual}
        asked = [block for block in self.found.blocks if block.track in usual]
        own = [block.own_cores for block in asked if block.own_cores is not None]
        others = [block.others_cores for block in asked if block.others_cores is not None]
        told: dict[str, float | None] = {
            "own_cores": fmean(own) if own else None,
            "others_cores": fmean(others) if others else None,
            "idle_cores": self.found.idle_cores,
            "disturbed_share": 1 - fmean(block.quiet for block in asked) if asked else None,
        }
        return {"blocks": len(asked), **{name: value for name, value in told.items() if value is not None}}

    def _of(self, track: str) -> tuple[Block, ...]:
        return tuple(block for block in self.found.blocks if block.track == track)


class Turns:
    """How a step's code is asked for blocks: by whoever holds the other end of the line, or by nobody."""

    def __init__(self, line: Line | None = None) -> None:
        self._line = line
        self.slept_s = 0.0  # while others were asked: no time of this step's

    @classmethod
    def over(cls, descriptor: int | None) -> "Turns":
        """Make it for the socket that this process was started with; None when it was started alone."""
        if descriptor is None:
            return cls()
        os.set_inheritable(descriptor, False)
        return cls(Line(socket.socket(fileno=descriptor)))

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The socket, for a process that takes the turns in this one's place."""
        return () if self._line is None else (self._line.end.fileno(),)

    def leave(self) -> None:
        """Close this process's end: another one has it, and whoever asks must notice when that is gone."""
        if self._line is not None:
            self._line.end.close()

    def take(
        self,
        calls: Mapping[Track, Call],
        cpu_s: CpuSeconds = own_cpu_s,
        *,
        last: bool = False,
        meter: Meter | Unmetered | None = None,
    ) -> Taken:
        """Measure until it is over; load, first call and warm-up lie behind the caller. Only once in a step.

        `cpu_s` tells the processor time that the candidate's processes have had so far, None where it is not known.
        `last` says that nothing is measured afterwards: then others may end meanwhile. `meter` is read where blocks
        begin and end. What a call raises goes to the caller.
        """
        counter = None if isinstance(meter, Unmetered) else meter
        series = {track.name: _Series(track, call) for track, call in calls.items()}
        if self._line is None:
            found = self._alone(series, _Log(cpu_s, counter))
        else:
            self._line.send(Ready(tracks=tuple(calls), last=last))
            found = self._asked(self._line, series, _Log(cpu_s, counter))
        return Taken(
            found=found,
            series={name: tuple(each.seconds) for name, each in series.items()},
            tracks={track.name: track for track in calls},
        )

    def _alone(self, series: Mapping[str, _Series], log: "_Log") -> Blocks:
        for each in series.values():
            with neighbours.busy() if each.track.neighbours else contextlib.nullcontext():
                while not each.enough:
                    log.block(each, turn=len(each.counts))
        return log.blocks(Over(together=(), begun=0, marks=tuple(Mark() for _ in log.taken)))

    def _asked(self, line: Line, series: Mapping[str, _Series], log: "_Log") -> Blocks:
        while True:
            since = time.perf_counter()
            message = line.receive()
            self.slept_s += time.perf_counter() - since
            if message is None:
                raise KeyboardInterrupt  # who asked is gone, and nobody waits for an answer
            wanted = msgspec.json.decode(message, type=Wanted)
            if isinstance(wanted, Over):
                return log.blocks(wanted)
            line.send(log.block(series[wanted.track], turn=wanted.turn))


class _Log:
    """The blocks so far, and the processor time between them."""

    def __init__(self, cpu_s: CpuSeconds, meter: Meter | None = None) -> None:
        self._cpu_s = cpu_s
        self._meter = meter
        self._first = self._since = time.perf_counter()
        self._cpu_then = cpu_s()
        self._idle = (0.0, 0.0)  # processor time between blocks, and how long that was
        self.taken: list[Block] = []

    def block(self, series: _Series, turn: int) -> Answered:
        """Make a block and write it down."""
        begin, before = time.perf_counter(), self._cpu_s()
        idle_s, idle_for_s = _spent(self._cpu_then, before) or 0.0, begin - self._since
        if idle_for_s < _ASLEEP_FROM_S:  # nobody else was asked meanwhile: what it does after an answer is no idling
            idle_s = idle_for_s = 0.0
        if self.taken:  # before the first one, the caller was at work
            self._idle = (self._idle[0] + idle_s, self._idle[1] + idle_for_s)
        if self._meter is not None:
            self._meter.begin()
        samples, elapsed_s = series.block()
        own_s = _spent(before, self._cpu_s())
        energy = None if self._meter is None else self._meter.spent()  # may wait until the counter moves
        self._cpu_then, self._since = self._cpu_s(), time.perf_counter()
        self.taken.append(
            Block(
                track=series.track.name,
                turn=turn,
                calls=len(samples),
                begin_s=begin - self._first,
                elapsed_s=elapsed_s,
                own_cores=None if own_s is None or not elapsed_s else own_s / elapsed_s,
                untimed=series.untimed,
                energy_j=None if energy is None else energy.joules,
                energy_s=None if energy is None else energy.seconds,
            )
        )
        return Answered(
            calls=len(samples),
            median_s=median(samples) if samples else None,
            timed_s=sum(samples),
            elapsed_s=elapsed_s,
            own_s=own_s,
            idle_s=idle_s,
            idle_for_s=idle_for_s,
            finished=series.finished,
        )

    def blocks(self, over: Over) -> Blocks:
        """Return all blocks with what was seen of the machine."""
        marked = tuple(_marked(block, mark) for block, mark in zip(self.taken, over.marks, strict=True))
        spent_s, for_s = self._idle
        others = len(over.together) > 1  # else it never was asleep for longer than it takes to be asked again
        idle = spent_s / for_s if others and self._cpu_then is not None and for_s > 0 else None
        return Blocks(together=over.together, begun=over.begun, idle_cores=idle, blocks=marked)


def _marked(block: Block, mark: Mark) -> Block:
    return msgspec.structs.replace(block, **{name: getattr(mark, name) for name in mark.__struct_fields__})


def _spent(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)
