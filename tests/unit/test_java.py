"""Finding Java: JAVA_HOME, PATH, then the wheel; never one that is too old."""

import os
from pathlib import Path

import pytest

from serving import java


def _fake(folder: Path, version: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return program


def _home(folder: Path, *, mode: int) -> java.Java:
    """Make something that looks like the wheel's Java home."""
    for name in ("bin/java", "lib/jspawnhelper"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(mode)
    return java.Java(program=folder / "bin/java", version="17.0.9", from_wheel=True)


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.1", "25-ea"])
def test_a_new_enough_java_on_path_is_taken(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = _fake(tmp_path, version)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{program.parent}:/bin")
    assert java.find() == java.Java(program=program, version=version, from_wheel=False)


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.2", "16"])
def test_an_old_java_is_passed_over_for_the_wheel(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = _fake(tmp_path, version)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{program.parent}:/bin")
    found = java.find()
    assert found is None or found.from_wheel


def test_java_home_comes_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, on_path = _fake(tmp_path / "home", "21.0.1"), _fake(tmp_path / "path", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(home.parents[1]))
    monkeypatch.setenv("PATH", f"{on_path.parent}:/bin")
    found = java.find()
    assert found is not None
    assert found.program == home


def test_a_java_that_fails_is_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = _fake(tmp_path, "21")
    program.write_text("#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = java.find()
    assert found is None or found.from_wheel


def test_run_bits_are_set_where_they_were_dropped(tmp_path: Path) -> None:
    found = _home(tmp_path / "wheel", mode=0o644)
    program = java.runnable(found, tmp_path)
    assert program == found.program
    assert os.access(program, os.X_OK)
    assert os.access(program.parents[1] / "lib/jspawnhelper", os.X_OK)


def test_files_of_somebody_else_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _home(tmp_path / "wheel", mode=0o644)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    program = java.runnable(found, tmp_path / "spare")
    assert program == tmp_path / "spare/java/bin/java"
    assert os.access(program, os.X_OK)
    assert found.program.stat().st_mode & 0o111 == 0
