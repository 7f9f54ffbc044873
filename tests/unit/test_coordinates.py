"""Where a step stands: its axes are declared once, and everything that names steps follows the declaration."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evaluator.core.coordinates import Coordinates, Part, axes
from evaluator.core.records import Cell, Step
from tests.engine import make_step

COORDINATES = Path(__file__).parents[2] / "evaluator" / "core" / "coordinates.py"
RUN: dict[str, Any] = {
    "stage": "run",
    "format": "onnx",
    "exporter": "onnx_torch_export",
    "precision": "fp32",
    "runtime": "onnx_runtime",
}
# An axis that nobody has thought of yet, added by a line; then everything that names steps is asked about it.
ONE_LINE = """
import importlib.util, json, sys
source = open(sys.argv[1]).read()
before = "    round: Annotated"
assert source.count(before) == 1
added = '    pruning: Annotated[str | None, Axis("model", kinds=("model",))] = None\\n'
source = source.replace(before, added + before)
spec = importlib.util.spec_from_loader("evaluator.core.coordinates", loader=None)
module = importlib.util.module_from_spec(spec)
sys.modules["evaluator.core.coordinates"] = module
exec(compile(source, sys.argv[1], "exec"), module.__dict__)

import evaluator.core
evaluator.core.coordinates = module
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Step
from evaluator.core.store import cell_of
from evaluator.planning import selection
from evaluator.report import _cells, csv

step = Step(id="x", stage="run", scenario="tiny", framework="pytorch", pruning="pruned")
plain = Step(id="y", stage="run", scenario="tiny", framework="pytorch")
cell = cell_of(step, Result(step="x", outcome=Outcome.PASSED))
header, row = csv.cells_csv([cell]).splitlines()
json.dump({
    "slug": step.slug(),
    "title": step.title({"pruned": "half its weights"}),
    "told apart": step.key("model") != plain.key("model"),
    "column": dict(zip(header.split(","), row.split(",")))["pruning"],
    "bars": len(_cells.by_subject([cell, cell_of(plain, Result(step="y", outcome=Outcome.PASSED))])),
    "selected": selection.left_out(step, selection.Options(skip=("pruned",))),
    "selectable": "tiny" in selection.selectable(),
}, sys.stdout)
"""


def test_steps_and_rows_begin_with_the_same_coordinates_and_stay_flat() -> None:
    names = [axis.name for axis in axes()]
    for kind in (Step, Cell):
        assert list(kind.__struct_fields__)[: len(names)] == names
        assert [axis.name for axis in axes(kind)] == names
    assert json.loads(msgspec.json.encode(make_step("a", **RUN)))["runtime"] == "onnx_runtime"


def test_every_axis_is_declared_as_one() -> None:
    """A field without its `Axis` would be missing from columns, ids and titles without a word."""
    assert [axis.name for axis in axes()] == list(Coordinates.__struct_fields__)


@pytest.mark.parametrize(
    ("fields", "slug"),
    [
        (RUN, "made-up-run-pytorch-onnx_torch_export-onnx_runtime"),
        ({**RUN, "precision": "int8"}, "made-up-run-pytorch-onnx_torch_export-int8-onnx_runtime"),
        ({**RUN, "device": "gpu", "round": 2}, "made-up-run-pytorch-onnx_torch_export-onnx_runtime-gpu-r2"),
        (
            {**RUN, "machine": "board", "control": True},
            "made-up-run-pytorch-onnx_torch_export-onnx_runtime-board-control",
        ),
        ({"stage": "train"}, "made-up-train-pytorch"),
    ],
)
def test_an_id_says_all_but_what_goes_without_saying(fields: dict[str, Any], slug: str) -> None:
    assert make_step("a", **fields).slug() == slug


def test_titles_are_in_the_words_of_the_plug_ins() -> None:
    step = make_step("a", **RUN, round=3)
    titles = {"onnx": "ONNX", "onnx_runtime": "ONNX Runtime", "pytorch": "PyTorch", "3": "never a number"}
    about: tuple[Part, ...] = ("artifact", "place")
    assert step.title(titles) == "run made-up PyTorch ONNX ONNX Runtime round 3"
    assert step.title(parts=about, separator=" · ") == "onnx · onnx_runtime"
    assert step.title(parts=about[:1], by_exporter=True) == "onnx_torch_export"


def test_rounds_of_a_subject_share_all_but_the_round() -> None:
    first, second = make_step("a", **RUN), make_step("b", **RUN, round=2)
    elsewhere = make_step("c", **RUN, machine="board")
    assert first.key() != second.key()
    parts: tuple[Part, ...] = ("stage", "model", "artifact", "place", "weight")
    assert first.key(*parts) == second.key(*parts) != elsewhere.key(*parts)
    assert first.key("model", "artifact") == elsewhere.key("model", "artifact")


def test_a_new_axis_is_one_line() -> None:
    """Ids, titles, keys, columns, plots and `--only` follow a line that is added to the declaration."""
    asked = subprocess.run(
        [sys.executable, "-c", ONE_LINE, str(COORDINATES)], capture_output=True, text=True, timeout=60, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout) == {
        "slug": "tiny-run-pytorch-pruned",
        "title": "run tiny pytorch half its weights",
        "told apart": True,
        "column": "pruned",
        "bars": 2,
        "selected": True,
        "selectable": True,
    }
