"""TensorFlow.js graph models written by hand: JSON and one file of weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np

WEIGHTS = np.array([2, 3, 4, 5], np.float32)


def shape(*sizes: int) -> dict[str, Any]:
    return {"dim": [{"size": str(size)} for size in sizes]}


def placeholder(name: str, dtype: str, *sizes: int) -> dict[str, Any]:
    return {
        "name": name,
        "op": "Placeholder",
        "attr": {"dtype": {"type": dtype}, "shape": {"shape": shape(*sizes)}},
    }


def tensor(node: str, dtype: str, *sizes: int) -> dict[str, Any]:
    return {"name": f"{node}:0", "dtype": dtype, "tensorShape": shape(*sizes)}


def scaled(dtype: str, *, signature: bool = True) -> dict[str, Any]:
    """Describe a model that takes `image` and gives `y`, image times four weights, and `s`, the sum of all of y."""
    floats = {"T": {"type": "DT_FLOAT"}}
    weights = {"dtype": {"type": "DT_FLOAT"}, "value": {"tensor": {"dtype": "DT_FLOAT", "tensorShape": shape(4)}}}
    axes = {"dtype": {"type": "DT_INT32"}, "value": {"tensor": {"dtype": "DT_INT32", "tensorShape": shape(2)}}}
    nodes = [
        placeholder("x", dtype, -1, 4),
        {"name": "f", "op": "Cast", "input": ["x"], "attr": {"SrcT": {"type": dtype}, "DstT": {"type": "DT_FLOAT"}}},
        {"name": "w", "op": "Const", "attr": weights},
        {"name": "axes", "op": "Const", "attr": axes},
        {"name": "product", "op": "Mul", "input": ["f", "w"], "attr": floats},
        {"name": "sum", "op": "Sum", "input": ["product", "axes"], "attr": {**floats, "keep_dims": {"b": False}}},
    ]
    told = {
        "inputs": {"image": tensor("x", dtype, -1, 4)},
        "outputs": {"y": tensor("product", "DT_FLOAT", -1, 4), "s": tensor("sum", "DT_FLOAT")},
    }
    manifest = [{"name": "w", "shape": [4], "dtype": "float32"}, {"name": "axes", "shape": [2], "dtype": "int32"}]
    return {
        "format": "graph-model",
        "modelTopology": {"node": nodes, "library": {}, "versions": {"producer": 440}},
        "weightsManifest": [{"paths": ["weights.bin"], "weights": manifest}],
        **({"userDefinedMetadata": {"signature": told}} if signature else {}),
    }


def write(path: Path, described: dict[str, Any]) -> Path:
    path.write_text(json.dumps(described))
    path.with_name("weights.bin").write_bytes(WEIGHTS.tobytes() + np.array([0, 1], np.int32).tobytes())
    return path
