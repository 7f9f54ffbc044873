"""Energy by counters: read at borders, begun anew, forbidden, hidden; and what becomes of it per call."""

import os
from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.children.turns import Turns
from evaluator.core import energy, nvml
from evaluator.core.energy import Board, Meter, Rapl, Spent, Unmetered, Zone, wrapped
from evaluator.core.nvml import Gpu
from evaluator.core.turns import Block, Track
from evaluator.measure.energy import per_call
from tests.fake_nvml import Error, FakeGpu, FakeNvml

RANGE = 262_143_328_850  # of a real package, in microjoules


def powercap(root: Path, **zones: tuple[str, int | str]) -> Path:
    """Lay out zones as the kernel does: a folder for each, with links to it from the class."""
    shown = root / "sys/class/powercap"
    shown.mkdir(parents=True, exist_ok=True)
    for number, (name, (called, value)) in enumerate(zones.items()):
        folder = root / "sys/devices/virtual/powercap" / f"{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{called}\n")
        (folder / "energy_uj").write_text(f"{value}\n")
        (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
        (shown / name.replace("__", ":").replace("_", "-")).symlink_to(folder)
    return root


def meter(root: Path) -> Rapl:
    found = energy.processor(root)
    assert isinstance(found, Rapl), found
    return found


def set_to(root: Path, number: int, value: int | str) -> None:
    (root / f"sys/devices/virtual/powercap/{number}/energy_uj").write_text(f"{value}\n")


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path) -> None:
    root = powercap(
        tmp_path,
        intel_rapl__0=("package-0", 1_000_000),
        intel_rapl__0__0=("core", 500_000),
        intel_rapl__1=("package-1", 2_000_000),
        intel_rapl__2=("psys", 9_000_000),
        intel_rapl_mmio__0=("package-0", 7),  # the same processor by another interface
    )
    found = meter(root)
    found.begin()
    for number, value in enumerate((4_000_000, 600_000, 4_500_000, 99_000_000, 8)):
        set_to(root, number, value)
    spent = found.spent()
    assert spent is not None
    assert spent.joules == 5.5


def test_a_counter_that_begins_anew_is_followed(tmp_path: Path) -> None:
    root = powercap(tmp_path, intel_rapl__0=("package-0", RANGE - 1_000_000))
    found = meter(root)
    found.begin()
    set_to(root, 0, 2_000_000)
    spent = found.spent()
    assert spent is not None
    assert spent.joules == 3.0


def test_one_that_may_have_begun_anew_twice_tells_nothing(tmp_path: Path) -> None:
    counter = tmp_path / "energy_uj"
    counter.write_text("5")
    ticks = iter((0.0, RANGE / 1e9 + 1))  # a package that takes a kilowatt is round once by then
    found = Rapl([Zone("package-0", counter, RANGE)], clock=lambda: next(ticks))
    found.begin()
    assert found.spent() is None


@pytest.mark.parametrize("told", ["", "soon", str(-1), str(RANGE + 1)])
def test_what_is_no_reading_is_none(told: str, tmp_path: Path) -> None:
    root = powercap(tmp_path, intel_rapl__0=("package-0", 5))
    found = meter(root)
    found.begin()
    set_to(root, 0, told)
    assert found.spent() is None


@given(st.integers(1, 10**12), st.data())
def test_what_a_counter_counts_is_never_negative_and_never_more_than_its_range(
    range_uj: int, data: st.DataObject
) -> None:
    begin, end = (data.draw(st.integers(0, range_uj)) for _ in range(2))
    spent = wrapped(begin, end, range_uj)
    assert spent is not None
    assert 0 <= spent <= range_uj
    assert (begin + spent - end) % range_uj == 0


def test_no_counter_a_hidden_one_and_a_forbidden_one_each_say_so(tmp_path: Path) -> None:
    none = energy.processor(tmp_path / "nothing")
    hidden_root = powercap(tmp_path / "hidden", intel_rapl__0=("package-0", 5))
    for each in (hidden_root / "sys/devices/virtual/powercap/0").iterdir():
        each.unlink()
    hidden = energy.processor(hidden_root)
    psys = energy.processor(powercap(tmp_path / "psys", intel_rapl__0=("psys", 5)))
    broken = energy.processor(powercap(tmp_path / "broken", intel_rapl__0=("package-0", "?")))
    for found, words in (
        (none, "not counted"),
        (hidden, "container"),
        (psys, "not counted"),
        (broken, "cannot be read"),
    ):
        assert isinstance(found, Unmetered)
        assert words in found.reason
        assert "\n" not in found.said()


