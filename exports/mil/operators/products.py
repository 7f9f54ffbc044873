"""Operators that multiply matrices."""

import numpy as np

from exports.mil.call import Call, Numbers, Operator
from exports.mil.operators.elementwise import softmax


def linear(call: Call) -> Numbers:
    """Multiply by the transposed weights, and add the bias."""
    found = call.array("x") @ call.array("weight").T
    bias = call.optional("bias")
    return found if bias is None else found + bias


def matmul(call: Call) -> Numbers:
    """Multiply matrices, those of the last two dimensions; either may be taken transposed."""
    x, y = call.array("x"), call.array("y")
    if call.flag("transpose_x") and x.ndim > 1:
        x = np.swapaxes(x, -1, -2)
    if call.flag("transpose_y") and y.ndim > 1:
        y = np.swapaxes(y, -1, -2)
    return np.asarray(x @ y)


def attention(call: Call) -> Numbers:
    """Return softmax(query · key / √width + mask) · value."""
    query, key = call.array("query"), call.array("key")
    scores = query @ np.swapaxes(key, -1, -2) / np.sqrt(np.float32(query.shape[-1]))
    mask = call.optional("attn_mask")
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    return softmax(Call(call.kind, {"x": scores, "axis": -1}, 1)) @ call.array("value")


TABLE: dict[str, Operator] = {
    "linear": linear,
    "matmul": matmul,
    "einsum": lambda call: np.einsum(call.text("equation", ""), *call.several("values")),
    "scaled_dot_product_attention": attention,
}
