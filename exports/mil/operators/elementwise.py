"""Operators of one number each, or of two that lie at the same place."""

from collections.abc import Callable
from typing import Any

import numpy as np

from exports.mil.call import Call, Numbers, Operator

_ROOT_OF_2_OVER_PI = float(np.sqrt(2 / np.pi))


def erf(x: Numbers) -> Numbers:
    """Return the error function."""
    from scipy import special

    found: Numbers = special.erf(x)
    return found


def sigmoid(x: Numbers) -> Numbers:
    """Return the logistic function."""
    from scipy import special

    found: Numbers = special.expit(x)
    return found


def softplus(x: Numbers) -> Numbers:
    """Return log(1 + exp(x))."""
    found: Numbers = np.logaddexp(x, np.zeros((), x.dtype))
    return found


def activation(name: str) -> Callable[[Numbers], Numbers] | None:
    """Return the function of an activation that a recurrent operator names; None for one that is not known."""
    known: dict[str, Callable[[Numbers], Numbers]] = {
        "relu": lambda x: np.maximum(x, 0),
        "tanh": np.tanh,
        "sigmoid": sigmoid,
        "sigmoid_hard": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
        "linear": lambda x: x,
    }
    return known.get(name)


def gelu(call: Call) -> Numbers:
    """Return the Gaussian error linear unit, exact or as one of two approximations."""
    x, mode = call.array("x"), call.text("mode", "EXACT")
    if mode == "EXACT":
        return np.asarray(x * 0.5 * (1 + erf(x * np.float32(np.sqrt(0.5)))))
    if mode == "TANH_APPROXIMATION":
        return np.asarray(0.5 * x * (1 + np.tanh(_ROOT_OF_2_OVER_PI * (x + 0.044715 * x**3))))
    if mode == "SIGMOID_APPROXIMATION":
        return x * sigmoid(1.702 * x)
    raise call.unknown(f"in the mode {mode}")


def softmax(call: Call) -> Numbers:
    """Return the shares of the exponentials along an axis."""
    x, axis = call.array("x"), call.integer("axis", -1)
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    shares: Numbers = powers / powers.sum(axis=axis, keepdims=True)
    return shares


def prelu(call: Call) -> Numbers:
    """Return a leaky ReLU whose slope each channel, the second dimension, has for itself."""
    x, alpha = call.array("x"), call.array("alpha")
    slope = alpha.reshape(-1, *[1] * (x.ndim - 2))
    return np.where(x >= 0, x, x * slope)


def clipped(call: Call) -> Numbers:
    """Return the numbers between two bounds."""
    return np.clip(call.array("x"), call.number("alpha", -np.inf), call.number("beta", np.inf))


def _of_x(function: Callable[..., Any]) -> Operator:
    """Make an operator of a function of one number."""
    return lambda call: np.asarray(function(call.array("x")))


def _of_x_and_y(function: Callable[..., Any]) -> Operator:
    """Make an operator of a function of two."""
    return lambda call: np.asarray(function(call.array("x"), call.array("y")))


def _divided(call: Call) -> Numbers:
    x, y = call.array("x"), call.array("y")
    if x.dtype.kind in "iu" and y.dtype.kind in "iu":  # of whole numbers it cuts off
        return np.trunc(x / y).astype(x.dtype)
    return np.asarray(x / y)


def _silu(x: Numbers) -> Numbers:
    return x * sigmoid(x)


def _softplus_parametric(call: Call) -> Numbers:
    x = call.array("x")
    alpha, beta = (call.array(name).reshape(-1, *[1] * (x.ndim - 2)) for name in ("alpha", "beta"))
    return alpha * softplus(x * beta)


