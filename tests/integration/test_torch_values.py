"""PyTorch artifacts that take and give more than tensors: read under keys and positions, or said to be unreadable."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.core.tensors import write_arrays
from exports.formats.pt2 import plugin as pt2
from tests.children import run
from tests.commands import FWEVAL

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("torch_values_child.py")
BOTH = (".pt", ".ptl")
WHOLE = ["float32", [2, 3]]
AS_GIVEN = ["float32", [2, 4]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made")
    run(CHILD, "make", place)
    return place


@pytest.fixture(scope="module")
def told(made: Path) -> dict[str, list[Any]]:
    """Run them in a process that has none of the classes that they were made with."""
    run(CHILD, "run", made, made / "report.json")
    report: dict[str, list[Any]] = json.loads((made / "report.json").read_text())
    return report


@pytest.mark.parametrize("ending", BOTH)
@pytest.mark.parametrize(
    ("case", "outputs"),
    [
        ("dictionary", {"logits": WHOLE, "probabilities": WHOLE}),
        ("nested", {"output_0": WHOLE, "output_1.0": AS_GIVEN, "output_1.1": AS_GIVEN}),
        (
            "number",
            {"output_0": WHOLE, "output_1": ["int64", []], "output_2": ["float64", []], "output_3": ["bool", []]},
        ),
        ("detector", {"output_1.0.boxes": WHOLE, "output_1.0.scores": ["float32", [2]]}),
        ("text keys", {"3.0": ["str160", []], "3.1": AS_GIVEN}),
        ("list", {"output_0": WHOLE}),
        ("branch", {"output_0": WHOLE}),
        ("reordered", {"output_0": WHOLE}),
        ("in order", {"output_0": WHOLE}),
        ("defaults", {"output_0": AS_GIVEN}),
        ("some defaults", {"output_0": AS_GIVEN}),
        ("method", {"output_0": ["int64", []]}),
        (
            "types",
            {
                "output_0": ["bfloat16", [2, 4]],
                "output_1": ["float8_e5m2", [2, 4]],
                "output_2": ["complex64", [2, 4]],
                "output_3": AS_GIVEN,
                "output_4": AS_GIVEN,
                "output_5": ["uint16", [2, 4]],
                "output_6": ["str128", []],
            },
        ),
    ],
)
def test_structures_are_read_under_their_places(
    told: dict[str, list[Any]], case: str, outputs: dict[str, Any], ending: str
) -> None:
    assert told[case + ending] == ["passed", outputs]


def test_fields_have_names_where_the_interpreter_tells_them(told: dict[str, list[Any]]) -> None:
    assert told["fields.pt"] == ["passed", {"logits": WHOLE, "more.0": AS_GIVEN}]
    assert told["fields.ptl"][0] == "passed"


@pytest.mark.parametrize("ending", BOTH)
@pytest.mark.parametrize(
    ("case", "ended", "words"),
    [
        ("no list", "Unavailable", "the argument xs is a List of Tensor: an array is wanted for each of its elements"),
        ("missing", "Unavailable", "no array was given for 'flip': it takes x: Tensor, flip: bool"),
        ("out of order", "Unavailable", "there is no argument 'b'"),
        ("no scalar", "Unavailable", "the argument scale is a single float: an array of 3 was given"),
        ("wrong shape", "RuntimeError", "mat1 and mat2 shapes cannot be multiplied (2x5 and 4x3)"),
        ("cuda", "Unsupported", "it asks for a CUDA device"),
    ],
)
def test_a_reason_names_the_cause(told: dict[str, list[Any]], case: str, ended: str, words: str, ending: str) -> None:
    kind, said = told[case + ending]
    assert kind == ended
    assert words in said.partition("\n")[0]


def test_what_the_program_itself_says_is_passed_on(told: dict[str, list[Any]]) -> None:
    assert told["own complaint.pt"][1].startswith("ValueError: one at a time")
    assert "nms" in told["unknown operator.pt"][1]
    assert told["unknown operator.pt"][0] == told["unknown operator.pt2"][0] == told["cuda.pt2"][0] == "Unsupported"
    assert "PyTorch has no operator torchvision::nms" in told["unknown operator.pt2"][1]
    assert "CUDA" in told["cuda.pt2"][1]
    assert told["own class in.pt2"] == [
        "Unsupported",
        "its example inputs are objects of a class that is not here: No module named 'somebody'",
    ]


@pytest.mark.parametrize(
    ("case", "outputs"),
    [
        ("keywords.pt2", {"sum_1": AS_GIVEN}),
        ("mixed.pt2", {"sum_1": AS_GIVEN}),
        ("structures.pt2", {"pooled": AS_GIVEN, "more.0": ["float32", [2]], "more.1.rows": ["int64", []]}),
        ("own class out.pt2", {"first": AS_GIVEN, "second.twice": AS_GIVEN}),
        ("constants.pt2", {"mul": AS_GIVEN}),
        ("free.pt2", {"add": ["float32", [4, 4]], "reshape": ["float32", [4, 2, 4]]}),
    ],
)
def test_a_program_is_called_as_it_says_itself(told: dict[str, list[Any]], case: str, outputs: dict[str, Any]) -> None:
    assert told[case] == ["passed", outputs]


def test_the_sizes_that_a_program_takes_are_told(made: Path) -> None:
    about = pt2.anatomy(made / "free.pt2")
    assert about.usual == {"x": (4, 4), "y": (8, 4)}
    assert about.bounds["x"] == ((2, 16), (4, 4))
    assert [spec.shape for spec in about.inputs] == [(None, 4), (None, 4)]


@pytest.mark.parametrize(
    ("name", "given", "takes", "gives"),
    [
        ("detector.ptl", ["x"], "x float32[2, 4]", "output_1.0.boxes float32[2, 3], output_1.0.scores float32[2]"),
        ("many.pt --signature encode", ["x.a", "x.b"], "x.a float32[2, 4], x.b float32[2, 4]", "output_0 int64[]"),
        ("free.pt2", [], "x float32[2, 4], y float32[4, 4]", "add float32[2, 4], reshape float32[2, 2, 4]"),
    ],
)
def test_inspect_runs_them(made: Path, name: str, given: list[str], takes: str, gives: str) -> None:
    file, *options = name.split()
    if given:
        write_arrays(made / f"{file}.npz", dict.fromkeys(given, np.ones((2, 4), np.float32)))
        options += ["--inputs", str(made / f"{file}.npz")]
    command = [FWEVAL, "inspect", str(made / file), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (ran,) = json.loads(done.stdout)["runtimes"]
    assert (ran["metrics"]["inputs"], ran["metrics"]["outputs"]) == (takes, gives)
