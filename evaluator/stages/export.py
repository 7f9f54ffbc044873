"""Export: a trained model becomes an artifact, in a process of its own (conversions add up in memory)."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from evaluator.children.work import Work, blame
from evaluator.core import files, registry
from evaluator.core.metrics import key
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import percent
from evaluator.core.records import FRAMEWORKS, Anatomy, Measured, Metrics
from evaluator.core.tensors import Arrays, read_arrays
from evaluator.measure.resources import peak_bytes, peak_memory
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import ANATOMY, ARTIFACT, INPUTS, WEIGHTS, Artifact, Assignment, calibration_rows
from exports.contract import Exporter, Format, Origin
from exports.sizes import artifact_bytes, compressed_bytes, digest
from scenarios.contract import Framework
from scenarios.weights import read_weights

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

EXAMPLE_ROWS = 2  # more than one, so that no exporter takes the batch for a constant
_WIDTH = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1, "uint8": 1}  # bytes; of weights only
_REBUILDS = "it needs the network's definition in the other framework, and takes over the weights: {} has none here"
LEAST_LOWERED = 0.1  # of the weights; a tool that lowers fewer did not do what it was asked for


class Export(Stage):
    """Artifacts of every format; its command is evaluator/commands/export.py, which also makes the matrix."""

    name = "export"
    title = "Export"
    summary = "Export what was trained to every format."
    rests_on = ("train", "origin")
    memory_bytes = 23 * GIB // 2  # tf2onnx takes 11 GB for BERT-base; two such limits fit into 24 GB
    timeout_s = 300.0
    expected_s = 20.0
    gives: ClassVar = {"artifact": "the export"}
    figures = (Shown(key("export_s")), Shown(key("size_bytes")))

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan what each framework trained, by the standard exporters, or by all of them at every precision."""
        for made in plan.artifacts():
            exporter = made.exporter
            step = plan.add(
                self.name,
                exporter.origin,
                environment=exporter.environment,
                needs={"trained": plan.ids["train"][exporter.origin]},
                refusal=plan.not_installed(exporter.distributions) or plan.no_environment(exporter.environment),
                **made.fields(),
            )
            if step is not None and plan.brought and exporter.rebuilds:
                plan.draft.end(step, Outcome.NOT_APPLICABLE, _REBUILDS.format(made.exporter.layout))
            elif step is not None and made.precision in exporter.cannot:
                plan.draft.end(step, Outcome.UNSUPPORTED, exporter.cannot[made.precision])
            plan.ids[self.name][made] = step

    def work(self, work: Work) -> Measured:
        """Rebuild the trained model from its weights and export it."""
        about = Assignment(work)
        about.prepare()
        exporter: Exporter = registry.load("exporter", str(work.step.exporter))
        source = origin(about, work.need("trained"), about.framework)
        target = work.folder / "artifact"
        target.mkdir()
        before = peak_bytes()
        begin = time.perf_counter()
        with blame(f"exporting with {exporter.title}"):
            path = exporter.export(source, str(work.step.precision), target)
        seconds = time.perf_counter() - begin
        form: Format = registry.load("format", exporter.format)
        whole = form.files(path)
        artifact = Artifact(
            path=str(path.relative_to(work.folder)),
            beside=tuple(str(file.relative_to(work.folder)) for file in whole if not file.is_relative_to(path)),
            layout=exporter.layout,
            sha256=digest(path, whole),
            size_bytes=artifact_bytes(whole),
            signature=about.model.signature(about.settings, exporter.layout),
        )
        files.write_record(work.folder / ARTIFACT, artifact)
        metrics: Metrics = {
            "export_s": seconds,
            "size_bytes": artifact.size_bytes,
            "compressed_bytes": compressed_bytes(whole),
            **_trained_bytes(work.need("trained") / WEIGHTS),
            **peak_memory(),
            "rss_before_bytes": before,
            "sha256": artifact.sha256,
        }
        evidence = {"artifact": artifact.path, "description": ARTIFACT}
        anatomy = _anatomy(form, path)
        if anatomy is None:
            return Measured(metrics=metrics, files=evidence)
        files.write_record(work.folder / ANATOMY, anatomy)
        metrics |= _parts(anatomy, str(work.step.precision))
        kept = _kept(anatomy, str(work.step.precision))
        return Measured(
            outcome=Outcome.PASSED if kept is None else Outcome.FAILED,
            reason=kept,
            remedy=None if kept is None else "compare the other exporters to this format, and the other precisions",
            metrics=metrics,
            files={**evidence, "anatomy": ANATOMY},
        )


def _trained_bytes(weights: Path) -> Metrics:
    """Return what the origin's weights weigh, where they could be read."""
    if not weights.is_file():
        return {}
    return {"trained_weights_bytes": sum(array.nbytes for array in read_weights(weights).values())}


def _anatomy(form: Format, path: Path) -> Anatomy | None:
    """Take the artifact apart; None when it cannot be read, for it is the verification that judges it."""
    try:
        return form.anatomy(path)
    except ValueError as error:
        logging.getLogger(__name__).warning("the %s file was not understood: %s", form.title, error)
        return None


def _parts(anatomy: Anatomy, precision: str) -> Metrics:
    return {
        "weights_bytes": sum(anatomy.weights.values()),
        "graph_bytes": anatomy.graph_bytes,
        "metadata_bytes": anatomy.metadata_bytes,
        "operators": sum(anatomy.operators.values()),
        "lowered_share": lowered_share(anatomy, precision),
    }


def _kept(anatomy: Anatomy, precision: str) -> str | None:
    """Say that the tool left the weights as they were; None when it did what it was asked for."""
    share = lowered_share(anatomy, precision)
    if precision == "fp32" or share >= LEAST_LOWERED:
        return None
    return f"the tool left {percent(1 - share)} of the weights at more than {precision.partition('_')[0]}"


def lowered_share(anatomy: Anatomy, precision: str) -> float:
    """Return the share of the weights, counted in numbers, that have the precision's type; 1.0 without weights."""
    wanted = {"fp32": ("float32",), "fp16": ("float16", "bfloat16")}.get(precision, ("int8", "uint8"))
    counts = {dtype: size / _WIDTH[dtype] for dtype, size in anatomy.weights.items() if dtype in _WIDTH}
    whole = sum(counts.values())
    return sum(counts.get(dtype, 0.0) for dtype in wanted) / whole if whole else 1.0


def origin(about: Assignment, trained: Path, framework: Framework) -> Origin:
    """Build a framework's network with the trained weights, and real examples in that framework's layout."""
    network = about.network(trained, framework)
    inputs = about.model.inputs_for(framework.name, read_arrays(trained / INPUTS))
    fitted = calibration_rows(len(next(iter(inputs.values()))), about.profile.verify_samples)
    (other,) = (name for name in FRAMEWORKS if name != framework.name)
    return Origin(
        framework=framework.name,
        model=network,
        signature=about.model.signature(about.settings, framework.name),
        example=_example(inputs, 1 if about.batch == 1 else EXAMPLE_ROWS),
        calibration={name: array[fitted] for name, array in inputs.items()},
        counterpart=lambda: origin(about, trained, registry.load("framework", other)),
        free=about.model.free(about.settings, framework.name),
    )


def _example(inputs: Arrays, count: int) -> Arrays:
    """Return so many rows, the same one again where there is only one: a batch of one would be taken for a constant."""
    return {name: np.ascontiguousarray(np.resize(array, (count, *array.shape[1:]))) for name, array in inputs.items()}


plugin = Export()
