"""Runs the `fweval` command as a person would, in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests import children

NO_ENGINE = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}  # the same rows with and without Docker here
FWEVAL = str(Path(sys.executable).with_name("fweval"))  # installed beside the Python that runs the tests
PROFILE = """
name = "e2e"
summary = "as short as it can be and still be real"
rounds = 1
highest_tail = "p90"
train_rounds = 1
train_samples = 160
heldout_samples = 64
verify_samples = 16
probe_seconds = 0.5

[sampling]
min_queries = 64
min_seconds = 0.2
cap_seconds = 8.0
warmup_queries = 2
warmup_seconds = 0.05

[load]
saturation_s = 0.3
most_clients = 2
shares = [0.5]

[timeout_s]
align = 120
train = 120
export = 180
verify = 120
run = 120
edge = 180
serve = 400
load = 240
probe = 400
"""


def skipping(*names: str) -> tuple[str, ...]:
    """Return the options that leave stages, formats, ways to run or to train out."""
    return tuple(word for name in names for word in ("--skip", name))


def fweval(
    *arguments: str | Path, cwd: Path, timeout_s: float = 60.0, env: Mapping[str, str] = NO_ENGINE
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; without a Docker engine unless the environment says otherwise.

    It may take twice `timeout_s`, which is ample on a quiet machine: the limit is there for what hangs.
    """
    command = [FWEVAL, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, timeout=2 * timeout_s, text=True, capture_output=True, check=False, env=env)


@contextlib.contextmanager
def started(
    *arguments: str | Path, cwd: Path, log: Path, env: Mapping[str, str] = NO_ENGINE
) -> Iterator[subprocess.Popen[bytes]]:
    """Start one command in a session of its own, its output in `log`; without a Docker engine unless `env` says so.

    It hears every signal, whatever the tests were started by: `nohup` has them inherit that SIGHUP is ignored.
    """
    with (
        log.open("ab") as file,
        children.started(
            ["env", "--default-signal", FWEVAL, *arguments],
            cwd=cwd,
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        ) as process,
    ):
        yield process


def cells(run: Path) -> list[dict[str, Any]]:
    """Return the rows of `fweval cells RUN --json`."""
    done = fweval("cells", run, "--json", cwd=run)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows
