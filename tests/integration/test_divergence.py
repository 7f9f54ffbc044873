"""Artifacts with one broken layer: the search names that layer, and a failed verification tells of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evaluator.children import processes
from evaluator.children.isolation import Child
from evaluator.core import files
from evaluator.core.outcome import Outcome
from evaluator.core.records import Step
from evaluator.stages._divergence import DIVERGENCE, Found
from evaluator.stages._evidence import ARTIFACT, Artifact, read_result
from exports.sizes import digest
from tests.children import environment
from tests.commands import PROFILE, cells, fweval

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("divergence_child.py")
# Layers whose operators keep their outputs' names in 8 bits, and what the operators' names begin with.
BEFORE_THE_LAST = {
    **dict.fromkeys(("conv2d", "0"), "CONV"),
    **dict.fromkeys(("embedding", "embedding_1", "word", "mark"), "GATHER"),
}
SCALE = 0.5  # of a kernel's weights: a change that no shape and no name tells


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_the_broken_layer_is_named(framework: str, tmp_path: Path) -> None:
    command = [sys.executable, "-P", str(CHILD), framework, str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    lowered = {name: told.pop(name) for name in list(told) if name.startswith("int8 ")}
    assert len(told) >= 7  # two sound models, and five layers that were broken
    assert len(lowered) == len(told)
    for name, found in lowered.items():
        kind = BEFORE_THE_LAST.get(name.rpartition(" ")[2])
        if name.endswith(" -"):
            assert found is None, name
        elif kind is not None:
            _, (operator,) = found
            assert operator.upper().startswith(kind), name
    for name, found in told.items():
        broken = name.rpartition(" ")[2]
        if broken == "-":
            assert found is None, name
        else:
            _, at = found
            assert at[0] == broken, name


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("divergence")
    (home / "e2e.toml").write_text(PROFILE)
    only = ("--framework", "pytorch", "--only", "onnx", "--device", "cpu")
    done = fweval("prove", "tiny", "--profile", "e2e.toml", *only, "--out", "run", cwd=home, timeout_s=200)
    assert done.returncode == 0, done.stderr
    return home / "run"


def verify_again(run: Path, layer: str) -> Path:
    """Scale the kernel of a layer in the exported file, as if it had been exported so; return the verification."""
    import onnx
    from onnx import numpy_helper

    (row,) = (row for row in cells(run) if row["stage"] == "verify")
    step = files.read_record(run / row["evidence"] / "job.json", Step)
    broken = shutil.copytree(run / "steps" / step.needs["artifact"], run / "steps" / f"broken-{layer}")
    artifact = files.read_record(broken / ARTIFACT, Artifact)
    model = onnx.load(broken / artifact.path)
    (weights,) = (tensor for tensor in model.graph.initializer if tensor.name == f"{layer}.weight")
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * SCALE, weights.name))
    onnx.save(model, broken / artifact.path)
    changed = msgspec.structs.replace(artifact, sha256=digest(broken / artifact.path))
    files.write_record(broken / ARTIFACT, changed)
    folder = run / "steps" / f"verify-{layer}"
    child = Child(msgspec.structs.replace(step, needs={**step.needs, "artifact": broken.name}), folder)
    processes.wait(child.process, step.timeout_s)
    child.finish()
    return folder


def test_a_failed_verification_tells_where(run: Path) -> None:
    folder = verify_again(run, "conv2")
    found, result = files.read_record(folder / DIVERGENCE, Found), read_result(folder)
    assert result.outcome is Outcome.FAILED
    assert result.reason is not None
    assert result.reason.startswith("outputs differ from the origin's")
    assert result.files["divergence"] == DIVERGENCE
    assert result.metrics["diverges_after"] == found.after == "relu"
    assert result.metrics["diverges_at"] == (found.at or found.nodes)
    assert "conv2" in str(result.metrics["diverges_at"])
    assert [node.partition(" ")[0] for node in found.nodes] == ["Conv"]
