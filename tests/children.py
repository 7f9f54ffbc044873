"""Children that tests start for what the tests' own process must not import: a framework, or a server."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def environment() -> dict[str, str]:
    """Return what a child with a framework needs here."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def run(script: Path, *arguments: object, timeout_s: float = 100.0) -> None:
    """Run a script of tests/integration to its end, which must be a good one."""
    command = [sys.executable, "-P", str(script), *map(str, arguments)]
    subprocess.run(command, env=environment(), check=True, timeout=timeout_s)
