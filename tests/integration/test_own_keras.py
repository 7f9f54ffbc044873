"""Keras models of somebody's own, by the real framework: what is found out, and what is made of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import children

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("own_keras_child.py")
PARITY = 1e-5  # of the scale of an output
SAME = 1e-5  # eager and in a graph, operations are put together differently
ONE = {"output": [None, 3]}
SCORES = {"scores": [None, 3]}
BOTH = {**SCORES, "boxes": [None, 2]}
TAGGED = {"vector": [None, 6], "tags": [None, None, 4]}
FOUND = {**SCORES, "boxes": [None, 4]}
# name -> the inputs in the order in which they are taken, and the shapes of the outputs
GOOD: dict[str, tuple[list[str], dict[str, list[int | None]]]] = {
    "one": (["x"], ONE),
    "listed": (["second", "first"], ONE),
    "dictionary": (["first", "second"], ONE),
    "several": (["x"], BOTH),
    "by_name": (["x"], BOTH),
    "renamed": (["x"], {"classes": [None, 3]}),
    "sequential": (["x"], ONE),
    "unbuilt": (["rows"], ONE),
    "subclassed": (["x"], SCORES),
    "arguments": (["mask_of", "x"], ONE),
    "tokens": (["words"], TAGGED),
    "tokens_int64": (["words"], TAGGED),
    "tokens_made_up": (["words"], TAGGED),
    "float64_examples": (["x"], ONE),
    "keras_file": (["image"], FOUND),
    "made_up": (["image"], FOUND),
    "saved": (["image"], FOUND),
    "saved_made_up": (["image"], FOUND),
}
WRONG = {
    "nothing": ("nothing returns NoneType", "return a"),
    "layer": ("layer returns Dense", "return a"),
    "sequentia": ("has no function 'sequentia'", "did you mean 'sequential'?"),
    "sized": ("sized takes arguments: width", "give them defaults"),
    "scalar": ("not a row for each example", "leave it out"),
    "wrong_key": ("inputs examples.npz, key 'features': the network has no such input", "the network takes: x"),
    "near_key": ("inputs examples.npz, key 'secnd': the network has no such input", "did you mean 'second'?"),
    "missing": ("inputs examples.npz: the network's input 'second' is missing", "second=…, first=…"),
    "fractions": ("input 'words': the network takes int32, the examples hold fractions", ""),
    "shape": ("the model does not compute the examples: ", "the first two rows"),
    "open": ("input 'words': a dimension beside the batch is free", "[signature.words]"),
    "lambda_layer": ("Keras cannot read lambda_layer.keras", "mine.py:build"),
    "custom": ("Keras cannot read custom.keras", "mine.py:build"),
    "damaged": ("Keras cannot read damaged.keras", "mine.py:build"),
    "subclassed": ("the model does not say what it takes, and there are no examples", "--inputs"),
    "of_pytorch": ("makes a network in tensorflow, and was given for pytorch", ""),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("keras")
    children.run(CHILD, folder, timeout_s=500)
    found: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return found


@pytest.fixture(scope="module")
def cases(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = told["cases"]
    return found


def shapes(found: dict[str, Any], which: str) -> dict[str, list[int | None]]:
    return {each["name"]: each["shape"] for each in found["described"]["signature"][which]}


def test_every_case_is_looked_at(told: dict[str, Any]) -> None:
    assert set(told["cases"]) == {*GOOD, "unnamed"}
    assert set(told["refused"]) == set(WRONG)


@pytest.mark.parametrize("name", GOOD)
def test_the_network_computes_what_the_persons_does_by_the_names_that_were_found(
    cases: dict[str, Any], name: str
) -> None:
    found = cases[name]
    assert "error" not in found, found
    inputs, outputs = GOOD[name]
    assert list(shapes(found, "inputs")) == inputs
    assert shapes(found, "outputs") == outputs
    assert set(found["off"]) == set(outputs)
    assert max(found["off"].values()) < SAME
    assert found["framework"] == "tensorflow"


@pytest.mark.parametrize("name", [*GOOD, "unnamed"])
def test_what_is_exported_computes_the_same_in_every_size_that_is_free(cases: dict[str, Any], name: str) -> None:
    wrong = {key: off for key, off in cases[name]["exports"].items() if not isinstance(off, float) or off > PARITY}
    assert wrong == {}


def test_two_are_exported_in_every_way(cases: dict[str, Any]) -> None:
    ways = {name: set(found["exports"]) for name, found in cases.items()}
    assert ways["listed"] == ways["keras_file"] == {"keras_savedmodel", "keras_tflite", "tf2onnx"}


def test_an_input_that_keras_named_takes_the_one_array_and_that_is_said(cases: dict[str, Any]) -> None:
    found = cases["unnamed"]
    assert "error" not in found, found
    (name,) = shapes(found, "inputs")
    assert name.startswith("keras_tensor")
    assert found["described"]["said"] == [f"input '{name}' takes the examples' 'features'"]
    assert found["off"]["output"] < SAME


def test_what_a_file_leaves_open_is_free(cases: dict[str, Any]) -> None:
    assert shapes(cases["tokens"], "inputs") == {"words": [None, None]}
    assert cases["tokens"]["described"]["free"] == {"words": ["batch", "words_1"]}
    assert shapes(cases["keras_file"], "inputs") == {"image": [None, 8, 8, 1]}


def test_examples_are_brought_into_the_models_types_and_that_is_said(cases: dict[str, Any]) -> None:
    assert cases["float64_examples"]["described"]["said"] == ["input 'x' was brought from float64 to float32"]
    assert cases["tokens_int64"]["described"]["said"] == ["input 'words' was brought from int64 to int32"]
    assert cases["one"]["described"]["said"] == []


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line_with_what_to_do(told: dict[str, Any], name: str) -> None:
    found = told["refused"][name]
    assert found.get("kind") == "UsageError", found
    wrong, remedy = WRONG[name]
    assert wrong in found["wrong"]
    assert "\n" not in found["wrong"]
    assert remedy in (found["remedy"] or "")
