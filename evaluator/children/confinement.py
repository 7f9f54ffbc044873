"""Confined children: a program sees the system read-only, what it was given, and nothing else of this machine.

Made with bubblewrap (https://github.com/containers/bubblewrap): a root of its own, no network but its loopback, no
other processes, no capabilities. It is a kernel boundary, not a virtual machine: a hole in the kernel is one here too.
"""

import importlib
import shutil
import site
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from evaluator.core import plugins
from evaluator.core.errors import Unavailable

_OURS = ("evaluator", "exports", "scenarios", "serving")
_PROGRAMS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")  # links into /usr, or folders on older systems
_SYSTEM = ("/usr", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/chromium.d", "/sys/devices/system/cpu")
_SCRATCH_BYTES = str(1 << 29)  # of its /tmp and /dev/shm each, in memory
_INSTALL = "install bubblewrap (Debian, Ubuntu: apt install bubblewrap)"
_ALLOW = "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, or an AppArmor profile for bwrap)"
_TRY_S = 20.0


def confined(command: Sequence[str], *, reads: Iterable[Path], writes: Path) -> tuple[str, ...]:
    """Return the command that runs `command` confined: it sees `reads`, and may write to `writes` and its own /tmp."""
    wanted = (each for path in (*_python(), *reads) for each in (path.resolve(), path.absolute()))  # links are followed
    seen = [option for path in dict.fromkeys(wanted) for option in _visible(path)]
    folder = str(writes.resolve())
    writable = ("--bind", folder, folder, "--chdir", folder)
    return (*_wall(), *seen, *writable, "--remount-ro", "/", "--remount-ro", "/dev", "--", *command)


@cache
def obstacle() -> Unavailable | None:
    """Return why this machine cannot confine a child, with a remedy; None when it can."""
    if shutil.which("bwrap") is None:
        return Unavailable("bubblewrap is not on PATH", remedy=_INSTALL)
    try:
        done = subprocess.run(
            [*_wall(), "--", "/usr/bin/true"], capture_output=True, text=True, timeout=_TRY_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Unavailable(f"bubblewrap does not work here: {error}", remedy=_ALLOW)
    if done.returncode:
        return Unavailable(f"bubblewrap does not work here: {' '.join(done.stderr.split())}", remedy=_ALLOW)
    return None


def _wall() -> list[str]:
    """Return bubblewrap with a system to look at, and no way out of it."""
    links: list[str] = []
    for path in map(Path, _PROGRAMS):
        if path.is_symlink():
            links += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            links += ["--ro-bind", str(path), str(path)]
    system = [option for path in _SYSTEM for option in ("--ro-bind-try", path, path)]
    return [
        *("bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL", "--die-with-parent"),
        *("--proc", "/proc", "--dev", "/dev"),
        *(option for path in ("/tmp", "/dev/shm") for option in ("--size", _SCRATCH_BYTES, "--tmpfs", path)),  # noqa: S108
        *("--setenv", "TMPDIR", "/tmp", "--setenv", "TEMP", "/tmp", "--setenv", "HOME", "/tmp"),  # noqa: S108
        *system,
        *links,
    ]


def _python() -> list[Path]:
    """Return what this interpreter imports from: itself, its packages, ours and plug-ins, never a whole source tree."""
    packages = [Path(place) for place in (*site.getsitepackages(), site.getusersitepackages()) if Path(place).is_dir()]
    ours = [Path(str(importlib.import_module(name).__file__)).parent for name in _OURS]
    foreign = [place.folder for place in plugins.places()]
    return list(dict.fromkeys([Path(sys.base_prefix), Path(sys.prefix), *packages, *ours, *foreign]))


def _visible(path: Path) -> tuple[str, ...]:
    return () if path == Path("/usr") else ("--ro-bind", str(path), str(path))
