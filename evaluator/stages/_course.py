"""A training, step by step, in the order of its batches: the first ones alone, the others in turns."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evaluator.children.turns import Call, Elsewhere, Taken, Turns
from evaluator.core.energy import Meter, Unmetered
from evaluator.core.records import Metrics
from evaluator.core.tensors import Arrays
from evaluator.core.turns import Track
from evaluator.stages import _on_device
from exports.contract import Device
from scenarios.contract import Framework, TimedOnDevice, Trainer

STEP = "step"  # the track of its steps


class Course:
    """A training, step by step, in the order of its batches."""

    def __init__(
        self,
        trainer: Trainer,
        batches: Sequence[tuple[Arrays, Any]],
        meter: Meter | Unmetered | None = None,
        *,
        at_a_time: int = 3,
    ) -> None:
        self._trainer = trainer
        self._meter = meter  # of its device's energy
        self._at_a_time = at_a_time  # steps of a block, at the least
        self._batches = batches
        self.losses: list[float] = []
        self.seconds: list[float] = []

    @property
    def taken(self) -> int:
        """How many steps have been taken."""
        return len(self.losses)

    def step(self, number: int) -> float:
        """Take the step of that number, the next one, and return its loss.

        `StopIteration` when the batches are used up.
        """
        if number >= len(self._batches):
            raise StopIteration
        begin = time.perf_counter()
        loss = self._trainer.step(*self._batches[number])
        seconds = time.perf_counter() - begin
        own = self._trainer.own_seconds
        self.losses.append(loss)
        self.seconds.append(seconds if own is None else own)
        return loss

    def run(
        self, turns: Turns, *, enough: Callable[[], bool] = lambda: False, beside: Mapping[Track, Call] | None = None
    ) -> Taken:
        """Take the steps that are left when they are asked for, until it is `enough`; the first was taken alone.

        All is made ready in the first step. Those that nobody asks for are taken in the end, up to `enough`: every
        training comes to its own. `beside` are tracks that have nothing to do with it.
        """
        if not self.taken:
            self.step(0)
        begun = self.taken
        track = Track(name=STEP, min_calls=max(0, len(self._batches) - begun), block_calls=self._at_a_time, untimed=0)
        calls = {track: lambda index: self._asked(begun + index, enough), **(beside or {})}
        taken = turns.take(calls, meter=self._meter)
        while self.taken < len(self._batches) and not enough():
            self.step(self.taken)
        return taken

    def on(self, device: Device, framework: Framework, taken: Taken) -> Metrics:
        """Return what the device says of the steps: its own time, and its energy."""
        own = self._trainer.device_seconds[1:] if isinstance(self._trainer, TimedOnDevice) else []
        return {
            **_on_device.by_its_clock(device, "device_step_s", own, framework.title),
            **({} if self._meter is None else _on_device.joules(taken, STEP, "energy_per_step_j", self._meter)),
        }

    def _asked(self, number: int, enough: Callable[[], bool]) -> object:
        if enough():
            raise StopIteration
        self.step(number)
        return None if self._trainer.own_seconds is None else Elsewhere(seconds=(self.seconds[-1],))
