"""The sizes that an ONNX file is meant for, where its inputs leave them free: what its makers left in it.

Exporters write the image size of a detector or classifier into the model's metadata. Others keep the shapes of inner
tensors as they were when it was exported, from which those of the inputs follow, operator by operator.
Metadata: https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md
"""

from collections.abc import Mapping, Sequence
from typing import Any

from evaluator.core.records import TensorSpec
from exports.formats._stated_sizes import LARGEST, Sizes, of_images

# Operators whose output has the shape of their first input, as long as no other one is larger.
_KEEPING = {
    "Cast",
    "Identity",
    "Relu",
    "Sigmoid",
    "Clip",
    "LeakyRelu",
    "Sub",
    "Mul",
    "Div",
    "Add",
    "BatchNormalization",
}
_SLIDING = {"Conv", "MaxPool", "AveragePool"}


def usual(model: Any, inputs: Sequence[TensorSpec]) -> dict[str, Sizes]:
    """Return input -> the shape that the file states for it, of those that have a free one behind the first."""
    found = of_images({entry.key: str(entry.value) for entry in model.metadata_props}, inputs, last=False)
    known = _inner_shapes(model.graph)
    for spec in inputs:
        if None not in spec.shape[1:] or spec.name in found:
            continue
        sizes = _by_its_users(spec, model.graph, known)
        if sizes is not None and all(0 < size <= LARGEST for size in sizes):
            found[spec.name] = sizes
    return found


def _inner_shapes(graph: Any) -> dict[str, Sizes]:
    """Return the shapes of tensors that the file knows whole."""
    found = {}
    for value in (*graph.value_info, *graph.output):
        sizes = value.type.tensor_type.shape.dim
        if value.type.WhichOneof("value") == "tensor_type" and all(size.dim_value > 0 for size in sizes):
            found[value.name] = tuple(int(size.dim_value) for size in sizes)
    return found | {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}


def _by_its_users(spec: TensorSpec, graph: Any, known: Mapping[str, Sizes]) -> Sizes | None:
    """Infer a shape from the first operator that takes the input and whose output is known."""
    for node in graph.node:
        if spec.name not in node.input or not node.output or node.output[0] not in known:
            continue
        sizes = _before(node, list(node.input).index(spec.name), known)
        fits = sizes is not None and len(sizes) == len(spec.shape)
        if sizes is not None and fits and all(a in (None, b) for a, b in zip(spec.shape, sizes, strict=True)):
            return sizes
    return None


def _before(node: Any, place: int, known: Mapping[str, Sizes]) -> Sizes | None:
    """Return the shape of an operator's input by that of its output; None where it does not follow."""
    after = known[node.output[0]]
    told = {each.name: each for each in node.attribute}
    others = [known.get(name) for index, name in enumerate(node.input) if name and index != place]
    if node.op_type in _KEEPING and all(other is not None and len(other) <= len(after) for other in others):
        return after
    if node.op_type == "Transpose" and len(told["perm"].ints if "perm" in told else ()) == len(after):
        order = list(told["perm"].ints)
        return tuple(after[order.index(axis)] if axis in order else 0 for axis in range(len(after)))
    if node.op_type == "Gather" and place == 1 and others[0] is not None:  # a table of words
        return after[: len(after) - len(others[0]) + 1]
    if node.op_type in _SLIDING and place == 0:
        return _before_a_window(told, after, others)
    return None


def _before_a_window(told: Mapping[str, Any], after: Sizes, others: Sequence[Sizes | None]) -> Sizes | None:
    """Return what a window slid over: of the sizes that give the same number of steps, the roundest."""
    kernel = tuple(told["kernel_shape"].ints) if "kernel_shape" in told else (others[0] or ())[2:] if others else ()
    axes = len(after) - 2
    if axes < 1 or len(kernel) != axes or (others and (others[0] is None or len(others[0]) != len(after))):
        return None
    strides = tuple(told["strides"].ints) if "strides" in told else (1,) * axes
    pads = tuple(told["pads"].ints) if "pads" in told else (0,) * 2 * axes
    if len(strides) != axes or len(pads) != 2 * axes or ("dilations" in told and set(told["dilations"].ints) != {1}):
        return None
    groups = told["group"].i if "group" in told else 1
    channels = others[0][1] * groups if others and others[0] is not None else after[1]
    least = [
        (steps - 1) * stride + size - pads[axis] - pads[axis + axes]
        for axis, (steps, stride, size) in enumerate(zip(after[2:], strides, kernel, strict=True))
    ]
    sizes = (max(range(low, low + step), key=_roundness) for low, step in zip(least, strides, strict=True))
    return (after[0], channels, *sizes)


def _roundness(size: int) -> int:
    return size & -size
