"""`fweval train --device gpu` from end to end without a GPU, with a driver and frameworks that pretend there is one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evaluator.core.files import read_blocks
from tests.commands import PROFILE

pytestmark = pytest.mark.integration

REHEARSAL = Path(__file__).with_name("gpu_rehearsal.py")
VARIANTS = ("tf32", "tf32_execution")


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Train `tiny` on the pretended GPU, beside a process of somebody else's; return the run and what was said."""
    root = tmp_path_factory.mktemp("gpu")
    tool = root / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho "NVIDIA Stand-in, GPU-aaaa-1"\n')
    tool.chmod(0o755)
    (root / "short.toml").write_text(PROFILE)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CUDA_")}
    environment = {**inherited, "PATH": f"{tool.parent}:{os.environ['PATH']}", "GPU_REHEARSAL_GUEST": str(os.getpid())}
    chosen = [word for name in VARIANTS for word in ("--only", name)]
    asked = ["train", "tiny", "--device", "gpu", "--profile", str(root / "short.toml"), "--out", str(root / "run")]
    done = subprocess.run(
        [sys.executable, str(REHEARSAL), *asked, *chosen],
        env=environment,
        cwd=root,
        timeout=540,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return root / "run", done.stdout + done.stderr


def results(run: Path, stage: str) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Return what became of the steps of a stage, by framework and variant."""
    found = {}
    for told in (run / "steps").glob("*/job.json"):  # what was not started has none
        job = json.loads(told.read_text())
        if job["stage"] == stage:
            found[job["framework"], job.get("variant")] = json.loads(told.with_name("result.json").read_text())
    return found


def test_every_training_passes_and_says_what_the_gpu_says(rehearsed: tuple[Path, str]) -> None:
    run, said = rehearsed
    found = results(run, "train")
    assert set(found) == {
        ("pytorch", None),
        ("tensorflow", None),
        ("pytorch", "tf32"),
        ("tensorflow", "tf32_execution"),
    }
    for (framework, _), result in found.items():
        assert result["outcome"] == "passed", (result["reason"], said)
        metrics = result["metrics"]
        assert metrics["device_process_bytes"] == 2 << 30
        assert metrics["peak_device_bytes"] in (2 << 30, 3 << 30)
        assert "NVML" in metrics["device_memory_provenance"]
        assert ("device_step_s" in metrics) == (framework == "pytorch")
        assert ("device_time_unmeasured" in metrics) == (framework == "tensorflow")
        assert framework == "tensorflow" or 0 < metrics["device_step_s"] <= metrics["train_s"]


def test_beside_a_process_of_somebody_elses_nothing_counts_and_that_is_said(rehearsed: tuple[Path, str]) -> None:
    run, said = rehearsed
    assert said.count("others compute on it") == 1
    assert f"[{os.getpid()}]" in said
    for folder in (run / "steps").glob("*-train-*"):
        blocks = read_blocks(folder).blocks
        assert blocks
        assert all(block.guests == 1 and not block.quiet for block in blocks)
    for result in results(run, "train").values():
        assert "others had the machine" in result["metrics"]["energy_unmeasured"]


def test_the_counter_of_the_board_was_read_for_every_block(rehearsed: tuple[Path, str]) -> None:
    """It says a hundred watts all the time."""
    run, _ = rehearsed
    for folder in (run / "steps").glob("*-train-*"):
        for block in read_blocks(folder).blocks:
            assert block.energy_j is not None
            assert block.energy_s
            assert block.energy_j / block.energy_s == pytest.approx(100, rel=0.2)
