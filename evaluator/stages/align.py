"""Align: both frameworks get the same weights, and must compute the same, before either is trained.

The first framework's initial weights (pretrained where the model has them) are common to both. The second loads them,
converted, and its outputs on real held-out inputs are compared with the first one's. When they differ, the scenario
compares two different models and the run stops (rigour.md, "Correctness before speed", 1).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from evaluator.children.work import Work, blame
from evaluator.core.errors import UsageError
from evaluator.core.metrics import key
from evaluator.core.outcome import Outcome
from evaluator.core.records import Measured, Metrics, Result, Step
from evaluator.core.tensors import read_arrays, rows, write_arrays
from evaluator.measure import fidelity
from evaluator.measure.resources import peak_memory
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import OUTPUTS, WEIGHTS, Assignment
from evaluator.stages._figures import labelled
from scenarios.weights import read_weights, write_weights

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

CASES = 8  # held-out examples on which the two are compared


class Align(Stage):
    """Common weights for both frameworks."""

    name = "align"
    title = "Alignment"
    summary = "Bring both frameworks to the same weights, and compare what they compute before any training."
    memory_bytes = 6 * GIB
    timeout_s = 120.0
    expected_s = 12.0
    gives: ClassVar = {
        "first": "preparing the common weights",
        "weights": "preparing the common weights",
        "aligned": "aligning the two models",
    }
    figures = (Shown(key("max_rel_diff", between="frameworks"), "start difference {}"),)
    shown = False

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan one step for each framework; the first framework's weights are loaded by the next."""
        aligned = plan.ids[self.name]
        if plan.brought:
            return
        for framework in plan.frameworks:
            needs = {"first": next(iter(aligned.values()))} if aligned else {}
            aligned[framework] = plan.add(self.name, framework, needs=needs, refusal=plan.no_framework(framework))

    def conclude(self, ended: Sequence[tuple[Step, Result]]) -> None:
        """End the run when the models differ: two different models are not worth training."""
        for step, result in ended:
            if result.outcome is Outcome.FAILED:
                raise UsageError(f"scenario {step.scenario}: {result.reason}", remedy=result.remedy)

    def work(self, work: Work) -> Measured:
        """Build the model, give it the common weights, and compute its outputs before any training."""
        about = Assignment(work)
        about.prepare()
        model, settings, framework = about.model, about.settings, about.framework
        packages = about.packages()
        data = model.data(settings, packages, train=CASES, heldout=CASES, seed=about.seed)
        inputs = model.inputs_for(framework.name, rows(data.heldout.inputs, 0, CASES))
        with blame(f"building the model in {framework.title}"):
            network = framework.build(model, settings)
        if "first" in work.step.needs:
            weights = read_weights(work.need("first") / WEIGHTS)
        else:
            weights = {**framework.read_weights(network), **model.pretrained(settings, packages)}
        framework.load_weights(network, weights)
        with blame(f"computing in {framework.title}"):
            outputs = framework.forward(network, inputs, about.device.name)
            again = framework.forward(network, inputs, about.device.name)
        write_weights(work.folder / WEIGHTS, framework.read_weights(network))
        write_arrays(work.folder / OUTPUTS, outputs)
        noise = fidelity.compare(outputs, again, about.scenario.start_tolerance)
        metrics: Metrics = {
            "cases": CASES,
            "parameters": framework.parameters(network),
            **peak_memory(),
        }
        figures = labelled({"max_rel_diff": noise.max_rel or 0.0}, between="repeats")
        files = {"weights": WEIGHTS, "outputs": OUTPUTS}
        if "first" not in work.step.needs:
            return Measured(metrics=metrics, figures=figures, files=files)
        expected = read_arrays(work.need("first") / OUTPUTS)
        found = fidelity.compare(expected, outputs, about.scenario.start_tolerance)
        figures += labelled(found.metrics(), between="frameworks")
        if not found.passed:
            return Measured(
                outcome=Outcome.FAILED,
                reason=f"the two models differ at the start: {found.first_difference}",
                remedy="make both definitions the same network, or correct the scenario's start_tolerance",
                metrics=metrics,
                figures=figures,
                files=files,
            )
        return Measured(metrics=metrics, figures=figures, files=files)


plugin = Align()
