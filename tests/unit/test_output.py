"""Standard output as machines have it: in any encoding, closed, or with nobody who reads."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from evaluator.core import output
from tests import children
from tests.commands import FWEVAL

UTF_8 = {"LC_ALL": "C.UTF-8"}
OTHERWISE = (
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "iso8859-1"},
    {"PYTHONIOENCODING": "utf-16"},
)
UNREAD = 141


def said(*arguments: str, cwd: Path, env: Mapping[str, str]) -> tuple[int, bytes]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    done = subprocess.run(
        [FWEVAL, *arguments], cwd=cwd, env={**clean, **env}, timeout=60, capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr + done.stdout
    assert b"a bug" not in done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize("arguments", [("--help",), ("doctor",)], ids=str)
def test_an_encoding_changes_signs_and_nothing_else(arguments: tuple[str, ...], tmp_path: Path) -> None:
    code, expected = said(*arguments, cwd=tmp_path, env=UTF_8)
    assert not expected.isascii()
    for env in OTHERWISE:
        told, found = said(*arguments, cwd=tmp_path, env=env)
        assert told == code
        assert found.isascii()
        assert b"?" not in found.replace(b"PyTorch or TensorFlow?", b"")
        assert len(found.splitlines()) == len(expected.splitlines())


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("✓ 10 µs → 20 µs … ±3 %", "+ 10 us -> 20 us ... +/-3 %"),
        ("Modèle „Größe“ naïve", 'Modele "Gro?e" naive'),
        ("東京", "??"),
        ("a name \udcff that is no text", "a name ? that is no text"),
    ],
)
def test_what_ascii_lacks_becomes_what_is_nearest(text: str, nearest: str) -> None:
    program = f"from evaluator.core import output; output.prepare(); print({text!r})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        cwd=children.ROOT,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == nearest.encode("ascii") + b"\n"


def test_data_for_machines_are_utf_8_and_names_need_not_be_text() -> None:
    program = (
        'from evaluator.core import output; output.prepare(); output.write_data(\'{"a": "größer → µ"}\\n\');'
        "print('\\udcff')"
    )
    for encoding, name in (("ascii", b"?"), ("utf-8", b"\\udcff")):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            cwd=children.ROOT,
            capture_output=True,
            timeout=60,
            check=True,
        )
        data, _, rest = done.stdout.partition(b"\n")
        assert json.loads(data.decode("utf-8")) == {"a": "größer → µ"}
        assert rest == name + b"\n"


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("doctor",), ("--help",)])
@pytest.mark.parametrize("both", [False, True])
def test_a_closed_pipe_is_told_apart_from_every_verdict(
    arguments: tuple[str, ...], *, both: bool, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        stderr = writer if both else subprocess.PIPE
        done = subprocess.run([FWEVAL, *arguments], cwd=tmp_path, stdout=writer, stderr=stderr, timeout=60, check=False)
    finally:
        os.close(writer)
    assert done.returncode == UNREAD
    assert not done.stderr


def test_progress_without_a_reader_stops_no_run() -> None:
    """The other end of a pipe, or a terminal, goes away while steps are at work."""
    program = (
        "import sys; from evaluator.core import output; output.prepare()\n"
        "from rich.console import Console; from evaluator.running.progress import Reporter\n"
        "with Reporter(Console(stderr=True)) as reporter:\n"
        "    input()\n"
        "    for number in range(1000): reporter.note(f'step {number}')\n"
        "print('done')"
    )
    for ours, theirs in (os.pipe(), pty.openpty()):
        with children.started(
            [sys.executable, "-c", program],
            cwd=children.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            os.close(ours)
            out, _ = process.communicate(b"go on\n", timeout=60)
        assert (process.returncode, out) == (0, b"done\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_are_nowhere(closed: str, tmp_path: Path) -> None:
    command = f'exec "$0" list {closed}'
    done = subprocess.run(["sh", "-c", command, FWEVAL], cwd=tmp_path, timeout=60, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_behind_standard_output_is_no_bug(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [FWEVAL, "list"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert done.returncode == 3
    assert done.stderr.startswith(b"fweval: the disk is full (free some space")


@pytest.mark.parametrize("columns", ["0", "-5", "", "wide", "²"])
def test_a_width_that_is_none_is_not_taken_at_its_word(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", "24")
    output.prepare()
    assert "COLUMNS" not in os.environ
    assert os.environ["LINES"] == "24"
