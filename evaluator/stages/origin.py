"""Origin: a model that somebody brought is asked for what it computes, before anything is made of it.

It stands where built-in models are trained: what it leaves (weights, examples, outputs) is what every artifact is made
from and compared with. An origin that gives what is no number, or differs from itself too much, ends the run with a
sentence; a small difference between two of its answers widens what is allowed to artifacts.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from evaluator.children.work import Work, attempt, blame
from evaluator.core.clock import timed
from evaluator.core.coordinates import DEVICE
from evaluator.core.errors import UsageError
from evaluator.core.metrics import key
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Measured, Metrics, Result, Step
from evaluator.core.tensors import Arrays, read_arrays, rows
from evaluator.measure import fidelity
from evaluator.measure.resources import peak_memory
from evaluator.stages._brought import computed, self_noise, unfit, write_resized
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import OUTPUTS, RESIZED, WEIGHTS, Assignment, write_examples
from evaluator.stages._figures import labelled
from evaluator.stages._quality import asked_of, of_origin, stored
from scenarios.own import origins
from scenarios.own.form import RANDOM, Own
from scenarios.weights import write_weights

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

_log = logging.getLogger(__name__)


class OriginStage(Stage):
    """What a brought model computes, in each framework that it was given in."""

    name = "origin"
    title = "Origin"
    summary = "Ask a model of one's own what it computes, twice."
    command = "origin"
    example = "fweval origin mine.py:build --inputs holdout.npz"
    memory_bytes = 12 * GIB
    timeout_s = 300.0
    expected_s = 15.0
    gives: ClassVar = {
        "trained": "the model as it was brought",
        "first": "the model in the first framework",
        "aligned": "the model as it was brought",
    }
    figures = (Shown(key("self_noise"), "differs from itself by {}"),)

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan one step for each framework; the second is compared with the first where weights are to be the same."""
        if not plan.brought:
            return
        asked = plan.ids[self.name]
        same = len(plan.frameworks) > 1 and plan.settings.pair == "same weights"
        for framework in plan.frameworks:
            needs = {"first": next(iter(asked.values()))} if asked and same else {}
            refusal = plan.no_framework(framework)
            asked[framework] = plan.add(self.name, framework, device=DEVICE, needs=needs, refusal=refusal)
            if plan.scenario.train is None:
                plan.ids["train"][framework] = asked[framework]

    def conclude(self, ended: Sequence[tuple[Step, Result]]) -> None:
        """End the run where the model itself is not fit to be compared with: what was found stays on record."""
        for step, result in ended:
            if result.outcome is Outcome.FAILED:
                raise UsageError(f"scenario {step.scenario}: {result.reason}", remedy=result.remedy)

    def work(self, work: Work) -> Measured:
        """Compute the person's examples, twice, and keep what later steps compare with."""
        about = Assignment(work)
        _, import_s = timed(about.prepare)
        own: Own = about.settings
        network, build_s = timed(lambda: about.network(work.folder))
        given = origins.read(own, about.framework.name, about.seed)
        inputs = rows(given, 0, about.profile.heldout_samples)
        labels = origins.labels(own, len(next(iter(given.values()))))
        with blame(f"computing in {about.framework.title}"):
            outputs, computed_s = timed(lambda: computed(about, network, inputs))
            noise = self_noise(about, network, inputs, outputs)
            memory = peak_memory()
        count = len(next(iter(inputs.values())))
        kept = None if labels is None else rows(labels, 0, count)
        write_examples(work.folder, inputs, outputs, kept)
        write_resized(work.folder / RESIZED, about, network, inputs)
        metrics: Metrics = {
            "import_s": import_s,
            "build_s": build_s,
            "evaluation_s": computed_s,
            "cases": count,
            "inputs_made_up": own.examples(about.framework.name) == RANDOM,
            **_weights(about, network, work.folder),
            **memory,
            "device_name": about.framework.device_name(about.device.name),
        }
        figures = labelled({"max_rel_diff": noise or 0.0}, between="repeats")
        wrong, found = _wrong(work, about, outputs, noise)
        if noise is not None:
            metrics["self_noise"] = noise
        files = {"outputs": OUTPUTS}
        if wrong is None:
            asked = asked_of(about, work.folder)
            plain, of_quality = ({}, ()) if asked is None else stored(of_origin(asked, outputs))
            return Measured(metrics={**metrics, **plain}, figures=(*figures, *found, *of_quality), files=files)
        reason, remedy = wrong
        return Measured(
            outcome=Outcome.FAILED,
            reason=reason,
            remedy=remedy,
            metrics=metrics,
            figures=(*figures, *found),
            files=files,
        )


def _wrong(
    work: Work, about: Assignment, outputs: Arrays, noise: float | None
) -> tuple[tuple[str, str] | None, tuple[Figure, ...]]:
    """Say what makes an origin unfit, as (reason, remedy); and how far it is from the other framework's."""
    wrong = unfit(outputs, noise)
    if wrong is not None:
        return wrong, ()
    if "first" not in work.step.needs:
        return None, ()
    expected = read_arrays(work.need("first") / OUTPUTS)
    found = fidelity.compare(expected, outputs, about.scenario.start_tolerance)
    figures = labelled(found.metrics(), between="frameworks")
    if found.passed:
        return None, figures
    remedy = 'give both the same weights and examples, or say pair = "trained apart"'
    return (f"the two models differ: {found.first_difference}", remedy), figures


def _weights(about: Assignment, network: Any, folder: Path) -> Metrics:
    """Keep the weights, so that every later process has the same; of some networks they cannot be read."""
    parameters = attempt(lambda: about.framework.parameters(network))
    told: Metrics = {} if isinstance(parameters, Exception) else {"parameters": parameters}
    weights = attempt(lambda: about.framework.read_weights(network))
    if isinstance(weights, Exception) or not weights:
        _log.info("the weights are not kept: %s", weights)
        return told
    write_weights(folder / WEIGHTS, weights)
    return {**told, "weights_bytes": sum(array.nbytes for array in weights.values())}


plugin = OriginStage()
