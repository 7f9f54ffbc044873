"""Who computes on an NVIDIA GPU, ourselves or others, and how much of its memory is left."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import psutil

from evaluator.core.nvml import Gpu, Unknown, User
from evaluator.core.quantities import size
from exports.contract import DeviceState

Whose = Literal["ours", "another's", "nobody's"]
# The first namespace of processes of a kernel has this number on every machine (PROC_PID_INIT_INO in linux/proc_ns.h).
_OUTERMOST = "pid:[4026531836]"
_NAMESPACE = Path("/proc/self/ns/pid")
_IN_A_CONTAINER = (
    "the driver numbers processes as the host does, and a container does not see those: start it with --pid=host"
)


def whose(pid: int) -> Whose:
    """Tell whether a process is this one or was started by it, directly or not; "nobody's": it is not seen here."""
    try:
        process = psutil.Process(pid)
        line = (each.pid for each in (process, *process.parents()))
        return "ours" if os.getpid() in line else "another's"
    except psutil.NoSuchProcess:
        return "another's" if psutil.pid_exists(pid) else "nobody's"  # it may be hidden from us
    except psutil.Error:
        return "another's"


def sees_all() -> bool:
    """Tell whether processes have the numbers here that the driver has for them."""
    try:
        return str(_NAMESPACE.readlink()) == _OUTERMOST
    except OSError:
        return False


def state(
    gpu: Gpu | Unknown, whose: Callable[[int], Whose] = whose, sees_all: Callable[[], bool] = sees_all
) -> DeviceState:
    """Return how a GPU stands now; what is not known has its reason."""
    if isinstance(gpu, Unknown):
        return DeviceState(unknown=(gpu.said(),))
    memory, users, busy = gpu.memory(), gpu.users(), gpu.busy()
    unknown = [each.said() for each in (memory, users, busy) if isinstance(each, Unknown)]
    own_bytes, others = None, None
    if not isinstance(users, Unknown):
        found = [(user, whose(user.pid)) for user in users]
        # In a container the driver may hide the processes of others as well as name them by numbers of the host. Where
        # it names one of ours, the numbers are ours.
        if sees_all() or any(one == "ours" for _, one in found):
            own_bytes = _held([user for user, one in found if one == "ours"])
            others = tuple(_named(user) for user, one in found if one == "another's")
        else:
            unknown.append(_IN_A_CONTAINER)
    return DeviceState(
        free_bytes=None if isinstance(memory, Unknown) else memory.free,
        own_bytes=own_bytes,
        others=others,
        busy=None if isinstance(busy, Unknown) else busy,
        unknown=tuple(unknown),
    )


def _held(ours: Sequence[User]) -> int | None:
    sizes = [user.held_bytes for user in ours if user.held_bytes is not None]
    return sum(sizes) if sizes and len(sizes) == len(ours) else None


def _named(user: User) -> str:
    try:
        name = psutil.Process(user.pid).name()
    except psutil.Error:
        name = "a process"
    held = "" if user.held_bytes is None else f", {size(user.held_bytes)}"
    return f"{name} [{user.pid}]{held}"
