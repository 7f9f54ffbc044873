"""What the driver says of a GPU, in every way that it may answer: which GPU is meant, who uses it, and its refusals."""

import os
import sys
from collections.abc import Iterator

import pynvml
import pytest

from evaluator.core import nvml
from evaluator.core.nvml import Gpu, Unknown
from exports.devices import _nvidia, gpu
from tests import children
from tests.fake_nvml import GIB, Error, FakeGpu, FakeNvml

FIRST = FakeGpu(uuid="GPU-aaaa-1")
SECOND = FakeGpu(uuid="GPU-bbbb-2")
OTHER_KIND = FakeGpu(name="NVIDIA T4", uuid="GPU-cccc-3")
SLICE = FakeGpu(name="NVIDIA H200 MIG 1g.18gb", uuid="MIG-dddd-4", memory=(18 * GIB, GIB), slices=None)
CUT = FakeGpu(uuid="GPU-eeee-5", slices=(0, SLICE))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (nvml.VISIBLE_GPUS, nvml.ORDER):
        monkeypatch.delenv(name, raising=False)


def found(*gpus: FakeGpu, starts: Error | None = None) -> Gpu | Unknown:
    return nvml.found(FakeNvml(*gpus, starts=starts))


def known(*gpus: FakeGpu) -> Gpu:
    one = found(*gpus)
    assert isinstance(one, Gpu), one
    return one


def uuid_of(one: Gpu | Unknown) -> str:
    return one._handle.uuid if isinstance(one, Gpu) else one.reason  # which GPU it is has no other name


@pytest.mark.parametrize(
    ("variables", "gpus", "uuid"),
    [
        ({}, (FIRST, SECOND), "GPU-aaaa-1"),
        ({"CUDA_VISIBLE_DEVICES": "1"}, (FIRST, SECOND), "GPU-bbbb-2"),
        ({"CUDA_VISIBLE_DEVICES": "1,0"}, (FIRST, SECOND), "GPU-bbbb-2"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-bb"}, (FIRST, SECOND), "GPU-bbbb-2"),
        ({"CUDA_VISIBLE_DEVICES": "MIG-dddd-4"}, (FIRST, CUT), "MIG-dddd-4"),
        ({}, (CUT,), "MIG-dddd-4"),  # CUDA computes on the first slice, and on nothing else of it
        ({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, (FIRST, OTHER_KIND), "GPU-cccc-3"),
        ({}, (FIRST, OTHER_KIND), "GPUs of 2 kinds: NVML and CUDA may number them differently"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-cc"}, (FIRST, OTHER_KIND), "GPU-cccc-3"),  # that is nobody else's name
        ({"CUDA_VISIBLE_DEVICES": "7"}, (FIRST,), "there is no GPU 7 for NVML"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-ff"}, (FIRST,), "no GPU has the UUID GPU-ff"),
        ({"CUDA_VISIBLE_DEVICES": "MIG-ff"}, (FIRST, CUT), "no GPU has the UUID MIG-ff"),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, (FIRST,), "CUDA_VISIBLE_DEVICES hides every GPU"),
        ({"CUDA_VISIBLE_DEVICES": ""}, (FIRST,), "CUDA_VISIBLE_DEVICES hides every GPU"),
        ({}, (), "there is no GPU 0 for NVML"),
    ],
)
def test_the_gpu_that_is_asked_is_the_one_that_cuda_would_use(
    variables: dict[str, str], gpus: tuple[FakeGpu, ...], uuid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert uuid_of(found(*gpus)) == uuid


def test_what_it_tells_has_our_units() -> None:
    one = known(FakeGpu(users=((7, 2 * GIB), (8, None)), busy=37, milliwatts=412_300, millijoules=[1_234_567]))
    assert one.memory() == nvml.Memory(total=141 * GIB, used=GIB, free=140 * GIB)
    assert one.users() == (nvml.User(7, 2 * GIB), nvml.User(8, None))
    assert (one.busy(), one.power_w(), one.energy_j()) == (0.37, 412.3, 1234.567)
    assert (one.name(), one.driver()) == ("NVIDIA H200", "590.10")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (pynvml.NVML_ERROR_NOT_SUPPORTED, "this GPU or this system does not support it"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "no permission"),
        (pynvml.NVML_ERROR_GPU_IS_LOST, "the GPU is lost"),
        (pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, "the driver is too old"),
        (pynvml.NVML_ERROR_UNKNOWN, "Unknown Error"),
        (4711, "NVML does not tell"),  # of a driver that is newer than all we know
    ],
)
def test_whatever_the_driver_refuses_is_unknown_with_the_reason(number: int, reason: str) -> None:
    no = Error(number)
    one = known(FakeGpu(memory=no, users=no, busy=no, milliwatts=no, millijoules=[no]))
    for ask in (one.memory, one.users, one.busy, one.power_w, one.energy_j):
        told = ask()
        assert isinstance(told, Unknown)
        assert reason in told.said()
        assert "\n" not in told.said()
    state = _nvidia.state(one)
    assert (state.free_bytes, state.own_bytes, state.others, state.busy) == (None, None, None, None)
    assert reason in "; ".join(state.unknown)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "the NVIDIA driver brings it"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "not loaded"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "of different versions"),
    ],
)
def test_without_a_driver_all_is_unknown(number: int, reason: str) -> None:
    none = found(FIRST, starts=Error(number))
    assert isinstance(none, Unknown)
    assert reason in none.said()
    assert reason in _nvidia.state(none).unknown[0]


