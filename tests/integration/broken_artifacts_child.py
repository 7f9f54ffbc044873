"""One part of tests/integration/test_broken_artifacts.py, in a process of its own: some tools never meet in one.

python broken_artifacts_child.py FOLDER FRAMEWORK EXPORTERS RUNTIMES (lists with commas, - for none)

Trains the scenario `tiny` for real in FOLDER, exports it sound and broken in every way, and verifies all that lies
there with the product's own stage: FOLDER/verdicts-RUNTIME.json, "EXPORTER PRECISION: DAMAGE" -> [outcome, reason].
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evaluator.children import processes, worker
from evaluator.children.isolation import Child
from evaluator.children.work import Work
from evaluator.core import files, registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Measured, Result, Step
from evaluator.core.tensors import Arrays, rows
from evaluator.judging.evidence import RESULT
from evaluator.measure import fidelity
from evaluator.stages import export
from evaluator.stages._evidence import ARTIFACT, EXTREMES, Artifact, Assignment, read_examples
from evaluator.stages._evidence import WEIGHTS as TRAINED
from exports.contract import Exporter, Runtime
from exports.sizes import artifact_bytes, digest, files_below
from scenarios.loading import load_scenario
from scenarios.weights import read_weights
from tests.broken_artifacts import (
    ACTIVATION,
    CHANGED,
    CUT,
    FILES,
    LOWERED,
    SEEN,
    SOUND,
    UNVERSIONED,
    WEIGHTS,
    replace_activation,
    spoil,
)
from tests.engine import PROFILE

PLAN = msgspec.structs.replace(PROFILE, train_samples=160, heldout_samples=64)
SETTINGS = {
    "scenario": msgspec.to_builtins(load_scenario("tiny")),
    "profile": msgspec.to_builtins(PLAN),
    "seed": 1,
    "threads": 1,
}
FLIPS = 100  # of single weights, chosen at random


class Corpus:
    """One trained model, and the artifacts that were made from it."""

    def __init__(self, place: Path, framework: str) -> None:
        self.place = place
        self.steps = place / "steps"
        self.framework = framework
        self.trained = self.steps / "trained"

    def train(self) -> None:
        """Train it, unless an earlier child has."""
        if not self.trained.is_dir():
            assert self._do("align", "aligned").outcome is Outcome.PASSED
            ending = self._do("train", "trained", needs={"weights": "aligned", "aligned": "aligned"})
            assert ending.outcome is Outcome.PASSED, ending.reason

    def about(self) -> Assignment:
        return Assignment(Work(step=self._step("export", "about"), folder=self.place, steps=self.steps))

    def export(self, exporter: Exporter) -> None:
        """Export the sound model and every broken one, and break the sound file in every way."""
        about = self.about()
        sound = self._export(about, exporter, SOUND)
        for damage in (*WEIGHTS, ACTIVATION):
            self._export(about, exporter, damage)
        _, lowered = LOWERED.get(exporter.name, (None, ()))
        for precision in lowered:
            for damage in (SOUND, *SEEN[precision]):
                self._export(about, exporter, damage, precision)
        for damage in FILES if exporter.format != UNVERSIONED else [CUT]:
            broken = self._folder(exporter, damage) / sound.name
            spoil(damage, exporter.format, sound, broken)
            self._describe(about, exporter, broken, digest(broken))
        broken = self._folder(exporter, CHANGED) / sound.name
        spoil(next(iter(FILES)), exporter.format, sound, broken)
        self._describe(about, exporter, broken, digest(sound))

    def verify(self, runtime: Runtime, *, apart: bool) -> None:
        """Verify every artifact that the runtime reads; those that it may crash on, `apart`, in children of their own.

        So is all that a runtime with an environment reads which is not this child's.
        """
        verdicts = {}
        for described in sorted(self.steps.glob(f"*/{ARTIFACT}")):
            exporter, precision, damage = described.parent.name.split(" ", 2)
            if _runs(runtime, registry.load("exporter", exporter), precision):
                needs = {"trained": "trained", "artifact": described.parent.name}
                name = f"{runtime.name} {described.parent.name}"
                do = self._do_apart if apart and (damage in FILES or runtime.environment) else self._do
                found = do("verify", name, precision=precision, runtime=runtime.name, needs=needs)
                verdicts[f"{exporter} {precision}: {damage}"] = (found.outcome.value, found.reason)
        (self.place / f"verdicts-{runtime.name}.json").write_text(json.dumps(verdicts, indent=1))

    def flips(self) -> None:
        """Turn the sign of single weights of the origin; leave how large they were and whether it was noticed."""
        about = self.about()
        golden = [read_examples(self.trained), read_examples(self.trained / EXTREMES)]
        taken = [tuple(rows(arrays, 0, PLAN.verify_samples) for arrays in pair) for pair in golden]
        random, network, found = np.random.default_rng(1), about.framework.build(about.model, about.settings), []
        for _ in range(FLIPS):
            weights = read_weights(self.trained / TRAINED)
            kernels = [array.reshape(-1) for array in weights.values() if array.ndim > 1]
            sizes = [kernel.size for kernel in kernels]
            kernel = kernels[random.choice(len(kernels), p=np.array(sizes) / sum(sizes))]
            index = random.integers(kernel.size)
            share = float(abs(kernel[index]) / abs(kernel).max())
            kernel[index] *= -1
            about.framework.load_weights(network, weights)
            found.append((share, any(self._differs(about, network, *pair) for pair in taken)))
        (self.place / "flips.json").write_text(json.dumps(found))

    def _differs(self, about: Assignment, network: Any, inputs: Arrays, outputs: Arrays) -> bool:
        return not fidelity.compare(outputs, about.forward(network, inputs), about.scenario.tolerance["fp32"]).passed

    def _export(self, about: Assignment, exporter: Exporter, damage: str, precision: str = "fp32") -> Path:
        origin = export.origin(about, self.trained, about.framework)
        if damage in WEIGHTS:
            weights = read_weights(self.trained / TRAINED)
            WEIGHTS[damage](weights)
            about.framework.load_weights(origin.model, weights)
        elif damage == ACTIVATION:
            origin = replace_activation(origin)
        path = exporter.export(origin, precision, self._folder(exporter, damage, precision))
        self._describe(about, exporter, path, digest(path))
        return path

    def _describe(self, about: Assignment, exporter: Exporter, path: Path, sha256: str) -> None:
        described = Artifact(
            path=path.name,
            layout=exporter.layout,
            sha256=sha256,
            size_bytes=artifact_bytes(files_below(path)),
            signature=about.model.signature(about.settings, exporter.layout),
        )
        files.write_record(path.parent / ARTIFACT, described)

    def _folder(self, exporter: Exporter, damage: str, precision: str = "fp32") -> Path:
        folder = self.steps / f"{exporter.name} {precision} {damage}"
        folder.mkdir()
        return folder

    def _do(self, stage: str, name: str, **fields: Any) -> Measured:
        work = Work(step=self._step(stage, name, **fields), folder=self.steps / name, steps=self.steps)
        work.folder.mkdir(parents=True)
        found = worker._attempt(work)
        result = Result(
            step=name, outcome=found.outcome, reason=found.reason, metrics=found.metrics, figures=found.figures
        )
        files.write_record(work.folder / RESULT, result)
        return found

    def _do_apart(self, stage: str, name: str, **fields: Any) -> Result:
        runtime: Runtime = registry.load("runtime", fields["runtime"])
        step = self._step(stage, name, environment=runtime.environment, **fields)
        child = Child(step, self.steps / name)
        processes.wait(child.process, child.step.timeout_s)
        return child.finish()

    def _step(self, stage: str, name: str, **fields: Any) -> Step:
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)  # ids of steps have no spaces
        return Step(id=plain, stage=stage, scenario="tiny", framework=self.framework, settings=SETTINGS, **fields)


def _runs(runtime: Runtime, exporter: Exporter, precision: str) -> bool:
    """Tell whether this runtime is to judge the artifact: at a lowered precision, one of those that read it does."""
    return exporter.format in runtime.formats and (precision == "fp32" or runtime.name == LOWERED[exporter.name][0])


def main(place: str, framework: str, exporters: str, runtimes: str) -> None:
    corpus = Corpus(Path(place), framework)
    corpus.train()
    for name in exporters.split(",") if exporters != "-" else ():
        corpus.export(registry.load("exporter", name))
    for name in runtimes.split(",") if runtimes != "-" else ():
        corpus.verify(registry.load("runtime", name), apart=exporters == "-")
    if "torch_jit" in runtimes:
        corpus.flips()


if __name__ == "__main__":
    main(*sys.argv[1:])
