"""Verify: an artifact must compute what its origin computes, before anything about it is timed.

The artifact is loaded in its runtime and fed the golden inputs one by one and in batches of the size that throughput is
measured with; both must agree with the origin within the tolerance of the precision, and the accuracy on held-out data
must be at least 99 % of the origin's (RIGOUR, "Correctness before speed", 3).
"""

import numpy as np

from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Measured, Metrics
from evaluator.core.tensors import Array, Arrays, read_arrays, rows
from evaluator.core.work import Work, subject
from evaluator.measure import fidelity
from evaluator.stages._evidence import INPUTS, LABELS, OUTPUTS, Subject, read_artifact, read_examples, write_examples
from exports.contract import Runtime, Session

SINGLES = 8  # how many golden inputs are also fed one by one
LEAST_ACCURACY_RATIO = 0.99  # of the origin's accuracy


def work(work: Work) -> Measured:
    """Load the artifact, compute the golden examples, and compare."""
    about = Subject(work)
    runtime: Runtime = registry.load("runtime", str(work.step.runtime))
    artifact, path = read_artifact(work.need("artifact"))
    inputs, expected = read_examples(work.need("trained"))
    labels = read_arrays(work.need("trained") / LABELS)["labels"]
    count = min(about.profile.verify_samples, len(labels))
    inputs, expected, labels = rows(inputs, 0, count), rows(expected, 0, count), labels[:count]
    with (
        subject(f"running in {runtime.title}"),
        runtime.load(path, artifact.signature, device=about.device, threads=about.threads) as session,
    ):
        singles = _compute(session, rows(inputs, 0, SINGLES), 1)
        outputs = _compute(session, inputs, about.scenario.throughput_batch)
    write_examples(work.folder, rows(inputs, 0, SINGLES), singles)
    tolerance = about.tolerance
    found = fidelity.worst(
        [
            fidelity.compare(rows(expected, 0, SINGLES), singles, tolerance),
            fidelity.compare(expected, outputs, tolerance),
        ]
    )
    accuracy, origin_accuracy = _accuracy(outputs, labels), _accuracy(expected, labels)
    metrics: Metrics = {
        **found.metrics(),
        "accuracy": accuracy,
        "origin_accuracy": origin_accuracy,
        "cases": count,
    }
    files = {"inputs": INPUTS, "outputs": OUTPUTS}
    if not found.passed:
        return _refused(f"outputs differ from the origin's: {found.first_difference}", metrics, files)
    if accuracy < LEAST_ACCURACY_RATIO * origin_accuracy:
        return _refused(f"accuracy fell from {origin_accuracy:.1%} to {accuracy:.1%}", metrics, files)
    return Measured(metrics=metrics, files=files)


def _compute(session: Session, inputs: Arrays, size: int) -> Arrays:
    """Compute all rows in batches of that size."""
    count = len(next(iter(inputs.values())))
    parts = [session(rows(inputs, start, start + size)) for start in range(0, count, size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _accuracy(outputs: Arrays, labels: Array) -> float:
    """Return the share of rows whose largest logit is the true label's; 0 for outputs of another shape."""
    logits = next(iter(outputs.values()))
    if logits.ndim != 2 or len(logits) != len(labels):
        return 0.0
    return float(np.mean(logits.argmax(axis=-1) == labels))


def _refused(reason: str, metrics: Metrics, files: dict[str, str]) -> Measured:
    return Measured(
        outcome=Outcome.FAILED,
        reason=reason,
        remedy="do not use this artifact; compare inputs.npz and outputs.npz with those of the train step",
        metrics=metrics,
        files=files,
    )
