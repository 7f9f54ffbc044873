"""The process launcher with small real processes: little environment in, nothing left over afterwards."""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from evaluator.core.errors import Unavailable
from evaluator.core.records import Signature
from serving.contract import SHOWN_LINES, Admin, Bundle, Command, Place, Ports, Server, Setup, Wire
from serving.errors import NotReady, ServerError
from serving.launchers.embedded import EmbeddedLauncher
from serving.launchers.process import LOG, ProcessLauncher
from serving.life import serving, wait_until_ready
from serving.ports import free_ports
from tests.engine import is_alive
from tests.running import assert_memory_known

_BUNDLE = Bundle(model="model", folder=Path("/nowhere"), signature=Signature(inputs=(), outputs=()))
_LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1])));"
_STUBBORN_CHILD = (
    "import signal, subprocess, sys; subprocess.Popen([sys.executable, '-c', "
    "'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)']);"
)


class _Script(Server):
    """A server that is a line of Python; it is ready when `done` says so."""

    name = "script"
    title = "Script"
    framework = "pytorch"
    format = "torchscript"
    launchers = ("process",)
    ports = ("rest",)
    images = ()
    distributions = ()

    def __init__(self, code: str, done: Callable[[Ports], bool] = lambda _: True, *, absent: bool = False) -> None:
        self._code = code
        self._done = done
        self._absent = absent

    def missing(self, launcher: str) -> tuple[str, str] | None:
        return ("not here", "get it") if self._absent else None

    def bundle(self, artifact: Path, signature: Signature, folder: Path) -> Bundle:
        return _BUNDLE

    def command(self, bundle: Bundle, setup: Setup, place: Place, launcher: str) -> Command:
        (place.temp / "socket").touch()
        return Command(argv=(sys.executable, "-c", self._code, str(setup.ports["rest"])), env={"OURS": "1"})

    def ready(self, bundle: Bundle, ports: Ports) -> bool:
        return self._done(ports)

    def gave_up(self, log: str) -> bool:
        return "cannot load" in log

    def healthy(self, ports: Ports) -> bool:
        return self._done(ports)

    def admin(self, bundle: Bundle, ports: Ports) -> AbstractContextManager[Admin]:
        raise NotImplementedError

    def connect(self, wire: str, bundle: Bundle, ports: Ports) -> AbstractContextManager[Wire]:
        raise NotImplementedError


class _Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class _Running:
    """A server whose life is a list of answers to "are you there?"."""

    def __init__(self, *alive: bool, log: str = "the last words") -> None:
        self._alive = list(alive)
        self._log = log

    def alive(self) -> bool:
        return self._alive.pop(0) if len(self._alive) > 1 else self._alive[0]

    def log_tail(self, lines: int = SHOWN_LINES) -> str:
        return self._log

    def peak_memory_bytes(self) -> int:
        return 0

    def memory_bytes(self) -> int:
        return 0

    def cpu_s(self) -> float | None:
        return None

    def listening(self) -> tuple[str, ...]:
        return ()

    def pause(self) -> None:
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def kill(self, pid: int | None = None) -> None:
        raise NotImplementedError

    def stop(self) -> float:
        return 0.0

    def leftovers(self) -> tuple[str, ...]:
        return ()


def _setup(script: Server) -> Setup:
    return Setup(ports=free_ports(script.ports))


def _listening(ports: Ports) -> bool:
    from serving.ports import in_use

    return in_use(ports["rest"])


def test_a_server_lives_and_leaves_nothing(tmp_path: Path) -> None:
    script = _Script(_STUBBORN_CHILD + "print('hello', flush=True);" + _LISTEN + "time.sleep(60)", _listening)
    with serving(script, ProcessLauncher(), _BUNDLE, _setup(script), tmp_path / "s", 30.0) as service:
        assert service.running.alive()
        members = {process.pid for process in psutil.Process().children(recursive=True)}
        assert len(members) >= 2
        assert service.running.peak_memory_bytes() > 5_000_000
        assert any("port" in left for left in service.running.leftovers())
    assert service.stop_s is not None
    assert service.leftovers == ()
    assert not any(is_alive(pid) for pid in members)
    assert (tmp_path / "s" / LOG).read_text() == "hello\n"
    assert [path.name for path in (tmp_path / "s").iterdir()] == [LOG], "what a run keeps of a server is its log"


