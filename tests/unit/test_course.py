"""A training is the same whoever asks for its steps, and however few of them are asked for."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from evaluator.children.turns import Call, Taken, Turns
from evaluator.core.turns import Blocks, Track
from evaluator.stages import _trial
from evaluator.stages._course import STEP, Course


class Counting:
    own_seconds: float | None = None

    def __init__(self) -> None:
        self.seen: list[float] = []

    def step(self, inputs: Mapping[str, Any], labels: Any) -> float:
        del inputs
        self.seen.append(float(labels[0]))
        return float(labels[0])


class Few(Turns):
    """Asks for a few steps, and is gone."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._calls = calls

    def take(self, calls: Mapping[Track, Call], cpu_s: Any = None, *, last: bool = False, meter: Any = None) -> Taken:
        del cpu_s, last, meter
        ((track, call),) = calls.items()
        for index in range(self._calls):
            call(index)
        return Taken(found=Blocks(), series={track.name: ()}, tracks={track.name: track})


def course(steps: int) -> tuple[Course, Counting]:
    trainer = Counting()
    return Course(trainer, [({}, np.array([float(number)])) for number in range(steps)]), trainer


@pytest.mark.parametrize("asked", [0, 1, 6])
def test_every_step_is_taken_once_and_in_order_however_few_are_asked_for(asked: int) -> None:
    made, trainer = course(7)
    made.run(Few(asked))
    assert trainer.seen == made.losses == [0, 1, 2, 3, 4, 5, 6]
    assert len(made.seconds) == 7


def test_alone_it_goes_through_all_of_them_and_the_first_is_none_of_the_samples() -> None:
    made, trainer = course(7)
    taken = made.run(Turns())
    assert trainer.seen == [0, 1, 2, 3, 4, 5, 6]
    assert len(taken.series[STEP]) == 6
    assert sum(block.calls for block in taken.found.blocks) == 6


def test_a_single_batch_is_a_training_too() -> None:
    made, trainer = course(1)
    taken = made.run(Turns())
    assert (trainer.seen, taken.series[STEP]) == ([0], ())


@pytest.mark.parametrize(
    ("steps", "seconds", "enough"),
    [(96, 15.0, True), (95, 15.0, False), (96, 14.9, False), (48, 45.0, True), (47, 45.0, False), (48, 44.9, False)],
)
def test_a_variant_is_tried_until_its_steps_can_be_compared(steps: int, seconds: float, enough: bool) -> None:  # noqa: FBT001
    assert _trial.is_enough(steps, seconds) is enough
