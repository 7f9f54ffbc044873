"""What somebody's own model computes, as it was brought or trained: how far it is from itself, and what unfits it."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.children.work import attempt
from evaluator.core.tensors import Arrays, rows
from evaluator.measure import fidelity
from evaluator.stages._evidence import Assignment, write_examples
from evaluator.stages._outputs import in_batches
from scenarios.own import origins

MOST_NOISE = 0.01  # of the output scale: an origin that differs more from itself has no artifact that is right
_TWICE = 8  # rows that are computed again, and one by one
_RESIZED_ROWS = 2

_log = logging.getLogger(__name__)


def computed(about: Assignment, network: Any, inputs: Arrays) -> Arrays:
    """Compute all rows."""
    return in_batches(lambda batch: about.forward(network, batch), inputs, about.batch)


def self_noise(about: Assignment, network: Any, inputs: Arrays, outputs: Arrays) -> float | None:
    """Return how far the origin is from itself, in another batch and again; None where it cannot be compared."""
    few = rows(inputs, 0, _TWICE)
    expected = rows(outputs, 0, len(next(iter(few.values()))))
    again = [computed(about, network, few), in_batches(lambda one: about.forward(network, one), few, 1)]
    found = [fidelity.compare(expected, each, about.scenario.start_tolerance).max_rel for each in again]
    return None if None in found else max(each for each in found if each is not None)


def unfit(outputs: Arrays, noise: float | None) -> tuple[str, str] | None:
    """Say what makes an origin unfit to be compared with, as (reason, remedy); None where nothing does."""
    for name, array in outputs.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            what = f"the model gives what is no number: output '{name}' of example {row}"
            return what, "look at that example, and at the model's weights"
    if noise is None or noise > MOST_NOISE:
        differs = "in shape" if noise is None else f"by {noise:.2g} of its scale"
        what = f"the model answers differently twice: {differs}, at most {MOST_NOISE:g} can be told from a fault"
        return what, "switch off what is random in it (dropout, sampling), and what depends on the rest of a batch"
    return None


def write_resized(folder: Path, about: Assignment, network: Any, inputs: Arrays) -> None:
    """Keep what is computed where free dimensions are half as large, if any is declared and the model takes it."""
    cut = origins.resized(about.settings, about.framework.name, rows(inputs, 0, _RESIZED_ROWS))
    if cut is None:
        return
    outputs = attempt(lambda: about.forward(network, cut))
    if isinstance(outputs, Exception):
        _log.info("the model takes no other size: %s", outputs)
        return
    folder.mkdir()
    write_examples(folder, cut, outputs)
