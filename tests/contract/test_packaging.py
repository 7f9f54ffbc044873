"""The wheel holds the four packages, whole, and nothing else; installed somewhere, it finds its own plug-ins."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from evaluator import __version__
from evaluator.core import registry
from scenarios.loading import profile_names, scenario_names

ROOT = Path(__file__).parents[2]
PACKAGES = {"evaluator", "exports", "scenarios", "serving"}
SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "docs", "tests", "bench", *sorted(PACKAGES))
LIST = """
import json, evaluator
from evaluator.core import registry
from evaluator.report import html
from scenarios import loading
print(json.dumps({
    "home": evaluator.__file__,
    "names": {kind: registry.names(kind) for kind in registry.KINDS},
    "scenarios": loading.scenario_names(),
    "profiles": loading.profile_names(),
    "templates": sorted(html._template().environment.list_templates()),
}))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the sources (setuptools writes beside them) and put files into docker/, as a later version has them."""
    copy = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=ignored)
        else:
            shutil.copy2(source, copy / name)
    (copy / "docker" / "torchserve").mkdir(parents=True)
    (copy / "docker" / "torchserve" / "Dockerfile").write_text("FROM scratch\n")
    (copy / "docker" / "entry.py").write_text("raise SystemExit('this is no package')\n")
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(checkout)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    (path,) = target.glob("*.whl")
    return path


def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as file:
        return set(file.namelist())


def test_top_level_entries_are_exactly_these(wheel: Path) -> None:
    assert {name.partition("/")[0] for name in members(wheel)} == {*PACKAGES, f"fweval-{__version__}.dist-info"}


def test_every_file_of_the_packages_is_in_it(wheel: Path, checkout: Path) -> None:
    files = {
        str(path.relative_to(checkout))
        for package in PACKAGES
        for path in (checkout / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {name for name in members(wheel) if name.partition("/")[0] in PACKAGES} == files
    assert "evaluator/report/templates/scorecard.css" in files
    assert "scenarios/library/bert.toml" in files


def test_licence_and_entry_point_are_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        assert "Apache License" in file.read(f"fweval-{__version__}.dist-info/licenses/LICENSE").decode()
        assert "fweval = evaluator.cli:main" in file.read(f"fweval-{__version__}.dist-info/entry_points.txt").decode()


def test_installed_elsewhere_it_lists_its_plugins(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-c", LIST],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert Path(found["home"]).is_relative_to(tmp_path / "site")
    assert found["names"] == {kind: list(registry.names(kind)) for kind in registry.KINDS}
    assert found["scenarios"] == list(scenario_names())
    assert found["profiles"] == list(profile_names())
    assert found["templates"] == sorted(path.name for path in (ROOT / "evaluator/report/templates").iterdir())


def test_our_docker_folder_does_not_hide_the_docker_package(checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import docker; print(docker.from_env.__name__)"],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "from_env", done.stderr


def test_docker_and_tests_are_no_packages() -> None:
    assert not (ROOT / "docker" / "__init__.py").exists()
    assert not (ROOT / "tests" / "__init__.py").exists()
