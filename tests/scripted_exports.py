"""Scripted plug-ins for the stages that export and prove: an artifact that computes what a test says, no framework."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from evaluator.children.work import Work
from evaluator.core import files, registry
from evaluator.core.records import Anatomy, Step
from evaluator.core.tensors import Array, Arrays, write_arrays
from evaluator.stages._evidence import ARTIFACT, EXTREMES, INPUTS, LABELS, OUTPUTS, WEIGHTS, Artifact
from exports.sizes import digest
from scenarios.loading import load_scenario
from scenarios.weights import write_weights
from tests import engine

CLASSES = 10
SIDE = 16  # of the images of the scenario `tiny`
EDGE_CASES = 3
Logits = NDArray[np.float32]


class ScriptedRuntime:
    """Computes a row of a table for each image: which one stands in its first pixel."""

    title = "Scripted"

    def __init__(self, table: Logits) -> None:
        self.table = table

    @contextlib.contextmanager
    def load(self, *_: object, **__: object) -> Iterator[Callable[[Mapping[str, Array]], Arrays]]:
        yield lambda inputs: {"logits": self.table[inputs["image"][:, 0, 0, 0].astype(int)]}

    def placement(self, artifact: Path) -> dict[str, int]:
        return {}


class ScriptedFramework:
    """Builds nothing."""

    name, title = "tensorflow", "Scripted"

    def prepare(self, **_: object) -> None: ...

    def build(self, *_: object) -> object:
        return object()

    def load_weights(self, *_: object) -> None: ...


class ScriptedExporter:
    """Writes a file, and keeps what it was given."""

    title, format, layout = "Scripted", "scripted", "tensorflow"

    def export(self, origin: Any, precision: str, folder: Path) -> Path:
        self.origin = origin
        (folder / "model").write_bytes(b"weights")
        return folder / "model"


class ScriptedFormat:
    """Holds weights of the types that a test says."""

    title = "Scripted"

    def __init__(self, weights: dict[str, int]) -> None:
        self.weights = weights

    def files(self, path: Path) -> list[Path]:
        return [path]

    def anatomy(self, path: Path) -> Anatomy:
        return Anatomy(weights=self.weights)


def one_hot(rows: int) -> Logits:
    """Return what the origin computes: ten for the right class, which goes round, and zero for the others."""
    return np.array(10 * np.eye(CLASSES)[np.arange(rows) % CLASSES], np.float32)


def trained(steps: Path, logits: Logits) -> None:
    """Leave what a train step would; every answer of the origin is right."""
    folder, rows = steps / "trained", len(logits) - EDGE_CASES
    for place, first, count in ((folder, 0, rows), (folder / EXTREMES, rows, EDGE_CASES)):
        place.mkdir(parents=True)
        images = np.zeros((count, SIDE, SIDE, 1), np.float32)
        images[:, 0, 0, 0] = np.arange(first, first + count)
        write_arrays(place / INPUTS, {"image": images})
        write_arrays(place / OUTPUTS, {"logits": logits[first : first + count]})
    write_arrays(folder / LABELS, {"labels": logits[:rows].argmax(axis=1)})
    write_weights(folder / WEIGHTS, {"fc.weight": np.ones((2, 2), np.float32)})


def exported(steps: Path) -> None:
    """Leave what an export step would."""
    folder = steps / "artifact"
    folder.mkdir()
    (folder / "model").write_bytes(b"weights")
    scenario = load_scenario("tiny")
    model = registry.load("model", scenario.model)
    signature = model.signature(model.Settings(), "tensorflow")
    sha256 = digest(folder / "model")
    described = Artifact(path="model", layout="tensorflow", sha256=sha256, size_bytes=7, signature=signature)
    files.write_record(folder / ARTIFACT, described)


def work(steps: Path, stage: str, precision: str) -> Work:
    """Return a step of the scenario `tiny` by scripted plug-ins."""
    step = Step(
        id=stage,
        stage=stage,
        scenario="tiny",
        framework="tensorflow",
        exporter="scripted",
        runtime="scripted",
        precision=precision,
        needs={"trained": "trained", "artifact": "artifact"},
        settings={
            "scenario": msgspec.to_builtins(load_scenario("tiny")),
            "profile": msgspec.to_builtins(engine.PROFILE),
            "seed": 1,
            "threads": 1,
        },
    )
    (steps / stage).mkdir()
    return Work(step=step, folder=steps / stage, steps=steps)


def install(monkeypatch: pytest.MonkeyPatch, **plugins: object) -> None:
    """Let the registry answer with these, by kind; with its own for all other kinds."""
    own = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: plugins[kind] if kind in plugins else own(kind, name))
