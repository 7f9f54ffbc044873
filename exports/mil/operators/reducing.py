"""Operators that make one number of many: along axes, or a norm of what lies along them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from exports.mil.call import Call, Numbers, Operator


def _reduced(function: Callable[..., Any]) -> Operator:
    def reduce(call: Call) -> Numbers:
        x = call.array("x")
        axes = tuple(call.integers("axes", list(range(x.ndim))))
        return np.asarray(function(x, axis=axes or tuple(range(x.ndim)), keepdims=call.flag("keep_dims")))

    return reduce


def _place_of(function: Callable[..., Any]) -> Operator:
    def place(call: Call) -> Numbers:
        axis, keep = call.integer("axis", -1), call.flag("keep_dims")
        return np.asarray(function(call.array("x"), axis=axis, keepdims=keep))

    return place


def _log_sum_exp(x: Numbers, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    from scipy import special

    return special.logsumexp(x, axis=axis, keepdims=keepdims)


def batch_norm(call: Call) -> Numbers:
    """Shift and scale each channel, the second dimension, by what was seen in training."""
    x = call.array("x")
    sizes = (-1, *[1] * (x.ndim - 2))
    scale = 1 / np.sqrt(call.array("variance") + np.float32(call.number("epsilon", 1e-5)))
    shift = -call.array("mean") * scale
    return _affine(call, x * scale.reshape(sizes) + shift.reshape(sizes), sizes)


def instance_norm(call: Call) -> Numbers:
    """Normalize each channel of each example over its sizes in space."""
    x = call.array("x")
    return _affine(call, _normal(call, x, tuple(range(2, x.ndim))), (-1, *[1] * (x.ndim - 2)))


def layer_norm(call: Call) -> Numbers:
    """Normalize over some axes, the last ones mostly."""
    x = call.array("x")
    axes = tuple(axis % x.ndim for axis in call.integers("axes", list(range(x.ndim))))
    sizes = tuple(size if axis in axes else 1 for axis, size in enumerate(x.shape))
    return _affine(call, _normal(call, x, axes), sizes)


def _normal(call: Call, x: Numbers, axes: tuple[int, ...]) -> Numbers:
    away = x - x.mean(axis=axes, keepdims=True)
    spread = np.square(away).mean(axis=axes, keepdims=True)
    normal: Numbers = away / np.sqrt(spread + np.float32(call.number("epsilon", 1e-5)))
    return normal


def _affine(call: Call, x: Numbers, sizes: tuple[int, ...]) -> Numbers:
    gamma, beta = call.optional("gamma"), call.optional("beta")
    scaled = x if gamma is None else x * gamma.reshape(sizes)
    return scaled if beta is None else scaled + beta.reshape(sizes)


def l2_norm(call: Call) -> Numbers:
    """Divide by the length of what each example is, over its last three dimensions."""
    x = call.array("x")
    squares = np.square(x).sum(axis=tuple(range(max(0, x.ndim - 3), x.ndim)), keepdims=True)
    return np.asarray(x / np.sqrt(squares + call.number("epsilon", 1e-6)))


def local_response_norm(call: Call) -> Numbers:
    """Divide by the squares of the channels beside each."""
    x, size = call.array("x"), call.integer("size", 1)
    before = (size - 1) // 2
    sizes = [(0, 0), (before, size - 1 - before), *[(0, 0)] * (x.ndim - 2)]
    squares = np.lib.stride_tricks.sliding_window_view(np.pad(np.square(x), sizes), size, axis=1).sum(axis=-1)
    base = call.number("k", 1.0) + call.number("alpha", 1e-4) / size * squares
    return np.asarray(x / base ** call.number("beta", 0.75))


def cumsum(call: Call) -> Numbers:
    """Add up along an axis; from the end on, or without what is there itself, where that is asked for."""
    x, axis = call.array("x"), call.integer("axis", 0)
    ordered = np.flip(x, axis) if call.flag("reverse") else x
    sums = np.cumsum(ordered, axis=axis, dtype=x.dtype)
    if call.flag("exclusive"):
        sums = sums - ordered
    return np.flip(sums, axis) if call.flag("reverse") else sums


TABLE: dict[str, Operator] = {
    "reduce_argmax": _place_of(np.argmax),
    "reduce_argmin": _place_of(np.argmin),
    "reduce_l1_norm": _reduced(lambda x, **how: np.abs(x).sum(**how)),
    "reduce_l2_norm": _reduced(lambda x, **how: np.sqrt(np.square(x).sum(**how))),
    "reduce_log_sum": _reduced(lambda x, **how: np.log(x.sum(**how))),
    "reduce_log_sum_exp": _reduced(_log_sum_exp),
    "reduce_max": _reduced(np.max),
    "reduce_mean": _reduced(np.mean),
    "reduce_min": _reduced(np.min),
    "reduce_prod": _reduced(np.prod),
    "reduce_sum": _reduced(np.sum),
    "reduce_sum_square": _reduced(lambda x, **how: np.square(x).sum(**how)),
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "l2_norm": l2_norm,
    "local_response_norm": local_response_norm,
    "cumsum": cumsum,
}
