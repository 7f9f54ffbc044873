"""The first CUDA GPU of the machine that this process may use. Others are hidden from the process.

Which that is says CUDA_VISIBLE_DEVICES, by which people and schedulers (Slurm, Kubernetes) allot GPUs: its first entry,
handed on as it is: a number, a UUID or the beginning of one, a slice of a GPU (MIG). Empty, or with a first entry that
names none (-1, NoDevFiles), it says that there is no GPU here. Without the variable it is the first.

Runtimes and frameworks are asked for full 32-bit floats on it, so that fp32 means the same everywhere.
Documentation: https://docs.nvidia.com/cuda/cuda-programming-guide/ (CUDA_VISIBLE_DEVICES)
"""

import os
from collections.abc import Mapping
from typing import ClassVar

from evaluator.core import energy, machine, nvml
from evaluator.core.records import Machine
from exports.contract import Device, DeviceState
from exports.devices import _nvidia

_VISIBLE = nvml.VISIBLE_GPUS
_ORDER = nvml.ORDER


class Gpu(Device):
    """It is there when the driver's own tool names one; whether a framework can use it is the framework's to say."""

    name = "gpu"
    title = "GPU"
    cuda: ClassVar[bool] = True

    @property
    def variables(self) -> Mapping[str, str]:
        """Show the child the one GPU."""
        order = {_ORDER: os.environ[_ORDER]} if _ORDER in os.environ else {}
        return {_VISIBLE: nvml.visible_gpu() or "-1", **order}

    def lacking(self) -> tuple[str, str] | None:
        """Ask nvidia-smi, unless GPUs are hidden from us."""
        told = f"{_VISIBLE}={os.environ.get(_VISIBLE)}"
        if nvml.visible_gpu() is None:
            return f"{told} hides every GPU from fweval", f"unset {_VISIBLE}, or let it begin with a GPU's number"
        if machine.gpu() is not None:
            return None
        why = f"no CUDA GPU on this machine{f' ({told})' if _VISIBLE in os.environ else ''}"
        if os.environ.get("NVIDIA_VISIBLE_DEVICES") in ("void", "none"):
            return f"{why}: the container was given none", "start it with a GPU (docker run --gpus)"
        return why, "run on a machine with an NVIDIA GPU and driver (nvidia-smi must answer)"

    def describe(self, machine: Machine) -> str:
        """Name the GPU as its driver does."""
        return machine.gpu or "a CUDA GPU"

    def state(self) -> DeviceState:
        """Ask the driver."""
        return _nvidia.state(nvml.gpu())

    def meter(self) -> energy.Meter | energy.Unmetered:
        """Take the counter of the board."""
        return energy.board(nvml.gpu())


plugin = Gpu()
