"""`evaluator.api`: what a program hands over becomes files and words; what cannot is refused before a run is made."""

import json
import linecache
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator import api, pipeline
from evaluator.core import machine
from evaluator.core.errors import FwevalError, UsageError
from evaluator.core.records import RunRecord
from evaluator.core.store import RunFolder
from evaluator.judging import replay
from evaluator.report.sections.verdict import headline
from scenarios.own import calling, examples, handed
from tests import old_run
from tests.engine import run_folder, run_record

X = np.arange(12, dtype=np.float32).reshape(6, 2)
MINE = """
import numpy as np

LIMIT = 0.5
TABLE = {"a": 1}

def build(): ...

def accuracy(outputs, labels):
    return float(((outputs > LIMIT) == labels).mean())

class Holder:
    def method(self, outputs, labels): ...

def outer():
    def inner(outputs, labels): ...
    return inner

def closing():
    limit = 1
    def closed(outputs, labels):
        return float(limit)
    return closed

unnamed = lambda outputs, labels: 0.0

def needs_a_table(outputs, labels):
    return float(TABLE["a"])

def needs_a_library(outputs, labels):
    return float(np.abs(outputs - labels).mean()) if inspect_it(outputs) else math.inf

from math import isfinite as inspect_it
import math
"""


@pytest.fixture
def module(tmp_path: Path) -> Iterator[types.ModuleType]:
    """Import a file from a folder of its own, as a program does."""
    path = tmp_path / "fweval_test_mine.py"
    path.write_text(MINE)
    found = types.ModuleType(path.stem)
    found.__file__, found.__package__ = str(path), ""
    exec(compile(MINE, path, "exec"), found.__dict__)  # noqa: S102  # our own text
    sys.modules[path.stem] = found
    yield found
    del sys.modules[path.stem]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Define the same in `__main__`, from a cell that is no file: as IPython does."""
    name = "<ipython-input-1>"
    found = types.ModuleType("__main__")
    exec(compile(MINE, name, "exec"), found.__dict__)  # noqa: S102  # our own text
    monkeypatch.setitem(sys.modules, "__main__", found)
    monkeypatch.setitem(linecache.cache, name, (len(MINE), None, MINE.splitlines(keepends=True), name))
    return found


def test_a_function_at_the_top_of_a_file_is_named_by_it(module: types.ModuleType, tmp_path: Path) -> None:
    where = str(tmp_path / "fweval_test_mine.py")
    assert handed.function(module.build, "model") == f"{where}:build"
    assert handed.measure(module.accuracy, tmp_path / "unused.py") == f"{where}:accuracy"
    assert handed.arrays(module.build, tmp_path / "unused.npz", "inputs") == f"{where}:build"
    assert handed.measure("auc", tmp_path / "unused.py") == "auc"
    assert [path.name for path in tmp_path.iterdir()] == ["fweval_test_mine.py"]


@pytest.mark.parametrize(
    "choose",
    [
        lambda module: module.Holder().method,
        lambda module: module.outer(),
        lambda module: module.unnamed,
        lambda module: json.loads,  # of a package: its file cannot be imported alone
        lambda module: object(),
    ],
)
def test_what_other_processes_would_not_find_is_refused(
    choose: Callable[[Any], Any], module: types.ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no function at the top of a Python file") as raised:
        handed.function(choose(module), "model")
    assert "FILE.py:FUNCTION" in str(raised.value.remedy)


def test_a_measure_of_a_notebook_is_written_out_with_what_it_names(notebook: Any, tmp_path: Path) -> None:
    path = tmp_path / "given.py"
    assert handed.measure(notebook.accuracy, path) == f"{path}:accuracy"
    assert "LIMIT = 0.5" in path.read_text()
    found = calling.function(path, "accuracy")
    assert found(np.array([0.2, 0.9]), np.array([False, False])) == 0.5

    notebook.accuracy.higher_is_better = False
    handed.measure(notebook.accuracy, path)
    assert path.read_text().endswith("\n\naccuracy.higher_is_better = False\n")

    other = tmp_path / "other.py"
    assert handed.measure(notebook.needs_a_library, other) == f"{other}:needs_a_library"
    lines = other.read_text().splitlines()
    assert {"import numpy as np", "from math import isfinite as inspect_it", "import math"} <= set(lines)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("needs_a_table", "it uses 'TABLE', which another process does not have"),
        ("unnamed", "has no name that other processes could find it by"),
        ("outer", "has no name that other processes could find it by"),
        ("closing", "has no name that other processes could find it by"),
    ],
)
def test_a_measure_of_a_notebook_that_would_lack_something_is_refused(
    name: str, said: str, notebook: Any, tmp_path: Path
) -> None:
    function = getattr(notebook, name)
    with pytest.raises(UsageError, match=said) as raised:
        handed.measure(function() if name in ("outer", "closing") else function, tmp_path / "given.py")
    assert raised.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_a_notebook_is_refused(notebook: Any) -> None:
    with pytest.raises(UsageError, match="model: build is no function at the top"):
        handed.function(notebook.build, "model")


def test_arrays_become_files_without_pickles(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    assert handed.arrays({"x": X, "more": [1, 2, 3, 4, 5, 6]}, path, "inputs") == str(path)
    found = examples.read(str(path))
    assert np.array_equal(found["x"], X)
    assert found["more"].dtype == np.int64
    assert handed.arrays("holdout.npz", path, "inputs") == "holdout.npz"
    assert handed.arrays(Path("holdout.npz"), path, "inputs") == "holdout.npz"
    handed.arrays(X[:, 0], path, "labels", alone="labels")
    assert list(examples.read(str(path))) == ["labels"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (X, "inputs are numpy.ndarray"),
        ({}, "no arrays are given"),
        ({"x": np.array([{}, []], dtype=object)}, "inputs, 'x': it holds object"),
        ({"x": ["a", "b"]}, "inputs, 'x': it holds <U1"),
        ({"x": [[1], [1, 2]]}, "inputs, 'x': no array"),
    ],
)
def test_what_is_no_examples_is_refused(value: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        handed.arrays(value, tmp_path / "inputs.npz", "inputs")
    assert raised.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Have runs begin, and nothing run; return what they were begun with."""
    seen: dict[str, Any] = {}

    def begin(scenarios: Any, profile: str, options: Any, **rest: Any) -> Any:
        seen.update(scenarios=scenarios, profile=profile, options=options, **rest)
        folder = run_folder(rest["out"])
        return folder, folder.record

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "begin", begin)
    monkeypatch.setattr(pipeline, "pursue", lambda run: seen.update(stages=run.stages))
    return seen


