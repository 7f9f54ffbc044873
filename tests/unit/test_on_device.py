"""A GPU's own clock, its memory and its precision, by scripted answers of the frameworks: none is imported here."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pynvml
import pytest

from evaluator.core import nvml, registry
from evaluator.core.records import Signature, TensorSpec
from evaluator.measure.events import CudaEvents
from evaluator.stages import _on_device
from exports.contract import Device, DeviceState
from exports.runtimes import _torch
from scenarios.contract import TimedOnDevice
from scenarios.frameworks._pytorch_training import Clock, Place, compute_products
from tests.fake_nvml import Error, FakeGpu, FakeNvml

CUDA = Place(name="cuda", cuda=True)
IMAGES = Signature(inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 3, 8, 8)),), outputs=())


class Script(ModuleType):
    """PyTorch, as far as a clock asks it: every call is written down, events come 0.25 s apart."""

    def __init__(self) -> None:
        super().__init__("torch")
        self.done: list[str] = []
        self.now = 0.0
        self.cuda = SimpleNamespace(
            Event=self._event, synchronize=lambda: self.done.append("synchronize"), max_memory_allocated=lambda: 123
        )
        self.backends = SimpleNamespace(cudnn=SimpleNamespace(allow_tf32=True))
        self.set_float32_matmul_precision = self.done.append

    def _event(self, *, enable_timing: bool) -> Any:
        assert enable_timing
        script = self

        class Event:
            at = 0.0

            def record(self) -> None:
                script.now += 0.25
                self.at = script.now
                script.done.append("record")

            def synchronize(self) -> None:
                script.done.append("wait")

            def elapsed_time(self, other: "Event") -> float:
                return 1e3 * (other.at - self.at)  # milliseconds

        return Event()


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    monkeypatch.setitem(sys.modules, "torch", script)
    return script


def test_the_last_event_is_recorded_before_anything_waits(torch: Script) -> None:
    clock = Clock(CUDA)
    with clock:
        torch.done.append("work")
    assert torch.done == ["record", "work", "record", "synchronize", "wait"]
    assert clock.seconds == [0.25]


def test_a_step_that_fails_has_no_time_and_a_processor_no_events(torch: Script) -> None:
    clock = Clock(CUDA)
    with pytest.raises(ValueError, match="no ink"), clock:
        raise ValueError("no ink")
    assert clock.seconds == []
    on_cpu = Clock(Place(name="cpu", cuda=False))
    torch.done.clear()
    with on_cpu:
        pass
    assert (torch.done, on_cpu.seconds) == ([], [])


def test_events_tell_seconds(torch: Script) -> None:
    events = CudaEvents()
    events.begin()
    events.end()
    assert events.seconds() == 0.25
    assert torch.done[-1] == "wait"


def test_a_call_that_our_clock_times_has_no_events(torch: Script) -> None:
    given: list[Any] = []

    def run(_: Any, events: Any = None) -> dict[str, Any]:
        given.append(events)
        return {}

    call = _torch._OnCuda(run)
    call({})
    assert given == [None]
    assert not torch.done


def test_full_precision_is_said_of_every_kind_of_product(torch: Script) -> None:
    compute_products(tf32=False)
    assert (torch.done, torch.backends.cudnn.allow_tf32) == (["highest"], False)
    compute_products(tf32=True)
    assert (torch.done, torch.backends.cudnn.allow_tf32) == (["highest", "high"], True)


@pytest.fixture
def tensorflow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """TensorFlow with one GPU, as far as it is made ready; returns what was set, in order."""
    done: list[str] = []
    module: Any = ModuleType("tensorflow")
    experimental = SimpleNamespace(
        set_memory_growth=lambda device, value: done.append(f"growth {device} {value}"),
        enable_tensor_float_32_execution=lambda value: done.append(f"tf32 {value}"),
        get_memory_info=lambda device: {"current": 5, "peak": 77} if device == "GPU:0" else {},
    )
    threading = SimpleNamespace(
        set_intra_op_parallelism_threads=lambda _: None, set_inter_op_parallelism_threads=lambda _: None
    )
    module.config = SimpleNamespace(
        experimental=experimental,
        threading=threading,
        list_physical_devices=lambda kind: [f"/{kind}:0"],
        set_visible_devices=lambda devices, kind: done.append(f"visible {devices} {kind}"),
    )
    keras: Any = ModuleType("keras")
    keras.utils = SimpleNamespace(set_random_seed=lambda _: None)
    monkeypatch.setitem(sys.modules, "tensorflow", module)
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    return done


def test_tensorflow_takes_memory_by_need_and_computes_whole_floats(tensorflow: list[str]) -> None:
    framework = registry.load("framework", "tensorflow")
    framework.prepare(threads=1, seed=1, device="gpu")
    assert tensorflow == ["growth /GPU:0 True", "tf32 False"]
    assert framework.device_peak("gpu") == (77, "tf.config.experimental.get_memory_info")
    assert framework.device_peak("cpu") is None
    tensorflow.clear()
    framework.prepare(threads=1, seed=1, device="cpu")
    assert tensorflow == ["visible [] GPU"]


def test_artifacts_in_tensorflow_do_the_same(tensorflow: list[str]) -> None:
    from exports.runtimes import tensorflow as runtime

    runtime._configure("gpu", 1)
    assert tensorflow == ["growth /GPU:0 True", "tf32 False"]


# What a step says -----------------------------------------------------------------------------------------------------


class Told(Device):
    """A device that is in some state."""

    name = "told"
    title = "Told"
    cuda = True

    def __init__(self, state: DeviceState | None) -> None:
        self._state = state

    @property
    def variables(self) -> dict[str, str]:
        return {}

    def lacking(self) -> None:
        return None

    def describe(self, machine: object) -> str:
        return "told"

    def state(self) -> DeviceState | None:
        return self._state


class Framework:
    def device_peak(self, device: str) -> tuple[int, str]:
        return 100, "its allocator"


def test_memory_has_its_sources_and_what_is_not_known() -> None:
    framework: Any = Framework()
    both = _on_device.memory(Told(DeviceState(own_bytes=150, others=())), framework)
    assert both == {
        "peak_device_bytes": 100,
        "device_process_bytes": 150,
        "device_memory_provenance": "its allocator, NVML",
    }
    alone = _on_device.memory(Told(DeviceState(unknown=("a container",))), framework)
    assert alone == {"peak_device_bytes": 100, "device_memory_provenance": "its allocator, not by NVML: a container"}
    assert _on_device.memory(Told(DeviceState(own_bytes=7)), None) == {
        "device_process_bytes": 7,
        "device_memory_provenance": "NVML",
    }
    assert _on_device.memory(Told(None), framework) == {}


def test_a_framework_without_events_says_so_and_a_processor_nothing() -> None:
    gpu = Told(None)
    assert _on_device.by_its_clock(gpu, "device_step_s", [0.3, 0.1, 0.2], "PyTorch") == {"device_step_s": 0.2}
    assert _on_device.by_its_clock(gpu, "device_step_s", [], "TensorFlow") == {
        "device_time_unmeasured": "TensorFlow has no events to time a GPU by"
    }
    assert _on_device.by_its_clock(registry.load("device", "cpu"), "device_step_s", [], "PyTorch") == {}


def test_pytorchs_trainers_take_that_time() -> None:
    assert isinstance(SimpleNamespace(device_seconds=[]), TimedOnDevice)
    assert not isinstance(SimpleNamespace(), TimedOnDevice)


# Variants of a GPU ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tf32", "tf32_execution"])
def test_tensorfloat_32_is_a_variant_on_a_gpu_alone(name: str) -> None:
    variant = registry.load("training_variant", name)
    assert variant.applies(IMAGES, cuda=True)
    assert not variant.applies(IMAGES, cuda=False)
    assert variant.precision == "tf32"


@pytest.mark.parametrize("name", ["tf32", "tf32_execution", "autocast_bfloat16", "mixed_bfloat16"])
@pytest.mark.parametrize(
    ("gpu", "able"),
    [
        (FakeGpu(capability=(9, 0)), True),
        (FakeGpu(capability=(8, 0)), True),
        (FakeGpu(name="NVIDIA T4", capability=(7, 5)), False),
        (FakeGpu(capability=Error(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)), True),  # then the framework will say
    ],
)
def test_what_an_old_gpu_would_emulate_is_not_timed(
    name: str, gpu: FakeGpu, *, able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(nvml, "gpu", lambda: nvml.found(FakeNvml(gpu)))
    lacking = registry.load("training_variant", name).lacking(cuda=True)
    assert (lacking is None) is able
    assert able or (lacking is not None and "compute capability 7.5" in lacking[0])
