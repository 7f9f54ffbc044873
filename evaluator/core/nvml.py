"""What NVIDIA's driver tells of the GPU that this process may use: its memory, who computes on it, power and energy.

NVML is asked through NVIDIA's own binding (nvidia-ml-py, `pynvml`), which makes no CUDA context and takes no memory of
the GPU. Whatever the driver refuses (an old GPU, no permission, a GPU that was lost) is `Unknown` with the reason:
nothing here raises. NVML does not heed CUDA_VISIBLE_DEVICES, and numbers GPUs by their place on the bus; so the GPU is
looked for as CUDA would find it.
Documentation: https://docs.nvidia.com/deploy/nvml-api/, https://docs.nvidia.com/cuda/cuda-programming-guide/
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
ORDER, BY_BUS = "CUDA_DEVICE_ORDER", "PCI_BUS_ID"  # decides which GPU a number means
_NAME = re.compile(r"\d+|(GPU|MIG)-\S+")  # its number, or the beginning of its UUID; a slice of one
_SLICE = "MIG-"  # how the UUID of a slice begins
_MOST_SLICES = 16  # that one GPU is asked for; it has seven at most


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why something is not known here, and what would mend that."""

    reason: str
    remedy: str = ""

    def said(self) -> str:
        """Return both in one line."""
        return f"{self.reason} → {self.remedy}" if self.remedy else self.reason


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a GPU's own memory."""

    total: int
    used: int
    free: int


@dataclass(frozen=True, slots=True)
class User:
    """A process that computes on a GPU, by the number that the driver has for it."""

    pid: int
    held_bytes: int | None  # None: the driver does not say


class Gpu:
    """One GPU, or a slice of one; every question is asked anew."""

    def __init__(self, nvml: Any, handle: Any, *, sliced: bool) -> None:
        """Take NVML's module and its handle."""
        self._nvml = nvml
        self._handle = handle
        self._sliced = sliced

    def name(self) -> str | Unknown:
        """Return its model."""
        return self._asked("its name", lambda nvml: str(nvml.nvmlDeviceGetName(self._handle)))

    def driver(self) -> str | Unknown:
        """Return the version of the driver."""
        return self._asked("the driver's version", lambda nvml: str(nvml.nvmlSystemGetDriverVersion()))

    def capability(self) -> tuple[int, int] | Unknown:
        """Return its compute capability: (9, 0) of an H200."""

        def ask(nvml: Any) -> tuple[int, int]:
            major, minor = nvml.nvmlDeviceGetCudaComputeCapability(self._handle)
            return int(major), int(minor)

        return self._asked("its compute capability", ask)

    def memory(self) -> Memory | Unknown:
        """Return how much memory it has, and how much of that is free now."""

        def ask(nvml: Any) -> Memory:
            told = nvml.nvmlDeviceGetMemoryInfo(self._handle)
            return Memory(total=int(told.total), used=int(told.used), free=int(told.free))

        return self._asked("its memory", ask)

    def users(self) -> tuple[User, ...] | Unknown:
        """Return the processes that compute on it now."""

        def ask(nvml: Any) -> tuple[User, ...]:
            told = nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
            held = ((each.pid, each.usedGpuMemory) for each in told)
            return tuple(User(int(pid), None if size is None else int(size)) for pid, size in held)

        return self._asked("its processes", ask)

    def busy(self) -> float | Unknown:
        """Return the share of the last second or less in which something computed on it."""
        return self._asked("how busy it is", lambda nvml: nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu / 100)

    def power_w(self) -> float | Unknown:
        """Return the watts that the whole board takes now."""
        return self._of_the_board("its power", lambda nvml: nvml.nvmlDeviceGetPowerUsage(self._handle) / 1e3)

    def energy_j(self) -> float | Unknown:
        """Return the joules that the whole board has taken since the driver was loaded."""
        return self._of_the_board(
            "its energy", lambda nvml: nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) / 1e3
        )

    def _of_the_board(self, what: str, ask: Callable[[Any], T]) -> T | Unknown:
        if self._sliced:  # the board's counter has what is done on its other slices
            return Unknown(f"NVML does not tell {what} of a slice of a GPU (MIG)", "measure on a whole one")
        return self._asked(what, ask)

    def _asked(self, what: str, ask: Callable[[Any], T]) -> T | Unknown:
        try:
            return ask(self._nvml)
        except self._nvml.NVMLError as error:
            return _refused(what, error, self._nvml)


