"""The limits that a container, a service or a scheduler puts on this process: CPU time and memory of its cgroups.

A limit on CPU time is a quota, which neither the number of processors nor the affinity shows. Each group above ours
limits it as well. Both versions of cgroups may be in use at once, each with controllers of its own.
Documentation: https://docs.kernel.org/admin-guide/cgroup-v2.html,
https://docs.kernel.org/scheduler/sched-bwc.html (version 1)
"""

import re
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")
_ESCAPED = re.compile(r"\\([0-7]{3})")  # of spaces and the like in mountinfo


def cpu_quota(root: Path = _ROOT) -> float | None:
    """Return how many cores' time this process and those beside it may take; None without a limit."""
    told = [_numbers(folder / "cpu.max") for folder in groups(None, root)]
    first = [_numbers(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us") for folder in groups("cpu", root)]
    quotas = [quota / period for quota, period in (pair for pair in (*told, *first) if len(pair) == 2) if quota > 0]
    return min(quotas, default=None)


def memory_limit(root: Path = _ROOT) -> int | None:
    """Return how many bytes of memory our groups may use; None without a limit."""
    return min((limit for limit, _ in _memory(root)), default=None)


def memory_left(root: Path = _ROOT) -> int | None:
    """Return how many bytes of memory our groups may still take, files that can be read again left out."""
    return min((max(0, limit - used) for limit, used in _memory(root)), default=None)


def _memory(root: Path) -> Iterator[tuple[int, int]]:
    """Yield limit and use of each of our groups that has a limit."""
    places = (
        (None, "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    for controller, most, now, spare in places:
        for folder in groups(controller, root):
            limit, used = _numbers(folder / most), _numbers(folder / now)
            if limit and used:
                yield limit[0], used[0] - _entry(folder / "memory.stat", spare)


def _numbers(*paths: Path) -> list[int]:
    """Return the numbers of files; none when one is not there, or says "max"."""
    words = [word for path in paths for word in _text(path).split()]
    return [int(word) for word in words] if all(re.fullmatch(r"-?\d+", word) for word in words) else []


def _entry(path: Path, name: str) -> int:
    found = re.search(rf"^{name} (\d+)$", _text(path), re.MULTILINE)
    return int(found[1]) if found else 0


def groups(controller: str | None, root: Path = _ROOT) -> Iterator[Path]:
    """Yield the folder of our group and those above it; the controller is one of version 1, None is version 2."""
    mounts = [line.split(" ") for line in _text(root / "proc/self/mountinfo").splitlines()]
    ours = [path for listed, path in _memberships(root) if (controller or "") in listed]
    for mount in mounts:
        kind, _, options = mount[mount.index("-") + 1 :][:3]
        is_it = kind == "cgroup2" if controller is None else kind == "cgroup" and controller in options.split(",")
        if is_it and ours:
            top = root / _plain(mount[4]).lstrip("/")
            folder = top / _below(ours[0], _plain(mount[3]))
            yield folder
            while folder != top:
                folder = folder.parent
                yield folder
            return


def _memberships(root: Path) -> Iterator[tuple[list[str], str]]:
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, listed, path = line.split(":", 2)
        yield listed.split(","), path


def _below(path: str, mounted: str) -> str:
    """Return where our group lies below the group that is mounted.

    A container sees its own group as the top one, whose path on the host `path` may still be: then that is all it sees.
    """
    if ".." in path.split("/") or not f"{path}/".startswith(f"{mounted.rstrip('/')}/"):
        return ""
    return path.removeprefix(mounted.rstrip("/")).strip("/")


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)


def _text(path: Path) -> str:
    """Return what a file says; nothing where it is not there or may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
