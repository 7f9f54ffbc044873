"""Adding one file is enough: the examples, put in their places in a copy, are asked what every plug-in is asked.

A stage has its line in the pipeline, too.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
COPIED = ("setup.cfg", "docs", "evaluator", "exports", "scenarios", "serving", "tests")
KINDS = ("exports", "stages", "checks", "reports", "sections", "destinations")
CONTRACTS = [f"tests/contract/test_{kind}_contract.py" for kind in KINDS]
# Tests that ask something of all stages, and know none of them by heart.
OF_STAGES = [f"tests/unit/test_{name}.py" for name in ("pipeline", "plan_arm64", "loading", "progress")]
PLUGINS = {
    "format": "keras_file",
    "exporter": "keras_save",
    "runtime": "keras_predict",
    "stage": "repeat",
    "check": "export_time",
    "report": "text",
    "section": "accuracy",
    "destination": "status_line",
}


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("extended")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, copy / name)
    for package in ("evaluator", "exports"):
        shutil.copytree(EXAMPLES / package, copy / package, dirs_exist_ok=True)
    pipeline = copy / "evaluator" / "pipeline.py"
    source, place = pipeline.read_text(), '    steps_of("verify"),\n'
    assert source.count(place) == 1
    pipeline.write_text(source.replace(place, f'{place}    steps_of("{PLUGINS["stage"]}"),\n'))
    return copy


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=480, check=False
    )


def test_they_are_listed(extended: Path) -> None:
    done = run(extended, "-c", "from evaluator.cli import main; main()", "list", "--json")
    listed = json.loads(done.stdout)
    for kind, name in PLUGINS.items():
        assert name in listed[kind]


def test_they_keep_their_contracts(extended: Path) -> None:
    done = run(extended, "-m", "pytest", "-q", "-p", "no:cacheprovider", *CONTRACTS, *OF_STAGES)
    assert done.returncode == 0, done.stdout[-4000:]


def test_a_stage_brings_its_command(extended: Path) -> None:
    done = run(extended, "-c", "from evaluator.cli import main; main()", "repeat", "--help")
    assert "Ask each proven artifact the same question twice" in done.stdout
    done = run(extended, "-c", "from evaluator.cli import main; main()", "--help")
    assert "\n  repeat " in done.stdout
