"""Parity that cannot be fooled: artifacts that are broken in ways nobody would see are all caught, sound ones pass.

How small a change can be and still be seen depends on the model: what matters is the outputs. Of single weights of the
trained `tiny` whose sign is turned, 98 % are noticed; the others have less than 2 % of the size of their layer's
largest weight, and change no output by more than the tolerance (measured over 1,344 random ones).
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evaluator.children import environments
from evaluator.core import registry
from evaluator.core.records import PRECISIONS
from tests.broken_artifacts import ACTIVATION, CHANGED, FILES, LOWERED, NEWER, SEEN, SOUND, UNVERSIONED, WEIGHTS
from tests.children import ROOT, environment

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first one waits for all children

CHILD = Path(__file__).with_name("broken_artifacts_child.py")
DAMAGES = (*WEIGHTS, ACTIVATION, *FILES, CHANGED)
# Two rows of children, side by side: framework, exporters, runtimes. Those that share a process get along in one.
CHILDREN = (
    (
        (
            "pytorch",
            "torchscript_trace,torchmobile_lite,torch_export,onnx_torch_export",
            "torch_jit,torch_mobile,torch_export,onnx_runtime",
        ),
        ("pytorch", "executorch", "executorch"),
    ),
    (
        ("tensorflow", "keras_savedmodel,keras_tflite", "tensorflow"),
        ("tensorflow", "-", "tflite_runtime"),
        ("tensorflow", "-", "ai_edge_litert"),
        ("tensorflow", "tfjs", "-"),
        ("tensorflow", "-", "tfjs_node"),
    ),
)
CELLS = [
    (exporter.name, runtime)
    for row in CHILDREN
    for _, exporters, _ in row
    for exporter in (registry.load("exporter", name) for name in exporters.split(",") if name != "-")
    for _, _, runtimes in row
    for runtime in runtimes.split(",")
    if runtime != "-"
    if exporter.format in registry.load("runtime", runtime).formats
]


def run(place: Path, framework: str, exporters: str, runtimes: str) -> None:
    exporter = None if exporters == "-" else registry.load("exporter", exporters.partition(",")[0])
    paths = [str(environments.make(exporter.environment))] if exporter and exporter.environment else []
    for name in runtimes.split(",") if runtimes != "-" else ():
        needed = registry.load("runtime", name).environment
        if needed:
            environments.make(needed)
    paths += [str(ROOT)]
    subprocess.run(
        [sys.executable, "-P", str(CHILD), str(place / framework), framework, exporters, runtimes],
        env={**environment(), "PYTHONPATH": os.pathsep.join(paths)},
        check=True,
        timeout=400,  # seconds of a machine that does much else besides
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")

    def row(children: tuple[tuple[str, str, str], ...]) -> None:
        for child in children:
            run(folder, *child)

    with ThreadPoolExecutor() as pool:
        list(pool.map(row, CHILDREN))
    return folder


def verdict(place: Path, exporter: str, runtime: str, damage: str, precision: str = "fp32") -> tuple[str, str | None]:
    (file,) = place.glob(f"*/verdicts-{runtime}.json")
    outcome, reason = json.loads(file.read_text())[f"{exporter} {precision}: {damage}"]
    return outcome, reason


@pytest.mark.parametrize(("exporter", "runtime"), CELLS)
def test_a_sound_artifact_passes(place: Path, exporter: str, runtime: str) -> None:
    assert verdict(place, exporter, runtime, SOUND) == ("passed", None)


@pytest.mark.parametrize(
    ("exporter", "runtime", "damage"),
    [(*cell, damage) for cell in CELLS for damage in DAMAGES if (cell[0], damage) != (UNVERSIONED, NEWER)],
)
def test_a_broken_artifact_is_caught(place: Path, exporter: str, runtime: str, damage: str) -> None:
    outcome, reason = verdict(place, exporter, runtime, damage)
    if damage in WEIGHTS or damage == ACTIVATION:
        assert (outcome, str(reason).partition(":")[0]) == ("failed", "outputs differ from the origin's")
    elif damage == CHANGED:
        assert (outcome, reason) == ("failed", "the artifact is not the one that was exported: its digest differs")
    elif damage == NEWER:
        assert outcome in {"failed", "unsupported"}
    else:
        assert outcome in {"failed", "crashed"}  # a runtime may take a broken file as it is


@pytest.mark.parametrize(("exporter", "precision"), [(name, each) for name in LOWERED for each in LOWERED[name][1]])
def test_lowering_neither_breaks_what_is_sound_nor_hides_what_is_broken(
    place: Path, exporter: str, precision: str
) -> None:
    found = {
        damage: verdict(place, exporter, LOWERED[exporter][0], damage, precision)
        for damage in (SOUND, *SEEN[precision])
    }
    assert found.pop(SOUND) == ("passed", None)
    assert {outcome for outcome, _ in found.values()} == {"failed"}, found
    said = "output" if precision == "fp16" else "the cosine between them is "
    assert all(str(reason).startswith(f"outputs differ from the origin's: {said}") for _, reason in found.values())


def test_every_precision_has_broken_artifacts() -> None:
    assert {precision for _, lowered in LOWERED.values() for precision in lowered} == {*PRECISIONS} - {"fp32"}


def test_hardly_any_single_weight_can_be_turned_unnoticed(place: Path) -> None:
    flips = json.loads((place / "pytorch" / "flips.json").read_text())
    noticed = [seen for _, seen in flips]
    assert sum(noticed) >= 0.9 * len(noticed)
    assert all(seen for share, seen in flips if share > 0.1)
