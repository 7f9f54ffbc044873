"""Run in a child that will be killed: starts the scripted server in a container and waits.

Usage: containers_child.py FOLDER. Prints the port when the server answers.
"""

import signal
import sys
import time
from pathlib import Path

from serving.launchers.container import ContainerLauncher
from serving.life import serving
from tests.containers import Script, instance

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the command line and its workers do
    folder = Path(sys.argv[1])
    server = Script()
    bundle, setup = instance(server, folder)
    with serving(server, ContainerLauncher(), bundle, setup, folder / "run", 30.0):
        print(setup.ports["rest"], flush=True)  # noqa: T201  # what the test waits for
        time.sleep(120)
