"""The first steps of a training, traced: what two frameworks, or a default and a variant of it, are compared by."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.children.work import Work, blame
from evaluator.core import files
from evaluator.core.clock import timed
from evaluator.core.errors import FwevalError
from evaluator.core.records import Metrics, Record
from evaluator.core.tensors import Array, Arrays, read_arrays, write_arrays
from evaluator.measure import parity
from evaluator.measure.parity import PARTS, Parity, Reference, Trace
from evaluator.stages._evidence import WEIGHTS, Assignment
from scenarios.contract import OurTrainer, TrainingVariant
from scenarios.weights import read_weights

FULL = "fp32"
NUDGES = 2  # times the weights are nudged to see what rounding does,
MORE_NUDGES = 8  # and so many times more, for one step, before a difference is called one
COUNT = 4  # steps: later on, rounding has grown from step to step, and curves part for no reason
PLACES = "places.npz"  # which numbers of large tensors are kept
PARITY = "parity.json"
_PART = "{}:{}"  # of an array's name in a file: the part it belongs to
# part -> how its largest difference is called, as a share of what is allowed, and what rounding alone does to it
PARITY_METRICS: Mapping[parity.Part, str] = {
    "forward": "forward_parity",
    "gradient": "gradient_parity",
    "update": "update_parity",
    "statistics": "statistics_parity",
    "curve": "curve_parity",
}
NOISE_METRICS: Mapping[parity.Part, str] = {
    "forward": "forward_noise",
    "gradient": "gradient_noise",
    "update": "update_noise",
    "statistics": "statistics_noise",
    "curve": "curve_noise",
}
LEFT_OUT = "parity_left_out"
_WEIGHTS = "weights"
_SEED = 15  # of the numbers that are kept

Batches = Sequence[tuple[Arrays, Any]]
Places = Mapping[str, NDArray[np.int64]]


class Noise(Record, frozen=True, kw_only=True):
    """`noise-PRECISION.json`: what rounding does to a trace, by part and name."""

    parts: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A network in training, and the weights that it begins with."""

    about: Assignment
    network: Any
    trainer: OurTrainer
    weights: Arrays

    def load(self, weights: Arrays) -> None:
        """Give the network weights, and its optimizer nothing to remember; `FwevalError` names what was not taken."""
        framework = self.about.framework
        framework.load_weights(self.network, weights)
        self.trainer.restart()
        taken = framework.read_weights(self.network)
        for name, array in weights.items():
            if name in taken and not np.array_equal(taken[name], array.astype(taken[name].dtype), equal_nan=True):
                raise FwevalError(f"the weight '{name}' is not what was loaded", remedy="report it: it is fweval's")

    def traced(
        self, weights: Arrays, batches: Batches, places: Places | None, step: Callable[[int], float] | None = None
    ) -> tuple[Trace, Places]:
        """Take the first steps from these weights; return their trace and which numbers it kept.

        Without `places` they are chosen by this trace's gradients. `step` takes the step of a number where its caller
        has more to do with it than to take it.
        """
        framework, title = self.about.framework, self.about.framework.title
        with blame(f"training in {title}"):
            self.load(weights)
            forward = framework.forward(self.network, batches[0][0], self.about.device.name, self._outputs)
            take = step or (lambda number: self.trainer.step(*batches[number]))
            losses = [take(0)]
            gradient, after = self.trainer.gradients(), framework.read_weights(self.network)
            losses += [take(number) for number in range(1, min(COUNT, len(batches)))]
        changed = {name: np.subtract(after[name], weights[name]) for name in weights if name in after}
        chosen = parity.places(gradient, _SEED) if places is None else places
        learnt = set(gradient) or set(changed)  # an optimizer without moments does not tell
        return Trace(
            forward={name: np.asarray(each) for name, each in forward.items()},
            curve=parity.steps(losses),
            gradient=parity.kept(gradient, chosen),
            update=parity.kept({name: each for name, each in changed.items() if name in learnt}, chosen),
            statistics=parity.kept({name: each for name, each in changed.items() if name not in learnt}, chosen),
            weights=parity.kept({name: weights[name] for name in changed}, chosen),
        ), chosen

    def nudged(self, numbers: Iterable[int], precision: str, batches: Batches, places: Places) -> list[Trace]:
        """Take the first steps from nudged weights, once for each number: another one nudges otherwise."""
        nudged = (parity.nudged(self.weights, precision, self.about.seed + number) for number in numbers)
        return [self.traced(each, batches, places)[0] for each in nudged]

    def compared(self, reference: Reference, trace: Trace, batches: Batches, places: Places, precision: str) -> Parity:
        """Compare a trace of this start with a reference; before a breach is told, look for more of what rounding does.

        In fewer bits nudges are so coarse that each shows all of it. Afterwards the network stands where its first
        steps led.
        """
        rows = self.about.scenario.training.batch_size
        found = parity.compare(reference, trace, precision=precision, batch=rows)
        if not found.breach or precision != FULL:
            return found
        again = self.nudged(range(NUDGES, NUDGES + MORE_NUDGES), precision, batches[:1], places)
        wider = parity.joined(reference, parity.noise(trace, again, precision))
        self.traced(self.weights, batches, places)
        return parity.compare(wider, trace, precision=precision, batch=rows)

    @property
    def _outputs(self) -> list[str]:
        return [spec.name for spec in self.about.signature.outputs]