def test_an_exception_inside_stops_the_server_too(tmp_path: Path) -> None:
    script = _Script(_LISTEN + "time.sleep(60)", _listening)
    ports = _setup(script)
    with (
        pytest.raises(KeyboardInterrupt),
        ProcessLauncher().launch(script, _BUNDLE, ports, tmp_path) as running,
    ):
        raise KeyboardInterrupt
    assert not running.alive()
    assert running.leftovers() == ()
    assert running.stop() == running.stop()


def test_the_server_sees_little_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("PYTHONSTARTUP", "somewhere")
    script = _Script("import os; print(sorted(os.environ), os.environ['HOME'], flush=True)")
    with ProcessLauncher().launch(script, _BUNDLE, _setup(script), tmp_path) as running:
        while running.alive():
            pass
    seen = (tmp_path / LOG).read_text()
    assert all(name in seen for name in ("OURS", "PATH", "TMPDIR", "TEMP", "server-"))
    assert "PROXY" not in seen
    assert "PYTHON" not in seen


def _where(script: Server, folder: Path) -> tuple[Path, Path]:
    """Start a script that prints its folder and its TMPDIR, and return both."""
    with ProcessLauncher().launch(script, _BUNDLE, _setup(script), folder) as running:
        while running.alive():
            pass
    files, temp = (Path(line) for line in (folder / LOG).read_text().splitlines())
    assert not files.exists()
    assert not temp.exists()
    return files, temp


_TELL = "import os; print(os.getcwd()); print(os.environ['TMPDIR'], flush=True)"


@pytest.mark.parametrize("name", ["long" * 30, "ü\\ %41$HOME\"';#"])
def test_a_servers_files_do_not_lie_where_the_run_does(name: str, tmp_path: Path) -> None:
    """A run folder may lie deep, under any name, and where nothing can be executed."""
    for path in _where(_Script(_TELL), tmp_path / name):
        assert len(str(path)) <= 80
        assert tmp_path not in path.parents


def test_a_temporary_folder_too_long_for_a_socket_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("long" * 20)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert all(len(str(path)) <= 80 for path in _where(_Script(_TELL), tmp_path))


def _soon(holds: Callable[[], bool]) -> bool:
    """Tell whether it comes true within ten seconds: signals take their time."""
    deadline = time.monotonic() + 10
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds()


def _stopped(pids: set[int]) -> list[bool]:
    return [psutil.Process(pid).status() == psutil.STATUS_STOPPED for pid in pids]


def test_a_server_can_be_frozen_woken_and_stopped_while_frozen(tmp_path: Path) -> None:
    script = _Script(_STUBBORN_CHILD + _LISTEN + "time.sleep(60)", _listening)
    with serving(script, ProcessLauncher(), _BUNDLE, _setup(script), tmp_path / "s", 30.0) as service:
        members = {process.pid for process in psutil.Process().children(recursive=True)}
        service.running.pause()
        assert _soon(lambda: all(_stopped(members)))
        service.running.resume()
        assert _soon(lambda: not any(_stopped(members)))
        service.running.pause()
    assert service.leftovers == ()
    assert not any(is_alive(pid) for pid in members)


def test_one_process_or_all_can_be_killed_but_no_stranger(tmp_path: Path) -> None:
    script = _Script(_STUBBORN_CHILD + _LISTEN + "time.sleep(60)", _listening)
    with serving(script, ProcessLauncher(), _BUNDLE, _setup(script), tmp_path / "s", 30.0) as service:
        service.running.kill(psutil.Process().pid)  # ours: we are still here to see that nothing happened
        (leader,) = psutil.Process().children()
        (worker,) = leader.children()
        service.running.kill(worker.pid)
        assert _soon(lambda: not is_alive(worker.pid))
        assert service.running.alive()
        service.running.kill()
        assert _soon(lambda: not service.running.alive())
    assert service.leftovers == ()


def test_a_server_says_what_it_listens_on_and_how_large_it_is(tmp_path: Path) -> None:
    script = _Script(_LISTEN + "time.sleep(60)", _listening)
    with serving(script, ProcessLauncher(), _BUNDLE, _setup(script), tmp_path / "s", 30.0) as service:
        assert service.running.listening() == (f"127.0.0.1:{service.ports['rest']}",)
        assert_memory_known(service.running, at_least=1_000_000)


_BUSY_WORKER = (
    "import subprocess, sys; worker = subprocess.Popen([sys.executable, '-c', 'while True: pass']);"
    "print(worker.pid, flush=True);"
)


