"""Where an artifact that failed its verification departs from its origin, looked for in a process of its own.

`python -P -m evaluator.stages._divergence FOLDER STEPS ROWS`: FOLDER is the verify step's and takes divergence.json.
The search holds the origin's framework and keeps all intermediate tensors. Whatever happens to it, the failure that it
would explain is told as it was found.
"""

import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evaluator.children import environments
from evaluator.children.processes import die_with_parent
from evaluator.children.work import Work
from evaluator.core import files, registry
from evaluator.core.coordinates import DEVICE
from evaluator.core.errors import Unavailable
from evaluator.core.records import Metrics, Record, Step
from evaluator.core.tensors import rows
from evaluator.stages._evidence import EXTREMES, LEAST_COSINE, Assignment, read_artifact, read_examples
from evaluator.stages.export import origin
from exports.contract import Exporter
from exports.diagnosing import drift, intermediates
from exports.diagnosing.divergence import Divergence, find

DIVERGENCE = "divergence.json"
_MOST_ROWS = 4  # of the examples; all intermediate tensors are kept
_SHARE = 0.5  # of the step's time limit that the verification and the search may take together
_LEAST_S = 5.0
_NOWHERE = "nowhere, operator by operator: it is what the runtime makes of the artifact"

_log = logging.getLogger(__name__)


class Found(Record, frozen=True, kw_only=True):
    """Where an artifact departs: layers by the origin's names, operators by the artifact's.

    What is quantized departs from the same exporter's artifact in fp32, and has operators only.
    """

    after: str | None  # the last that is right
    at: tuple[str, ...]  # the first that are not; several when they are one operator in the artifact
    nodes: tuple[str, ...]  # the artifact's operators from there on

    def metrics(self) -> Metrics:
        """Return what a table shows."""
        return {"diverges_after": self.after or "the inputs", "diverges_at": self.at or self.nodes}


def explain(work: Work, batch: int, begin: float) -> tuple[Metrics, dict[str, str]]:
    """Return metrics and evidence of where the artifact departs; nothing when that cannot be found.

    `batch` is a size that it takes; `begin` is when the step began, by `time.perf_counter`.
    """
    step = work.step
    left = _SHARE * step.timeout_s - (time.perf_counter() - begin)
    if step.format not in intermediates.FORMATS or left < _LEAST_S:
        return {}, {}
    python, count = environments.our_python(), min(batch, _MOST_ROWS)  # the runtime's may lack the frameworks
    command = [python, "-P", "-m", __name__, str(work.folder), str(work.steps), str(count)]
    try:
        subprocess.run(command, timeout=left, check=True, stdout=sys.stderr)
    except subprocess.SubprocessError as error:
        _log.warning("where it diverges was not found: %s", error)
        return {}, {}
    found = files.read_record(work.folder / DIVERGENCE, Found)
    return found.metrics(), {"divergence": DIVERGENCE}


def main(folder: Path, steps: Path, count: int) -> None:
    """Search with so many examples, and write what was found, which may be nothing."""
    work = Work(step=files.read_record(folder / "job.json", Step), folder=folder, steps=steps)
    about = Assignment(work)
    about.framework.prepare(threads=about.threads, seed=about.seed, device=DEVICE)  # wherever the artifact was run
    found = _drift(work, about, count) if about.quantized else _departure(work, about, count)
    where = Divergence(after=None, at=(_NOWHERE,), nodes=()) if found is None else found
    files.write_record(folder / DIVERGENCE, Found(after=where.after, at=where.at, nodes=where.nodes))


def _departure(work: Work, about: Assignment, count: int) -> Divergence | None:
    """Compare with the origin's layers: for real examples, then for edge cases, that many of each."""
    artifact, path = read_artifact(work.need("artifact"))
    source = origin(about, work.need("trained"), about.framework)
    extremes = work.need("trained") / EXTREMES
    for examples in (work.need("trained"), *([extremes] if extremes.is_dir() else [])):
        inputs = rows(read_examples(examples)[0], 0, count)
        layers = intermediates.layers(source, about.model.inputs_for(about.framework.name, inputs))
        trace = intermediates.trace(str(work.step.format), path, about.model.inputs_for(artifact.layout, inputs))
        found = find(layers, trace, about.tolerance)
        if found is not None:
            return found
    return None


def _drift(work: Work, about: Assignment, count: int) -> Divergence | None:
    """Compare with what the same exporter writes in fp32, for so many real examples."""
    artifact, path = read_artifact(work.need("artifact"))
    source = origin(about, work.need("trained"), about.framework)
    inputs = about.model.inputs_for(artifact.layout, rows(read_examples(work.need("trained"))[0], 0, count))
    with tempfile.TemporaryDirectory() as place:
        exact = _in_floats(work.step).export(source, "fp32", Path(place))
        wanted = intermediates.trace(str(work.step.format), exact, inputs)
    return drift.first(wanted, intermediates.trace(str(work.step.format), path, inputs), LEAST_COSINE)


def _in_floats(step: Step) -> Exporter:
    """Return the step's exporter, or the standard one to that format where it cannot write fp32.

    Raises `Unavailable` when its tools are in an environment of their own: they are not in this process.
    """
    own: Exporter = registry.load("exporter", str(step.exporter))
    if own.environment is not None:
        raise Unavailable(f"{own.title} needs the environment '{own.environment}'")
    if "fp32" not in own.cannot:
        return own
    others: tuple[Exporter, ...] = registry.load_all("exporter")
    return next(e for e in others if e.standard and (e.origin, e.format) == (own.origin, own.format))


if __name__ == "__main__":
    die_with_parent()
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
