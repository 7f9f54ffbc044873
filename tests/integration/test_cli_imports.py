"""`fweval --help` is quick because it imports next to nothing: the commands' files, click, and the standard library."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from evaluator import cli

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
third_party = {{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names
print("imported:", *sorted(third_party))
"""


def imported_by(*lines: str, codes: tuple[int, ...] = (0,)) -> set[str]:
    """Run command lines in one fresh process and return the top-level packages that it imported."""
    program = PROGRAM.format(lines=lines, codes=codes)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_help_imports_click_and_ourselves_only() -> None:
    lines = ["--help", "--version", *(f"{name} --help" for name in COMMANDS)]
    assert imported_by(*lines) == {"click", "evaluator"}


def test_looking_around_imports_no_framework() -> None:
    found = imported_by("list", "list --json", "doctor", "doctor --json", codes=(0, 3))  # 3: no framework is installed
    assert {"evaluator", "exports", "scenarios", "serving"} <= found
    assert not found & FRAMEWORKS
