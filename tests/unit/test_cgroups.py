"""Limits of containers: read as the kernel writes them, in both versions, and obeyed."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from evaluator.core import cgroups, machine
from tests import children, fakes
from tests.commands import FWEVAL
from tests.engine import MACHINE

MIB = 1 << 20
TWO = "35 24 0:30 {root} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
ONE = (
    "33 32 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "36 32 0:31 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


def tree(root: Path, mounts: str, ours: str, files: Mapping[str, str]) -> Path:
    """Lay out what the kernel shows of cgroups."""
    proc = root / "proc" / "self"
    proc.mkdir(parents=True)
    (proc / "mountinfo").write_text(f"22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n{mounts}")
    (proc / "cgroup").write_text(ours)
    for name, text in files.items():
        path = root / "sys" / "fs" / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("mounts", "ours", "files", "quota"),
    [
        (TWO.format(root="/"), "0::/\n", {"cpu.max": "50000 100000"}, 0.5),
        (TWO.format(root="/"), "0::/\n", {"cpu.max": "max 100000"}, None),
        (TWO.format(root="/"), "0::/\n", {}, None),
        # The least of all groups above counts.
        (TWO.format(root="/"), "0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1.5),
        (TWO.format(root="/"), "0::/a/b\n", {"a/b/cpu.max": "20000 10000", "a/cpu.max": "300000 100000"}, 2.0),
        # A container whose group is the top one that it sees, though it knows where that lies on its host.
        (TWO.format(root="/docker/c1"), "0::/docker/c1\n", {"cpu.max": "25000 100000"}, 0.25),
        (TWO.format(root="/docker/c1"), "0::/docker/c1/in\n", {"in/cpu.max": "50000 100000"}, 0.5),
        (TWO.format(root="/"), "0::/../../other\n", {"cpu.max": "50000 100000"}, 0.5),
        (ONE.format(root="/"), "4:cpu,cpuacct:/s\n0::/x\n", {"cpu,cpuacct/s/cpu.cfs_quota_us": "-1"}, None),
        (
            ONE.format(root="/kube/pod"),
            "4:memory:/kube/pod\n3:cpu,cpuacct:/kube/pod\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "150000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            1.5,
        ),
        # Both at once: one has the controller, the other is a tree of names.
        (
            ONE.format(root="/") + TWO.format(root="/").replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified "),
            "3:cpu,cpuacct:/a b\n0::/a b\n",
            {"cpu,cpuacct/a b/cpu.cfs_quota_us": "80000", "cpu,cpuacct/a b/cpu.cfs_period_us": "100000"},
            0.8,
        ),
        ("", "", {}, None),
    ],
)
def test_the_quota_is_the_least_of_all_groups(
    mounts: str, ours: str, files: Mapping[str, str], quota: float | None, tmp_path: Path
) -> None:
    assert cgroups.cpu_quota(tree(tmp_path, mounts, ours, files)) == quota


def test_memory_is_what_the_limit_leaves(tmp_path: Path) -> None:
    files = {
        "memory.max": f"{512 * MIB}",
        "memory.current": f"{400 * MIB}",
        "memory.stat": f"anon 1\ninactive_file {100 * MIB}\n",
        "in/memory.max": "max",
        "in/memory.current": "5",
    }
    root = tree(tmp_path, TWO.format(root="/"), "0::/in\n", files)
    assert (cgroups.memory_limit(root), cgroups.memory_left(root)) == (512 * MIB, 212 * MIB)


def test_memory_of_version_one(tmp_path: Path) -> None:
    files = {
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "memory/memory.usage_in_bytes": "7",
        "memory/j/memory.limit_in_bytes": f"{64 * MIB}",
        "memory/j/memory.usage_in_bytes": f"{80 * MIB}",
        "memory/j/memory.stat": f"inactive_file 9\ntotal_inactive_file {MIB}\n",
    }
    root = tree(tmp_path, ONE.format(root="/"), "4:memory:/j\n", files)
    assert (cgroups.memory_limit(root), cgroups.memory_left(root)) == (64 * MIB, 0)


def test_where_there_is_nothing_there_is_no_limit(tmp_path: Path) -> None:
    assert (cgroups.cpu_quota(tmp_path), cgroups.memory_limit(tmp_path), cgroups.memory_left(tmp_path)) == (None,) * 3


@pytest.mark.parametrize(("quota", "cores"), [(None, 4), (0.2, 1), (1.0, 1), (1.01, 2), (3.5, 4), (64.0, 4)])
def test_cores_are_the_quota_rounded_up(quota: float | None, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr(cgroups, "cpu_quota", lambda: quota)
    assert machine.cores() == cores


def test_a_quota_is_told_with_the_processor_and_warned_of() -> None:
    limited = msgspec.structs.replace(MACHINE, cores=1, cpu_quota_cores=0.5)
    assert MACHINE.processor == "Paper, 2 cores"
    assert limited.processor == "Paper, 1 core (a limit allows the time of 0.5)"
    run = fakes.complete_run()
    limited_run = dataclasses.replace(run, run=msgspec.structs.replace(run.run, machine=limited))
    warnings = fakes.scorecard(limited_run).warnings
    assert sum("A limit allowed the time of 0.5 cores" in warning for warning in warnings) == 1
    assert not any("A limit allowed" in warning for warning in fakes.scorecard().warnings)


def test_affinity_counts() -> None:
    program = "from evaluator.core import machine; print(machine.cores())"
    command = [sys.executable, "-c", program]
    first = min(os.sched_getaffinity(0))
    done = subprocess.run(
        command,
        cwd=children.ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, {first}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "1\n"


@pytest.fixture
def half_a_core() -> Iterator[Path]:
    """Make a group that may use half a core, with one below it that says nothing; return where processes join."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    places = [Path(each[4]) for each in mounts if each[-3] == "cgroup" and "cpu" in each[-1].split(",")]
    group = places[0] / f"fweval-test-{os.getpid()}" if places else Path("/nowhere")
    try:
        (group / "below").mkdir(parents=True)
    except OSError:
        pytest.skip("no group can be made here")
    try:
        (group / "cpu.cfs_quota_us").write_text("50000")
        yield group / "below" / "cgroup.procs"
    finally:
        (group / "below").rmdir()
        group.rmdir()


def test_a_real_quota_is_seen_and_obeyed(half_a_core: Path, tmp_path: Path) -> None:
    command = ["sh", "-c", f'echo $$ > {half_a_core}; exec "$0" doctor --json', FWEVAL]
    done = subprocess.run(command, cwd=tmp_path, timeout=120, capture_output=True, text=True, check=False)
    processor = next(each["detail"] for each in json.loads(done.stdout) if each["name"] == "processor")
    assert processor.endswith(", 1 core (a limit allows the time of 0.5)")