def test_processor_time_is_that_of_all_processes_and_what_ended_had_still_counts(tmp_path: Path) -> None:
    script = _Script(_BUSY_WORKER + _LISTEN + "worker.wait(); time.sleep(60)", _listening)
    with serving(script, ProcessLauncher(), _BUNDLE, _setup(script), tmp_path / "s", 30.0) as service:

        def told() -> float:
            return service.running.cpu_s() or 0.0

        worker = int(service.running.log_tail())
        assert _soon(lambda: told() > 0.3), "the leader only waits"
        before = told()
        service.running.kill(worker)
        assert _soon(lambda: not is_alive(worker))
        assert before <= told() < before + 10
    assert before <= told()


def test_what_is_missing_is_said_before_anything_starts(tmp_path: Path) -> None:
    script = _Script("", absent=True)
    with (
        pytest.raises(Unavailable, match="not here") as raised,
        ProcessLauncher().launch(script, _BUNDLE, Setup(ports=Ports(by_role={})), tmp_path / "s"),
    ):
        pass
    assert raised.value.remedy == "get it"
    assert not (tmp_path / "s").exists()


def test_a_launcher_that_the_server_does_not_name_refuses() -> None:
    missing = EmbeddedLauncher().missing(_Script(""), ())
    assert missing is not None
    assert "process" in missing[1]


def test_a_server_that_ends_early_is_told_with_its_log(tmp_path: Path) -> None:
    script = _Script("import sys; sys.exit('cannot find my model')", lambda _: False)
    with (
        pytest.raises(NotReady, match=r"ended before its model was ready.*\ncannot find my model") as raised,
        serving(script, ProcessLauncher(), _BUNDLE, _setup(script), tmp_path, 30.0),
    ):
        pass
    assert raised.value.remedy


def _wait(script: _Script, running: _Running, clock: _Clock) -> float:
    return wait_until_ready(script, _BUNDLE, Ports(by_role={}), running, 5.0, clock)


def test_ready_after_some_asking() -> None:
    answers = iter([False, False, True])
    clock = _Clock()
    assert _wait(_Script("", lambda _: next(answers)), _Running(True), clock) == pytest.approx(0.2)


def test_never_ready_is_a_time_out() -> None:
    with pytest.raises(NotReady, match="not ready after 5 s"):
        _wait(_Script("", lambda _: False), _Running(True), _Clock())


def test_a_death_while_waiting_ends_the_wait() -> None:
    clock = _Clock()
    with pytest.raises(NotReady, match="the last words"):
        _wait(_Script("", lambda _: False), _Running(True, True, False), clock)
    assert clock.time < 1.0


def test_a_server_that_gave_up_ends_the_wait() -> None:
    clock = _Clock()
    with pytest.raises(NotReady, match="could not load the model"):
        _wait(_Script("", lambda _: False), _Running(True, log="cannot load it"), clock)
    assert clock.time == 0.0


def test_what_a_server_wrote_behind_its_last_word_about_the_model_hides_it_from_nobody(tmp_path: Path) -> None:
    """TorchServe writes pages of traces when a worker dies, and by then starts the next: it was waited for in vain."""
    script = _Script(
        f"print('cannot load it' + 400 * '\\n  at a line of a trace');{_LISTEN}time.sleep(60)", lambda _: False
    )
    with (
        pytest.raises(NotReady, match="could not load the model") as raised,
        serving(script, ProcessLauncher(), _BUNDLE, _setup(script), tmp_path / "s", 20.0),
    ):
        pass
    assert len(raised.value.message) < 5_000


def test_a_server_that_refuses_the_model_ends_the_wait() -> None:
    def refuse(_: Ports) -> bool:
        raise ServerError("404", "Model not found: model")

    with pytest.raises(NotReady, match=r"Model not found: model.*\n.*the last words"):
        _wait(_Script("", refuse), _Running(True), _Clock())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("java.net.SocketException: Too many open files", "no more files may be open"),
        ("RuntimeError: [Errno 28] No space left on device", "the disk is full"),
        ("OSError: [Errno 30] Read-only file system: '/x'", "read-only file system"),
        ("java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory", "no more threads"),
        ("RuntimeError: can't start new thread", "no more processes may be started"),
        ("There is insufficient memory for the Java Runtime Environment to continue.", "no memory is left"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "no memory is left"),
        ("the container ended with exit code 137; its memory limit is 4 GiB, which it reached", "no more memory"),
    ],
)
def test_what_this_machine_refuses_a_server_is_not_its_failure(words: str, why: str) -> None:
    running = _Running(False, log=f"the last words\n{words}\n")
    with pytest.raises(Unavailable) as raised:
        _wait(_Script("", lambda _: False), running, _Clock())
    assert why in raised.value.message.partition("; it last wrote:")[0]
    assert raised.value.remedy
