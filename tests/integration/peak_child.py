"""A framework's kernels, in turns with NumPy's product: `python peak_child.py FRAMEWORK SECONDS`.

Prints one line of JSON: operations per second of the best block of each, and how many cores others had. The framework's
product (oneDNN, or the BLAS of its build) is asked in plain words as well.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from evaluator.core import machine, registry
from evaluator.measure.disturbance import Glance
from evaluator.stages._peak import on_cpu
from scenarios.contract import Framework

PAUSE_S = 0.03  # threads that wait actively give the cores to the next one
LEAST_TURNS = 8
CLOSE = 0.05
NUMPY, PLAIN = "numpy", "plain"
Floats = NDArray[np.float32]


def block(call: Callable[[], object]) -> float:
    """Return the median seconds of a few calls, as in a block of the turns."""
    time.sleep(PAUSE_S)
    call()
    taken = []
    for _ in range(3):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return median(taken)


def plain(name: str, one: Floats, other: Floats) -> Callable[[], object]:
    """Return the product as anybody would write it."""
    if name == "pytorch":
        import torch

        return partial(torch.mm, torch.from_numpy(one), torch.from_numpy(other))
    import tensorflow as tf

    return partial(tf.matmul, tf.constant(one), tf.constant(other))


def main(name: str, seconds: str) -> None:
    framework: Framework = registry.load("framework", name)
    framework.prepare(threads=machine.cores(), seed=1, device="cpu")
    sizes = on_cpu(machine.cores())
    kernels = {each.name: each for each in framework.kernels(sizes, "fp32", "cpu")}
    calls = {each.name: each.make() for each in kernels.values()}
    work = {each.name: each.work for each in kernels.values()} | dict.fromkeys((NUMPY, PLAIN), 2 * sizes.side**3)
    one, other, product = (np.random.default_rng(1).random((sizes.side,) * 2, dtype=np.float32) for _ in range(3))
    calls[NUMPY] = lambda: np.matmul(one, other, out=product)
    calls[PLAIN] = plain(name, one, other)
    best: dict[str, float] = {}
    begin, own = Glance(), time.process_time()
    deadline, turns = time.monotonic() + float(seconds), 0
    while time.monotonic() < deadline and not (turns >= LEAST_TURNS and _settled(best)):
        for each, call in calls.items():
            best[each] = max(best.get(each, 0.0), work[each] / block(call))
        turns += 1
    seen = Glance().since(begin, time.process_time() - own, ((), ()))
    sys.stdout.write(json.dumps({"best": best, "others_cores": seen.others_cores}) + "\n")


def _settled(best: dict[str, float]) -> bool:
    """Tell whether nothing is to be expected of more turns: the best only ever grows."""
    reference = max(best[NUMPY], best[PLAIN])
    return abs(best["gemm"] / reference - 1) < CLOSE


if __name__ == "__main__":
    main(*sys.argv[1:])
