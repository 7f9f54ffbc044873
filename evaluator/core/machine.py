"""Facts about this machine, read without importing any framework."""

import math
import os
import platform
import re
import shutil
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

import psutil

from evaluator.core import cgroups, nvml, settings
from evaluator.core.records import Machine

_ASK_S = 10  # seconds that a tool may take to answer a question about itself


def describe(java: str | None, docker: str | None) -> Machine:
    """Describe this machine; what the serving package knows of Java and Docker is passed in."""
    return Machine(
        cpu=_cpu(),
        cores=cores(),
        cpu_quota_cores=cgroups.cpu_quota(),
        threads_wished=settings.wished_threads(os.environ),
        memory_bytes=memory(),
        system=platform.platform(),
        python=platform.python_version(),
        gpu=gpu(),
        java=java,
        docker=docker,
        versions=versions(),
    )


def cores() -> int:
    """Return how many cores this process may use: those that it may run on, or as many as its quota keeps busy."""
    quota = cgroups.cpu_quota()
    own = len(os.sched_getaffinity(0))
    return own if quota is None else max(1, min(own, math.ceil(quota)))


def threads() -> int:
    """Return how many threads what is measured gets: one for each core, or fewer where a person wants that."""
    return min(cores(), settings.wished_threads(os.environ) or cores())


def thread_environment(threads: int) -> dict[str, str]:
    """Return the environment that makes the native libraries of a child or a server use that many threads.

    It says their number and nothing else (`core.settings`): libraries follow it whose numbers have no other name.
    """
    return {"OMP_NUM_THREADS": str(threads)}


def memory() -> int:
    """Return the bytes of memory that this machine has, or that its limits leave to this process."""
    return _least(psutil.virtual_memory().total, cgroups.memory_limit())


def available_memory() -> int:
    """Return the bytes of memory that new processes can have without swapping."""
    return _least(psutil.virtual_memory().available, cgroups.memory_left())


def _least(size: int, limit: int | None) -> int:
    return size if limit is None else min(size, limit)


@cache
def gpu() -> str | None:
    """Name the first CUDA GPU that this process may use, by asking the driver's own tool; None when there is none."""
    allotted = nvml.visible_gpu()
    if allotted is None or shutil.which("nvidia-smi") is None:
        return None
    chosen = [f"--id={allotted}"] if nvml.VISIBLE_GPUS in os.environ and allotted.isdecimal() else []
    command = ["nvidia-smi", "--query-gpu=name,uuid", "--format=csv,noheader", *chosen]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    told = [line.strip().partition(", ") for line in answer.stdout.splitlines() if line.strip()]
    names = [name for name, _, uuid in told if uuid.startswith(allotted)] + [name for name, _, _ in told]
    return next(iter(names), None)


def missing(distributions: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the named pip distributions that are not installed."""
    return tuple(name for name in distributions if version(name) is None)


def version(distribution: str) -> str | None:
    """Return the installed version of a pip distribution."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@cache
def versions() -> dict[str, str]:
    """Return name and version of everything that fweval declares as a dependency and that is installed."""
    declared = metadata.requires("fweval") or []
    names = sorted({re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower() for requirement in declared})
    found = {name: version(name) for name in names if name != "fweval"}
    return {name: number for name, number in found.items() if number is not None}


def packages() -> dict[str, str]:
    """Return name and version of every distribution that is installed here, as `pip freeze` lists them."""
    found: dict[str, str] = {}
    for each in metadata.distributions():
        told = each.metadata
        if told is not None and "Name" in told and "Version" in told:  # of a damaged one nothing can be said
            found.setdefault(told["Name"], told["Version"])  # the first on the path is the one that is imported
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def git_revision() -> str | None:
    """Return the revision of the checkout that fweval runs from; None for an installed wheel."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def flags() -> frozenset[str]:
    """Return what the processor can, in the kernel's words: "avx2" on x86, "bf16" on ARM."""
    return frozenset((_told("flags") or _told("Features") or "").split())


def _cpu() -> str:
    """Return the processor's name as the kernel tells it."""
    return _told("model name") or platform.processor() or platform.machine()


def _told(key: str) -> str | None:
    """Return what the kernel tells of the first processor under a key."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return None
