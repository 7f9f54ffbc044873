"""Export: a trained model becomes an artifact, in a process of its own (conversions add up in memory)."""

import time
from pathlib import Path

from evaluator.core import files, registry
from evaluator.core.records import FRAMEWORKS, Measured
from evaluator.core.tensors import read_arrays, rows
from evaluator.core.work import Work, subject
from evaluator.measure.resources import peak_memory
from evaluator.stages._evidence import ARTIFACT, INPUTS, WEIGHTS, Artifact, Subject, calibration_rows
from exports.contract import Exporter, Origin
from exports.sizes import artifact_bytes, digest
from scenarios.contract import Framework
from scenarios.weights import read_weights

EXAMPLE_ROWS = 2  # more than one, so that no exporter takes the batch for a constant


def work(work: Work) -> Measured:
    """Rebuild the trained model from its weights and export it."""
    about = Subject(work)
    about.prepare()
    exporter: Exporter = registry.load("exporter", str(work.step.exporter))
    source = origin(about, work.need("trained"), about.framework)
    target = work.folder / "artifact"
    target.mkdir()
    before = peak_memory()["peak_rss_bytes"]
    begin = time.perf_counter()
    with subject(f"exporting with {exporter.title}"):
        path = exporter.export(source, str(work.step.precision), target)
    seconds = time.perf_counter() - begin
    artifact = Artifact(
        path=str(path.relative_to(work.folder)),
        layout=exporter.layout,
        sha256=digest(path),
        size_bytes=artifact_bytes(path),
        signature=about.model.signature(about.settings, exporter.layout),
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


def origin(about: Subject, trained: Path, framework: Framework) -> Origin:
    """Build a framework's network with the trained weights, and real examples in that framework's layout."""
    network = framework.build(about.model, about.settings)
    framework.load_weights(network, read_weights(trained / WEIGHTS))
    inputs = about.model.inputs_for(framework.name, read_arrays(trained / INPUTS))
    fitted = calibration_rows(len(next(iter(inputs.values()))), about.profile.verify_samples)
    (other,) = (name for name in FRAMEWORKS if name != framework.name)
    return Origin(
        framework=framework.name,
        model=network,
        signature=about.model.signature(about.settings, framework.name),
        example=rows(inputs, 0, EXAMPLE_ROWS),
        calibration={name: array[fitted] for name, array in inputs.items()},
        counterpart=lambda: origin(about, trained, registry.load("framework", other)),
    )
