"""Without any extra, what is there can be listed: plug-ins import what an extra brings when they use it."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
# Refuses to import what only an extra brings, as if it were not installed.
PROGRAM = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
{lines}
"""
LOAD_ALL = """
from evaluator.core import registry
print(sum(len(registry.load_all(kind)) for kind in registry.KINDS))
"""
COMMAND = """
sys.argv = ["fweval", {arguments}]
from evaluator.cli import main
main()
"""


def closure(names: list[str]) -> set[str]:
    """Return the distributions, with all that they need."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needed_by(name)
    return found


def needed_by(name: str) -> list[str]:
    """Return what a distribution needs without any extra."""
    declared = map(Requirement, metadata.requires(name) or ())
    plain = [each for each in declared if each.marker is None or each.marker.evaluate({"extra": ""})]
    return [canonicalize_name(each.name) for each in plain]


def absent() -> set[str]:
    """Return the modules that an installation without extras does not have."""
    base = closure(needed_by("fweval")) | {"fweval"}
    return {
        module
        for module, distributions in metadata.packages_distributions().items()
        if not {canonicalize_name(name) for name in distributions} & base
    } - set(sys.stdlib_module_names)


def without_extras(lines: str) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(absent=absent(), lines=lines)
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_wall_of_this_test_stands() -> None:
    # What `dev` brings is wherever this test runs; frameworks and what serves may be absent altogether.
    assert {"pytest", "hypothesis", "jsonschema"} <= absent()
    installed = set(metadata.packages_distributions())
    assert {"torch", "tensorflow", "onnx", "httptools", "grpc"} & installed <= absent()
    assert not {"numpy", "msgspec", "click", "scipy", "docker"} & absent()
    assert "No module named 'jsonschema'" in without_extras("import jsonschema").stderr


def test_every_plugin_loads() -> None:
    done = without_extras(LOAD_ALL)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50


@pytest.mark.parametrize("arguments", ["'list'", "'doctor'", "'--help'"])
def test_looking_around_works(arguments: str) -> None:
    done = without_extras(COMMAND.format(arguments=arguments))
    assert done.returncode in (0, 3), done.stderr
    assert "a bug in fweval" not in done.stderr
