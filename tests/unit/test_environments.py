"""Environments of their own: named by their lists, found only when whole, and what a child is told of them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.children import environments, owner
from evaluator.core import cache, registry
from evaluator.core.errors import Unavailable, UsageError

FOREIGN = (3, 99)  # a version of Python
LISTS = Path(environments.__file__).parents[2] / "exports" / "environments"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FWEVAL_CACHE", str(tmp_path / "cache"))
    return cache.cache_folder() / "environments"


def test_every_list_is_an_environment_of_exact_versions() -> None:
    assert set(environments.names()) == {path.stem for path in LISTS.glob("*.txt")} | {"web"}
    for path in LISTS.glob("*.txt"):
        said, *lines = path.read_text().splitlines()
        assert said.startswith("# "), "what it is for"
        assert all(line.startswith("#") or line.count("==") == 1 for line in lines), path.name
        packages = [line for line in lines if not line.startswith("#")]
        assert packages == sorted(packages), path.name


def test_an_environment_is_there_when_its_folder_is(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_find_python", lambda _: sys.executable)
    for name in environments.names():
        assert environments.locate(name) is None
        with pytest.raises(Unavailable, match=f"the environment '{name}' was not made") as caught:
            environments.variables(name)
        assert caught.value.remedy == "fweval fetch --environments"
        folder = cached / f"{name}-{environments.identity(name)}"
        folder.mkdir(parents=True)
        assert environments.make(name) == environments.locate(name) == folder, "nothing is downloaded again"


def test_only_packages_of_this_python_and_processor_come_before_ours(cached: Path) -> None:
    (cached / f"executorch-{environments.identity('executorch')}").mkdir(parents=True)
    (cached / f"arm64-{environments.identity('arm64')}").mkdir(parents=True)
    (cached / f"web-{environments.identity('web')}").mkdir(parents=True)
    told = environments.variables("executorch")
    assert told["PYTHONPATH"] == told[environments.VARIABLE] == str(environments.locate("executorch"))
    assert environments.variables("arm64").keys() == environments.variables("web").keys() == {environments.VARIABLE}


def test_what_a_child_imports_has_the_versions_that_the_project_is_tested_with() -> None:
    """Numbers from two environments are compared: only what cannot be the same differs."""
    main, theirs = pins(LISTS.parents[1] / "constraints.txt"), pins(LISTS / "tflite_runtime.txt")
    assert {name for name, version in theirs.items() if main.get(name) != version} == {"numpy", "tflite-runtime"}


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", path.read_text(), re.MULTILINE))


def test_packages_over_ours_are_for_our_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled packages of one Python do not run in another: the cache folder is shared."""
    before = {name: environments.identity(name) for name in environments.names()}
    monkeypatch.setattr(sys, "version_info", (*FOREIGN, 0))
    after = {name: environments.identity(name) for name in environments.names()}
    same = {name for name in before if before[name] == after[name]}
    assert same == {"arm64", "mlflow", "tflite_runtime", "web"}, "those that are no packages over ours"


def test_without_uv_an_environment_is_unavailable(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cached))
    monkeypatch.setenv("FWEVAL_PYTHON", str(cached / "python"))  # a Python beside which there is none
    with pytest.raises(Unavailable, match="uv, which makes environments, is not installed") as caught:
        environments.make("executorch")
    assert caught.value.remedy == "pip install -c constraints.txt uv"
    assert list(cached.iterdir()) == []


def test_an_environment_that_nobody_knows_is_a_usage_error(cached: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no environment '\.\./evil'") as caught:
        environments.make("../evil")
    assert "executorch" in (caught.value.remedy or "")
    assert not cached.exists()


def test_without_npm_a_web_environment_is_unavailable(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cached))
    with pytest.raises(Unavailable, match="npm is not on PATH"):
        environments.make("web")
    assert list(cached.iterdir()) == []


def test_what_a_killed_maker_had_begun_is_swept_away_and_nothing_else(cached: Path) -> None:
    ours = owner.this_process()
    process, _, place = ours.partition("@")
    gone = f"{process.partition(':')[0]}:1@{place}"
    for name in (f".part-{gone}-a1", f".part-{ours}-b-2", ".part-x", "executorch-0123abcd"):
        (cached / name / "whole").mkdir(parents=True)
    assert [path.name for path in environments.sweep()] == [f".part-{gone}-a1"]
    assert {path.name for path in cached.iterdir()} == {f".part-{ours}-b-2", ".part-x", "executorch-0123abcd"}
    assert environments.sweep() == ()


_NOTHING_ELSE = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if path is None and name not in sys.stdlib_module_names | {"evaluator", "exports", "msgspec", "numpy"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
importlib.import_module("exports.devices._far_end")
from evaluator.core import registry
for name in sys.argv[1:]:
    registry.load("runtime", name)
"""


def test_what_runs_in_the_container_for_arm64_needs_nothing_that_its_list_lacks() -> None:
    runtimes = [name for name in registry.names("runtime") if "arm64" in registry.load("runtime", name).devices]
    assert len(runtimes) > 2
    command = [sys.executable, "-c", _NOTHING_ELSE, *runtimes]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
