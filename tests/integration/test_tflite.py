"""What the two TFLite interpreters compute from files that no converter of ours writes: told by the numbers alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from evaluator.core import registry
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, write_arrays
from tests.children import run
from tests.tflite_files import Graph, Operator, Tensor, adds, named, write

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("tflite_child.py")
FORM = registry.load("format", "tflite")


def single(operator: Operator, dtype: str = "float32", shape: tuple[int, ...] = (1, 4)) -> Graph:
    tensors = [Tensor(name="x", dtype=dtype, shape=shape), Tensor(name="y", dtype=dtype, shape=shape)]
    return Graph(tensors=tensors, operators=[operator], inputs=(0,), outputs=(1,))


def passed_on(dtype: str) -> Graph:
    """Return a graph whose input is its output."""
    return Graph(tensors=[Tensor(name="x", dtype=dtype, shape=(3,))], operators=[], inputs=(0,), outputs=(0,))


def window(sizes: int) -> Graph:
    """Return a graph that takes four numbers from the second on, which a stand-in of size 1 does not have."""
    begin, size = (np.array(numbers, np.int32).tobytes() for numbers in ([1] * sizes, [4] * sizes))
    tensors = [
        Tensor(name="x", shape=(-1,) * sizes),
        Tensor(name="begin", shape=(sizes,), dtype="int32", data=begin),
        Tensor(name="size", shape=(sizes,), dtype="int32", data=size),
        Tensor(name="y", shape=(4,) * sizes),
    ]
    return Graph(
        tensors=tensors, operators=[Operator(name="SLICE", inputs=(0, 1, 2), outputs=(3,))], inputs=(0,), outputs=(3,)
    )


def constant(value: float) -> Graph:
    """Return a graph that takes nothing."""
    tensors = [Tensor(name="c", data=np.full((1, 4), value, np.float32).tobytes()), Tensor(name="y")]
    return Graph(
        tensors=tensors, operators=[Operator(name="ADD", inputs=(0, 0), outputs=(1,))], inputs=(), outputs=(1,)
    )


# Two functions of the same shapes in one file: only the numbers tell which was run.
TWO = (named(adds(["x", "x"], ["y"]), "first", ["a", "b"], ["c"]), named(adds(["x"], ["y"]), "second", ["a"], ["c"]))
GRAPHS: dict[str, tuple[Graph, ...]] = {
    "first": TWO,
    "second": TWO,
    "one name": (adds(["x", "x", "x"], ["y", "y"]),),
    "one name in a signature": (TWO[1], named(adds(["x", "x"], ["y", "y"]), "serving_default", ["a"] * 2, ["c"] * 2)),
    "no name": (adds(["", ""], [""]),),
    "free": (window(1),),
    "free twice": (window(2),),
    "no dimensions": (adds(["x"], ["y"], shape=()),),
    "text": (passed_on("string"),),
    "half": (passed_on("float16"),),
    "bfloat16": (passed_on("bfloat16"),),
    "int4": (passed_on("int4"),),
    "optional": (replace(adds(["x"], ["y"]), inputs=(0, -1)),),
    "nothing taken": (constant(3),),
    "custom": (single(Operator(name="Nobody_knows", inputs=(0,), outputs=(1,))),),
    "Flex": (single(Operator(name="FlexErf", inputs=(0,), outputs=(1,))),),
    "new": (single(Operator(name="ADD", inputs=(0, 0), outputs=(1,), version=99)),),
    "elsewhere": (single(Operator(name="ADD", inputs=(0, 0), outputs=(1,))),),
}
EXTERNAL = {"elsewhere": [("weights.bin", 0, 4)]}
SHAPES: dict[str, tuple[int, ...]] = {"free": (160,), "free twice": (24, 24), "no dimensions": (), "half": (3,)}


def inputs_of(case: str, signature: Signature) -> dict[str, Array]:
    """Feed the first input ones, the second twos, and so on."""
    if case == "text":
        return {"x": np.array(["one", "", "drei"])}
    shapes = [SHAPES.get(case, (1, 4)) for _ in signature.inputs]
    return {
        each.name: np.full(shape, number, np.float16 if case == "half" else np.float32)
        for number, (each, shape) in enumerate(zip(signature.inputs, shapes, strict=True), 1)
    }


@pytest.fixture(scope="module", params=["ai_edge_litert", "tflite_runtime"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run every file in one interpreter, in one process."""
    folder, asked = tmp_path_factory.mktemp("tflite"), {}
    (folder / "weights.bin").write_bytes(bytes(4))
    for case, graphs in GRAPHS.items():
        path = write(folder / f"{case}.tflite", *graphs, external=EXTERNAL.get(case, ()))
        anatomy = FORM.anatomy(path)
        judged = Signature(name=anatomy.judged, inputs=anatomy.inputs, outputs=anatomy.outputs)
        signature = next((each for each in anatomy.signatures if each.name == case), judged)
        write_arrays(folder / f"{case}.npz", inputs_of(case, signature))
        asked[case] = {
            "file": path.name,
            "inputs": f"{case}.npz",
            "signature": msgspec.to_builtins(signature),
        }
    (folder / "asked.json").write_text(json.dumps(asked))
    run(CHILD, request.param, folder, within=registry.load("runtime", request.param).environment)
    found: dict[str, Any] = json.loads((folder / f"{request.param}.json").read_text())
    return found


def floats(value: float, shape: tuple[int, ...] = (1, 4)) -> list[Any]:
    return ["float32", np.full(shape, value).tolist()]


def test_each_signature_runs_its_own_function(told: dict[str, Any]) -> None:
    assert told["first"] == {"c": floats(6)}  # (1 + 2) * 2
    assert told["second"] == {"c": floats(2)}  # 1 * 2


def test_tensors_of_one_name_are_fed_and_read_each(told: dict[str, Any]) -> None:
    assert told["one name"] == {"y": floats(12), "y (2)": floats(24)}
    assert told["one name in a signature"] == {"c": floats(6), "c (2)": floats(12)}
    assert told["no name"] == {"output 1": floats(6)}


def test_free_sizes_are_set_before_anything_is_laid_out(told: dict[str, Any]) -> None:
    assert told["free"] == {"y": floats(1, (4,))}
    assert told["free twice"] == {"y": floats(1, (4, 4))}


def test_values_keep_type_and_shape(told: dict[str, Any]) -> None:
    assert told["no dimensions"] == {"y": ["float32", 2.0]}
    assert told["text"] == {"x": ["object", ["one", "", "drei"]]}
    assert told["half"] == {"x": ["float16", [1, 1, 1]]}


def test_what_is_left_out_is_not_fed(told: dict[str, Any]) -> None:
    assert told["optional"] == {"y": floats(2)}
    assert told["nothing taken"] == {"y": floats(6)}


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("bfloat16", "bfloat16"),
        ("int4", "int4"),
        ("custom", "it has no operator Nobody_knows; it says"),
        ("Flex", "it has no operator FlexErf: it needs the Flex delegate"),
        ("new", "it has no operator ADD version '99'; it says: Didn't find op for builtin opcode 'ADD' version '99'"),
        ("elsewhere", "its weights lie in other files"),
    ],
)
def test_what_an_interpreter_lacks_is_named(told: dict[str, Any], case: str, words: str) -> None:
    assert told[case]["refused"] == "Unsupported"
    assert words in told[case]["said"]
