"""Equivalence: both frameworks take the same training step, before anybody asks which is faster.

Each framework takes the first steps of the training several times: as they are, once more, and from weights that are
nudged in their last digits. That tells what rounding alone does in it, hence what may lie between the two frameworks,
and between a default and its variants. The second framework's steps are compared with the first one's: forward pass,
gradients, what the optimizer makes of them, running statistics, and the curve of the loss (`measure.parity`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from evaluator.children.work import Work
from evaluator.core import registry
from evaluator.core.metrics import key, number
from evaluator.core.outcome import Outcome
from evaluator.core.records import Measured, Metrics
from evaluator.core.tensors import write_arrays
from evaluator.measure import parity
from evaluator.measure.parity import Reference
from evaluator.measure.resources import peak_memory
from evaluator.stages import _first_steps as first_steps
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import Assignment, read_result
from evaluator.stages._figures import labelled
from evaluator.stages._first_steps import PARITY, PLACES, Batches, Places, Start
from evaluator.stages._flops import flops
from evaluator.stages._lessons import lesson
from scenarios.contract import TrainingVariant
from scenarios.own.training import OWN_STEP

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

COUNTED = {"parameters": 0.0, "optimizer_numbers": 0.0, "flops_per_step": 0.01}  # that must be equal in both, within


class Equivalence(Stage):
    """The first steps of a training, in each framework, and how far apart they are."""

    name = "equivalence"
    title = "Equivalence"
    summary = "Show that both frameworks take the same training step, within what rounding does to it."
    command = "equivalence"
    example = "fweval equivalence resnet50"
    rests_on = ("align", "origin")
    spread = "device"
    memory_bytes = 10 * GIB
    timeout_s = 1200.0  # BERT-base took five minutes beside ResNet-50, on two cores
    expected_s = 60.0
    gives: ClassVar = {"parity": "showing what rounding does to the training", "default": "tracing the first training"}
    figures = (
        Shown(key("gradient_parity", between="frameworks"), "gradients {} of what rounding explains"),
        Shown(key("curve_parity", between="frameworks"), "loss {}"),
    )

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan a step for each framework on each device; the second is compared with the first.

        A step of somebody's own cannot be looked into: it has no equivalence to show.
        """
        train = plan.scenario.train
        if train is None or train.optimizer == OWN_STEP:
            return
        for device in plan.draft.options.devices:
            default: str | None = None
            for framework in plan.frameworks:
                needs = plan.beginning(framework) | ({} if default is None else {"default": default})
                step = plan.add(self.name, framework, device=device, needs=needs, refusal=plan.no_device(device))
                plan.ids[self.name][framework, device] = step
                default = default or step

    def work(self, work: Work) -> Measured:
        """Trace the first steps, and compare them with those of the framework that came first."""
        about = Assignment(work)
        about.prepare()
        framework = about.framework
        batches = lesson(about, work).batches[: first_steps.COUNT]
        start, _ = first_steps.started(about, work)
        other = work.need("default") if "default" in work.step.needs else None
        own, places = _reference(start, batches, None if other is None else first_steps.read_places(other), work)
        write_arrays(work.folder / PLACES, dict(places))
        metrics: Metrics = {
            "parameters": framework.parameters(start.network),
            "optimizer_numbers": start.trainer.state_numbers(),
            "first_steps": len(batches),
            **_noise(own),
            **peak_memory(),
            **flops(about, start.network, batches[0][0]),
        }
        lost = parity.undecidable(own)
        if lost is not None:
            return Measured(
                outcome=Outcome.UNAVAILABLE,
                reason=f"{lost}: it draws numbers, and nothing can be compared with it",
                remedy="set dropout and augmentation to nothing for the evaluation",
                metrics=metrics,
            )
        if other is None:
            return Measured(metrics=metrics, files={"places": PLACES})
        unequal = _unequal(metrics, read_result(other).metrics, framework.title)
        default = first_steps.read_reference(other, first_steps.FULL)
        if default is None:
            raise RuntimeError("the first framework left no trace")
        found = start.compared(parity.joined(default, own.noise), own.trace, batches, places, first_steps.FULL)
        first_steps.write_parity(work.folder, found)
        wrong = unequal or found.breach
        return Measured(
            outcome=Outcome.FAILED if wrong else Outcome.PASSED,
            reason=f"the two frameworks do not take the same training step: {wrong}" if wrong else None,
            remedy="make model, loss, optimizer and data order compute the same in both" if wrong else None,
            metrics=metrics,
            figures=labelled(first_steps.figures(found), between="frameworks"),
            files={"places": PLACES, "parity": PARITY},
        )


def _reference(start: Start, batches: Batches, places: Places | None, work: Work) -> tuple[Reference, Places]:
    """Trace the training, once more, and nudged at each precision that a variant computes in; keep it all."""
    trace, places = start.traced(start.weights, batches, places)
    again, _ = start.traced(start.weights, batches, places)
    found: dict[str, Reference] = {}
    for precision in _precisions(start.about):
        nudged = start.nudged(range(first_steps.NUDGES), precision, batches, places)
        found[precision] = parity.referred(trace, [again, *nudged], precision)
        first_steps.write_reference(work.folder, precision, found[precision])
    return found[first_steps.FULL], places


def _precisions(about: Assignment) -> Sequence[str]:
    """Return full precision, and those of the framework's variants that can run here."""
    cuda = about.device.cuda
    variants: tuple[TrainingVariant, ...] = registry.load_all("training_variant")
    able = (
        each
        for each in variants
        if each.framework == about.framework.name
        and each.applies(about.signature, cuda=cuda)
        and each.lacking(cuda=cuda) is None
    )
    return tuple(dict.fromkeys((first_steps.FULL, *(each.precision for each in able))))


def _noise(own: Reference) -> Metrics:
    """Return what rounding does to each part: the largest of a part's own relative noise, gradients by their median."""
    found: Metrics = {}
    for part, name in first_steps.NOISE_METRICS.items():
        values = list(own.noise[part].values())
        if values:
            found[name] = float(np.median(values) if part != "curve" else max(values))
    return found


def _unequal(own: Metrics, other: Metrics, title: str) -> str:
    """Say which count is not the same in both frameworks; empty where all are, or one could not count."""
    for name, tolerance in COUNTED.items():
        mine, others = number(own.get(name)), number(other.get(name))
        if mine is not None and others is not None and abs(mine - others) > tolerance * max(mine, others):
            return f"{name.replace('_', ' ')}: {mine:,.0f} in {title}, {others:,.0f} in the other"
    return ""


plugin = Equivalence()
