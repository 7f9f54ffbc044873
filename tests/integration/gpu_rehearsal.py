"""`fweval` on a GPU that is not there: driver and frameworks answer as if there were one, and the processor computes.

NVML answers by `tests.fake_nvml`; PyTorch's and TensorFlow's modules are changed when they are imported, in this
process and in the children that it starts. What fweval does with a GPU is its own code, all of it; times are no GPU's.
"""

import importlib.abc
import importlib.machinery
import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator.core.records import Step
from scenarios.contract import Sizes

WORKER = "--as-worker"
GIB = 1 << 30
WATTS = 100
GUEST = "GPU_REHEARSAL_GUEST"  # the number of a process of somebody else's that computes there, too


def of_pynvml(module: Any) -> None:
    import psutil

    from tests.fake_nvml import FakeGpu, FakeNvml

    class Live(FakeNvml):
        """Everybody below us computes there, and a hundred watts are taken all the time."""

        def nvmlDeviceGetComputeRunningProcesses(self, gpu: FakeGpu) -> Any:  # noqa: N802
            below = [each.pid for each in psutil.Process().children(recursive=True)]
            guest = os.environ.get(GUEST)
            gpu.users = tuple((pid, 2 * GIB) for pid in (os.getpid(), *below, *([int(guest)] if guest else [])))
            return super().nvmlDeviceGetComputeRunningProcesses(gpu)

        def nvmlDeviceGetTotalEnergyConsumption(self, gpu: FakeGpu) -> int:  # noqa: N802
            return int(time.monotonic() * WATTS * 1e3)

    fake = Live(FakeGpu(name="NVIDIA Stand-in"))
    for name in dir(fake):
        if name.startswith("nvml"):
            setattr(module, name, getattr(fake, name))


def of_torch(torch: Any) -> None:
    def here(place: Any) -> Any:
        return "cpu" if place == "cuda" else place

    def moved(original: Callable[..., Any]) -> Callable[..., Any]:
        def to(self: Any, *places: Any, **told: Any) -> Any:
            return original(self, *map(here, places), **{name: here(each) for name, each in told.items()})

        return to

    class Event:
        def __init__(self, *, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            self.at = time.perf_counter()

        def synchronize(self) -> None:
            pass

        def elapsed_time(self, other: "Event") -> float:
            return 1e3 * (other.at - self.at)

    for kind in (torch.Tensor, torch.nn.Module):
        kind.to = moved(kind.to)
    rand = torch.rand
    torch.rand = lambda *shape, device=None: rand(*shape, device=here(device))
    autocast = torch.autocast
    torch.autocast = lambda place, dtype: autocast(here(place), dtype)
    cuda = torch.cuda
    cuda.is_available = lambda: True
    cuda.is_current_stream_capturing = lambda: False
    cuda.get_device_name = lambda _: "NVIDIA Stand-in"
    cuda.synchronize = cuda.empty_cache = lambda: None
    cuda.max_memory_allocated = lambda: 3 * GIB
    cuda.Event = Event


def of_tensorflow(tensorflow: Any) -> None:
    config, gpu = tensorflow.config, ["/physical_device:GPU:0"]
    listed = config.list_physical_devices
    config.list_physical_devices = lambda kind=None: gpu if kind == "GPU" else listed(kind)
    config.experimental.set_memory_growth = lambda _, value: None
    config.experimental.get_device_details = lambda _: {"device_name": "NVIDIA Stand-in"}
    config.experimental.get_memory_info = lambda _: {"current": GIB, "peak": 2 * GIB}


CHANGED: dict[str, Callable[[Any], None]] = {"pynvml": of_pynvml, "torch": of_torch, "tensorflow": of_tensorflow}


class Changing(importlib.abc.MetaPathFinder):
    """Finds a module as Python does, and changes it when it has been executed."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> Any:
        if name not in CHANGED:
            return None
        change = CHANGED.pop(name)
        found = find_spec(name)
        if found is None or found.loader is None:
            return None
        loader: Any = found.loader
        execute = loader.exec_module

        def executed(module: ModuleType) -> None:
            execute(module)
            change(module)

        loader.exec_module = executed
        return found


def worker_of(step: Step) -> tuple[str, ...]:
    """Return the command that does a step: this file, instead of the worker that it calls."""
    del step
    return (sys.executable, "-P", str(Path(__file__)), WORKER)


def main(arguments: list[str]) -> NoReturn:
    """Be `fweval`, or one of its workers."""
    sys.meta_path.insert(0, Changing())
    if arguments[0] == WORKER:
        from evaluator.children import worker
        from evaluator.stages import _peak

        _peak._CUDA = Sizes(side=256, images=2, array_bytes=1 << 20)  # a GPU's take a processor minutes
        sys.exit(worker.main(arguments[1:]))
    from evaluator import cli
    from evaluator.children import isolation

    isolation.worker_of = worker_of
    sys.argv[1:] = arguments
    cli.main()


if __name__ == "__main__":
    main(sys.argv[1:])
