"""How many floating point operations a network takes in TensorFlow, by TensorFlow's own profiler.

The profiler reads them off a graph's shapes, nothing is computed
(https://github.com/tensorflow/tensorflow/blob/master/tensorflow/python/profiler/internal/flops_registry.py). It counts
two for each multiply and add of convolutions and matrix products, which alone are taken here, as in PyTorch's counter.
What it does not know or counts wrongly follows from the same shapes: in backward passes it takes a convolution's
padding for work, and overlooks that a factor of a batched product is transposed.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from evaluator.core.errors import Unavailable

_PROFILED = ("Conv2D", "Conv3D", "MatMul")


def count(network: Any, tensors: Mapping[str, Any], *, train: bool) -> int:
    """Count one forward pass, with the backward pass of a training step; `Unavailable` where the profiler is blind."""
    import tensorflow as tf

    def computed(inputs: Any) -> Any:
        if not train:
            return network(inputs, training=False)
        with tf.GradientTape() as tape:
            outputs = tf.nest.flatten(network(inputs, training=True))
            total = tf.add_n([tf.reduce_sum(each) for each in outputs])
        return total, tape.gradient(total, network.trainable_variables)

    specs = {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    graph = tf.function(computed, autograph=False).get_concrete_function(specs).graph
    inner = {node.op for function in graph.as_graph_def().library.function for node in function.node_def}
    hidden = sorted(inner & {*_PROFILED, *_BY_SHAPE})
    if hidden:
        raise Unavailable(f"TensorFlow's profiler does not see into functions and loops, which hold {hidden[0]}")
    profiled = _profiled(graph)
    return sum(_of(operation, profiled) for operation in _executed(graph))


def _executed(graph: Any) -> Iterable[Any]:
    """Yield what a call executes: what leads to an output or has an effect; TensorFlow prunes the rest."""
    seen: dict[Any, None] = {}
    left = [*(tensor.op for tensor in graph.outputs), *graph.control_outputs]
    while left:
        operation = left.pop()
        if operation not in seen:
            seen[operation] = None
            left += [*(tensor.op for tensor in operation.inputs), *operation.control_inputs]
    return seen


def _profiled(graph: Any) -> dict[str, int]:
    """Return the operations of each node that the profiler has a formula for."""
    import tensorflow as tf

    profiler = tf.compat.v1.profiler
    options = {**profiler.ProfileOptionBuilder.float_operation(), "output": "none"}
    found: dict[str, int] = {}
    left = [profiler.profile(graph, cmd="scope", options=options)]
    while left:
        node = left.pop()
        found[node.name] = node.float_ops
        left += node.children
    return found


def _of(operation: Any, profiled: Mapping[str, int]) -> int:
    if operation.type in _BY_SHAPE:
        counted = _BY_SHAPE[operation.type](operation)
    elif operation.type in _PROFILED:
        counted = profiled.get(operation.name, 0)
    else:
        return 0
    if not counted:
        raise Unavailable(f"TensorFlow's profiler has no number for {operation.type} '{operation.name}'")
    return counted


def _convolution(output: tuple[int, ...], kernel: tuple[int, ...]) -> int:
    """Each element of the output, or of its gradient, goes with all weights of one filter."""
    return 2 * math.prod((*output, *kernel[:-1]))


def _depthwise(output: tuple[int, ...], kernel: tuple[int, ...]) -> int:
    """Each filter of a depthwise convolution sees one channel."""
    return 2 * math.prod((*output, *kernel[:-2]))


def _backward(formula: Callable[[tuple[int, ...], tuple[int, ...]], int], kernel: int | None) -> Callable[[Any], int]:
    """Return the count of a gradient: `kernel` is the input with the filter, None where it is the result."""

    def counted(operation: Any) -> int:
        weights = operation.outputs[0] if kernel is None else operation.inputs[kernel]
        return formula(_shape(operation.inputs[2]), _shape(weights))

    return counted


def _batched(operation: Any) -> int:
    """Two for each element of the result and each that is summed over for it."""
    shared = -2 if operation.get_attr("adj_x") else -1
    return 2 * math.prod(_shape(operation.outputs[0])) * _shape(operation.inputs[0])[shared]


def _einsum(operation: Any) -> int:
    """Two for each combination of all indices, where two tensors are multiplied; none for a mere transposition."""
    given, _, _ = operation.get_attr("equation").decode().partition("->")
    terms = given.split(",")
    if "..." in given or len(terms) > 2:
        raise Unavailable(f"the operations of the einsum '{given}' are not counted")
    sizes = {
        index: size
        for term, tensor in zip(terms, operation.inputs, strict=True)
        for index, size in zip(term, _shape(tensor), strict=True)
    }
    return 2 * math.prod(sizes.values())


def _shape(tensor: Any) -> tuple[int, ...]:
    if not tensor.shape.is_fully_defined():
        raise Unavailable(f"the shape of '{tensor.name}' depends on the values, and so do its operations")
    return tuple(tensor.shape)


_BY_SHAPE: dict[str, Callable[[Any], int]] = {
    "BatchMatMul": _batched,
    "BatchMatMulV2": _batched,
    "BatchMatMulV3": _batched,
    "Conv2DBackpropFilter": _backward(_convolution, None),
    "Conv2DBackpropInput": _backward(_convolution, 1),
    "Conv3DBackpropFilterV2": _backward(_convolution, None),
    "Conv3DBackpropInputV2": _backward(_convolution, 1),
    "DepthwiseConv2dNative": lambda operation: _depthwise(_shape(operation.outputs[0]), _shape(operation.inputs[1])),
    "DepthwiseConv2dNativeBackpropFilter": _backward(_depthwise, None),
    "DepthwiseConv2dNativeBackpropInput": _backward(_depthwise, 1),
    "Einsum": _einsum,
}
