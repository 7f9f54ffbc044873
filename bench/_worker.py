"""A child of the benchmark: fweval's own worker, which knows one more stage, `bench_loops`.

The benchmark's loops are no stage of any run. Everything else is as in a run: the conductor asks, the worker's limits
and environment hold, and blocks are taken and written by the same code. `bench._live` starts it.
"""

import os
import sys
from types import ModuleType

from bench import _loops
from evaluator.children import worker
from evaluator.core import machine

STAGE = "bench_loops"
DEFAULTS = "--defaults"  # the argument that says: with nothing set that decides how a runtime computes


def main(argv: list[str]) -> int:
    """Do a step of the benchmark."""
    if DEFAULTS in argv:
        for name in machine.thread_environment(1):
            os.environ.pop(name, None)  # before anything that reads it is loaded
    module = ModuleType(f"evaluator.stages.{STAGE}")
    module.plugin = _loops.plugin  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    return worker.main([each for each in argv if each != DEFAULTS])
