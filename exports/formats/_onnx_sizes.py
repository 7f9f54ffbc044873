"""The sizes that an ONNX file is meant for, where its inputs leave them free: what its makers left in it.

Exporters write the image size of a detector or classifier into the model's metadata. Others keep the shapes of inner
tensors as they were when it was exported, from which those of the inputs follow, operator by operator.
Metadata: https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md, of Ultralytics' exporter
https://github.com/ultralytics/ultralytics/blob/main/ultralytics/engine/exporter.py
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evaluator.core.records import TensorSpec

Sizes = tuple[int, ...]

_KEYS = ("imgsz", "img_size", "image_size", "input_size", "input_shape", "shape")  # the first one that is there counts
_CHANNELS = (1, 3, 4)
_IMAGE = 4  # dimensions
_LARGEST = 1 << 16  # that a stated size may have
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
    stated = _of_metadata({entry.key.lower(): str(entry.value) for entry in model.metadata_props})
    known = _inner_shapes(model.graph)
    found = {}
    for spec in inputs:
        if None not in spec.shape[1:]:
            continue
        sizes = _filled(spec, stated) or _by_its_users(spec, model.graph, known)
        if sizes is not None and all(0 < size <= _LARGEST for size in sizes):
            found[spec.name] = sizes
    return found


def _of_metadata(told: Mapping[str, str]) -> Sizes:
    """Return the numbers of the first key that has some: "[640, 640]", "640", "1x3x224x224"."""
    values = ([int(number) for number in re.findall(r"\d{1,6}", told[key])] for key in _KEYS if key in told)
    return next((tuple(numbers) for numbers in values if 0 < len(numbers) <= _IMAGE), ())


def _filled(spec: TensorSpec, stated: Sizes) -> Sizes | None:
    """Put the stated sizes into the free dimensions of an image; None for what is none, or where they contradict it."""
    if len(spec.shape) != _IMAGE or not stated:
        return None
    if len(stated) == _IMAGE:
        whole = stated
    else:
        last = spec.shape[3] in _CHANNELS and spec.shape[1] not in _CHANNELS
        height, width = (stated[-3:-1] if last else stated[-2:]) if len(stated) == _IMAGE - 1 else (stated * 2)[:2]
        channels = spec.shape[3 if last else 1] or _CHANNELS[1]
        whole = (1, height, width, channels) if last else (1, channels, height, width)
    merged = tuple(size if fixed is None else fixed for fixed, size in zip(spec.shape, whole, strict=True))
    return merged if merged[1:] == whole[1:] else None


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
