"""Train: both frameworks train the same weights on the same real data in the same order, a few steps each in turns.

A model of somebody's own is trained where its file says how, from the weights that it was brought with.

All trainings of a round are alive together, after a first step that each makes alone. Their order of batches and their
results are what they would be one after the other. Beside the defaults, training variants take turns (`_trial`).
"""

import itertools
import logging
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np

from evaluator.children.work import Work, attempt, blame
from evaluator.core import files, registry
from evaluator.core.clock import timed
from evaluator.core.errors import Unavailable
from evaluator.core.metrics import key
from evaluator.core.records import Measured, Metrics
from evaluator.core.tensors import Arrays, rows
from evaluator.core.turns import NAME
from evaluator.measure.training import Cost
from evaluator.stages import _trial
from evaluator.stages._brought import write_resized
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._course import STEP, Course
from evaluator.stages._evidence import EXTREMES, RESIZED, WEIGHTS, Assignment, read_result, write_examples
from evaluator.stages._flops import flops
from evaluator.stages._lessons import Lesson, judged, lesson
from evaluator.stages._outputs import accuracy, in_batches
from evaluator.stages._peak import Peak
from exports.contract import Device
from scenarios.contract import Trainer, TrainSettings
from scenarios.own import origins, training
from scenarios.weights import read_weights, write_weights

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

RESIZED_ROWS = 2
SEARCHING = 2  # the effort of a variant that tries kernels for minutes


class Train(Stage):
    """Training on every device, round by round; evaluator/commands/train.py is its command, and says what it costs."""

    name = "train"
    title = "Training"
    summary = "Train the same weights in both frameworks and time every step."
    rests_on = ("align", "origin")
    spread = "machine"
    comes_with = ("equivalence",)
    measures = True
    in_turns = True
    memory_bytes = 12 * GIB
    timeout_s = 300.0
    expected_s = 60.0
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
        rounds = range(1, plan.draft.profile.train_rounds + 1)
        for device, number in itertools.product(plan.draft.options.devices, rounds):
            for framework in plan.balanced(plan.frameworks, number):
                needs, refusal = plan.beginning(framework), plan.no_device(device)
                step = plan.add(self.name, framework, device=device, round=number, needs=needs, refusal=refusal)
                if number == 1:
                    plan.ids[self.name].setdefault(framework, step)
            _plan_variants(plan, device, number)

    def work(self, work: Work) -> Measured:
        """Train from the aligned weights, judge on held-out data, and leave weights and golden examples."""
        if work.step.variant is not None:
            return _trial.measured(work)
        about = Assignment(work)
        _, import_s = timed(about.prepare)
        framework, scenario = about.framework, about.scenario
        taught = lesson(about, work)
        network, trainer, build_s = build(about, work.need("weights") / WEIGHTS)
        at_a_time = scenario.training.steps_at_a_time
        course = Course(trainer, taught.batches, about.device.meter(), at_a_time=at_a_time)
        peak = Peak(about)
        with blame(f"training in {framework.title}"):
            taken = course.run(work.turns, beside=peak.calls)
            memory, shown = peak.memory, peak.metrics(taken)
            outputs, evaluation_s = timed(lambda: evaluated(about, network, taught.heldout))
        first, step_s = course.seconds[0], median(taken.seconds(STEP) or course.seconds)
        taken.write(work.folder)
        files.write_samples(work.folder, {"loss": course.losses})
        trained = _trained(about, network)
        write_weights(work.folder / WEIGHTS, trained)
        write_examples(work.folder, taught.heldout, outputs, taught.labels)
        found = _beside(about, work.folder, taught.heldout, network)
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
            **_accuracy(about, taught, outputs),
            **memory,
            **taken.metrics(),
            **shown,
            **course.on(about.device, framework, taken),
            **_uncounted(about, network, taught),
            "parameters": framework.parameters(network),
            "weights_bytes": sum(array.nbytes for array in trained.values()),
            "device_name": framework.device_name(about.device.name),
        }
        aligned = read_result(work.need("aligned")).figures
        start = tuple(figure for figure in aligned if figure.labels.get("between") == "frameworks")
        return msgspec.structs.replace(
            found,
            metrics={**metrics, **found.metrics},
            figures=(*start, *found.figures, *peak.figures(taken)),
            files={"weights": WEIGHTS, "blocks": NAME},
        )


def _plan_variants(plan: "ScenarioPlan", device: str, number: int) -> None:
    """Plan the variants that the profile has the patience for, where they change anything.

    They rest on what rounding does to the training; a step of somebody's own is as it is. Further rounds are for those
    that do not search for minutes.
    """
    traced = plan.ids["equivalence"]
    chosen: Device = registry.load("device", device)
    model, settings = plan.model, plan.settings
    for variant in registry.load_all("training_variant"):
        framework = variant.framework
        patient = variant.effort <= plan.draft.profile.variant_effort and (number == 1 or variant.effort < SEARCHING)
        if (framework, device) not in traced or not patient:
            continue
        if variant.applies(model.signature(settings, framework), cuda=chosen.cuda):
            needs = {**plan.beginning(framework), "parity": traced[framework, device]}
            where = {"device": device, "round": number, "variant": variant.name}
            plan.add(Train.name, framework, needs=needs, refusal=plan.no_device(device), **where)


