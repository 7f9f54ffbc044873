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


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put a stand-in for nvidia-smi on the path that knows two GPUs; return where it notes what it was asked."""
    notes = tmp_path / "asked"
    (tmp_path / "nvidia-smi").write_text(
        f'#!/bin/sh\necho "$@" >> {notes}\n'
        'case "$*" in *--id=1*) echo "Second, GPU-bbbb" ;; *--id=*) echo "No devices were found"; exit 6 ;;\n'
        '*) echo "First, GPU-aaaa"; echo "Second, GPU-bbbb" ;; esac\n'
    )
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("NVIDIA_VISIBLE_DEVICES", raising=False)
    machine.gpu.cache_clear()
    yield notes
    machine.gpu.cache_clear()


@pytest.mark.parametrize(
    ("visible", "shown", "name"),
    [
        (None, "0", "First"),
        ("1", "1", "Second"),
        ("1,0", "1", "Second"),
        (" 1 , 0", "1", "Second"),
        ("1,-1", "1", "Second"),
        ("GPU-bb", "GPU-bb", "Second"),
        ("MIG-GPU-1234/1/0,0", "MIG-GPU-1234/1/0", "First"),
    ],
)
@pytest.mark.usefixtures("asked")
def test_the_gpu_that_was_allotted_is_the_one_that_a_child_sees(
    visible: str | None, shown: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu.plugin.lacking() is None
    assert machine.gpu() == name
    assert gpu.plugin.variables == {"CUDA_VISIBLE_DEVICES": shown, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert registry.load("device", "cpu").variables == {"CUDA_VISIBLE_DEVICES": "-1"}


@pytest.mark.parametrize("visible", ["", "-1", "-1,0", "NoDevFiles", "none", "all", ",1"])
def test_hidden_gpus_are_none_and_the_driver_is_not_asked(
    visible: str, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    reason, remedy = gpu.plugin.lacking() or ("", "")
    assert reason == f"CUDA_VISIBLE_DEVICES={visible} hides every GPU from fweval"
    assert "CUDA_VISIBLE_DEVICES" in remedy
    assert machine.gpu() is None
    assert gpu.plugin.variables["CUDA_VISIBLE_DEVICES"] == "-1"
    assert not asked.exists()


@pytest.mark.usefixtures("asked")
def test_a_gpu_that_is_not_there_is_named_as_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert (gpu.plugin.lacking() or ("",))[0] == "no CUDA GPU on this machine (CUDA_VISIBLE_DEVICES=7)"
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "void")
    reason, remedy = gpu.plugin.lacking() or ("", "")
    assert reason.endswith("the container was given none")
    assert "--gpus" in remedy
