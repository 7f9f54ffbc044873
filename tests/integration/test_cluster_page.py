"""The commands of docs/cluster.md, as they stand there: two machines, which are two addresses of this one.

Ray refuses a second node at 127.0.0.1: the head has 127.0.0.2, and the other machine 127.0.0.3.
"""

import contextlib
import re
import shlex
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
import pytest

from evaluator.core.cache import cache_folder
from tests import children, commands
from tests.engine import assert_gone
from tests.waiting import until

pytestmark = pytest.mark.integration
PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"
HEAD, OTHER = "127.0.0.2", "127.0.0.3"
RUNS = "Ray runtime started"
TOO_BUSY = "timed out during startup"
_TRIES = 3
_START_S = 120.0
_ASK_S = 150.0
_END_S = 90.0  # the head waits for its other nodes before it ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the commands are run: a home, a folder, and the port of the head."""

    folder: Path
    ray: Path
    port: int

    @property
    def home(self) -> Path:
        """Where the token lies."""
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        """What is fetched is where it always is; no token and no cluster of the person's own is known."""
        kept = {name: value for name, value in commands.NO_ENGINE.items() if not name.startswith("RAY_")}
        told = {"HOME": str(self.home), "RAY_TMPDIR": str(self.ray), "FWEVAL_CACHE": str(cache_folder())}
        return {**kept, **told}

    def words(self, line: str) -> list[str]:
        """Return a command of the page with the addresses of this machine."""
        here = re.sub(r"\b10\.0\.0\.1\b(:6379)?", f"{HEAD}:{self.port}", line).replace("10.0.0.2", OTHER)
        program, *arguments = shlex.split(here)
        assert program == "fweval", line
        return arguments


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Ray's sockets lie below its folder, and their paths must be short."""
    with tempfile.TemporaryDirectory(prefix="fw-") as short, socket.create_server((HEAD, 0)) as free:
        port = free.getsockname()[1]
        free.close()
        made = Place(folder=tmp_path, ray=Path(short), port=port)
        made.home.mkdir()
        yield made


@contextlib.contextmanager
def node(line: str, place: Place) -> Iterator[psutil.Process]:
    """Start a node, wait until it says that it runs, and end it by Ctrl-C: the page says so.

    A busy machine is not quick enough for Ray's own limit: as the page says, it is started again.
    """
    for _ in range(_TRIES):
        log = place.folder / f"{len(list(place.folder.glob('*.log')))}.log"
        with log.open("wb") as file, begun(line, place, file) as process:
            said = until(
                log.read_text,
                lambda told, process=process: RUNS in told or process.poll() is not None,  # type: ignore[misc]
                within_s=_START_S,
            )
            if RUNS in said:
                yield psutil.Process(process.pid)
                process.send_signal(signal.SIGINT)
                return
        assert TOO_BUSY in said, said
    pytest.fail(said)


def begun(line: str, place: Place, log: IO[bytes]) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    return children.started(
        ["env", "--default-signal", commands.FWEVAL, *place.words(line)],
        ends_within_s=_END_S,
        cwd=place.folder,
        env=place.environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def ask(line: str, place: Place) -> str:
    done = commands.fweval(*place.words(line), cwd=place.folder, timeout_s=_ASK_S, env=place.environment)
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


def below(processes: list[psutil.Process]) -> list[int]:
    return [each.pid for process in processes for each in (process, *process.children(recursive=True))]


def at_home(place: Place) -> list[int]:
    """Return the processes that have the home of this test, or name its folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("HOME") == str(place.home) or str(place.ray) in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


def test_two_machines_are_one_cluster_as_the_page_says(place: Place) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    begin, join, listed, tried = (line for block in blocks for line in block.splitlines())
    with node(begin, place) as head:
        token = place.home / ".ray" / "auth_token"
        assert token.stat().st_mode & 0o777 == 0o600
        assert len(token.read_text()) >= 32
        with node(join, place) as other:
            shown = ask(listed, place)
            assert re.search(rf"^✓ desk +{re.escape(HEAD)} ", shown, re.MULTILINE), shown
            assert re.search(rf"^✓ gpu-box +{re.escape(OTHER)} ", shown, re.MULTILINE), shown
            table = ask(tried, place)
            assert "passed" in table
            assert re.search(r"\b(desk|gpu-box)\b", table), table
            started = below([head, other])
            assert len(started) > 4  # two commands, and Ray's own processes
    assert_gone(started, within_s=20.0)
    until(lambda: at_home(place), lambda found: not found, within_s=20.0)


def test_every_other_command_of_the_page_stands_beside_these() -> None:
    """What is not run here has the addresses of the page, and no block is forgotten."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line for _, block in fenced for line in block.splitlines()]
    assert sum(line.startswith("fweval ") for line in lines) == 6
    assert {address for line in lines for address in re.findall(r"\b10\.[\d.]+\d", line)} == {"10.0.0.1", "10.0.0.2"}
