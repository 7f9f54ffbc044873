"""`fweval new` writes files that are read at once, of which every key is real, and writes over nothing."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from evaluator import cli
from evaluator.core.errors import UsageError
from evaluator.core.records import FRAMEWORKS
from scenarios.loading import KEYS, load_scenario
from scenarios.own import given, measures, new

OFF = re.compile(r"^# (?=\[|\w+ = )", re.MULTILINE)  # a key, or a table, that is there and switched off


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_it_wrote_is_a_scenario(framework: str, tmp_path: Path) -> None:
    new.write(tmp_path / "mine", framework)
    scenario = load_scenario(str(tmp_path / "mine.toml"))
    assert scenario.name == "mine"
    assert scenario.settings[framework] == f"{tmp_path / 'mine.py'}:build"
    assert scenario.settings["inputs"] == str(tmp_path / "holdout.npz")
    assert scenario.settings["labels"] is None, "a stand-in for labels would be judged"


def switched_on(tmp_path: Path) -> str:
    """Return the scenario's file with each key on that stands once; of several choices the first holds."""
    new.write(tmp_path / "mine", "pytorch")
    seen: set[str] = set()
    lines = []
    for line in OFF.sub("", (tmp_path / "mine.toml").read_text()).splitlines():
        key = line.partition(" = ")[0]
        if key != "inputs" or key not in seen:
            lines.append(line)
        seen.add(key)
    return "\n".join(lines)


def test_every_key_that_is_switched_off_can_be_switched_on(tmp_path: Path) -> None:
    text = switched_on(tmp_path)
    (tmp_path / "all.toml").write_text(text)
    scenario = load_scenario(str(tmp_path / "all.toml"))
    assert scenario.settings["quality"] == f"{tmp_path / 'mine.py'}:quality"
    assert scenario.settings["signature"]["features"]["shape"] == (8,)
    assert scenario.settings["dynamic"] == {"features": ("batch", 8)}
    assert (scenario.training.optimizer, scenario.training.epochs) == ("own", 2)


def test_every_key_is_there(tmp_path: Path) -> None:
    named = set(tomllib.loads(switched_on(tmp_path))) | {"tensorflow"}  # in words, beside `pytorch`
    assert named == set(KEYS) - {"origin", "start_tolerance"}
    assert 'tensorflow = "…"' in (tmp_path / "mine.toml").read_text()


def test_every_named_measure_is_there(tmp_path: Path) -> None:
    new.write(tmp_path / "mine", "pytorch")
    assert f"# {', '.join(measures.names())}\n" in (tmp_path / "mine.toml").read_text()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_functions_that_are_named_are_there_and_stand_ins_say_so(framework: str, tmp_path: Path) -> None:
    code, scenario, _ = new.write(tmp_path / "mine", framework)
    functions = {each.name for each in ast.parse(code.read_text()).body if isinstance(each, ast.FunctionDef)}
    assert set(re.findall(r'"mine\.py:(\w+)"', scenario.read_text())) == functions
    assert code.read_text().count("STAND-IN") >= 4
    assert "STAND-IN: numbers by chance" in scenario.read_text()


def test_the_name_is_everywhere(tmp_path: Path) -> None:
    for path in new.write(tmp_path / "models" / "churn", "tensorflow")[:2]:
        assert "churn.toml" in path.read_text()
        assert not re.search(r"\bmine\b", path.read_text())
    assert load_scenario(str(tmp_path / "models" / "churn.toml")).name == "churn"


def test_examples_are_the_same_each_time_and_no_two_alike(tmp_path: Path) -> None:
    rows = [np.load(new.write(tmp_path / name / "mine", "pytorch")[2])["features"] for name in ("a", "b")]
    assert np.array_equal(*rows)
    assert rows[0].shape == (new.ROWS, 8)
    assert len(np.unique(rows[0], axis=0)) == new.ROWS


@pytest.mark.parametrize("there", ["mine.py", "mine.toml", "holdout.npz"])
def test_nothing_is_written_over(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_text("precious")
    with pytest.raises(UsageError, match=rf"{re.escape(there)} is there already"):
        new.write(tmp_path / "mine", "pytorch")
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my-model", "is no name for a Python file"),
        ("class", "is no name for a Python file"),
        ("2nd", "is no name for a Python file"),
        ("numpy", "which numpy.py would hide"),
        ("json", "which json.py would hide"),
    ],
)
def test_a_name_that_no_file_should_have(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        new.write(tmp_path / name, "pytorch")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_to_fill_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said: Any = CliRunner().invoke(cli.app, ["new", "mine", "--framework", "tensorflow"])
    assert said.exit_code == 0, said.output
    lines = said.output.splitlines()
    assert len(lines) == 5
    assert lines[-1].endswith("fweval full mine.toml")
    assert all(any(name in line for line in lines[1:4]) for name in ("mine.py", "holdout.npz", "mine.toml"))
    assert given.is_own(tomllib.loads((tmp_path / "mine.toml").read_text()))
