"""Threads that wait sleep at once, in runtimes whose threads are OpenMP's.

By default they spin for a while, and the next piece of work finds them awake. Beside a busy neighbour a thread that
spins may keep the one that it waits for from its core; one that sleeps wakes up late when nothing else is there.
Documentation: https://gcc.gnu.org/onlinedocs/libgomp/OMP_005fWAIT_005fPOLICY.html
"""

from collections.abc import Mapping
from typing import ClassVar

from exports.contract import Runtime, Variant


class PassiveWait(Variant):
    """Sets OMP_WAIT_POLICY."""

    name = "passive_wait"
    title = "passive waiting"
    summary = "OpenMP's threads sleep while they wait (OMP_WAIT_POLICY=PASSIVE)"
    variables: ClassVar[Mapping[str, str]] = {"OMP_WAIT_POLICY": "PASSIVE"}

    def applies(self, runtime: Runtime, cores: int) -> bool:
        """Tell whether there are threads that wait for one another: one alone waits for none."""
        return runtime.openmp and cores > 1


plugin = PassiveWait()
