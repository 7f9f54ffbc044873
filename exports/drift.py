"""Where a quantized artifact first drifts from the one in 32-bit floats that the same exporter writes: name by name.

Rounding is in every tensor, so none holds the same numbers as a layer of the origin. But one exporter names the tensors
of both artifacts alike, so each can be compared with its own counterpart, by the cosine between the two.
"""

import numpy as np

from evaluator.core.tensors import Array
from exports.divergence import Divergence, Node, Trace


def first(exact: Trace, lowered: Trace, least: float) -> Divergence | None:
    """Find the first operator, in the order of computation, with an output whose cosine is below `least`.

    None when there is none. Tensors without a counterpart of their name and shape are passed over, and those whose
    counterpart is all zeros: rounding alone gives them a direction.
    """
    wanted = {exact.title(name): value for name, value in exact.tensors.items()}
    maker = {name: node for node in lowered.nodes for name in node.outputs}
    for node in lowered.nodes:
        for name in node.outputs:
            value, counterpart = lowered.tensors.get(name), wanted.get(lowered.title(name))
            if value is None or counterpart is None or counterpart.dtype.kind != "f" or not counterpart.any():
                continue
            if counterpart.shape == value.shape and cosine(counterpart, value) < least:
                return Divergence(after=_before(node, maker), at=(), nodes=(node.operator,))
    return None


def cosine(one: Array, other: Array) -> float:
    """Return the cosine between two arrays as vectors: 1 when both are zero, 0 when one is, or is not finite."""
    flat = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    lengths = [float(np.linalg.norm(each)) for each in flat]
    if not np.isfinite(lengths).all():
        return 0.0
    if 0 in lengths:
        return float(lengths[0] == lengths[1])
    return float(np.vdot(*flat)) / (lengths[0] * lengths[1])


def _before(node: Node, maker: dict[str, Node]) -> str | None:
    """Name the first of the operators that an operator takes from."""
    return next((maker[name].operator for name in node.inputs if name in maker), None)
