"""What the stages hand to one another through the run folder: names of files, and how they are read."""

from pathlib import Path
from typing import Any, cast

import msgspec

from evaluator.children.work import Work
from evaluator.core import files, registry
from evaluator.core.errors import FwevalError, Unavailable
from evaluator.core.records import Profile, Record, Result, Signature
from evaluator.core.tensors import Arrays, read_arrays, write_arrays
from exports.contract import Device
from exports.sizes import digest, files_below
from scenarios import datasets
from scenarios.contract import Framework, Model
from scenarios.loading import Precision, Scenario
from scenarios.weights import read_weights

WEIGHTS = "weights.safetensors"  # under PyTorch's names and layouts
INPUTS = "inputs.npz"  # examples, in the layout of what computed them; a train step's are in the models' common one
OUTPUTS = "outputs.npz"  # what was computed from them
LABELS = "labels.npz"
EXTREMES = "extremes"  # a folder with inputs at the edges of what is allowed, and the origin's outputs
RESIZED = "resized"  # the same for inputs of another size; it is there when the origin takes them
ARTIFACT = "artifact.json"
ANATOMY = "anatomy.json"  # what the artifact is made of
LEAST_COSINE = 0.9  # between what a quantized artifact and its origin compute, both as one vector
_CALIBRATION_ROWS = 128  # at most
POOL = 32  # inputs that the timed calls rotate over: a cache of one answer would be seen
NOISE_FACTOR = 2.0  # two answers of the origin may lie on either side of what an artifact computes


class Artifact(Record, frozen=True, kw_only=True):
    """One exported thing: where it lies below its step's folder, its digest and what it takes and gives."""

    path: str
    beside: tuple[str, ...] = ()  # its files that are not the path, nor below it
    layout: str  # the framework whose layout its inputs have
    sha256: str
    size_bytes: int
    signature: Signature


class Assignment:
    """The scenario that a step belongs to, with its model, settings and framework looked up."""

    def __init__(self, work: Work) -> None:
        settings = work.step.settings
        self.scenario = msgspec.convert(settings["scenario"], Scenario)
        self.profile = msgspec.convert(settings["profile"], Profile)
        self.seed = int(settings["seed"])
        self.threads = int(settings["threads"])
        self.device: Device = registry.load("device", work.step.device)
        self._precision = work.step.precision
        self.noise = 0.0  # of the origin, relative to the output scale
        self.model: Model = registry.load("model", self.scenario.model)
        self.settings: Any = msgspec.convert(self.scenario.settings, self.model.Settings)
        self.framework: Framework = registry.load("framework", work.step.framework)
        self.signature = self.model.signature(self.settings, work.step.framework)

    @property
    def quantized(self) -> bool:
        """Tell whether the artifact holds integers in place of the origin's floats."""
        return (self._precision or "").startswith("int8")

    @property
    def tolerance(self) -> float:
        """How far an artifact may be from its origin, relative to the output scale, at the step's precision.

        At least so far as an origin that answers differently twice is from itself (`noise`), and as much again.
        """
        return max(self.scenario.tolerance[cast("Precision", self._precision)], NOISE_FACTOR * self.noise)

    @property
    def batch(self) -> int:
        """How many rows are computed at once: one where the model takes no other number."""
        return 1 if self.signature.inputs[0].shape[0] is not None else self.scenario.throughput_batch

    def network(self, trained: Path, framework: Framework | None = None) -> Any:
        """Build a framework's network, by default the step's, with the weights that a step left."""
        framework = framework or self.framework
        network = framework.build(self.model, self.settings)
        if (trained / WEIGHTS).is_file():
            framework.load_weights(network, read_weights(trained / WEIGHTS))
        return network

    def packages(self) -> dict[str, Path]:
        """Return name -> folder of the data packages; they were fetched before the plan, never while measuring."""
        wanted = self.model.packages(self.settings)
        found = {package.name: datasets.locate(package) for package in wanted}
        absent = [name for name, folder in found.items() if folder is None]
        if absent:
            raise Unavailable(f"data not fetched: {', '.join(absent)}", remedy="fweval fetch")
        return {name: folder for name, folder in found.items() if folder is not None}

    def forward(self, network: Any, inputs: Arrays) -> Arrays:
        """Compute with the origin: inputs in the models' common layout, outputs by the signature's names."""
        names = [spec.name for spec in self.signature.outputs]
        given = self.model.inputs_for(self.framework.name, inputs)
        return self.framework.forward(network, given, self.device.name, names)

    def prepare(self) -> None:
        """Set the framework up for this process: threads, seeds, device."""
        self.framework.prepare(threads=self.threads, seed=self.seed, device=self.device.name)


def calibration_rows(count: int, verified: int) -> slice:
    """Return which of that many held-out examples quantizers are calibrated with: none that verification looks at.

    An artifact is not judged by what it was fitted to. Of few examples, each gets half.
    """
    start = min(verified, count // 2)
    return slice(start, min(start + _CALIBRATION_ROWS, start + (count - start + 1) // 2))


def timed_rows(count: int, verified: int) -> slice:
    """Return which of that many held-out examples are timed: those behind the ones for calibration, if there are any.

    What an artifact was fitted to or proven with may lie in a cache of somebody's making.
    """
    start = calibration_rows(count, verified).stop
    return slice(start, start + POOL) if start < count else slice(0, POOL)


def read_artifact(folder: Path) -> tuple[Artifact, Path]:
    """Return what an export step left: its description, and the path of the artifact itself.

    Raises `FwevalError` (the step fails) when the artifact is not what was exported any more: no figure may be taken
    from something else than what was proven.
    """
    artifact = files.read_record(folder / ARTIFACT, Artifact)
    path = folder / artifact.path
    beside = [folder / name for name in artifact.beside]
    whole = [*files_below(path), *beside] if path.exists() and all(file.is_file() for file in beside) else None
    if whole is None or digest(path, whole) != artifact.sha256:
        raise FwevalError(
            "the artifact is not the one that was exported: its digest differs",
            remedy=f"do not use it; move steps/{folder.name} elsewhere and resume the run to export it again",
        )
    return artifact, path


def read_result(folder: Path) -> Result:
    """Return how the step of this folder ended."""
    return files.read_record(folder / "result.json", Result)


def write_examples(folder: Path, inputs: Arrays, outputs: Arrays, labels: Arrays | None = None) -> None:
    """Keep inputs, what was computed from them, and the true labels."""
    write_arrays(folder / INPUTS, inputs)
    write_arrays(folder / OUTPUTS, outputs)
    if labels is not None:
        write_arrays(folder / LABELS, labels)


def read_examples(folder: Path) -> tuple[Arrays, Arrays]:
    """Return inputs and outputs that `write_examples` kept."""
    return read_arrays(folder / INPUTS), read_arrays(folder / OUTPUTS)
