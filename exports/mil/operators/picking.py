"""Operators that pick numbers by where they are, or by how large they are; and those that put some in their places."""

from collections.abc import Callable
from typing import Any

import numpy as np

from exports.mil.call import Call, Numbers, Operator

_MODES: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.true_divide,
    "max": np.maximum,
    "min": np.minimum,
}
_UPDATE = "update"


def slice_by_index(call: Call) -> Numbers:
    """Cut out what lies between two places of each dimension; squeezed ones are picked at one place, and go."""
    x = call.array("x")
    none = [0] * x.ndim
    begins, ends = call.integers("begin", none), call.integers("end", list(x.shape))
    steps = call.integers("stride", [1] * x.ndim)
    open_begins, open_ends = call.integers("begin_mask", none), call.integers("end_mask", none)
    picked = call.integers("squeeze_mask", none)
    index: list[int | slice] = []
    for axis in range(x.ndim):
        begin = None if open_begins[axis] else begins[axis]
        end = None if open_ends[axis] else ends[axis]
        index.append((begin or 0) if picked[axis] else slice(begin, end, steps[axis]))
    return np.asarray(x[tuple(index)])


def slice_by_size(call: Call) -> Numbers:
    """Cut out so much from a place of each dimension on; -1 is all the rest."""
    x = call.array("x")
    index = []
    for begin, size, whole in zip(call.integers("begin", []), call.integers("size", []), x.shape, strict=True):
        start = begin % whole if begin < 0 else begin
        index.append(slice(start, None if size == -1 else start + size))
    return np.asarray(x[tuple(index)])


def slice_update(call: Call) -> Numbers:
    """Put numbers where `slice_by_index` would cut them out."""
    x, update = call.array("x").copy(), call.array("update")
    where = np.arange(x.size).reshape(x.shape)
    places = slice_by_index(Call(call.kind, {**call.given, "x": where}, 1))
    x.reshape(-1)[places.reshape(-1)] = np.broadcast_to(update, places.shape).reshape(-1)
    return x


def gather(call: Call) -> Numbers:
    """Pick slices along an axis; the first dimensions of both may be a batch that they share."""
    x, indices = call.array("x"), call.array("indices").astype(np.int64)
    axis, shared = call.integer("axis", 0) % x.ndim, call.integer("batch_dims", 0)
    _within(call, indices, x.shape[axis])
    if not shared:
        return np.take(x, indices, axis)
    rows = x.reshape(-1, *x.shape[shared:])
    places = indices.reshape(len(rows), *indices.shape[shared:])
    found = np.stack([np.take(row, place, axis - shared) for row, place in zip(rows, places, strict=True)])
    return found.reshape(*x.shape[:shared], *found.shape[1:])


def gather_along_axis(call: Call) -> Numbers:
    """Pick numbers along an axis, at each place of the others for itself."""
    x, indices = call.array("x"), call.array("indices").astype(np.int64)
    axis = call.integer("axis", 0)
    _within(call, indices, x.shape[axis])
    return np.take_along_axis(x, indices, axis)


def gather_nd(call: Call) -> Numbers:
    """Pick by whole places, which the last dimension of the indices holds."""
    x, indices = call.array("x"), call.array("indices").astype(np.int64)
    shared = call.integer("batch_dims", 0)
    for axis in range(indices.shape[-1]):
        _within(call, indices[..., axis], x.shape[shared + axis])
    if not shared:
        return np.asarray(x[tuple(np.moveaxis(indices, -1, 0))])
    rows = x.reshape(-1, *x.shape[shared:])
    places = indices.reshape(len(rows), *indices.shape[shared:])
    found = np.stack([row[tuple(np.moveaxis(place, -1, 0))] for row, place in zip(rows, places, strict=True)])
    return found.reshape(*x.shape[:shared], *found.shape[1:])


def scatter(call: Call) -> Numbers:
    """Put slices along an axis, or add them to what is there."""
    data, axis = call.array("data").copy(), call.integer("axis", 0)
    indices = call.array("indices").astype(np.int64)
    _within(call, indices, data.shape[axis])
    ahead = np.moveaxis(data, axis, 0)
    _put(call, ahead, (indices,), np.moveaxis(call.array("updates"), axis, 0))
    return data


def scatter_along_axis(call: Call) -> Numbers:
    """Put numbers along an axis, at each place of the others for itself."""
    data, axis = call.array("data").copy(), call.integer("axis", 0)
    indices = call.array("indices").astype(np.int64)
    _within(call, indices, data.shape[axis])
    places: list[Numbers] = list(np.indices(indices.shape))
    places[axis] = indices
    _put(call, data, tuple(places), call.array("updates"))
    return data


def scatter_nd(call: Call) -> Numbers:
    """Put numbers at whole places."""
    data, indices = call.array("data").copy(), call.array("indices").astype(np.int64)
    for axis in range(indices.shape[-1]):
        _within(call, indices[..., axis], data.shape[axis])
    _put(call, data, tuple(np.moveaxis(indices, -1, 0)), call.array("updates"))
    return data


def _put(call: Call, data: Numbers, places: tuple[Numbers, ...], updates: Numbers) -> None:
    mode = call.text("mode", "add")
    if mode == _UPDATE:
        data[places] = updates
    elif mode in _MODES:
        _MODES[mode].at(data, places, updates)  # type: ignore[attr-defined]  # a ufunc
    else:
        raise call.unknown(f"in the mode {mode}")


def _within(call: Call, indices: Numbers, size: int) -> None:
    """Refuse places that are not there: Core ML checks them only where it is told to, and reads something else."""
    if indices.size and not -size <= indices.min() <= indices.max() < size:
        raise ValueError(f"the operator {call.kind} is asked for a place that is not among {size}")


def topk(call: Call) -> tuple[Numbers, ...]:
    """Return the largest numbers along an axis and where they are; the smallest, where that is asked for."""
    x, axis, count = call.array("x"), call.integer("axis", -1), call.integer("k", 1)
    count = x.shape[axis] if count == -1 else count
    order = _order(x, axis, ascending=call.flag("ascending"))
    places = np.take(order, np.arange(count), axis)
    if not call.flag("sort", default=True):
        places = np.sort(places, axis)
    values = np.take_along_axis(x, places, axis)
    return (values, places)[: call.outputs] if call.flag("return_indices", default=True) else (values,)


def _order(x: Numbers, axis: int, *, ascending: bool) -> Numbers:
    return np.argsort(x if ascending else -x, axis=axis, kind="stable")


TABLE: dict[str, Operator] = {
    "slice_by_index": slice_by_index,
    "slice_by_size": slice_by_size,
    "slice_update": slice_update,
    "gather": gather,
    "gather_along_axis": gather_along_axis,
    "gather_nd": gather_nd,
    "scatter": scatter,
    "scatter_along_axis": scatter_along_axis,
    "scatter_nd": scatter_nd,
    "topk": topk,
    "argsort": lambda call: _order(call.array("x"), call.integer("axis", -1), ascending=call.flag("ascending")),
    "non_zero": lambda call: np.argwhere(call.array("x")),
}