TABLE: dict[str, Operator] = {
    "abs": _of_x(np.abs),
    "acos": _of_x(np.arccos),
    "asin": _of_x(np.arcsin),
    "atan": _of_x(np.arctan),
    "atanh": _of_x(np.arctanh),
    "ceil": _of_x(np.ceil),
    "cos": _of_x(np.cos),
    "cosh": _of_x(np.cosh),
    "erf": _of_x(erf),
    "exp": _of_x(np.exp),
    "exp2": _of_x(np.exp2),
    "floor": _of_x(np.floor),
    "identity": _of_x(np.asarray),
    "cast": _of_x(np.asarray),  # to the type of what it makes
    "logical_not": _of_x(np.logical_not),
    "relu": _of_x(lambda x: np.maximum(x, 0)),
    "relu6": _of_x(lambda x: np.clip(x, 0, 6)),
    "round": _of_x(np.round),
    "sigmoid": _of_x(sigmoid),
    "sign": _of_x(np.sign),
    "silu": _of_x(_silu),
    "sin": _of_x(np.sin),
    "sinh": _of_x(np.sinh),
    "softplus": _of_x(softplus),
    "softsign": _of_x(lambda x: x / (1 + np.abs(x))),
    "sqrt": _of_x(np.sqrt),
    "square": _of_x(np.square),
    "tan": _of_x(np.tan),
    "tanh": _of_x(np.tanh),
    "clip": clipped,
    "inverse": lambda call: np.asarray(1 / (call.array("x") + call.number("epsilon", 1e-4))),
    "log": lambda call: np.asarray(np.log(call.array("x") + call.number("epsilon", 1e-45))),
    "rsqrt": lambda call: np.asarray(1 / np.sqrt(call.array("x") + call.number("epsilon", 1e-12))),
    "threshold": lambda call: np.maximum(call.array("x"), call.number("alpha", 0.0)),
    "clamped_relu": lambda call: np.minimum(
        np.where(call.array("x") < 0, call.array("x") * call.number("alpha", 1.0), call.array("x")),
        call.number("beta", np.inf),
    ),
    "elu": lambda call: np.where(
        call.array("x") > 0, call.array("x"), call.number("alpha", 1.0) * np.expm1(np.minimum(call.array("x"), 0))
    ),
    "gelu": gelu,
    "leaky_relu": lambda call: np.where(
        call.array("x") >= 0, call.array("x"), call.array("x") * call.number("alpha", 0.01)
    ),
    "linear_activation": lambda call: np.asarray(
        call.number("alpha", 1.0) * call.array("x") + call.number("beta", 0.0)
    ),
    "prelu": prelu,
    "scaled_tanh": lambda call: np.asarray(
        call.number("alpha", 1.0) * np.tanh(call.number("beta", 1.0) * call.array("x"))
    ),
    "sigmoid_hard": lambda call: np.clip(call.number("alpha", 0.2) * call.array("x") + call.number("beta", 0.5), 0, 1),
    "softmax": softmax,
    "softplus_parametric": _softplus_parametric,
    "thresholded_relu": lambda call: np.where(call.array("x") >= call.number("alpha", 1.0), call.array("x"), 0),
    "add": _of_x_and_y(np.add),
    "sub": _of_x_and_y(np.subtract),
    "mul": _of_x_and_y(np.multiply),
    "real_div": _divided,
    "floor_div": _of_x_and_y(np.floor_divide),
    "mod": _of_x_and_y(np.mod),
    "pow": _of_x_and_y(np.power),
    "maximum": _of_x_and_y(np.maximum),
    "minimum": _of_x_and_y(np.minimum),
    "equal": _of_x_and_y(np.equal),
    "not_equal": _of_x_and_y(np.not_equal),
    "greater": _of_x_and_y(np.greater),
    "greater_equal": _of_x_and_y(np.greater_equal),
    "less": _of_x_and_y(np.less),
    "less_equal": _of_x_and_y(np.less_equal),
    "logical_and": _of_x_and_y(np.logical_and),
    "logical_or": _of_x_and_y(np.logical_or),
    "logical_xor": _of_x_and_y(np.logical_xor),
    "select": lambda call: np.where(call.array("cond").astype(bool), call.array("a"), call.array("b")),
}
