"""Starting tests/integration/phones_child.py in the environment of a runtime for phones."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from evaluator.children import environments
from tests.integration.phones_child import MARK

ROOT = Path(__file__).resolve().parents[1]
CHILD = ROOT / "tests" / "integration" / "phones_child.py"
TIMEOUT_S = 300


def child(environment: str, *arguments: str) -> dict[str, str]:
    """Return what it says of each case, or of each file."""
    place = str(environments.make(environment))
    variables = {"PYTHONPATH": f"{ROOT}:{place}", environments.VARIABLE: place, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, str(CHILD), *arguments],
        env=variables,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(line.removeprefix(MARK)) for line in done.stdout.splitlines() if line.startswith(MARK))


def computed(environment: str, folder: Path, exporter: str, runtime: str) -> dict[str, Any]:
    child(environment, "compute", str(folder), exporter, runtime)
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found
