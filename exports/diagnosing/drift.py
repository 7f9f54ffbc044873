"""Where a quantized artifact first drifts from the one in 32-bit floats that the same exporter writes: name by name.

Rounding is in every tensor, so none holds the same numbers as a layer of the origin. But one exporter names the tensors
of both artifacts alike, so each can be compared with its own counterpart, by the cosine between the two.
"""

import numpy as np

from evaluator.core.tensors import Array
from evaluator.measure.fidelity import cosine
from exports.diagnosing.divergence import Divergence, Node, Trace


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
            if value is not None and counterpart is not None and _drifts(value, counterpart, least):
                return Divergence(after=_before(node, maker), at=(), nodes=(node.operator,))
    return None


def _drifts(value: Array, counterpart: Array, least: float) -> bool:
    if counterpart.dtype.kind != "f" or counterpart.shape != value.shape or not counterpart.any():
        return False
    return cosine(counterpart.astype(np.float64), value.astype(np.float64)) < least


def _before(node: Node, maker: dict[str, Node]) -> str | None:
    """Name the first of the operators that an operator takes from."""
    return next((maker[name].operator for name in node.inputs if name in maker), None)
