"""Train: both frameworks train the same weights on the same real data in the same order, a few steps each in turns.

Both trainings of a round are alive together, after a first step that each makes alone. Their order of batches and their
results are what they would be one after the other.
"""

import itertools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from evaluator.children.turns import Taken, Turns
from evaluator.children.work import Work, attempt, blame
from evaluator.core import files
from evaluator.core.clock import timed
from evaluator.core.metrics import key
from evaluator.core.records import Measured, Metrics
from evaluator.core.tensors import Array, Arrays, rows
from evaluator.core.turns import NAME, Track
from evaluator.measure.resources import peak_memory
from evaluator.measure.training import Cost
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import EXTREMES, RESIZED, WEIGHTS, Assignment, read_result, write_examples
from evaluator.stages._outputs import accuracy, in_batches
from scenarios.contract import Examples, Trainer, TrainSettings
from scenarios.weights import read_weights, write_weights

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

RESIZED_ROWS = 2
STEP = "step"  # the track of its steps


class Train(Stage):
    """Training on every device, round by round; evaluator/commands/train.py is its command, and says what it costs."""

    name = "train"
    title = "Training"
    summary = "Train the same weights in both frameworks and time every step."
    rests_on = ("align",)
    measures = True
    in_turns = True
    memory_bytes = 12 * GIB
    timeout_s = 300.0
    expected_s = 30.0
    gives: ClassVar = {"trained": "training"}
    figures = (
        Shown(key("step_s"), "{} per step"),
        Shown(key("heldout_accuracy"), "accuracy {}"),
        Shown(key("max_rel_diff", between="frameworks"), "start difference {}"),
    )

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan every round on every device, the frameworks in counter-balanced order; what is exported is the first."""
        if plan.scenario.train is None:
            return
        aligned = plan.ids["align"]
        rounds = range(1, plan.draft.profile.train_rounds + 1)
        for device, number in itertools.product(plan.draft.options.devices, rounds):
            for framework in plan.balanced(plan.frameworks, number):
                needs = {"weights": next(iter(aligned.values())), "aligned": aligned[framework]}
                refusal = plan.no_device(device)
                step = plan.add(self.name, framework, device=device, round=number, needs=needs, refusal=refusal)
                if number == 1:
                    plan.ids[self.name].setdefault(framework, step)

    def work(self, work: Work) -> Measured:
        """Train from the aligned weights, judge on held-out data, and leave weights and golden examples."""
        about = Assignment(work)
        _, import_s = timed(about.prepare)
        model, framework, scenario, profile = about.model, about.framework, about.scenario, about.profile
        data = model.data(
            about.settings,
            about.packages(),
            train=profile.train_samples,
            heldout=profile.heldout_samples,
            seed=about.seed,
        )
        batches = list(_batches(data.train, scenario.training.batch_size, scenario.training.epochs, about.seed))
        prepared = [(model.inputs_for(framework.name, inputs), labels) for inputs, labels in batches]
        network, trainer, build_s = _build(about, read_weights(work.need("weights") / WEIGHTS))
        course = Course(trainer, prepared)
        with blame(f"training in {framework.title}"):
            taken = course.run(work.turns)
            memory = peak_memory()
            outputs, evaluation_s = timed(lambda: _evaluated(about, network, data.heldout))
        first, step_s = course.seconds[0], median(taken.seconds(STEP) or course.seconds)
        taken.write(work.folder)
        files.write_samples(work.folder, {"loss": course.losses})
        trained = framework.read_weights(network)
        write_weights(work.folder / WEIGHTS, trained)
        write_examples(work.folder, data.heldout.inputs, outputs, {"labels": data.heldout.labels})
        _write_extremes(work.folder / EXTREMES, about, data.heldout, network)
        _write_resized(work.folder / RESIZED, about, data.heldout, network)
        metrics: Metrics = {
            "import_s": import_s,
            "build_s": build_s,
            "time_to_first_step_s": first,
            "step_s": step_s,
            "evaluation_s": evaluation_s,
            "train_s": sum(course.seconds),
            "steps": len(course.seconds),
            "examples_per_s": scenario.training.batch_size / step_s,
            **_planned(scenario.training, Cost(start_s=import_s + build_s + first, step_s=step_s)),
            "first_loss": course.losses[0],
            "final_loss": course.losses[-1],
            "heldout_accuracy": accuracy(outputs, data.heldout.labels),
            "accuracy_target": scenario.targets.heldout_accuracy.get(profile.name, 0.0),
            **memory,
            **taken.metrics(),
            "parameters": framework.parameters(network),
            "weights_bytes": sum(array.nbytes for array in trained.values()),
            "device_name": framework.device_name(about.device.name),
        }
        aligned = read_result(work.need("aligned")).figures
        start = tuple(figure for figure in aligned if figure.labels.get("between") == "frameworks")
        return Measured(metrics=metrics, figures=start, files={"weights": WEIGHTS, "blocks": NAME})


class Course:
    """A training, step by step, in the order of its batches."""

    def __init__(self, trainer: Trainer, batches: Sequence[tuple[Arrays, Array]]) -> None:
        self._trainer = trainer
        self._batches = batches
        self.losses: list[float] = []
        self.seconds: list[float] = []

    def run(self, turns: Turns) -> Taken:
        """Take all steps: the first one alone, because all is made ready in it, and the others when they are asked for.

        Those that nobody asks for are taken in the end: every training comes to its own.
        """
        self._step(0)
        track = Track(name=STEP, min_calls=len(self._batches) - 1, untimed=0)
        taken = turns.take({track: lambda index: self._step(1 + index)})
        for number in range(len(self.losses), len(self._batches)):
            self._step(number)
        return taken

    def _step(self, number: int) -> None:
        """Take the step of that number, the next one; `StopIteration` when the batches are used up."""
        if number >= len(self._batches):
            raise StopIteration
        loss, seconds = timed(lambda: self._trainer.step(*self._batches[number]))
        self.losses.append(loss)
        self.seconds.append(seconds)


def _build(about: Assignment, weights: Arrays) -> tuple[Any, Trainer, float]:
    """Return the network with its weights, what trains it, and the seconds that the framework took to make both.

    Where the weights come from is a matter of ours, and no part of the time.
    """
    framework = about.framework
    with blame(f"building the model in {framework.title}"):
        network, building = timed(lambda: framework.build(about.model, about.settings))
    framework.load_weights(network, weights)
    with blame(f"training in {framework.title}"):
        trainer, preparing = timed(lambda: framework.trainer(network, about.scenario.training, about.device.name))
    return network, trainer, building + preparing


def _evaluated(about: Assignment, network: Any, heldout: Examples) -> Arrays:
    """Compute what the trained network says of the held-out examples."""
    inputs = about.model.inputs_for(about.framework.name, heldout.inputs)
    size = about.scenario.throughput_batch
    return in_batches(lambda batch: about.framework.forward(network, batch, about.device.name), inputs, size)


def _planned(train: TrainSettings, cost: Cost) -> Metrics:
    """Return what the training that the scenario plans would take."""
    steps = train.plan.steps(train.batch_size)
    return {"fixed_s": cost.fixed_s, "planned_steps": steps, "planned_training_s": cost.total_s(steps)}


def _write_extremes(folder: Path, about: Assignment, heldout: Examples, network: Any) -> None:
    """Keep what the trained model computes at the edges of what is allowed: artifacts are compared there, too."""
    cases = about.model.edge_cases(about.settings, rows(heldout.inputs, 0, 1))
    inputs = {name: np.concatenate([case[name] for case in cases.values()]) for name in heldout.inputs}
    with blame(f"computing edge cases in {about.framework.title}"):
        outputs = about.forward(network, inputs)
    folder.mkdir()
    write_examples(folder, inputs, outputs)


def _write_resized(folder: Path, about: Assignment, heldout: Examples, network: Any) -> None:
    """Keep what the trained model computes from inputs of another size, if it takes them."""
    inputs = about.model.resized(about.settings, rows(heldout.inputs, 0, RESIZED_ROWS))
    if inputs is None:
        return
    outputs = attempt(lambda: about.forward(network, inputs))
    if isinstance(outputs, Exception):
        logging.getLogger(__name__).info("the origin takes no other size: %s", outputs)
        return
    folder.mkdir()
    write_examples(folder, inputs, outputs)


def _batches(examples: Examples, size: int, epochs: int, seed: int) -> Iterator[tuple[Arrays, Array]]:
    """Yield whole batches, reshuffled every epoch by the seed: the same order in every framework."""
    generator = np.random.default_rng(seed)
    for _ in range(epochs):
        order = generator.permutation(len(examples.labels))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            yield {name: array[chosen] for name, array in examples.inputs.items()}, examples.labels[chosen]


plugin = Train()
