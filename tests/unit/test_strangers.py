"""Users whom the machine does not know, without a home, and with folders that they may only read."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from evaluator.core import cache
from evaluator.core.errors import Unavailable
from tests import children, old_run
from tests.commands import FWEVAL

STRANGER = ("unshare", "--user", "--map-user=12345", "--map-group=12345")


def as_stranger(*command: str, cwd: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as a user of a namespace of its own: one without a name, a home, or the rights of root."""
    if shutil.which("unshare") is None or subprocess.run([*STRANGER, "true"], timeout=60, check=False).returncode:
        pytest.skip("no user namespace can be made here")
    return subprocess.run(
        [*STRANGER, *command],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "DOCKER_HOST": "unix:///nowhere/docker.sock", **env},
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("command", "codes"), [("list", {0}), ("doctor", {0, 3}), ("clean", {0})])
def test_a_stranger_can_look_around(command: str, codes: set[int], tmp_path: Path) -> None:
    for home in ({}, {"HOME": "/nonexistent"}):
        done = as_stranger(FWEVAL, command, cwd=tmp_path, **home)  # 3: no framework is installed
        assert done.returncode in codes, done.stderr
        assert "a bug" not in done.stderr
    assert not list(tmp_path.iterdir())  # no folder called ~


def test_the_home_of_a_stranger_is_where_containers_have_it(tmp_path: Path) -> None:
    program = "from evaluator.core.cache import cache_folder; print(cache_folder())"
    done = as_stranger(
        str(Path(FWEVAL).with_name("python")), "-c", program, cwd=tmp_path, PYTHONPATH=str(children.ROOT)
    )
    assert done.stdout == "/.cache/fweval\n"


def test_a_cache_that_cannot_be_written_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.raises(Unavailable, match="file/cache cannot be written") as raised:
        cache.make_folder(cache.cache_folder())
    assert (raised.value.remedy or "").startswith("set FWEVAL_CACHE")


def test_the_cache_is_the_same_place_for_children_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(cache.VARIABLE, "mine")
    assert cache.cache_folder() == tmp_path / "mine"


def test_a_run_of_somebody_else_is_read_and_not_written(tmp_path: Path) -> None:
    run = old_run.unpack(tmp_path)
    places = [run, *(path for path in run.rglob("*") if path.is_dir())]
    for place in places:
        place.chmod(0o555)
    try:
        assert as_stranger(FWEVAL, "cells", run.name, "--csv", cwd=tmp_path).returncode == 0
        for command in (("score",), ("report",), ("full", "--resume")):
            done = as_stranger(FWEVAL, *command, run.name, cwd=tmp_path)
            assert done.returncode == 2
            assert done.stderr.startswith(f"fweval: {run.name} cannot be written (work on a copy: cp -r {run.name} .")
            assert len(done.stderr.splitlines()) == 1
        run.chmod(0)
        done = as_stranger(FWEVAL, "cells", run.name, cwd=tmp_path)
        assert (done.returncode, done.stderr[:44]) == (3, "fweval: permission denied: run-format-1/run.")
    finally:
        for place in places:
            place.chmod(0o755)
