"""Verify: an artifact must compute what its origin computes, before anything about it is timed.

The artifact is loaded in its runtime and fed the golden inputs one by one and in batches of the size that throughput is
measured with; both must agree with the origin within the tolerance of the precision, and the accuracy on held-out data
must be at least 99 % of the origin's (RIGOUR, "Correctness before speed", 3).
"""

from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Measured, Metrics
from evaluator.core.tensors import read_arrays, rows
from evaluator.core.work import Work, subject
from evaluator.measure import fidelity
from evaluator.stages._evidence import INPUTS, LABELS, OUTPUTS, Subject, read_artifact, read_examples, write_examples
from evaluator.stages._outputs import accuracy, in_batches
from exports.contract import Runtime

SINGLES = 8  # how many golden inputs are also fed one by one
LEAST_ACCURACY_RATIO = 0.99  # of the origin's accuracy


def work(work: Work) -> Measured:
    """Load the artifact, compute the golden examples, and compare."""
    about = Subject(work)
    runtime: Runtime = registry.load("runtime", str(work.step.runtime))
    artifact, path = read_artifact(work.need("artifact"))
    inputs, expected = read_examples(work.need("trained"))
    inputs = about.model.inputs_for(artifact.layout, inputs)
    labels = read_arrays(work.need("trained") / LABELS)["labels"]
    count = min(about.profile.verify_samples, len(labels))
    inputs, expected, labels = rows(inputs, 0, count), rows(expected, 0, count), labels[:count]
    with (
        subject(f"running in {runtime.title}"),
        runtime.load(path, artifact.signature, device=about.device, threads=about.threads) as session,
    ):
        singles = in_batches(session, rows(inputs, 0, SINGLES), 1)
        outputs = in_batches(session, inputs, about.scenario.throughput_batch)
    write_examples(work.folder, rows(inputs, 0, SINGLES), singles)
    tolerance = about.tolerance
    found = fidelity.worst(
        [
            fidelity.compare(rows(expected, 0, SINGLES), singles, tolerance),
            fidelity.compare(expected, outputs, tolerance),
        ]
    )
    reached, origin_reached = accuracy(outputs, labels), accuracy(expected, labels)
    metrics: Metrics = {
        **found.metrics(),
        "accuracy": reached,
        "origin_accuracy": origin_reached,
        "cases": count,
    }
    files = {"inputs": INPUTS, "outputs": OUTPUTS}
    if not found.passed:
        return _refused(f"outputs differ from the origin's: {found.first_difference}", metrics, files)
    if reached < LEAST_ACCURACY_RATIO * origin_reached:
        return _refused(f"accuracy fell from {origin_reached:.1%} to {reached:.1%}", metrics, files)
    return Measured(metrics=metrics, files=files)


def _refused(reason: str, metrics: Metrics, files: dict[str, str]) -> Measured:
    return Measured(
        outcome=Outcome.FAILED,
        reason=reason,
        remedy="do not use this artifact; compare inputs.npz and outputs.npz with those of the train step",
        metrics=metrics,
        files=files,
    )
