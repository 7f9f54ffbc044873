"""Run in a child that will be killed: starts a server and waits, saying where it is.

Usage: serving_launch.py SERVER LAUNCHER ARTIFACT SIGNATURE_JSON FOLDER. Prints "launched", then "ready".
"""

import sys
import time
from pathlib import Path

import msgspec

from evaluator.core import registry
from evaluator.core.clock import SystemClock
from evaluator.core.records import Signature
from serving.contract import Setup
from serving.life import wait_until_ready
from serving.ports import free_ports

if __name__ == "__main__":
    server = registry.load("server", sys.argv[1])
    launcher = registry.load("launcher", sys.argv[2])
    folder = Path(sys.argv[5])
    (folder / "bundle").mkdir(parents=True)
    signature = msgspec.json.decode(sys.argv[4], type=Signature)
    bundle = server.bundle(Path(sys.argv[3]), signature, folder / "bundle")
    setup = Setup(ports=free_ports(server.ports), images=server.images)
    with launcher.launch(server, bundle, setup, folder / "run") as running:
        print("launched", *setup.ports.by_role.values(), flush=True)  # noqa: T201  # the word that the test waits for
        wait_until_ready(server, bundle, setup.ports, running, 60.0, SystemClock())
        print("ready", flush=True)  # noqa: T201  # the word that the test waits for
        time.sleep(120)
