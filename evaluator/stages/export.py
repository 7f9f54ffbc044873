"""Export: a trained model becomes an artifact, in a process of its own (conversions add up in memory)."""

import time

from evaluator.core import files, registry
from evaluator.core.records import Measured
from evaluator.core.tensors import rows
from evaluator.core.work import Work, subject
from evaluator.measure.resources import peak_memory
from evaluator.stages._evidence import ARTIFACT, WEIGHTS, Artifact, Subject, read_examples
from exports.contract import Format, Origin
from exports.sizes import artifact_bytes, digest
from scenarios.weights import read_weights

EXAMPLE_ROWS = 2  # more than one, so that no exporter takes the batch for a constant


def work(work: Work) -> Measured:
    """Rebuild the trained model from its weights and export it."""
    about = Subject(work)
    about.prepare()
    kind: Format = registry.load("format", str(work.step.format))
    trained = work.need("trained")
    inputs, _ = read_examples(trained)
    network = about.framework.build(about.model, about.settings)
    about.framework.load_weights(network, read_weights(trained / WEIGHTS))
    origin = Origin(
        framework=about.framework.name,
        model=network,
        signature=about.signature,
        example=rows(inputs, 0, EXAMPLE_ROWS),
    )
    target = work.folder / "artifact"
    target.mkdir()
    before = peak_memory()["peak_rss_bytes"]
    begin = time.perf_counter()
    with subject(f"exporting to {kind.title}"):
        path = kind.export(origin, target)
    seconds = time.perf_counter() - begin
    artifact = Artifact(
        path=str(path.relative_to(work.folder)),
        sha256=digest(path),
        size_bytes=artifact_bytes(path),
        signature=about.signature,
    )
    files.write_record(work.folder / ARTIFACT, artifact)
    return Measured(
        metrics={
            "export_s": seconds,
            "size_bytes": artifact.size_bytes,
            **peak_memory(),
            "rss_before_bytes": before,
            "sha256": artifact.sha256,
        },
        files={"artifact": artifact.path, "description": ARTIFACT},
    )
