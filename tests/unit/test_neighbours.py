"""What others do on this machine is noticed, named, and waited for as long as people allow."""

import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from evaluator.measure import neighbours
from evaluator.measure.neighbours import Load
from evaluator.running.progress import Reporter
from evaluator.running.quiet import BESIDE, REMEDY, Quiet
from tests.children import end, start

PRESSURE = "some avg10=0.00 avg60=0.00 avg300=0.00 total={some}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"


def load(busy: float = 0.0, **more: object) -> Load:
    return Load(cores=2, busy_cores=busy, steal_cores=0.0, busiest=(), **more)  # type: ignore[arg-type]


def scripted(*busy: float) -> Callable[[float], Load]:
    """Return a machine that is so busy, look by look."""
    looks: Iterator[float] = iter(busy)
    return lambda _: load(next(looks))


@pytest.fixture
def counting() -> Iterator[int]:
    """Start as many processes that only count as there are cores; return the id of one."""
    busy = [start([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    yield busy[0].pid
    for each in busy:
        end(each)


def test_who_keeps_the_machine_busy_is_seen_and_named(counting: int) -> None:
    """Which share of a core one of many gets is not for a test to say: that all of them keep it busy is."""
    found = neighbours.watch(1.0)
    assert not found.quiet
    assert 0.2 < found.busy_cores + found.steal_cores <= found.cores + 0.5
    assert re.search(r"\w+ \[\d+\] \d\.\d", found.said())
    assert counting


def test_waiting_ends_when_others_do() -> None:
    told: list[Load] = []
    found = neighbours.wait_for_quiet(60.0, lambda each, _: told.append(each), scripted(1.0, 0.5, 0.1, 1.0))
    assert found.busy_cores == 0.1
    assert [each.busy_cores for each in told] == [1.0, 0.5]


@pytest.mark.parametrize(
    ("found", "quiet", "said"),
    [
        (load(0.2), True, "others keep 0.2 of 2 cores busy (10 % of this machine's time)"),
        (load(0.21), False, "others keep 0.2 of 2 cores busy (10 % of this machine's time)"),
        (load(memory_stalled=0.05), False, "; memory is short: something waits for it in 5 % of the time"),
        (load(throttled=2), False, "; cores are slowed down because of their heat"),
        (load(frequency=0.5), True, "; cores may run at 50 % of their frequency only"),
        (load(quota_cores=1.5), True, "; a limit allows the time of 1.5 cores"),
    ],
)
def test_what_can_be_waited_for_is_told_apart_from_what_stays(found: Load, *, quiet: bool, said: str) -> None:
    assert found.quiet is quiet
    assert found.said().endswith(said)


def test_time_that_the_host_gives_to_other_guests_is_others_time() -> None:
    found = Load(cores=4, busy_cores=0.5, steal_cores=1.5, busiest=())
    assert found.others == 0.5
    assert not found.quiet


def test_what_the_kernel_says_of_memory_heat_and_frequency_is_read(tmp_path: Path) -> None:
    for number, (most, heat) in enumerate(((1_800_000, 3), (3_600_000, 1))):
        cpu = tmp_path / "sys/devices/system/cpu" / f"cpu{number}"
        for name, value in {
            "cpufreq/cpuinfo_max_freq": 3_600_000,
            "cpufreq/scaling_max_freq": most,
            "thermal_throttle/core_throttle_count": heat,
        }.items():
            (cpu / name).parent.mkdir(parents=True, exist_ok=True)
            (cpu / name).write_text(f"{value}\n")
    pressure = tmp_path / "proc/pressure/memory"
    pressure.parent.mkdir(parents=True)
    pressure.write_text(PRESSURE.format(some=2_500_000))
    found = neighbours.counters(tmp_path)
    assert (found.stalled_s, found.throttled) == (2.5, 4)
    assert neighbours.watch(0.01, tmp_path).frequency == 0.5


def test_what_the_kernel_does_not_say_is_no_disturbance(tmp_path: Path) -> None:
    found = neighbours.watch(0.01, tmp_path)
    assert (found.memory_stalled, found.throttled, found.frequency, found.quota_cores) == (0.0, 0, 1.0, None)


def told(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("most_s", "looks", "said"),
    [
        (0.0, (0.0,), ["the machine is quiet: {0}"]),
        (0.0, (1.0,), ["the machine is not quiet: {1}; {beside} → {remedy}"]),
        (
            600.0,
            (1.0, 0.0),
            ["waiting for a quiet machine, at most 10:00 more: {1}", "the machine is quiet after 0:00: {0}"],
        ),
    ],
)
def test_a_run_says_what_the_machine_is_like_before_it_begins(
    most_s: float, looks: tuple[float, ...], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, script = neighbours.wait_for_quiet, scripted(*looks)
    monkeypatch.setattr(neighbours, "wait_for_quiet", lambda most_s, said: waiting(most_s, said, script))
    console = Console(file=io.StringIO(), width=60, force_terminal=False)
    Quiet(most_s).begin(Reporter(console))
    words = load(0.0).said(), load(1.0).said()
    assert told(console).splitlines() == [each.format(*words, beside=BESIDE, remedy=REMEDY) for each in said]


def test_a_busy_machine_is_waited_for_no_longer_than_allowed_over_the_whole_run(counting: int) -> None:
    assert counting
    console = Console(file=io.StringIO(), width=60, force_terminal=False)
    quiet = Quiet(2.5)
    assert not quiet.wait(Reporter(console)).quiet
    assert quiet.left_s == 0
    (said,) = told(console).splitlines()
    assert re.match(r"waiting for a quiet machine, at most 0:0[01] more: others keep \d", said)
