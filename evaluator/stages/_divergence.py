"""Where an artifact that failed its verification departs from its origin, looked for in a process of its own.

`python -P -m evaluator.stages._divergence FOLDER STEPS ROWS`: FOLDER is the verify step's and takes divergence.json.
The search holds the origin's framework and keeps all intermediate tensors. Whatever happens to it, the failure that it
would explain is told as it was found.
"""

import logging
import subprocess
import sys
import time
from pathlib import Path

from evaluator.core import files
from evaluator.core.processes import die_with_parent
from evaluator.core.records import Metrics, Record, Step
from evaluator.core.tensors import rows
from evaluator.core.work import Work
from evaluator.stages._evidence import EDGES, Subject, read_artifact, read_examples
from evaluator.stages.export import origin
from exports import intermediates
from exports.divergence import find

DIVERGENCE = "divergence.json"
_MOST_ROWS = 4  # of the examples; all intermediate tensors are kept
_SHARE = 0.5  # of the step's time limit that the verification and the search may take together
_LEAST_S = 5.0
_NOWHERE = "nowhere, operator by operator: it is what the runtime makes of the artifact"

_log = logging.getLogger(__name__)


class Found(Record, frozen=True, kw_only=True):
    """Where an artifact departs from its origin: layers by the origin's names, operators by the artifact's."""

    after: str | None  # the last layer that is right
    at: tuple[str, ...]  # the first that are not; several when they are one operator in the artifact
    nodes: tuple[str, ...]  # the artifact's operators from there on

    def metrics(self) -> Metrics:
        """Return what a table shows."""
        return {"diverges_after": self.after or "the inputs", "diverges_at": ", ".join(self.at or self.nodes)}


def explain(work: Work, batch: int, begin: float) -> tuple[Metrics, dict[str, str]]:
    """Return metrics and evidence of where the artifact departs; nothing when that cannot be found.

    `batch` is a size that it takes; `begin` is when the step began, by `time.perf_counter`.
    """
    step = work.step
    left = _SHARE * step.timeout_s - (time.perf_counter() - begin)
    if step.format not in intermediates.FORMATS or step.precision not in ("fp32", "fp16") or left < _LEAST_S:
        return {}, {}
    command = [sys.executable, "-P", "-m", __name__, str(work.folder), str(work.steps), str(min(batch, _MOST_ROWS))]
    try:
        subprocess.run(command, timeout=left, check=True, stdout=sys.stderr)
    except subprocess.SubprocessError as error:
        _log.warning("where it diverges was not found: %s", error)
        return {}, {}
    found = files.read_record(work.folder / DIVERGENCE, Found)
    return found.metrics(), {"divergence": DIVERGENCE}


def main(folder: Path, steps: Path, count: int) -> None:
    """Search with real examples, then with edge cases, that many of each."""
    work = Work(step=files.read_record(folder / "job.json", Step), folder=folder, steps=steps)
    about = Subject(work)
    about.prepare()
    artifact, path = read_artifact(work.need("artifact"))
    source = origin(about, work.need("trained"), about.framework)
    found = Found(after=None, at=(_NOWHERE,), nodes=())
    for examples in (work.need("trained"), work.need("trained") / EDGES):
        inputs = rows(read_examples(examples)[0], 0, count)
        layers = intermediates.layers(source, about.model.inputs_for(about.framework.name, inputs))
        trace = intermediates.trace(str(work.step.format), path, about.model.inputs_for(artifact.layout, inputs))
        place = find(layers, trace, about.tolerance)
        if place is not None:
            found = Found(after=place.after, at=place.at, nodes=place.nodes)
            break
    files.write_record(folder / DIVERGENCE, found)


if __name__ == "__main__":
    die_with_parent()
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
