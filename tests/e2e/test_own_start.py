"""The first minutes with a model of one's own: what `fweval new` wrote runs, and docs/own.md does as it says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.core import ease, files, registry
from tests.commands import NO_ENGINE, PROFILE, cells, fweval

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PAGE = Path(__file__).parents[2] / "docs" / "own.md"
# What a notebook does: every cell is text that no file holds, and what it defines belongs to `__main__`.
NOTEBOOK = """
import json, linecache, sys
for number, cell in enumerate(json.load(open("cells.json"))):
    name = f"<cell {number}>"
    linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
    exec(compile(cell, name, "exec"))
open("shown.html", "w").write(run._repr_html_())
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "short.toml").write_text(PROFILE)
    done = fweval("new", "mine", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_what_new_wrote_is_exported_at_once(home: Path) -> None:
    asked = ["--only", "onnx_torch_export", "--profile", "short.toml", "--device", "cpu", "--out", "exported"]
    done = fweval("export", "mine.toml", *asked, cwd=home, timeout_s=200)
    assert done.returncode == 0, done.stderr
    rows = cells(home / "exported")
    assert {(row["stage"], row["outcome"]) for row in rows} >= {("origin", "passed"), ("export", "passed")}
    assert [row["format"] for row in rows if row["stage"] == "export"] == ["onnx"]
    record = json.loads((home / "exported" / "run.json").read_text())
    assert {Path(name).name for name in record["scenarios"]["mine"]["settings"]["digests"]} == {
        "mine.py",
        "holdout.npz",
    }
    assert {"torch", "numpy"} <= {name.lower() for name in record["packages"]}


def test_what_ones_own_code_needs_is_counted_and_mistakes_are_made(home: Path) -> None:
    """Of one framework only: the other has no row, and nothing is said of it."""
    done = fweval("ease", "mine.toml", "--profile", "short.toml", "--out", "eased", cwd=home, timeout_s=200)
    assert done.returncode == 0, done.stderr
    (row,) = (row for row in cells(home / "eased") if row["stage"] == "ease")
    assert (row["framework"], row["outcome"]) == ("pytorch", "passed")
    found = files.read_record(home / "eased" / row["evidence"] / ease.NAME, ease.Found)
    written = {each.purpose: each for each in found.code}["train"]
    assert {name.partition(":")[0] for name in written.files} == {"mine.py"}
    assert any(name.startswith("torch.nn.") for name in written.names)
    assert row["metrics"]["mistakes"] == len(registry.names("mistake")) - len(found.not_applicable)


def test_the_pages_notebook_runs_as_it_stands(home: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    (home / "cells.json").write_text(json.dumps(blocks))
    command = [sys.executable, "-c", NOTEBOOK]
    done = subprocess.run(command, cwd=home, timeout=500, text=True, capture_output=True, check=False, env=NO_ENGINE)
    assert done.returncode == 0, done.stderr
    (run,) = (path for path in (home / "runs").iterdir() if (path / "run.json").exists())
    assert done.stdout.startswith(f"runs/{run.name} runs/{run.name}/scorecard.html")
    assert {path.name for path in run.with_name(f"{run.name}-given").iterdir()} >= {
        "inputs.npz",
        "labels.npz",
        "quality_given.py",
    }
    rows = [row for row in cells(run) if row["stage"] == "verify"]
    assert rows
    assert all(row["metrics"]["quality_verdict"] == "kept" for row in rows)
    assert "scorecard.html" in (home / "shown.html").read_text()


def test_in_tensorflow_with_labels_quality_and_training_switched_on(home: Path) -> None:
    folder = home / "keras"
    done = fweval("new", "keras/model_of_mine", "--framework", "tensorflow", cwd=home)
    assert done.returncode == 0, done.stderr
    scenario = folder / "model_of_mine.toml"
    on = r"^# (?=labels = |quality = |allowed_loss = |train_|\[train\]|batch_size = 32)"
    scenario.write_text(re.sub(on, "", scenario.read_text(), flags=re.MULTILINE))
    asked = ["--profile", "short.toml", "--device", "cpu", "--out", "trained"]
    done = fweval("train", scenario, *asked, cwd=home, timeout_s=120)
    assert done.returncode == 0, done.stderr
    rows = {row["stage"]: row for row in cells(home / "trained") if row["stage"] in ("origin", "train")}
    assert {(row["framework"], row["outcome"]) for row in rows.values()} == {("tensorflow", "passed")}
    assert rows["origin"]["metrics"]["quality_rows"] > 0
    assert rows["train"]["metrics"]["step_s"] > 0
