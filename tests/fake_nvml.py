"""A driver that answers as it is told, behind the names of NVML's own binding, whose errors and constants it has."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml

GIB = 1 << 30
Answer = Any  # or the number of an error


@dataclass(kw_only=True)
class FakeGpu:
    """One GPU. A number of an error in place of an answer is raised."""

    name: str = "NVIDIA H200"
    uuid: str = "GPU-aaaa-1"
    memory: Answer = (141 * GIB, 1 * GIB)  # total, used
    users: Answer = ()  # pairs of process and bytes
    busy: Answer = 0  # per cent
    milliwatts: Answer = 75_000
    millijoules: list[Answer] = field(default_factory=lambda: [0])  # reading after reading; the last one stays
    capability: Answer = (9, 0)
    slices: tuple["FakeGpu | int", ...] | None = None  # None: it has no such mode


@dataclass(frozen=True)
class Error:
    """An error to be raised in place of an answer."""

    number: int


class FakeNvml:
    """The functions that fweval asks."""

    NVMLError = pynvml.NVMLError

    def __init__(self, *gpus: FakeGpu, starts: Error | None = None) -> None:
        self.gpus = gpus
        self.starts = starts
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("NVML_ERROR_"):
            return getattr(pynvml, name)
        raise AttributeError(name)

    def _told(self, name: str, answer: Answer) -> Any:
        self.asked.append(name)
        if isinstance(answer, Error):
            raise pynvml.NVMLError(answer.number)
        return answer

    def nvmlInit(self) -> None:  # noqa: N802  # NVML's names
        self._told("init", self.starts)

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, number: int) -> FakeGpu:  # noqa: N802
        return self.gpus[number]

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> str:  # noqa: N802
        return str(self._told("name", gpu.name))

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:  # noqa: N802
        return gpu.uuid

    def nvmlDeviceGetCudaComputeCapability(self, gpu: FakeGpu) -> tuple[int, int]:  # noqa: N802
        major, minor = self._told("capability", gpu.capability)
        return major, minor

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "590.10"

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:  # noqa: N802
        if gpu.slices is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [int(bool(gpu.slices)), int(bool(gpu.slices))]

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: FakeGpu, number: int) -> FakeGpu:  # noqa: N802
        found = dict(enumerate(gpu.slices or ())).get(number)
        if not isinstance(found, FakeGpu):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return found

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu) -> SimpleNamespace:  # noqa: N802
        total, used = self._told("memory", gpu.memory)
        return SimpleNamespace(total=total, used=used, free=total - used)

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: FakeGpu) -> list[SimpleNamespace]:  # noqa: N802
        return [SimpleNamespace(pid=pid, usedGpuMemory=held) for pid, held in self._told("users", gpu.users)]

    def nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(gpu=self._told("busy", gpu.busy))

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> int:  # noqa: N802
        return int(self._told("power", gpu.milliwatts))

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: FakeGpu) -> int:  # noqa: N802
        answer = gpu.millijoules.pop(0) if len(gpu.millijoules) > 1 else gpu.millijoules[0]
        return int(self._told("energy", answer))