def test_evaluate_begins_a_run_as_the_command_does(begun: dict[str, Any], module: Any, tmp_path: Path) -> None:
    run = api.evaluate(
        "mine.py:build",
        inputs={"x": X},
        labels=X[:, 0] > 3,
        quality=module.accuracy,
        profile="quick",
        out="here",
        only="onnx",
        devices=["cpu"],
        allowed_loss=0.01,
        dynamic={"x": ["batch", 2]},
    )
    assert run.path == Path("here")
    assert begun["scenarios"] == ("mine.py:build",)
    assert begun["options"].only == ("onnx",)
    assert begun["options"].devices == ("cpu",)
    assert begun["told"] == {
        "inputs": "here-given/inputs.npz",
        "labels": "here-given/labels.npz",
        "quality": f"{tmp_path / 'fweval_test_mine.py'}:accuracy",
        "allowed_loss": 0.01,
        "dynamic": {"x": ["batch", 2]},
    }
    assert begun["command"][:2] == ("evaluator.api.evaluate", "mine.py:build")
    assert begun["stages"] == pipeline.STAGES
    assert sorted(path.name for path in Path("here-given").iterdir()) == ["inputs.npz", "labels.npz"]


def test_evaluate_stops_after_a_stage_and_judges(begun: dict[str, Any]) -> None:
    run = api.evaluate("mine.py:build", until="verify")
    names = [stage.__name__ for stage in begun["stages"]]
    assert names[-4:] == ["verify", "judge", "score", "report"]
    assert run.path.parent == Path("runs")
    assert [path.name for path in Path("runs").iterdir()] == [run.path.name], "nothing was handed over"


@pytest.mark.parametrize(
    ("given", "said", "remedy"),
    [
        ({"profil": "quick"}, "there is no parameter of evaluate 'profil'", "did you mean 'profile'?"),
        ({"alowed_loss": 1.0}, "there is no parameter of evaluate 'alowed_loss'", "did you mean 'allowed_loss'?"),
        ({"until": "verfy"}, "there is no stage 'verfy'", "did you mean 'verify'?"),
        ({"profile": "smok"}, "there is no profile 'smok'", "did you mean 'smoke'?"),
        (
            {"inputs": X},
            "inputs are numpy.ndarray",
            "give a dictionary: the input's name -> an array, or a file's name",
        ),
        ({"only": "onxx"}, "'onxx'", "did you mean 'onnx'?"),
        ({}, "mine.py: there is no such file", None),
    ],
)
def test_a_mistake_is_an_error_with_its_remedy_and_leaves_nothing(
    given: dict[str, Any], said: str, remedy: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FwevalError) as raised:
        api.evaluate("mine.py:build", **{"inputs": {"x": X}, **given})
    assert said in raised.value.message
    assert raised.value.remedy == remedy
    assert getattr(raised.value, "__notes__", []) == ([remedy] if remedy else [])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_evaluates_itself_when_it_is_imported_is_told(tmp_path: Path) -> None:
    path = tmp_path / "fweval_test_script.py"
    path.write_text("from evaluator.api import evaluate\nevaluate('x.py:build')\ndef quality(outputs, labels): ...\n")
    with pytest.raises(UsageError, match=r"script\.py calls evaluate\(\) when it is imported"):
        calling.function(path, "quality")
    assert calling.at_work() is None


def test_importing_it_imports_next_to_nothing() -> None:
    program = "import sys, evaluator.api; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert not {"numpy", "msgspec", "rich", "torch", "tensorflow"} & set(done.stdout.split())


def test_a_run_shows_itself_in_short(tmp_path: Path) -> None:
    old_run.unpack(tmp_path)
    folder = RunFolder.open(tmp_path / "run-format-1")
    replay.judge(folder)
    replay.score(folder)
    run = api.open_run(folder.path)
    assert run.scorecard.scores
    assert run.cells() == folder.cells()
    shown = run._repr_html_()
    assert headline(run.scorecard).sentence in shown
    assert "run-format-1/scorecard.html" in shown
    assert len(shown) < 20_000
    assert repr(run) == f"<run '{folder.path}'>"


def test_a_run_keeps_what_was_installed() -> None:
    found = machine.packages()
    assert found["numpy"] == np.__version__
    assert {"click", "msgspec", "pytest"} <= {name.lower() for name in found}
    assert list(found) == sorted(found, key=str.lower)
    assert run_record().packages == {}, "older runs have none"
    assert isinstance(run_record(packages=found), RunRecord)
