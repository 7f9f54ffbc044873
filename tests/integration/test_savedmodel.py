"""What TensorFlow computes from SavedModels that no exporter of ours writes: other signatures, graphs and makers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.children import run

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("savedmodel_child.py")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("saved")
    run(CHILD, "make", folder)
    run(CHILD, "run", folder)
    found: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return found


def rows(value: float) -> list[Any]:
    return ["ndarray", "float32", [[value] * 3] * 2]


def test_the_signature_that_is_asked_for_is_run(told: dict[str, Any]) -> None:
    assert told["only: only"] == told["only"] == {"y": rows(2)}  # without a name, the only one
    assert told["several graphs: triple"] == {"y": rows(3)}  # of the graph that a server takes
    assert told["several graphs: scaled"] == {"y": rows(1)}
    assert "several graphs" not in told  # none is the default
    assert told["other tags"] == {"y": rows(3)}


def test_what_objects_of_an_old_optimizer_hide_is_run(told: dict[str, Any]) -> None:
    assert told["slots: serving_default"] == told["slots"] == {"y": rows(2)}


def test_values_keep_type_and_shape(told: dict[str, Any]) -> None:
    assert told["number"] == {"s": ["ndarray", "float32", 12.0], "y": rows(1)}
    assert told["half"] == {"y": ["ndarray", "bfloat16", [2.0, 2.0]]}
    assert told["text"]["n"] == ["ndarray", "int32", [4, 4]]
    assert told["text"]["t"][2] == ["word!", "word!"]


def test_an_input_with_a_value_of_its_own_need_not_be_given(told: dict[str, Any]) -> None:
    assert told["default"] == {"y": rows(5)}


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("none", "it has no signature: TensorFlow Serving cannot serve it"),
        ("python", "it calls a function of Python (PyFunc)"),
        ("sparse", "'x' is a sparse or ragged tensor as a whole, which fweval does not feed"),
    ],
)
def test_what_cannot_be_run_is_said(told: dict[str, Any], case: str, words: str) -> None:
    assert words in told[case]["refused"]
