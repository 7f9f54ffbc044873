"""ONNX Runtime: types that NumPy has not, and what it says to files that are too new or use what it has not."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from evaluator.core import registry
from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Arrays, dtype_of
from exports.contract import Runtime

pytestmark = pytest.mark.integration

FORMAT = registry.load("format", "onnx")
RUNTIME: Runtime = registry.load("runtime", "onnx_runtime")
VALUES = np.array([[1.0, -1.5, 3.0], [0.0, 2.0, -4.0], [7.0, 0.5, -8.0]], np.float32)  # an odd number of them
TYPES = {
    "bfloat16": TensorProto.BFLOAT16,
    "float8_e4m3fn": TensorProto.FLOAT8E4M3FN,
    "float8_e4m3fnuz": TensorProto.FLOAT8E4M3FNUZ,
    "float8_e5m2": TensorProto.FLOAT8E5M2,
    "float8_e5m2fnuz": TensorProto.FLOAT8E5M2FNUZ,
    "int4": TensorProto.INT4,
    "uint4": TensorProto.UINT4,
    "float16": TensorProto.FLOAT16,
}


def save(path: Path, nodes: Sequence[onnx.NodeProto], kinds: tuple[int, int], opset: int = 21, ir: int = 10) -> Path:
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", kinds[0], ["batch", 3])],
        [helper.make_tensor_value_info("y", kinds[1], ["batch", 3])],
    )
    sets = [helper.make_opsetid(domain, opset if domain == "" else 1) for domain in {"", *(n.domain for n in nodes)}]
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=ir), path)
    return path


def compute(path: Path, inputs: Arrays) -> Arrays:
    anatomy = FORMAT.anatomy(path)
    signature = Signature(inputs=anatomy.inputs, outputs=anatomy.outputs)
    with RUNTIME.load(path, signature, device="cpu", threads=1) as session:
        return session(inputs)


@pytest.mark.parametrize("name", TYPES)
def test_values_keep_their_type_and_are_right(tmp_path: Path, name: str) -> None:
    number, dtype = TYPES[name], dtype_of(name)
    values = np.abs(np.round(VALUES)) if name == "uint4" else np.round(VALUES) if name == "int4" else VALUES
    values = np.clip(values, -8, 7)
    lowered = helper.make_node("Cast", ["x"], ["y"], to=number)
    given = compute(save(tmp_path / "gives.onnx", [lowered], (TensorProto.FLOAT, number)), {"x": values})["y"]
    assert (given.dtype, given.shape) == (dtype, values.shape)
    np.testing.assert_array_equal(given.astype(np.float32), values)
    raised = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    taken = compute(save(tmp_path / "takes.onnx", [raised], (number, TensorProto.FLOAT)), {"x": values.astype(dtype)})
    np.testing.assert_array_equal(taken["y"], values)


def test_a_number_beside_a_value_of_another_type_stays_one(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16),
        helper.make_node("ReduceSum", ["x"], ["loss"], keepdims=0),
        helper.make_node("Constant", [], ["text"], value=numpy_helper.from_array(np.array(["a"], object))),
    ]
    path = save(tmp_path / "model.onnx", nodes, (TensorProto.FLOAT, TensorProto.BFLOAT16))
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info("loss", TensorProto.FLOAT, []))
    model.graph.output.append(helper.make_tensor_value_info("text", TensorProto.STRING, [1]))
    onnx.save(model, path)
    found = compute(path, {"x": VALUES})
    assert (found["loss"].shape, found["loss"]) == ((), VALUES.sum())
    assert found["text"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("operator", "domain", "opset", "ir", "cause"),
    [
        ("Relu", "", 99, 10, r"opset 99 of ai\.onnx is newer than \d+, the newest that it knows: "),
        ("Relu", "", 5, 3, r"opset 5 is older than 7, the oldest that it promises to run: "),
        ("Relu", "", 18, 99, r"IR version 99 is newer than \d+, the newest that it knows: "),
        ("Frobnicate", "", 18, 9, r"it has no operator Frobnicate in opset 18: "),
        ("Frobnicate", "com.example", 18, 9, r"it has no operator Frobnicate of the domain com\.example: "),
        ("StringUpper", "ai.onnx.contrib", 18, 9, r"it has no operator StringUpper of the domain ai\.onnx\.contrib: "),
        ("Upsample", "", 18, 9, r"the operator Upsample is no more in opset 18: "),
        ("N" * 3000, "", 18, 9, r"it has no operator N{120} in opset 18: "),
    ],
)
def test_what_it_lacks_is_unsupported_and_comes_first(
    tmp_path: Path, operator: str, domain: str, opset: int, ir: int, cause: str
) -> None:
    node = helper.make_node(operator, ["x"], ["y"], domain=domain)
    path = save(tmp_path / "model.onnx", [node], (TensorProto.FLOAT, TensorProto.FLOAT), opset, ir)
    with pytest.raises(Unsupported, match=rf"^ONNX Runtime [\d.]+ refuses model\.onnx: {cause}"):
        compute(path, {"x": VALUES})


def test_a_page_is_given_no_file_that_it_cannot_take(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    path = save(tmp_path / "model.onnx", [node], (TensorProto.FLOAT, TensorProto.FLOAT))
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(VALUES, "w"))
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    os.truncate(tmp_path / "weights.bin", 3 << 30)
    with pytest.raises(Unsupported, match=r"'weights\.bin' has 3\.22 GB, and a file of more than 2 GB"):
        registry.load("runtime", "ort_web_node").load(path, Signature(inputs=(), outputs=()), device="cpu", threads=1)