def test_a_slice_has_no_counter_of_its_own() -> None:
    one = known(CUT)
    for told in (one.power_w(), one.energy_j()):
        assert isinstance(told, Unknown)
        assert "slice" in told.reason
    assert isinstance(one.memory(), nvml.Memory)


def test_on_this_machine_the_real_binding_gives_an_answer() -> None:
    """With a driver or without one: never an exception."""
    nvml.gpu.cache_clear()
    try:
        state = gpu.plugin.state()
        meter = gpu.plugin.meter()
    finally:
        nvml.gpu.cache_clear()
    assert state.free_bytes is not None or state.unknown
    assert getattr(meter, "provenance", None) == "measured: NVML" or getattr(meter, "reason", "")


# Whose a process is ---------------------------------------------------------------------------------------------------


@pytest.fixture
def ours() -> Iterator[int]:
    """Start a process that sleeps; return its number."""
    process = children.start([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process.pid
    children.end(process)


def test_what_we_started_is_ours_and_our_parent_is_not(ours: int) -> None:
    assert _nvidia.whose(os.getpid()) == "ours"
    assert _nvidia.whose(ours) == "ours"
    assert _nvidia.whose(os.getppid()) == "another's"
    with children.started([sys.executable, "-c", ""]) as ended:
        pass
    assert _nvidia.whose(ended.pid) == "nobody's"


def test_others_are_named_with_what_they_hold(ours: int) -> None:
    other = os.getppid()
    one = known(FakeGpu(users=((ours, 3 * 10**9), (other, 2 * 10**9))))
    told = _nvidia.state(one, sees_all=lambda: True)
    assert told.own_bytes == 3 * 10**9
    assert told.others is not None
    assert len(told.others) == 1
    assert told.others[0].endswith(f"[{other}], 2.00 GB")
    assert not told.unknown


def test_in_a_container_that_does_not_see_the_hosts_processes_nobody_is_accused() -> None:
    one = known(FakeGpu(users=((999_999_999, GIB),)))
    told = _nvidia.state(one, whose=lambda _: "nobody's", sees_all=lambda: False)
    assert (told.own_bytes, told.others) == (None, None)
    assert "--pid=host" in "; ".join(told.unknown)
    assert told.free_bytes == 140 * GIB


def test_in_a_container_whose_numbers_are_the_drivers_all_are_told_apart() -> None:
    one = known(FakeGpu(users=((1, GIB), (2, GIB))))
    told = _nvidia.state(one, whose=lambda pid: "ours" if pid == 1 else "another's", sees_all=lambda: False)
    assert told.own_bytes == GIB
    assert told.others is not None
    assert len(told.others) == 1


def test_memory_that_the_driver_does_not_tell_is_not_zero() -> None:
    one = known(FakeGpu(users=((os.getpid(), None),)))
    assert _nvidia.state(one, sees_all=lambda: True).own_bytes is None
