"""`fweval --help` is quick because it imports next to nothing: the commands' files, click, and the standard library."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from evaluator import cli
from tests import old_run

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
COMMANDS = tuple(cli.app.list_commands(click.Context(cli.app)))
FRAMEWORKS = {"torch", "tensorflow", "keras", "onnx", "onnxruntime", "grpc", "tf2onnx", "tokenizers"}
# What the interpreter itself brings (editable installs, site customisation) is no matter of ours.
PROGRAM = """
import sys
before = set(sys.modules)
from evaluator import cli
for arguments in {lines!r}:
    sys.argv = ["fweval", *arguments.split()]
    try:
        cli.main()
    except SystemExit as left:
        assert left.code in {codes!r}, (arguments, left.code)
parts = {{".".join(name.split(".")[:2]) for name in set(sys.modules) - before}}
print("imported:", *sorted(name for name in parts if name.partition(".")[0] not in sys.stdlib_module_names))
"""


def imported_by(*lines: str, codes: tuple[int, ...] = (0,), cwd: Path = ROOT) -> set[str]:
    """Run command lines in one fresh process and return the packages and their parts that it imported."""
    program = PROGRAM.format(lines=lines, codes=codes)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"},
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_help_imports_click_and_ourselves_only() -> None:
    lines = ["--help", "--version", *(f"{name} --help" for name in COMMANDS)]
    assert {name.partition(".")[0] for name in imported_by(*lines)} == {"click", "evaluator"}


def test_looking_around_imports_no_framework_and_computes_nothing() -> None:
    found = imported_by("list", "list --json", "doctor", "doctor --json", codes=(0, 3))  # 3: no framework is installed
    assert {"evaluator", "exports", "scenarios", "serving"} <= found
    assert not found & {*FRAMEWORKS, "scipy", "docker", "requests"}


def test_reading_a_run_imports_little(tmp_path: Path) -> None:
    """Each takes a fraction of a second; scipy.stats alone, or what makes and starts runs, would take longer."""
    old_run.unpack(tmp_path)
    found = imported_by("cells run-format-1", "report run-format-1", cwd=tmp_path)
    assert not found & {*FRAMEWORKS, "scipy", "docker", "requests", "evaluator.pipeline"}
    found = imported_by("score run-format-1", cwd=tmp_path, codes=(0,))  # ready, by the declared targets
    assert not found & {*FRAMEWORKS, "scipy.stats", "docker", "requests", "evaluator.pipeline"}


def test_the_package_is_the_command_and_files_of_the_working_folder_are_no_modules(tmp_path: Path) -> None:
    for name in ("random", "json", "click"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of the working folder')")
    done = subprocess.run(
        [sys.executable, "-m", "evaluator", "--version"],
        cwd=tmp_path,
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("fweval, version ")
    assert (done.returncode, done.stderr) == (0, "")
