"""Start a server as a process of this machine: in a session of its own, with little environment, and nothing left.

A process cannot be confined like a container: it sees this machine's files and uses its Python. It binds loopback only
as far as the server allows that (see the server's file).
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from evaluator.children import processes
from evaluator.core.errors import Unavailable
from serving import ports as loopback
from serving.contract import SHOWN_LINES, Bundle, Launcher, Place, Ports, Running, Server, Setup

GRACE_S = 10.0  # what a server gets after SIGTERM; TorchServe was seen to take 2 to 4 s
LOG = "server.log"
_LINE_BYTES = 80
_LONGEST_TEMP = 80  # bytes: a unix socket's path ends at 107, and servers append names of up to 27


class ProcessLauncher(Launcher):
    """Starts a server's command directly."""

    name = "process"
    title = "process on this machine"

    def missing(self, server: Server, images: Sequence[str]) -> tuple[str, str] | None:
        """Say why that server cannot run as a process here."""
        if self.name not in server.launchers:
            return f"{server.title} has no launcher '{self.name}'", f"choose from: {', '.join(server.launchers)}"
        return server.missing(self.name)

    def reference(self, server: Server, images: Sequence[str]) -> bool:
        """Return False: a process is the server itself."""
        return False

    @contextlib.contextmanager
    def launch(self, server: Server, bundle: Bundle, setup: Setup, folder: Path) -> Iterator[Running]:
        """Start the server with its log in `folder` (made if missing); leaving the context stops it.

        All of its files lie in a temporary folder, which is removed: run folders lie anywhere, on file systems that
        execute nothing and below names that no configuration file can hold, and what lies there is kept (keys are not).
        """
        lacking = self.missing(server, setup.images)
        if lacking is not None:
            raise Unavailable(lacking[0], remedy=lacking[1])
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="server-", dir=_short_root(), ignore_cleanup_errors=True) as made:
            place = Place(files=Path(made, "files"), temp=Path(made, "tmp"))
            for each in (place.files, place.temp):
                each.mkdir()
            command = server.command(bundle, setup, place, self.name)
            process = processes.start(
                command.argv,
                env={**_environment(place.temp), **command.env},
                cwd=place.files,
                stdout=folder / LOG,
                stderr=folder / LOG,
            )
            running = ServerProcess(process, setup.ports, folder / LOG, Path(made))
            try:
                yield running
            finally:
                running.stop()


class ServerProcess:
    """A server that runs in a session of its own; the process that was started leads it."""

    def __init__(self, process: subprocess.Popen[bytes], ports: Ports, log: Path, temp: Path) -> None:
        self._process = process
        self._ports = ports
        self._log = log
        self._temp = temp
        self._stop_s: float | None = None
        self._cpu_s = processes.CpuSeconds(self._members)

    def alive(self) -> bool:
        """Tell whether the leader is still there."""
        return self._process.poll() is None

    def log_tail(self, lines: int = SHOWN_LINES) -> str:
        """Return the end of what the server wrote to stdout and stderr."""
        with self._log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - lines * _LINE_BYTES))
            return file.read().decode(errors="replace").strip()

    def peak_memory_bytes(self) -> int:
        """Sum the kernel's high-water marks (VmHWM) of all processes: nothing has to watch while others measure."""
        return sum(status_bytes(pid, "VmHWM") for pid in self._members())

    def memory_bytes(self) -> int:
        """Sum the resident memory (VmRSS) of all processes."""
        return sum(status_bytes(pid, "VmRSS") for pid in self._members())

    def cpu_s(self) -> float | None:
        """Read the clocks of all processes."""
        return self._cpu_s()

    def listening(self) -> tuple[str, ...]:
        """Ask the system for the listening sockets of all processes."""
        found = set()
        for pid in self._members():
            with contextlib.suppress(psutil.Error):
                for connection in psutil.Process(pid).net_connections("tcp"):
                    if connection.status == psutil.CONN_LISTEN:
                        found.add(f"{connection.laddr.ip}:{connection.laddr.port}")
        return tuple(sorted(found))

    def pause(self) -> None:
        """Stop all processes (SIGSTOP), the leader first: it starts the others."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue all processes (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def kill(self, pid: int | None = None) -> None:
        """Kill all processes at once, or one of them; a number that is none of the server's is let be."""
        if pid is None:
            self._signal(signal.SIGKILL)
        elif pid in self._members():
            os.kill(pid, signal.SIGKILL)

    def _members(self) -> list[int]:
        return [self._process.pid, *(member.pid for member in processes.group(self._process.pid))]

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> float:
        """Ask the leader to end (SIGTERM), give it time, then kill what is left of its session."""
        if self._stop_s is None:
            begin = time.monotonic()
            self._process.send_signal(signal.SIGTERM)
            self.resume()  # a paused process would not see the signal
            processes.wait(self._process, GRACE_S)
            processes.end_group(self._process, first=signal.SIGKILL, grace_s=GRACE_S)
            self._stop_s = time.monotonic() - begin
        return self._stop_s

    def leftovers(self) -> tuple[str, ...]:
        """Look for processes of the session, ports that still listen, and the temp folder."""
        found = []
        for member in processes.group(self._process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                if processes.is_running(member):
                    found.append(f"process {member.pid} ({member.name()})")
        found += [f"port {port} ({role})" for role, port in self._ports.by_role.items() if loopback.in_use(port)]
        if self._temp.exists():
            found.append(f"folder {self._temp}")
        return tuple(found)


def _short_root() -> str | None:
    """Return the system's own temp folder when ours (TMPDIR, that of the step) is too long for a socket."""
    ours = tempfile.gettempdir()
    return "/tmp" if len(os.fsencode(ours)) > _LONGEST_TEMP - 20 else ours  # noqa: S108  # mkdtemp makes it private


def _environment(temp: Path) -> dict[str, str]:
    """Return what a server sees of our environment: no proxies, no PYTHON* variables, a home of its own."""
    libraries = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {
        **libraries,  # some Pythons find their own library by it
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(temp),
        "LANG": "C.UTF-8",
        "TMPDIR": str(temp),
        "TEMP": str(temp),
    }


def status_bytes(pid: int, field: str) -> int:
    """Read a size of a process: VmRSS (resident) or VmHWM (resident at most); 0 when it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return 0


plugin = ProcessLauncher()
