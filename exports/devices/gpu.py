"""The first CUDA GPU of the machine. Others are hidden from the process.

Runtimes and frameworks are asked for full 32-bit floats on it, so that fp32 means the same everywhere.
Documentation: https://docs.nvidia.com/cuda/cuda-programming-guide/ (CUDA_VISIBLE_DEVICES)
"""

from collections.abc import Mapping
from typing import ClassVar

from evaluator.core import machine
from evaluator.core.records import Machine
from exports.contract import Device


class Gpu(Device):
    """It is there when the driver's own tool names one; whether a framework can use it is the framework's to say."""

    name = "gpu"
    title = "GPU"
    variables: ClassVar[Mapping[str, str]] = {"CUDA_VISIBLE_DEVICES": "0"}
    cuda = True

    def lacking(self) -> tuple[str, str] | None:
        """Ask nvidia-smi."""
        if machine.gpu() is not None:
            return None
        return "no CUDA GPU on this machine", "run on a machine with an NVIDIA GPU and driver (nvidia-smi must answer)"

    def describe(self, machine: Machine) -> str:
        """Name the GPU as its driver does."""
        return machine.gpu or "a CUDA GPU"


plugin = Gpu()
