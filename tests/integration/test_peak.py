"""The machine's limit as frameworks show it is that of a plain product on the same cores, in the same turns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.core.records import FRAMEWORKS
from evaluator.measure.disturbance import OTHERS_FROM

pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("peak_child.py")
TIMES = 3
SECONDS = 12  # at most, of turns; a quiet machine needs four


def test_the_best_product_is_that_of_plain_numpy_or_onednn() -> None:
    """OpenBLAS, oneDNN and MKL differ by more than a tenth on some processors: the fastest is the reference.

    A virtual machine gives a process a slower minute now and then, which nobody in it sees: once in three times both
    have the same machine.
    """
    seen = []
    for _ in range(TIMES):
        shown, reference = compared()
        seen.append((shown, reference))
        if max(shown.values()) == pytest.approx(max(reference.values()), rel=0.1):
            return
    raise AssertionError(seen)


def compared() -> tuple[dict[str, float], dict[str, float]]:
    """Return by framework what its best kernel reached, and the best plain product, as multiples of NumPy's."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    shown, reference = {}, {}
    for framework in FRAMEWORKS:
        command = [sys.executable, str(CHILD), framework, str(SECONDS)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        told = json.loads(done.stdout.splitlines()[-1])
        best = told["best"]
        assert min(best.values()) > 0
        if told["others_cores"] > OTHERS_FROM:
            pytest.skip(f"others kept {told['others_cores']:.1f} cores busy: nobody shows what the machine can do")
        # Processes one after the other meet another machine: NumPy, which is in each of them, is their common measure.
        shown[framework] = best["gemm"] / best["numpy"]
        reference[framework] = max(1.0, best["plain"] / best["numpy"])
    return shown, reference
