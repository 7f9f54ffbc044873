"""Plug-ins from outside in real runs: the examples as somebody's folder, a check that is installed as a package."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evaluator.core import plugins
from tests.commands import NO_ENGINE, PROFILE, cells, fweval

pytestmark = pytest.mark.integration
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
EXPORTS = {("format", "keras_file"), ("exporter", "keras_save"), ("runtime", "keras_predict")}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the examples' format, exporter and runtime, in the short layout, and a helper."""
    folder = tmp_path_factory.mktemp("theirs") / "plugins"
    shutil.copytree(EXAMPLES / "exports", folder, ignore=shutil.ignore_patterns("__pycache__"))
    exporter = folder / "exporters" / "keras_save.py"
    text, written = exporter.read_text(), '"model.keras"'
    assert text.count(written) == 1
    exporter.write_text(text.replace(written, "NAME").replace("from pathlib", "from ._names import NAME\nfrom pathlib"))
    (folder / "exporters" / "_names.py").write_text(f"NAME = {written}\n")
    return folder


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return an environment in which a package with a check of its own is installed."""
    site = tmp_path_factory.mktemp("site")
    info = site / "export_times-1.5.dist-info"
    info.mkdir()
    checks = site / "export_times" / "checks"
    checks.mkdir(parents=True)
    (site / "export_times" / "__init__.py").touch()
    shutil.copy(EXAMPLES / "evaluator" / "checks" / "export_time.py", checks)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: export-times\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[{plugins.GROUP}]\nours = export_times\n")
    return {**NO_ENGINE, "PYTHONPATH": str(site)}


@pytest.fixture(scope="module")
def run(theirs: Path, packaged: Mapping[str, str]) -> Path:
    """Return a run in which an artifact was made, proven and timed by nothing but plug-ins from outside."""
    home = theirs.parent
    (home / "short.toml").write_text(PROFILE)
    done = fweval(
        *("run", "tiny", "--framework", "tensorflow", "--device", "cpu", "--profile", "short.toml"),
        *("--only", "keras_file", "--only", "run", "--skip", "half_threads", "--plugins", "plugins", "--out", "run"),
        cwd=home,
        timeout_s=240,
        env=packaged,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return home / "run"


def kept(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["plugins"]
    return found


def test_they_make_prove_and_time_an_artifact(run: Path) -> None:
    passed = [row["stage"] for row in cells(run) if row["format"] == "keras_file" and row["outcome"] == "passed"]
    assert {"export", "verify", "run"} <= set(passed)


def test_where_they_are_from_stands_in_the_run_and_in_its_catalogue(run: Path, theirs: Path) -> None:
    for name in ("run.json", "catalogue.json"):
        known = {(each["kind"], each["name"]): each for each in kept(run / name)}
        assert set(known) == {*EXPORTS, ("check", "export_time")}
        assert {known[each]["origin"] for each in EXPORTS} == {str(theirs)}
        assert (known["check", "export_time"]["origin"], known["check", "export_time"]["version"]) == (
            "export-times",
            "1.5",
        )
        assert all(len(each["sha256"]) == 64 for each in known.values())


def test_a_step_is_repeated_by_hand_with_its_plugins(run: Path, theirs: Path) -> None:
    (script,) = (run / "steps").glob("*-export-*/reproduce.sh")
    named = script.read_text().partition(f" {plugins.VARIABLE}=")[2].split()[0].split(os.pathsep)
    assert str(theirs) in named
    assert [Path(each).name for each in named] == ["export_times", "plugins"]


def test_a_foreign_check_judges_and_the_first_page_says_so(run: Path, packaged: Mapping[str, str]) -> None:
    done = fweval("score", run, cwd=run.parent, env=packaged)
    assert done.returncode in (1, 3), done.stderr
    assert done.stderr == ""
    assert fweval("report", run, cwd=run.parent, env=packaged).returncode == 0
    card = json.loads((run / "scorecard.json").read_text())
    assert any(each["check"] == "export_time" and each["state"] == "passed" for each in card["findings"])
    assert {(each["kind"], each["name"]) for each in card["plugins"]} == {*EXPORTS, ("check", "export_time")}
    said = "A check that did not come with fweval judged this run"
    for page in ("scorecard.html", "scorecard.md"):
        assert said in " ".join((run / page).read_text().split())


def test_without_the_package_its_check_is_missed_and_the_run_is_read_as_ever(run: Path) -> None:
    done = fweval("score", run, cwd=run.parent)
    assert done.returncode in (1, 3), done.stderr
    assert done.stderr.count("\n") == 1
    assert "the check 'export_time' of export-times 1.5 was not asked" in done.stderr
    card = json.loads((run / "scorecard.json").read_text())
    assert {(each["kind"], each["name"]) for each in card["plugins"]} == EXPORTS
    assert card["titles"]["format"]["keras_file"] == "Keras file"


def test_a_changed_plugin_does_its_steps_again_and_nothing_else(
    run: Path, theirs: Path, packaged: Mapping[str, str]
) -> None:
    before = {path.name for path in (run / "steps").iterdir()}
    helper = theirs / "exporters" / "_names.py"
    helper.write_text(f"{helper.read_text()}# changed\n")
    done = fweval("export", "--resume", run, cwd=run.parent, timeout_s=120, env=packaged)
    assert done.returncode == 0, done.stdout + done.stderr
    (new,) = {path.name for path in (run / "steps").iterdir()} - before
    assert "-export-" in new


def test_a_run_whose_plugins_are_gone_says_so(run: Path, theirs: Path, packaged: Mapping[str, str]) -> None:
    away = theirs.rename(theirs.with_name("away"))
    try:
        done = fweval("full", "--resume", run, cwd=run.parent, env=packaged)
    finally:
        away.rename(theirs)
    assert done.returncode == 2
    assert done.stderr.startswith(f"fweval: there is no folder of plug-ins {theirs}")
    assert done.stderr.count("\n") == 1


def test_they_are_listed_with_where_they_are_from(theirs: Path, packaged: Mapping[str, str]) -> None:
    done = fweval("list", "--json", "--plugins", theirs, cwd=theirs, env=packaged)
    listed = json.loads(done.stdout)
    assert listed["exporter"]["keras_save"] == f"Keras save (from {theirs})"
    assert listed["check"]["export_time"] == "Export time (from export-times 1.5)"
    named = fweval("list", "--json", cwd=theirs, env={**packaged, plugins.VARIABLE: str(theirs)})
    assert named.stdout == done.stdout


def test_a_folder_is_asked_the_questions_of_the_contract(theirs: Path, tmp_path: Path) -> None:
    done = fweval("check", theirs, "--json", cwd=tmp_path)
    answers = json.loads(done.stdout)
    assert (done.returncode, answers["failed"]) == (0, [])
    assert sorted(answers["plugins"]) == sorted(f"{kind} {name}" for kind, name in EXPORTS)
    broken = tmp_path / "broken" / "runtimes"
    broken.mkdir(parents=True)
    text = (theirs / "runtimes" / "keras_predict.py").read_text()
    (broken / "keras_predict.py").write_text(text.replace('("cpu",)', '"cpu"'))
    done = fweval("check", broken.parent, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    *said, summary = done.stdout.splitlines()
    assert all(line.startswith(f"{broken / 'keras_predict.py'}: ") for line in said)
    assert any("`devices` = 'cpu': expected `array`, got `str`" in line for line in said)
    assert any("there is no 'keras_file'" in line for line in said)
    assert summary == f"1 plug-in, 11 questions, {len(said)} not answered as they must be"


def test_what_ends_the_process_that_asks_is_said(tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "mine.py").write_text("import os\nprint('last words', flush=True)\nos._exit(9)\n")
    done = fweval("check", tmp_path, cwd=tmp_path)
    assert done.returncode == 1
    assert "ended with code 9" in done.stdout
    assert fweval("check", tmp_path / "nowhere", cwd=tmp_path).returncode == 2


def test_what_is_wrong_with_one_is_a_line_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "mine.py").write_text("import no_such_package\n")
    done = fweval("full", "tiny", "--plugins", tmp_path, "--out", tmp_path / "run", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    place = f"{tmp_path / 'checks' / 'mine.py'}:1"
    assert done.stderr.startswith(f"fweval: {place}: ModuleNotFoundError: No module named 'no_such_package'")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
    assert os.listdir(tmp_path) == ["checks"]  # noqa: PTH208  # names
