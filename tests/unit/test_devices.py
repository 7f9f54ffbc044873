"""A device's name is branched on in its own file and nowhere else: what differs is an attribute of its plug-in."""

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from evaluator.core import machine, registry
from exports.devices import gpu
from tests.engine import MACHINE

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("evaluator", "exports", "scenarios", "serving")
OWN = ROOT / "exports" / "devices"
NAMES = frozenset(registry.names("device"))
SOURCES = [
    str(path.relative_to(ROOT))
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if OWN not in path.parents
]
# The same word for something else.
OTHERWISE = {
    "evaluator/core/coordinates.py": "the one that goes without saying",
    "evaluator/judging/fit.py": "an instruction set",
    "evaluator/children/environments.py": "an environment",
}


def named(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and each.value in NAMES:
            yield f"{each.value!r} in line {each.lineno}"


def branches(tree: ast.AST) -> Iterator[str]:
    """Yield every place where something is decided, or looked up, by a device's name."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare() | ast.MatchValue():
                yield from named(node)
            case ast.Dict(keys=keys):
                for key in keys:
                    yield from named(key) if key is not None else ()
            case ast.Subscript(slice=index):
                yield from named(index)
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant() | ast.Tuple() | ast.List() | ast.Set()):
                yield from named(node.value) if target != "devices" else ()
            case ast.Call(func=ast.Attribute(attr="get" | "load" | "startswith"), args=arguments):
                for argument in arguments:
                    yield from named(argument)


def test_nothing_but_its_own_file_branches_on_a_devices_name() -> None:
    found = {path: list(branches(ast.parse((ROOT / path).read_text()))) for path in SOURCES if path not in OTHERWISE}
    assert not {path: places for path, places in found.items() if places}, "ask registry.load('device', name) instead"


def test_no_template_does_either() -> None:
    words = {f"{quote}{name}{quote}" for name in NAMES for quote in "'\""}
    templates = list((ROOT / "evaluator").rglob("*.j2"))
    assert templates
    assert not [path.name for path in templates if any(word in path.read_text() for word in words)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("if step.device == 'gpu': pass", 1),
        ("on = [each for each in steps if each.device in ('cpu', 'arm64')]", 2),
        ("providers = {'gpu': 1, 'other': 2}", 1),
        ("match device:\n    case 'arm64': pass", 1),
        ("providers['gpu']", 1),
        ("registry.load('device', 'arm64')", 1),
        ("EMULATED = 'arm64'", 1),
        ("DEVICES = ('cpu', 'gpu')", 2),
        ("def load(device: str = 'cpu') -> None: ...", 0),
        ("devices = ('cpu', 'gpu')", 0),
    ],
)
def test_the_search_finds_what_branches(source: str, found: int) -> None:
    assert len(list(branches(ast.parse(source)))) == found


@pytest.mark.parametrize(("says", "found"), [("echo NVIDIA H200", True), ("exit 9", False), (None, False)])
def test_a_gpu_is_there_when_its_driver_names_it(
    says: str | None, *, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if says is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{says}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    machine.gpu.cache_clear()
    try:
        lacking, described = (
            gpu.plugin.lacking(),
            gpu.plugin.describe(msgspec.structs.replace(MACHINE, gpu=machine.gpu())),
        )
    finally:
        machine.gpu.cache_clear()
    assert (lacking is None) is found
    assert lacking is None or (lacking[0] == "no CUDA GPU on this machine" and "nvidia-smi" in lacking[1])
    assert described == ("NVIDIA H200" if found else "a CUDA GPU")
