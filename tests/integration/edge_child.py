"""Writes an ONNX file whose weights take a known amount of memory, and one row of input: FOLDER ROWS."""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

SIDE = 64


def main(folder: Path, count: int) -> None:
    weights = numpy_helper.from_array(np.ones((SIDE, count), np.float32), "weights")
    inputs = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", SIDE])
    outputs = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 1])
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["product"]),
        helper.make_node("ReduceSum", ["product", "axes"], ["y"]),
    ]
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    graph = helper.make_graph(nodes, "wide", [inputs], [outputs], [weights, axes])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "wide.onnx")
    np.savez(folder / "one.npz", x=np.ones((1, SIDE), np.float32))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