def build(about: Assignment, weights: Path) -> tuple[Any, Trainer, float]:
    """Return the network with its weights, what trains it, and the seconds that the framework took to make both.

    Where the weights come from is a matter of ours, and no part of the time. Those of somebody's own may not have been
    readable: it has those that it is built with.
    """
    framework = about.framework
    with blame(f"building the model in {framework.title}"):
        network, building = timed(lambda: framework.build(about.model, about.settings))
    if weights.is_file() or not about.model.brought:
        framework.load_weights(network, read_weights(weights))
    with blame(f"training in {framework.title}"):
        trainer, preparing = timed(lambda: _trainer(about, network))
    return network, trainer, building + preparing


def _trainer(about: Assignment, network: Any) -> Trainer:
    """Return what trains the network: our step, or its person's, who knows it as their function returned it."""
    framework, train, device = about.framework, about.scenario.training, about.device.name
    if train.optimizer != training.OWN_STEP:
        return framework.trainer(network, train, device)
    make = training.maker(about.settings, framework.name)
    return framework.own_trainer(origins.given(network, framework.name), make, device)


def evaluated(about: Assignment, network: Any, heldout: Arrays) -> Arrays:
    """Compute what the trained network says of the held-out examples."""
    inputs = about.model.inputs_for(about.framework.name, heldout)
    names = [spec.name for spec in about.signature.outputs]
    return in_batches(
        lambda batch: about.framework.forward(network, batch, about.device.name, names), inputs, about.batch
    )


def _accuracy(about: Assignment, taught: Lesson, outputs: Arrays) -> Metrics:
    """Return the share of right answers and what it must reach, of what has right answers."""
    if taught.classes is None:
        return {}
    target = about.scenario.targets.heldout_accuracy.get(about.profile.name, 0.0)
    return {"heldout_accuracy": accuracy(outputs, taught.classes), "accuracy_target": target}


def _trained(about: Assignment, network: Any) -> Arrays:
    """Return the trained weights; `Unavailable` for a network of somebody's own whose weights cannot be read."""
    weights = attempt(lambda: about.framework.read_weights(network))
    if isinstance(weights, Exception) and not about.model.brought:
        raise weights
    if isinstance(weights, Exception) or not weights:
        raise Unavailable(
            f"the trained weights cannot be kept: {weights or 'the network has none'}",
            remedy="train it yourself, and give the trained model without [train]",
        )
    return weights


def _beside(about: Assignment, folder: Path, heldout: Arrays, network: Any) -> Measured:
    """Keep what artifacts are compared with beside the held-out examples, and return what else is to be known."""
    if about.model.brought:
        write_resized(folder / RESIZED, about, network, heldout)
        with blame(f"computing in {about.framework.title}"):
            return judged(about, folder, network)
    _write_extremes(folder / EXTREMES, about, heldout, network)
    _write_resized(folder / RESIZED, about, heldout, network)
    return Measured()


def _uncounted(about: Assignment, network: Any, taught: Lesson) -> Metrics:
    """Count the operations of what has no step of equivalence, which counts them else."""
    return flops(about, network, taught.batches[0][0]) if about.scenario.training.optimizer == training.OWN_STEP else {}


def _planned(train: TrainSettings, cost: Cost) -> Metrics:
    """Return what the training that the scenario plans would take."""
    steps = train.plan.steps(train.batch_size)
    return {"fixed_s": cost.fixed_s, "planned_steps": steps, "planned_training_s": cost.total_s(steps)}


def _write_extremes(folder: Path, about: Assignment, heldout: Arrays, network: Any) -> None:
    """Keep what the trained model computes at the edges of what is allowed: artifacts are compared there, too."""
    cases = about.model.edge_cases(about.settings, rows(heldout, 0, 1))
    inputs = {name: np.concatenate([case[name] for case in cases.values()]) for name in heldout}
    with blame(f"computing edge cases in {about.framework.title}"):
        outputs = about.forward(network, inputs)
    folder.mkdir()
    write_examples(folder, inputs, outputs)


def _write_resized(folder: Path, about: Assignment, heldout: Arrays, network: Any) -> None:
    """Keep what the trained model computes from inputs of another size, if it takes them."""
    inputs = about.model.resized(about.settings, rows(heldout, 0, RESIZED_ROWS))
    if inputs is None:
        return
    outputs = attempt(lambda: about.forward(network, inputs))
    if isinstance(outputs, Exception):
        logging.getLogger(__name__).info("the origin takes no other size: %s", outputs)
        return
    folder.mkdir()
    write_examples(folder, inputs, outputs)


plugin = Train()
