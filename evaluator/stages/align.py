"""Align: both frameworks get the same weights, and must compute the same, before either is trained.

The first framework's initial weights (pretrained where the model has them) are the reference. The second loads them,
converted, and its outputs on real held-out inputs are compared with the reference's. When they differ, the scenario
compares two different models and the run stops (RIGOUR, "Correctness before speed", 1).
"""

from evaluator.children.work import Work, subject
from evaluator.core.outcome import Outcome
from evaluator.core.records import Measured, Metrics
from evaluator.core.tensors import read_arrays, rows, write_arrays
from evaluator.measure import fidelity
from evaluator.measure.resources import peak_memory
from evaluator.stages._evidence import OUTPUTS, WEIGHTS, Subject
from evaluator.stages._figures import labelled
from scenarios.weights import read_weights, write_weights

CASES = 8  # held-out examples on which the two are compared


def work(work: Work) -> Measured:
    """Build the model, give it the common weights, and compute its outputs before any training."""
    about = Subject(work)
    about.prepare()
    model, settings, framework = about.model, about.settings, about.framework
    packages = about.packages()
    data = model.data(settings, packages, train=CASES, heldout=CASES, seed=about.seed)
    inputs = model.inputs_for(framework.name, rows(data.heldout.inputs, 0, CASES))
    with subject(f"building the model in {framework.title}"):
        network = framework.build(model, settings)
        if "reference" in work.step.needs:
            weights = read_weights(work.need("reference") / WEIGHTS)
        else:
            weights = {**framework.read_weights(network), **model.pretrained(settings, packages)}
        framework.load_weights(network, weights)
        outputs = framework.forward(network, inputs, about.device)
        again = framework.forward(network, inputs, about.device)
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
    if "reference" not in work.step.needs:
        return Measured(metrics=metrics, figures=figures, files=files)
    reference = read_arrays(work.need("reference") / OUTPUTS)
    found = fidelity.compare(reference, outputs, about.scenario.start_tolerance)
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
