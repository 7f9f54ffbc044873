"""Operators that look at windows of space: convolutions and pooling, over one to three dimensions."""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from exports.mil.call import Call, Numbers, Operator


class _Windows(NamedTuple):
    """How windows lie: of each dimension in space its kernel, step, spread, and what is put before and behind."""

    kernel: Sequence[int]
    strides: Sequence[int]
    dilations: Sequence[int]
    sides: Sequence[tuple[int, int]]

    def over(self, x: Numbers, fill: float = 0.0) -> Numbers:
        """Return a view (examples, channels, places…, window…)."""
        padded = np.pad(x, [(0, 0), (0, 0), *self.sides], constant_values=fill)
        spread = [(size - 1) * dilation + 1 for size, dilation in zip(self.kernel, self.dilations, strict=True)]
        views = sliding_window_view(padded, spread, axis=tuple(range(2, x.ndim)))
        steps = [slice(None, None, step) for step in (*self.strides, *self.dilations)]
        found: Numbers = views[(slice(None), slice(None), *steps)]
        return found


def _laid(call: Call, x: Numbers, kernel: Sequence[int]) -> _Windows:
    """Read how windows lie; "same" puts so much around that a step of 1 keeps the size."""
    space = len(kernel)
    strides, dilations = call.integers("strides", [1] * space), call.integers("dilations", [1] * space)
    how = call.text("pad_type", "valid").lower()
    wanted = call.integers("pad", [0] * 2 * space) if how == "custom" else [0] * 2 * space
    sides = list(zip(wanted[::2], wanted[1::2], strict=True))
    if how in ("same", "same_lower"):
        sides = []
        for size, each, step, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
            whole = max(0, (-(-size // step) - 1) * step + (each - 1) * dilation + 1 - size)
            less, more = whole // 2, whole - whole // 2
            sides.append((less, more) if how == "same" else (more, less))
    return _Windows(kernel, strides, dilations, sides)


def conv(call: Call) -> Numbers:
    """Convolve, group by group, example by example: the windows of all examples would not fit into memory."""
    x, weight, groups = call.array("x"), call.array("weight"), call.integer("groups", 1)
    laid = _laid(call, x, weight.shape[2:])
    space = len(laid.kernel)
    matrix = weight.reshape(groups, weight.shape[0] // groups, -1)
    order = (0, *range(space + 1, 2 * space + 1), *range(1, space + 1))
    rows = []
    for index in range(len(x)):
        windows = laid.over(x[index : index + 1])[0]
        places = windows.shape[1 : space + 1]
        columns = windows.transpose(order).reshape(groups, matrix.shape[2], -1)
        rows.append((matrix @ columns).reshape(weight.shape[0], *places))
    return _biased(call, np.stack(rows))


def conv_transpose(call: Call) -> Numbers:
    """Convolve the other way: each number is multiplied by the kernel, and what falls on one place is added up."""
    x, weight, groups = call.array("x"), call.array("weight"), call.integer("groups", 1)
    space = x.ndim - 2
    strides, dilations = call.integers("strides", [1] * space), call.integers("dilations", [1] * space)
    kernel = weight.shape[2:]
    n, channels = len(x), weight.shape[1]
    sizes = [
        (size - 1) * step + (each - 1) * dilation + 1
        for size, step, each, dilation in zip(x.shape[2:], strides, kernel, dilations, strict=True)
    ]
    whole = np.zeros((n, groups, channels, *sizes), x.dtype)
    grouped = x.reshape(n, groups, x.shape[1] // groups, -1)
    weights = weight.reshape(groups, weight.shape[0] // groups, channels, *kernel)
    for place in product(*map(range, kernel)):
        made = np.swapaxes(weights[_behind(place)], 1, 2) @ grouped
        index = [
            slice(at * dilation, at * dilation + (size - 1) * step + 1, step)
            for at, dilation, size, step in zip(place, dilations, x.shape[2:], strides, strict=True)
        ]
        whole[_behind(index)] += made.reshape(n, groups, channels, *x.shape[2:])
    return _biased(call, _cut(call, whole.reshape(n, groups * channels, *sizes), x.shape[2:], strides))


def _behind(index: Sequence[int | slice]) -> tuple[Any, ...]:
    """Return an index of the last dimensions."""
    return (..., *index)


def _cut(call: Call, whole: Numbers, sizes: Sequence[int], strides: Sequence[int]) -> Numbers:
    """Cut what the padding takes off; where the size is given, it may reach beyond."""
    space, how = len(sizes), call.text("pad_type", "valid").lower()
    around = call.integers("pad", [0] * 2 * space) if how == "custom" else [0] * 2 * space
    wanted = [whole.shape[2 + axis] - around[2 * axis] - around[2 * axis + 1] for axis in range(space)]
    if how in ("same", "same_lower"):
        wanted = [size * step for size, step in zip(sizes, strides, strict=True)]
    wanted = call.integers("output_shape", [0, 0, *wanted])[2:]
    for axis, size in enumerate(wanted, 2):
        start = around[2 * axis - 4]
        if how in ("same", "same_lower"):
            over = max(0, whole.shape[axis] - size)
            start = over // 2 if how == "same" else over - over // 2
        short = max(0, start + size - whole.shape[axis])
        whole = np.pad(whole, [(0, short if each == axis else 0) for each in range(whole.ndim)])
        whole = np.take(whole, np.arange(start, start + size), axis)
    return whole


def _biased(call: Call, x: Numbers) -> Numbers:
    bias = call.optional("bias")
    return x if bias is None else x + bias.reshape(-1, *[1] * (x.ndim - 2))


def _rounded_up(call: Call, x: Numbers, laid: _Windows) -> tuple[_Windows, list[int]]:
    """Let the last windows reach beyond, where sizes are to be rounded up; returns by how much."""
    beyond = [0] * len(laid.kernel)
    if call.flag("ceil_mode"):
        for axis, (size, kernel, step, (before, behind)) in enumerate(
            zip(x.shape[2:], laid.kernel, laid.strides, laid.sides, strict=True)
        ):
            count = -(-(size + before + behind - kernel) // step) + 1
            if (count - 1) * step >= size + before and (before or behind):  # a window of padding alone
                count -= 1
            beyond[axis] = max(0, (count - 1) * step + kernel - size - before - behind)
    sides = [(before, behind + more) for (before, behind), more in zip(laid.sides, beyond, strict=True)]
    return laid._replace(sides=sides), beyond


def _pool(call: Call) -> tuple[Numbers, _Windows, list[int]]:
    x = call.array("x")
    laid = _laid(call, x, call.integers("kernel_sizes", []))
    return (x, *_rounded_up(call, x, laid._replace(dilations=[1] * len(laid.kernel))))


def max_pool(call: Call) -> Numbers:
    """Return the largest number of each window."""
    x, laid, _ = _pool(call)
    views = laid.over(x, -np.inf)
    return np.asarray(views.max(axis=tuple(range(x.ndim, views.ndim))))


def avg_pool(call: Call) -> Numbers:
    """Return the mean of each window; what was put around counts, unless it is to be left out."""
    x, laid, beyond = _pool(call)
    views = laid.over(x)
    axes = tuple(range(x.ndim, views.ndim))
    ones = np.ones((1, 1, *x.shape[2:]), x.dtype)
    if call.flag("exclude_padding_from_average"):
        counted = laid
    else:
        inside = [(before, behind - more) for (before, behind), more in zip(laid.sides, beyond, strict=True)]
        ones = np.pad(ones, [(0, 0), (0, 0), *inside], constant_values=1)
        counted = laid._replace(sides=[(0, more) for more in beyond])
    return np.asarray(views.sum(axis=axes) / counted.over(ones).sum(axis=axes))


def l2_pool(call: Call) -> Numbers:
    """Return the length of each window as a vector."""
    x, laid, _ = _pool(call)
    views = laid.over(x)
    return np.asarray(np.sqrt(np.square(views).sum(axis=tuple(range(x.ndim, views.ndim)))))


TABLE: dict[str, Operator] = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "l2_pool": l2_pool,
}
