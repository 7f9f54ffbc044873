"""The processor of the machine, with all the cores that the process may use.

GPUs are hidden from the process, so that no framework places anything on one.
Documentation: https://docs.nvidia.com/cuda/cuda-programming-guide/ (CUDA_VISIBLE_DEVICES)
"""

from collections.abc import Mapping
from pathlib import Path

from evaluator.core import energy
from evaluator.core.records import Machine
from exports.contract import Device, Runtime


class Cpu(Device):
    """Every machine has one."""

    name = "cpu"
    title = "processor"

    @property
    def variables(self) -> Mapping[str, str]:
        """Hide the GPUs."""
        return {"CUDA_VISIBLE_DEVICES": "-1"}

    def lacking(self) -> None:
        """Return None."""

    def describe(self, machine: Machine) -> str:
        """Name the processor, and how many cores of it may be used."""
        return machine.processor

    def meter(self) -> energy.Meter | energy.Unmetered:
        """Take the counters of the processors' packages."""
        return energy.processor()

    def placement(self, runtime: Runtime, artifact: Path) -> Mapping[str, int]:
        """Ask the runtime."""
        return runtime.placement(artifact)


plugin = Cpu()