def visible_gpu() -> str | None:
    """Return the GPU that this process may use, in the words of `VISIBLE_GPUS`; None when it may use none.

    The list ends before its first entry that names none. Documentation:
    https://docs.nvidia.com/cuda/cuda-programming-guide/ (CUDA_VISIBLE_DEVICES)
    """
    first = os.environ.get(VISIBLE_GPUS, "0").partition(",")[0].strip()
    return first if _NAME.fullmatch(first) else None


@cache
def gpu() -> Gpu | Unknown:
    """Return the first GPU that this process may use, as CUDA would find it; asked once in a process."""
    try:
        import pynvml  # here, because only a GPU's machine needs it
    except ImportError:
        return Unknown("nvidia-ml-py is not installed", "pip install -c constraints.txt nvidia-ml-py")
    return found(pynvml)


def found(nvml: Any) -> Gpu | Unknown:
    """Return the same from a module that is NVML's."""
    allotted = visible_gpu()
    if allotted is None:
        return Unknown(f"{VISIBLE_GPUS} hides every GPU")
    try:
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]
        handle = _numbered(nvml, handles, int(allotted)) if allotted.isdecimal() else _named(nvml, handles, allotted)
        if isinstance(handle, Unknown):
            return handle
        own = None if allotted.startswith(_SLICE) else next(_slices(nvml, handle), None)  # CUDA takes the first one
        return Gpu(nvml, own or handle, sliced=own is not None or allotted.startswith(_SLICE))
    except nvml.NVMLError as error:
        return _refused("which GPU this is", error, nvml)


def _numbered(nvml: Any, handles: list[Any], number: int) -> Any:
    """Return the GPU of a number. CUDA's order is the fastest first, unless it is told to follow the bus as NVML does.

    Where all are alike, both orders are one.
    """
    if number >= len(handles):
        return Unknown(f"there is no GPU {number} for NVML", "see nvidia-smi")
    kinds = {str(nvml.nvmlDeviceGetName(each)) for each in handles}
    if len(kinds) > 1 and os.environ.get(ORDER) != BY_BUS:
        return Unknown(
            f"GPUs of {len(kinds)} kinds: NVML and CUDA may number them differently", f"set {ORDER}={BY_BUS}"
        )
    return handles[number]


def _named(nvml: Any, handles: list[Any], uuid: str) -> Any:
    """Return the GPU, or the slice of one, whose UUID begins so."""
    candidates = [each for handle in handles for each in _slices(nvml, handle)] if uuid.startswith(_SLICE) else handles
    fitting = (each for each in candidates if str(nvml.nvmlDeviceGetUUID(each)).startswith(uuid))
    return next(fitting, Unknown(f"no GPU has the UUID {uuid}", "see nvidia-smi -L"))


def _slices(nvml: Any, handle: Any) -> Iterator[Any]:
    """Yield the slices of a GPU; none where it is not cut, or cannot be."""
    try:
        cut, _ = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:  # of a GPU that has no such mode
        return
    for number in range(_MOST_SLICES if cut else 0):
        try:
            yield nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
        except nvml.NVMLError:  # numbers may be left out
            continue


def _refused(what: str, error: Any, nvml: Any) -> Unknown:
    """Say why the driver does not tell, in words that lead on."""
    refuses = f"NVML does not tell {what}"
    told = {
        nvml.NVML_ERROR_LIBRARY_NOT_FOUND: Unknown(
            "NVML is not here: the NVIDIA driver brings it (libnvidia-ml.so.1)",
            "install the driver; give a container its GPU (docker run --gpus)",
        ),
        nvml.NVML_ERROR_DRIVER_NOT_LOADED: Unknown("the NVIDIA driver is not loaded", "see nvidia-smi"),
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: Unknown(
            "the NVIDIA driver and its library are of different versions", "reboot, or load the driver anew"
        ),
        nvml.NVML_ERROR_NO_PERMISSION: Unknown(f"{refuses}: no permission", "ask whoever runs the machine"),
        nvml.NVML_ERROR_NOT_SUPPORTED: Unknown(f"{refuses}: this GPU or this system does not support it"),
        nvml.NVML_ERROR_FUNCTION_NOT_FOUND: Unknown(f"{refuses}: the driver is too old", "renew it"),
        nvml.NVML_ERROR_GPU_IS_LOST: Unknown("the GPU is lost: it does not answer any more", "see dmesg; reboot"),
    }
    return told.get(error.value, Unknown(f"{refuses}: {error}"))
