"""PyTorch models of somebody's own, by the real framework: what is found out, and what is made of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import children

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("own_torch_child.py")
PARITY = 1e-5  # of the scale of an output
ONE = {"output": [None, 3]}
TWO = {"output_0": [None, 3], "output_1": [None, 2]}
# name -> the inputs in the order in which they are taken, and the shapes of the outputs
GOOD: dict[str, tuple[list[str], dict[str, list[int | None]]]] = {
    "one": (["x"], ONE),
    "several": (["first", "second"], TWO),
    "listed": (["x"], TWO),
    "dictionary": (["x"], {"scores": [None, 3], "boxes": [None, 2]}),
    "named": (["x"], {"mean": [None, 3], "spread": [None, 2]}),
    "dataclassed": (["x"], {"boxes": [None, 2], "scores": [None, 3]}),
    "nested": (["x"], {"head_0": [None, 3], "head_2_deep": [None, 2]}),
    "like_an_input": (["x"], {"x_out": [None, 3], "y": [None, 2]}),
    "renamed": (["x"], {"classes": [None, 3], "boxes": [None, 2]}),
    "picked": (["x"], {"boxes": [None, 2]}),
    "keywords": (["x", "scale"], ONE),
    "optional": (["x", "bias"], ONE),
    "any_number": (["left", "right"], ONE),
    "any_names": (["x", "plus", "by"], ONE),
    "float64_examples": (["x"], ONE),
    "doubles": (["x"], ONE),
    "tokens": (["tokens"], {"vector": [None, 6], "tags": [None, None, 4]}),
    "made_up": (["tokens"], {"vector": [None, 6], "tags": [None, 10, 4]}),
    "one_row": (["x"], {"output": [1, 3]}),
    "program": (["first", "second"], TWO),
    "by_keyword": (["x", "scale"], ONE),
    "by_position": (["x", "bias"], ONE),
    "pt2_file": (["first", "second"], TWO),
    "torchscript_file": (["first", "second"], TWO),
    "in_training": (["input"], ONE),
}
FREE_LENGTH = {"tokens": ["batch", "length"]}
ROW = "not a row for each example"
WRONG = {
    "weights": ("weights returns OrderedDict", "module.load_state_dict"),
    "nothing": ("nothing returns NoneType", "return a torch.nn.Module or a keras.Model"),
    "sized": ("sized takes arguments: width", "give them defaults"),
    "raisin": ("has no function 'raisin'", "did you mean 'raising'?"),
    "scalar": (f"output 'output' has the shape [] for 2 rows: {ROW}", "leave it out"),
    "nonzero": (f"output 'output_1' has the shape [4, 2] for 2 rows: {ROW}", "no size may depend on the data"),
    "pooled": (f"output 'output_1' has the shape [2] for 2 rows and [2] for one: {ROW}", "leave it out"),
    "squeezed": (f"output 'output' has the shape [2] for 2 rows and [] for one: {ROW}", "squeeze(-1)"),
    "spectrum": ("output 'output' holds complex64, which are no real numbers", "leave it out"),
    "strange": ("the network gives set as an output", "in tuples, dictionaries or dataclasses"),
    "empty": ("the network returns no tensor", "return tensors"),
    "raising": ("the network does not compute the examples: ValueError: no such batch", "the first two rows"),
    "wrong_width": ("does not compute the examples: RuntimeError: mat1 and mat2", "the first two rows"),
    "one_row": ("the network does not compute the examples: RuntimeError: shape '[1, 6]'", "dynamic.x = []"),
    "wrong_key": ("inputs examples.npz, key 'secnd': the network has no such input", "did you mean 'second'?"),
    "missing": ("inputs examples.npz: the network's input 'second' is missing", "first=…, second=…"),
    "dynamic_key": ("dynamic, key 'y': the network has no such input", "the network takes: x"),
    "dynamic_axes": ("dynamic.x: 3 dimensions are named, the input has 2", ""),
    "outputs": ("outputs: 2 names for 3 outputs", "they are: output_0, output_1, output_2"),
    "no_signature": ("there are no examples", "[signature.NAME]"),
    "signature_key": ("the signature, key 'tokens': the network has no such input", "the network takes: x"),
    "ends": ("ends.py: importing it ended the process (4)", "__main__"),
    "fails": ("fails.py, line 2: build() failed: ModuleNotFoundError", ""),
    "no_labels": ("a measure of quality needs labels", "--labels"),
    "no_quality": ("labels are given, and no measure of quality", "--quality"),
    "of_tensorflow": ("makes a network in pytorch, and was given for tensorflow", ""),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("torch")
    children.run(CHILD, folder, timeout_s=500)
    found: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return found


@pytest.fixture(scope="module")
def cases(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = told["cases"]
    return found


def test_every_case_is_looked_at(told: dict[str, Any]) -> None:
    assert set(told["cases"]) == set(GOOD)
    assert set(told["refused"]) == set(WRONG)


@pytest.mark.parametrize("name", GOOD)
def test_the_network_computes_what_the_persons_does_by_the_names_that_were_found(
    cases: dict[str, Any], name: str
) -> None:
    found = cases[name]
    assert "error" not in found, found
    inputs, outputs = GOOD[name]
    signature = found["described"]["signature"]
    assert [each["name"] for each in signature["inputs"]] == inputs
    assert {each["name"]: each["shape"] for each in signature["outputs"]} == outputs
    assert found["off"] == dict.fromkeys(outputs, 0.0)
    assert found["framework"] == "pytorch"


@pytest.mark.parametrize("name", GOOD)
def test_what_is_exported_computes_the_same_in_every_size_that_is_free(cases: dict[str, Any], name: str) -> None:
    wrong = {key: off for key, off in cases[name]["exports"].items() if not isinstance(off, float) or off > PARITY}
    assert wrong == {}


def test_enough_is_exported(cases: dict[str, Any]) -> None:
    ways = [exporter for found in cases.values() for exporter in found["exports"]]
    assert {name: ways.count(name) >= 3 for name in ways} == dict.fromkeys(
        ("torchscript_trace", "torchscript_script", "torch_export", "onnx_torch_export"), True
    )


def test_a_module_that_fits_is_left_as_it_is(cases: dict[str, Any]) -> None:
    kept = {name: cases[name]["kind"] for name in ("one", "several", "doubles", "tokens", "dictionary", "optional")}
    assert kept == {
        "one": "One",
        "several": "Several",
        "doubles": "One",
        "tokens": "Tokens",
        **dict.fromkeys(("dictionary", "optional"), "Network"),
    }


def test_floats_become_as_wide_as_the_weights_and_that_is_said(cases: dict[str, Any]) -> None:
    narrowed, widened = (cases[name]["described"] for name in ("float64_examples", "doubles"))
    assert narrowed["said"] == ["input 'x' was brought from float64 to float32"]
    assert narrowed["signature"]["inputs"][0]["dtype"] == "float32"
    assert widened["said"] == ["input 'x' was brought from float32 to float64"]
    assert widened["signature"]["outputs"][0]["dtype"] == "float64"
    assert cases["one"]["described"]["said"] == []


def test_declared_dimensions_are_free_and_no_others(cases: dict[str, Any]) -> None:
    shapes = {name: each["described"]["signature"]["inputs"][0]["shape"] for name, each in cases.items()}
    assert (shapes["tokens"], shapes["made_up"]) == ([None, None], [None, 10])
    assert (shapes["one"], shapes["one_row"]) == ([None, 6], [1, 6])
    assert cases["tokens"]["described"]["free"] == FREE_LENGTH
    assert cases["tokens"]["described"]["signature"]["inputs"][0]["dtype"] == "int64"


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line_with_what_to_do(told: dict[str, Any], name: str) -> None:
    found = told["refused"][name]
    assert found.get("kind") == "UsageError", found
    wrong, remedy = WRONG[name]
    assert wrong in found["wrong"]
    assert "\n" not in found["wrong"]
    assert remedy in (found["remedy"] or "")