def started(about: Assignment, work: Work, variant: TrainingVariant | None = None) -> tuple[Start, float]:
    """Make network and trainer ready, as the framework does by default or as a variant does; return the seconds too.

    Both begin with the same weights, but for a model of somebody's own that has those it is built with.
    """
    framework, train, device = about.framework, about.scenario.training, about.device.name
    way = framework if variant is None else variant
    title = framework.title if variant is None else f"{framework.title} with {variant.title}"
    with blame(f"building the model in {title}"):
        network, building = timed(lambda: way.build(about.model, about.settings))
    path = work.need("weights") / WEIGHTS
    if path.is_file() or not about.model.brought:
        weights = read_weights(path)
        framework.load_weights(network, weights)
    else:
        weights = framework.read_weights(network)
    with blame(f"training in {title}"):
        trainer, preparing = timed(lambda: way.trainer(network, train, device))
    return Start(about=about, network=network, trainer=trainer, weights=weights), building + preparing


def write_reference(folder: Path, precision: str, reference: Reference) -> None:
    """Keep a trace with what rounding does to it."""
    arrays = {_PART.format(part, name): each for part in PARTS for name, each in reference.trace.part(part).items()}
    stored = {_PART.format(_WEIGHTS, name): each for name, each in reference.trace.weights.items()}
    write_arrays(folder / _trace(precision), {**arrays, **stored})
    files.write_record(folder / _noise(precision), Noise(parts={k: dict(v) for k, v in reference.noise.items()}))


def read_reference(folder: Path, precision: str) -> Reference | None:
    """Return what `write_reference` kept; None where there was no such precision."""
    if not (folder / _trace(precision)).is_file():
        return None
    parts: dict[str, dict[str, Array]] = {part: {} for part in (*PARTS, _WEIGHTS)}
    for key, array in read_arrays(folder / _trace(precision)).items():
        part, _, name = key.partition(":")
        parts[part][name] = array
    noise = files.read_record(folder / _noise(precision), Noise).parts
    return Reference(trace=Trace(**parts), noise={part: noise.get(part, {}) for part in PARTS})


def read_places(folder: Path) -> Places:
    """Return which numbers of large tensors are kept."""
    return {name: each.astype(np.int64) for name, each in read_arrays(folder / PLACES).items()}


def write_parity(folder: Path, found: Parity) -> None:
    """Keep every comparison."""
    files.write_record(folder / PARITY, found, indent=0)


def figures(found: Parity) -> Metrics:
    """Return the largest difference of each part, as a share of what is allowed, and how much was not compared."""
    worst = {name: found.worst(part) for part, name in PARITY_METRICS.items()}
    told: Metrics = {name: float(value) for name, value in worst.items() if value is not None}
    return {**told, LEFT_OUT: len(found.blind) / max(1, len(found.blind) + len(found.rows))}


def _trace(precision: str) -> str:
    return f"trace-{precision}.npz"


def _noise(precision: str) -> str:
    return f"noise-{precision}.json"
