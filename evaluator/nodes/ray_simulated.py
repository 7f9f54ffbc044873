"""A cluster of simulated nodes: Ray's own processes on this machine, bound to loopback, for as long as this one lives.

`python -P -m evaluator.nodes.ray_simulated FOLDER COUNT`: FOLDER takes what Ray writes; the address is printed, and
everything ends with standard input. Ray's Linux builds bind to every interface unless the address of a node is that of
loopback, and replace that by another one unless they are told that there is no cluster; so they are told that.
"""

import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path

import psutil

from evaluator.children import processes
from evaluator.nodes.ray_settings import LABEL, LEAST_STORE_BYTES, RESOURCE, of_nodes

LOOPBACK = "127.0.0.1"
HEAD = "simulated-head"  # what holds the cluster together, and measures nothing
_SETTINGS = {
    "node_ip_address": LOOPBACK,
    "num_cpus": 0,
    "object_store_memory": LEAST_STORE_BYTES,
    "include_dashboard": False,
    "include_log_monitor": False,
}
ONE_MACHINE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def main(argv: list[str]) -> int:
    """Start so many nodes, and wait."""
    folder, count = Path(argv[0]), int(argv[1])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Ray prints is no address
    os.environ.update({**of_nodes(), **ONE_MACHINE, "RAY_TMPDIR": str(folder)})
    signal.signal(signal.SIGTERM, _interrupt)
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    was_there = False
    try:
        cluster.add_node(**_SETTINGS, no_monitor=True, labels={LABEL: HEAD})  # whoever measures may be lost, not this
        for number in range(count):
            cluster.add_node(**_SETTINGS, resources={RESOURCE: 1}, labels={LABEL: f"node-{number + 1}"})
        print(cluster.address, file=out, flush=True)
        was_there = True
        sys.stdin.read()
    except KeyboardInterrupt:
        pass
    finally:
        cluster.shutdown()
        for left in processes.group(os.getpid()):  # of a head that was killed, others wait for long
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        if was_there:  # else its log is read by whoever started it
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
