"""What a machine refuses is told in one line, and is nobody's failure."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.core import registry, surroundings
from evaluator.core.errors import IncompleteEvidence, UsageError
from evaluator.executors._this_machine import ThisMachine
from tests import children
from tests.commands import FWEVAL


def refused(number: int, place: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), place)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full: runs/one/plan.json"),
        (errno.EDQUOT, "the disk is full: runs/one/plan.json"),
        (errno.EFBIG, "a file may not grow any more: runs/one/plan.json"),
        (errno.EMFILE, "no more files may be open (the limit is "),
        (errno.ENFILE, "no more files may be open (the limit is "),
        (errno.EAGAIN, "no more processes may be started"),
        (errno.ENOMEM, "memory ran out"),
        (errno.EIO, "a disk cannot be read or written: runs/one/plan.json"),
        (errno.EACCES, "permission denied: runs/one/plan.json"),
        (errno.EROFS, "read-only file system: runs/one/plan.json"),
    ],
)
def test_what_the_machine_refuses_has_words_and_a_remedy(number: int, said: str) -> None:
    found = surroundings.refusal(refused(number, "runs/one/plan.json"))
    assert isinstance(found, IncompleteEvidence)
    assert found.message.startswith(said)
    assert found.remedy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("PytorchStreamWriter failed: No space left on device", "the disk is full"),
        ("[Errno 24] Too many open files: '/usr/lib/libfoo.so'", "no more files may be open"),
        ("can't start new thread", "no more processes may be started"),
    ],
)
def test_the_systems_words_are_understood_in_those_of_native_code(text: str, said: str) -> None:
    found = surroundings.refusal(RuntimeError(text))
    assert found is not None
    assert found.message.startswith(said)


def test_a_path_that_cannot_be_is_the_callers_mistake(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).symlink_to("b" if name == "a" else "a")
    for raised in (refused(errno.ENAMETOOLONG, "a" * 300), RuntimeError(f"Symlink loop from '{tmp_path / 'a'}'")):
        assert isinstance(surroundings.refusal(raised), UsageError)
    for arguments in (["cells", "a" * 300], ["inspect", "a" * 300], ["full", "tiny", "--out", str(tmp_path / "a/x")]):
        command = [FWEVAL, *arguments]
        done = subprocess.run(command, cwd=tmp_path, timeout=60, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_what_an_error_was_raised_from_counts() -> None:
    outer = ValueError("the model could not be saved")
    outer.__cause__ = refused(errno.ENOSPC, "model.onnx")
    found = surroundings.refusal(outer)
    assert found is not None
    assert found.message == "the disk is full: model.onnx"


@pytest.mark.parametrize("error", [ValueError("no"), refused(errno.ENOENT, "x"), refused(errno.EBADF), KeyError("a")])
def test_all_else_is_somebodys(error: Exception) -> None:
    assert surroundings.refusal(error) is None


@pytest.mark.parametrize(("limits", "raised"), [((64, 300), 300), ((64, 64), 64), ((512, 9000), 4096)])
def test_the_limit_of_open_files_is_raised_as_far_as_it_goes(limits: tuple[int, int], raised: int) -> None:
    program = "from evaluator.core import surroundings; print(surroundings.raise_file_limit(4096))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=children.ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert int(done.stdout) == raised


@pytest.mark.parametrize(("arguments", "code"), [(("doctor",), 2), (("list",), 0), (("--help",), 0)])
def test_a_working_folder_that_is_gone_is_named(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = ["sh", "-c", 'rmdir ../gone && exec "$0" "$@"', FWEVAL, *arguments]
    done = subprocess.run(command, cwd=tmp_path / "gone", timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stderr.splitlines()[-1:] == (
        ["fweval: the folder that this was started in is gone (change to one that is there)"] if code else []
    )


def test_with_few_files_nothing_is_served_and_the_limit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    server, launcher = registry.load("server", "torchserve"), registry.load("launcher", "process")
    monkeypatch.setattr(surroundings, "file_limit", lambda: 64)
    reason, remedy = ThisMachine().cannot_launch(server, launcher, ()) or ("", "")
    assert reason == "only 64 files may be open at once, a server with its clients needs 256"
    assert "ulimit -n 256" in remedy
    monkeypatch.setattr(surroundings, "file_limit", lambda: 256)
    assert "files" not in (ThisMachine().cannot_launch(server, launcher, ()) or ("",))[0]
