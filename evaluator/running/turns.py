"""Measuring in turns: all candidates of a question are alive at once, and asked for one short block at a time.

Each is made ready alone, in the order of the plan, while the others sleep. Then come the turns: in each, every
candidate has one block of each track, in an order drawn by the seed and then its mirror image. What does not fit into
memory together, the machine's or their device's, is measured in groups that share their first candidate (rigour.md,
"Sampling").
"""

import random
import time
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from evaluator.children import neighbours
from evaluator.core.records import Step
from evaluator.core.turns import Answered, Ask, Over, Ready, Said
from evaluator.executors._contract import Near
from evaluator.measure.disturbance import OTHERS_FROM, Beat, Glance, Metronome
from evaluator.planning.capabilities import Capabilities
from evaluator.running._device import Watched
from evaluator.running.candidates import Asked, Candidate, Progress, judge
from evaluator.running.looks import Looks
from evaluator.running.progress import SILENCE_S, Reporter

_ONE_CORE = "one core: whoever asks shares it with those that are asked, and a neighbour takes half of it"
_SETTLE_S = 0.01  # after a block, before the metronome
_TRIES = 4  # ONNX Runtime's threads were seen to wait actively for 20 ms
_SETTLED = 1.1  # times the fastest beat
_LISTENED = 3  # turns, after which one that never sleeps is known
_ROOM = 1.25  # times what the largest candidate took is wanted for the next one
_RESERVE_BYTES = 1 << 30


def group_of(step: Step) -> tuple[object, ...] | None:
    """Return what steps agree in that are measured in turns with each other; None for a step that is not."""
    if not step.in_turns:
        return None
    return (step.stage, step.scenario, step.device, step.machine, step.round)


