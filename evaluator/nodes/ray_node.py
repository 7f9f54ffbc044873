"""Starts Ray on a machine as measuring wants it, and ends all of it again.

Documentation: https://docs.ray.io/en/releases-2.60.0/cluster/cli.html#ray-start
"""

import importlib.util
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from evaluator.children import processes
from evaluator.core.errors import Unavailable, UsageError
from evaluator.nodes import ray_settings

TOKEN = Path("~/.ray/auth_token")
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_GRACE_S = 60.0
_START = "import sys; from ray.scripts.scripts import main; sys.exit(main())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How this machine is to be one of a cluster."""

    head: str | None = None
    join: str | None = None
    address: str | None = None
    name: str | None = None


def run(asked: Asked) -> int:
    """Run Ray's processes until it is interrupted; `Unavailable` without Ray, `UsageError` without a token."""
    command = _command(asked)
    if importlib.util.find_spec("ray") is None:
        raise Unavailable("Ray is not installed here", remedy="pip install -c constraints.txt 'fweval[ray]'")
    if not has_token():
        remedy = "copy ~/.ray/auth_token from the head to this machine"
        if asked.head:
            remedy = "make one: fweval node --head … --new-token; then copy it to all machines"
        raise UsageError("there is no token, without which anybody could run code here", remedy=remedy)
    process = subprocess.Popen(
        [sys.executable, "-c", _START, *command],
        env={**os.environ, **ray_settings.of_nodes()},
        start_new_session=True,
        preexec_fn=processes.die_with_parent,  # noqa: PLW1509  # one system call
    )
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        processes.end_group(process, first=signal.SIGTERM, grace_s=_GRACE_S)


def shown(asked: Asked) -> str:
    """Return what is run, as people type it: also where fweval is not to start it."""
    settings = " ".join(f"{name}={value}" for name, value in ray_settings.of_nodes().items())
    return f"{settings} ray {shlex.join(_command(asked))}"


def has_token() -> bool:
    """Tell whether Ray will find a token: in its variables, or in its file."""
    return any(os.environ.get(name) for name in _TOKENS) or TOKEN.expanduser().is_file()


def make_token() -> Path:
    """Make a token in Ray's file, which only this user may read, unless there is one; return the file."""
    path = TOKEN.expanduser()
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path


def _command(asked: Asked) -> list[str]:
    if (asked.head is None) == (asked.join is None):
        raise UsageError("either --head or --join is needed", remedy="see fweval node --help")
    host, port = _host_and_port(asked.head or asked.join or "")
    closed = ["--include-dashboard=false", "--no-monitor"]
    where = ["--head", f"--node-ip-address={host}", f"--port={port}", *closed]
    if asked.join is not None:
        where = [f"--address={host}:{port}"]
        where += [f"--node-ip-address={asked.address}"] if asked.address else []
    labels = [f"--labels={ray_settings.LABEL}={asked.name}"] if asked.name else []
    resources = json.dumps({ray_settings.RESOURCE: 1})
    quiet = ["--include-log-monitor=false", "--disable-usage-stats"]
    size = ["--num-cpus=0", f"--object-store-memory={ray_settings.LEAST_STORE_BYTES}"]
    return ["start", "--block", *where, *size, f"--resources={resources}", *labels, *quiet]


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    if not host or (port and not (port.isdecimal() and 1024 <= int(port) < 1 << 16)):
        raise UsageError(f"{text} is no address", remedy="write it as 10.0.0.1 or 10.0.0.1:6379, a port from 1024 on")
    return host, int(port or ray_settings.PORT)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
