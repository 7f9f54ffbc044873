"""Before two are called different, more of what rounding does is looked at."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from evaluator.core.tensors import Arrays
from evaluator.measure import parity
from evaluator.stages import _first_steps as first_steps
from evaluator.stages._first_steps import COUNT, MORE_NUDGES, Start

INPUTS: Arrays = {"x": np.ones(1, np.float32)}
BATCHES = [(INPUTS, None)] * COUNT
SIZE = 64


@dataclass
class Made:
    """A framework, a network and its trainer at once, whose gradient is what it is told to be."""

    turns: bool  # whether a nudge can turn a unit on, which changes the gradient by a hundredth
    wrong: float = 0.0  # by how much the gradient is wrong, whatever the weights are
    title: str = "Made"
    weights: Arrays = field(default_factory=dict)
    steps: int = 0

    def load_weights(self, _: Any, weights: Arrays) -> None:
        self.weights = dict(weights)

    def read_weights(self, _: Any) -> Arrays:
        return {"w": np.subtract(self.weights["w"], np.float32(self.steps))}

    def forward(self, *_: Any) -> Arrays:
        return {"logits": self.weights["w"][:2]}

    def restart(self) -> None:
        self.steps = 0

    def step(self, *_: Any) -> float:
        self.steps += 1
        return 1.0 / self.steps

    def gradients(self) -> Arrays:
        turned = self.turns and bool(self.weights["w"][0] > 1)
        return {"w": np.full(SIZE, (1 + self.wrong) * (1.01 if turned else 1), np.float32)}


def start(made: Made) -> Start:
    about = SimpleNamespace(
        framework=made,
        device=SimpleNamespace(name="cpu"),
        signature=SimpleNamespace(outputs=()),
        scenario=SimpleNamespace(training=SimpleNamespace(batch_size=8)),
        seed=1,
    )
    weights: Arrays = {"w": np.ones(SIZE, np.float32)}
    return Start(about=cast("Any", about), network=None, trainer=cast("Any", made), weights=weights)


def compared(made: Made) -> tuple[parity.Parity, int]:
    """Compare it with one whose repeats were quiet; return how often it was traced, too."""
    usual = start(Made(turns=False))
    reference = parity.referred(usual.traced(usual.weights, BATCHES, {})[0], [])
    at, traced = start(made), 0
    trace, _ = at.traced(at.weights, BATCHES, {})

    def load(_: Any, weights: Arrays) -> None:
        nonlocal traced
        traced += 1
        made.weights = dict(weights)

    made.load_weights = load  # type: ignore[method-assign]
    return at.compared(reference, trace, BATCHES, {}, "fp32"), traced


def test_the_same_is_not_looked_at_again() -> None:
    found, traced = compared(Made(turns=True))
    assert (found.breach, traced) == ("", 0)


def test_what_a_nudge_does_as_well_is_no_difference() -> None:
    found, traced = compared(Made(turns=True, wrong=0.01))
    assert found.breach == ""
    (row,) = (each for each in found.rows if each.part == "gradient")
    assert row.noise == pytest.approx(0.01, rel=0.02)
    assert traced == MORE_NUDGES + 1


def test_what_no_nudge_does_is_one() -> None:
    found, _ = compared(Made(turns=False, wrong=0.01))
    assert "the gradient of 'w'" in found.breach
    found, _ = compared(Made(turns=True, wrong=0.1))
    assert "the gradient of 'w'" in found.breach


def test_afterwards_the_network_stands_where_its_steps_led() -> None:
    made = Made(turns=True, wrong=0.01)
    compared(made)
    assert made.steps == COUNT
    np.testing.assert_array_equal(made.weights["w"], np.ones(SIZE, np.float32))
    assert first_steps.NUDGES >= 1