class Conductor:
    """Measures one group; `begin` starts a step's job, or ends the step at once and returns None; `end` saves it."""

    def __init__(
        self,
        executor: Near[Any],
        machine: Capabilities,
        reporter: Reporter,
        *,
        begin: Callable[[Step], Any | None],
        end: Callable[[Any], None],
        looks: Callable[[], Looks] = Looks,
    ) -> None:
        self._executor = executor
        self._machine = machine
        self._reporter = reporter
        self._begin = begin
        self._end = end
        self._looks = looks
        self._begun = 0
        self._best: Beat = ()  # the fastest beat of each core so far
        self._turn = 0
        self._alive: list[Candidate] = []
        self._together: tuple[str, ...] = ()
        self._device = Watched(machine, reporter)

    def conduct(self, group: Sequence[Step]) -> None:
        """Measure the steps; every ending is handed to `end`."""
        waiting = list(group)
        draw = random.Random(f"{group[0].settings.get('seed')}/{group_of(group[0])}")  # noqa: S311  # an order, no secret
        self._begun = int(time.time())
        self._device.begin(group[0].device)
        if self._machine.cores == 1 and len(group) > 1:
            self._reporter.note(_ONE_CORE)
        while waiting:
            self._make_ready(waiting)
            if not self._alive:
                continue
            self._together = tuple(dict.fromkeys((*self._together, *(each.step.id for each in self._alive))))
            with Metronome() as metronome:
                self._play(draw, metronome, beside=False)
                if any(each.track.neighbours for one in self._alive for each in one.tracks.values()):
                    with neighbours.busy():
                        self._play(draw, metronome, beside=True)
            shared = self._alive[:1] if waiting and len(self._alive) > 1 else []  # one that is alone joins nothing
            self._finish([one for one in self._alive if one not in shared])
            for one in shared:
                one.tracks = {name: Progress(each.track) for name, each in one.tracks.items()}
        self._finish(list(self._alive))

    # Making ready -----------------------------------------------------------------------------------------------------

    def _make_ready(self, waiting: list[Step]) -> None:
        """Start steps one after the other until all wait for their turn, or memory is short."""
        largest = largest_there = 0
        while waiting and not (self._alive and self._short_of_memory(largest, largest_there)):
            free, free_there = self._machine.free_memory_bytes, self._device.free_bytes()
            step = waiting.pop(0)
            job = self._begin(step)
            if job is None:
                continue
            said = self._hear(job, step)
            if not isinstance(said, Ready):
                self._end(job)
                continue
            tracks = {track.name: Progress(track) for track in said.tracks}
            self._alive.append(Candidate(job, step, tracks, last=said.last))
            largest = max(largest, free - self._machine.free_memory_bytes)
            left_there = self._device.free_bytes()
            if free_there is not None and left_there is not None:
                largest_there = max(largest_there, free_there - left_there)

    def _short_of_memory(self, largest: int, largest_there: int) -> bool:
        """Tell whether one more candidate like the largest would leave too little, here or on the device."""
        left_there = self._device.free_bytes()
        if left_there is not None and left_there < _ROOM * largest_there + _RESERVE_BYTES:
            return True
        return self._machine.free_memory_bytes < _ROOM * largest + _RESERVE_BYTES

    # Turns ------------------------------------------------------------------------------------------------------------

    def _play(self, draw: random.Random, metronome: Metronome, *, beside: bool) -> None:
        """Go through turns until no track needs more; tracks are those with neighbours, or those without."""
        names = [
            name
            for name in dict.fromkeys(name for one in self._alive for name in one.tracks)
            if any(name in one.tracks and one.tracks[name].track.neighbours is beside for one in self._alive)
        ]
        order: list[Candidate] = []
        looks = self._looks()
        beat = self._settled(metronome)
        played = 0
        while any(self._wanted(name, looks) for name in names):
            order = order[::-1] if played % 2 else draw.sample(self._alive, len(self._alive))
            for name in names:
                wanted = self._wanted(name, looks)
                for candidate in [one for one in order if one in wanted]:
                    beat = self._block(candidate, name, metronome, beat)
            played += 1
            self._turn += 1
            self._say_how_far()
            if played == _LISTENED and not beside:
                self._leave_out_the_sleepless()

    def _say_how_far(self) -> None:
        shares = [each.share for one in self._alive for each in one.tracks.values()]
        if shares:
            self._reporter.measured([one.step for one in self._alive], fmean(shares))

    def _wanted(self, name: str, looks: Looks) -> set[Candidate]:
        """Return whom a track is asked for: all until its minima are met, then those whose questions are undecided."""
        taking = [one for one in self._alive if name in one.tracks and not one.awake]
        still = {one for one in taking if one.tracks[name].open}
        if any(one.tracks[name].wanting for one in still):
            return still
        return still & looks.undecided(name, taking)

    def _settled(self, metronome: Metronome) -> Beat:
        """Return a beat when what was asked has gone to sleep: threads wait actively for a while before they do.

        Others who are busy stay so: then the last of a few tries shows it.
        """
        for _ in range(_TRIES):
            time.sleep(_SETTLE_S)
            beat = metronome.beat()
            self._best = tuple(map(min, beat, self._best or beat))
            if all(now <= _SETTLED * best for now, best in zip(beat, self._best, strict=True)):
                break
        return beat

    def _block(self, candidate: Candidate, name: str, metronome: Metronome, before: Beat) -> Beat:
        """Ask for one block; return the beat after it. A candidate that does not answer has ended: its row only."""
        progress = candidate.tracks[name]
        begin = Glance(self._device.guests, self._executor.engine_cpu_s)
        self._executor.ask(candidate.job, Ask(track=name, turn=self._turn))
        said = self._hear(candidate.job, candidate.step)
        end = Glance(engine=self._executor.engine_cpu_s)
        if not isinstance(said, Answered):
            self._alive.remove(candidate)
            self._end(candidate.job)
            return self._settled(metronome)
        after = self._settled(metronome)
        progress.add(self._turn, said)
        candidate.idle_s += said.idle_s
        candidate.idle_for_s += said.idle_for_s
        beside = progress.track.neighbours
        seen = end.since(begin, said.own_s, (before, after))
        candidate.asked.append(Asked(track=name, turn=self._turn, neighbours=beside, sight=seen))
        return after

    def _leave_out_the_sleepless(self) -> None:
        """Name those that keep a core busy while others are asked; what was measured beside one counts for nobody."""
        for one in self._alive:
            if one.idle_cores > OTHERS_FROM and len(self._alive) > 1:
                one.awake = True
                self._reporter.note(
                    f"{one.step.title()} never sleeps: it kept {one.idle_cores:.1f} of a core busy while others were "
                    "measured; it is compared with nobody"
                )
        sleepless = [one for one in self._alive if one.awake]
        self._finish(sleepless)

    def _hear(self, job: Any, step: Step) -> Said | None:
        """Wait for what a job says; None when it has ended or its time is up."""
        while True:
            try:
                return self._executor.hear(job, SILENCE_S)
            except TimeoutError:
                self._reporter.going_on([step])

    # Endings ----------------------------------------------------------------------------------------------------------

    def _finish(self, candidates: Sequence[Candidate]) -> None:
        """Tell candidates what was seen during their blocks, and wait for their endings.

        Those that measure more than turns have the machine to themselves meanwhile; the others end together.
        """
        seen = judge(self._alive)
        for group in ([one for one in candidates if one.last], *([one] for one in candidates if not one.last)):
            for one in group:
                over = Over(together=self._together, begun=self._begun, marks=seen[one])
                self._executor.ask(one.job, over)
            for one in group:
                self._alive.remove(one)
                self._hear(one.job, one.step)
                self._end(one.job)