@pytest.fixture
def forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay out a package whose counter only root may read: the kernel's 0400, obeyed for root, too."""
    root = powercap(tmp_path, intel_rapl__0=("package-0", 5))
    read = Path.read_text

    def obeyed(path: Path, *args: str, **kwargs: str) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, os.strerror(13), str(path))
        return read(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", obeyed)
    return root


def test_a_counter_for_root_alone_names_the_reason_and_the_way(forbidden: Path) -> None:
    found = energy.processor(forbidden)
    assert isinstance(found, Unmetered)
    assert "CVE-2020-8694" in found.reason
    assert "chmod" in found.remedy


# A GPU's board --------------------------------------------------------------------------------------------------------


def board(*readings: int | Error, sleep: Callable[[float], None] = lambda _: None) -> Board:
    gpu = nvml.found(FakeNvml(FakeGpu(millijoules=list(readings))))
    assert isinstance(gpu, Gpu)
    ticks = iter(range(10**6))
    return Board(gpu, clock=lambda: next(ticks) * 0.01, sleep=sleep)


def test_a_board_is_read_when_its_counter_has_moved_on() -> None:
    slept: list[float] = []
    found = board(10_000, 12_000, 12_000, 12_000, 13_500, 99_000, sleep=slept.append)
    found.begin()
    spent = found.spent()
    assert spent is not None
    assert spent.joules == 3.5
    assert len(slept) == 3


def test_a_counter_that_stands_still_is_not_waited_for_for_ever() -> None:
    slept: list[float] = []
    found = board(10_000, sleep=slept.append)
    found.begin()
    spent = found.spent()
    assert spent is not None
    assert spent.joules == 0.0
    assert 0 < len(slept) < 30


@pytest.mark.parametrize(
    "readings", [(10_000, 500), (10_000, Error(pynvml.NVML_ERROR_GPU_IS_LOST)), (Error(pynvml.NVML_ERROR_UNKNOWN), 5)]
)
def test_a_driver_that_was_loaded_anew_or_lost_its_gpu_tells_nothing(readings: tuple[int | Error, ...]) -> None:
    found = board(*readings)
    found.begin()
    assert found.spent() is None


def test_a_gpu_without_a_counter_says_so() -> None:
    gpu = nvml.found(FakeNvml(FakeGpu(millijoules=[Error(pynvml.NVML_ERROR_NOT_SUPPORTED)])))
    found = energy.board(gpu)
    assert isinstance(found, Unmetered)
    assert "its energy" in found.reason
    with_one = energy.board(nvml.found(FakeNvml(FakeGpu(millijoules=[5]))))
    assert isinstance(with_one, Board)


# Blocks, and one call -------------------------------------------------------------------------------------------------


class Scripted:
    """A counter that tells the next of some figures."""

    provenance = "measured: made up"

    def __init__(self, *told: Spent | None) -> None:
        self._told = iter(told)
        self.read: list[str] = []

    def begin(self) -> None:
        self.read.append("begin")

    def spent(self) -> Spent | None:
        self.read.append("end")
        return next(self._told)


def test_a_meter_is_read_at_the_borders_of_blocks_and_never_within() -> None:
    scripted = Scripted(Spent(4.0, 0.2), None)
    track = Track(name="latency", min_calls=6, block_s=0.0, block_calls=3, untimed=1)
    taken = Turns().take({track: lambda _: scripted.read.append("call")}, meter=scripted)
    assert scripted.read == ["begin", *["call"] * 4, "end"] * 2
    assert [(each.energy_j, each.energy_s, each.untimed) for each in taken.found.blocks] == [
        (4.0, 0.2, 1),
        (None, None, 1),
    ]
    told = per_call(taken.found.blocks, "energy_per_answer_j", scripted)
    assert told == {"energy_per_answer_j": 1.0, "mean_power_w": 20.0, "energy_provenance": "measured: made up"}


def test_without_a_counter_blocks_have_no_energy_and_the_reason_stands_in_its_place() -> None:
    track = Track(name="step", min_calls=3, block_s=0.0, untimed=0)
    none = Unmetered("nobody counts here", "get a counter")
    taken = Turns().take({track: lambda _: None}, meter=none)
    assert [each.energy_j for each in taken.found.blocks] == [None]
    assert per_call(taken.found.blocks, "energy_per_step_j", none) == {
        "energy_unmeasured": "nobody counts here → get a counter"
    }


def block(joules: float | None = 1.0, *, calls: int = 4, quiet: bool = True, untimed: int = 0) -> Block:
    seconds = None if joules is None else 0.5
    return Block(
        track="step",
        turn=0,
        calls=calls,
        begin_s=0.0,
        elapsed_s=0.5,
        quiet=quiet,
        untimed=untimed,
        energy_j=joules,
        energy_s=seconds,
    )


def test_blocks_beside_others_do_not_count() -> None:
    own: Meter = Scripted()
    assert per_call([block(2.0), block(90.0, quiet=False)], "energy_per_step_j", own)["energy_per_step_j"] == 0.5
    spoiled = per_call([block(90.0, quiet=False)], "energy_per_step_j", own)
    assert "others had the machine" in str(spoiled["energy_unmeasured"])
    silent = per_call([block(None)], "energy_per_step_j", own)
    assert "did not tell" in str(silent["energy_unmeasured"])


blocks_of_any_kind = st.lists(
    st.builds(
        block,
        st.none() | st.floats(0, 1e6),
        calls=st.integers(0, 50),
        quiet=st.booleans(),
        untimed=st.integers(0, 3),
    )
)


@given(blocks_of_any_kind)
def test_energy_is_never_negative_and_never_told_without_a_source(found: list[Block]) -> None:
    told = per_call(found, "energy_per_step_j", Scripted())
    assert ("energy_per_step_j" in told) == ("energy_provenance" in told) == ("energy_unmeasured" not in told)
    counted = [each.energy_j or 0.0 for each in found if each.quiet and each.calls]
    value = told.get("energy_per_step_j", 0.0)
    assert isinstance(value, float)
    assert 0 <= value <= sum(counted) + 1e-9


def test_old_blocks_are_read_without_energy() -> None:
    import msgspec

    old = b'{"track": "step", "turn": 0, "calls": 3, "begin_s": 0.0, "elapsed_s": 0.1, "quiet": true}'
    read = msgspec.json.decode(old, type=Block)
    assert (read.energy_j, read.guests, read.untimed) == (None, None, 0)


@pytest.fixture(autouse=True)
def visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
