"""Operators that put numbers elsewhere, and change none."""

from math import prod

import numpy as np

from exports.mil.call import Call, Numbers, Operator

_MOST_BYTES = 1 << 33  # of an array that a file asks for by its sizes
_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


def sensible(call: Call, sizes: list[int], width: int = 4) -> list[int]:
    """Return sizes that an operator is to make an array of; raises `Unsupported` for more than there is room for."""
    if prod(sizes) * width > _MOST_BYTES:
        raise call.unknown(f"makes an array of {' by '.join(map(str, sizes))} numbers")
    return sizes


def reshape(call: Call) -> Numbers:
    """Return the same numbers in another shape: 0 keeps a size, counted from the right, -1 is what is left."""
    x, sizes = call.array("x"), call.integers("shape", [])
    kept = [x.shape[index - len(sizes)] if len(sizes) - index <= x.ndim else 1 for index in range(len(sizes))]
    return x.reshape([old if size == 0 and x.size else size for size, old in zip(sizes, kept, strict=True)])


def expand_dims(call: Call) -> Numbers:
    """Put dimensions of size 1 in between."""
    return np.expand_dims(call.array("x"), tuple(call.integers("axes", [])))


def squeeze(call: Call) -> Numbers:
    """Leave out dimensions of size 1."""
    x = call.array("x")
    axes = call.integers("axes", [axis for axis, size in enumerate(x.shape) if size == 1])
    return np.squeeze(x, tuple(axes))


def pad(call: Call) -> Numbers:
    """Put numbers around the last dimensions."""
    x, wanted = call.array("x"), call.integers("pad", [])
    mode = _MODES.get(call.text("mode", "constant"))
    if mode is None:
        raise call.unknown(f"in the mode {call.text('mode', '')}")
    sides = list(zip(wanted[::2], wanted[1::2], strict=True))
    around = [*[(0, 0)] * (x.ndim - len(sides)), *sides]
    sensible(call, [size + sum(side) for size, side in zip(x.shape, around, strict=True)])
    if mode == "constant":
        return np.pad(x, around, constant_values=call.given.get("constant_val", 0))
    found: Numbers = np.pad(x, around, mode=mode)  # type: ignore[call-overload]  # it wants the literals
    return found


def concat(call: Call) -> Numbers:
    """Put arrays one behind the other; interleaved, by turns. Single numbers count as arrays of one."""
    values, axis = [np.atleast_1d(each) for each in call.several("values")], call.integer("axis", 0)
    if not call.flag("interleave"):
        return np.concatenate(values, axis)
    axis %= values[0].ndim
    together = np.stack(values, axis + 1)
    return together.reshape(*together.shape[:axis], -1, *together.shape[axis + 2 :])


def split(call: Call) -> tuple[Numbers, ...]:
    """Cut an array into pieces."""
    x, axis = call.array("x"), call.integer("axis", 0)
    sizes = call.integers("split_sizes", [])
    if not sizes:
        count = call.integer("num_splits", call.outputs)
        sizes = [x.shape[axis] // count] * count
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis))


def tile(call: Call) -> Numbers:
    """Repeat an array along its dimensions."""
    x, times = call.array("x"), call.integers("reps", [])
    sensible(call, [size * each for size, each in zip(x.shape, times, strict=True)])
    return np.tile(x, times)


def depth_to_space(call: Call) -> Numbers:
    """Move channels into blocks of space, as TensorFlow does with channels first."""
    x, block = call.array("x"), call.integer("block_size", 1)
    n, c, h, w = x.shape
    parts = x.reshape(n, block, block, c // block**2, h, w)
    return parts.transpose(0, 3, 4, 1, 5, 2).reshape(n, c // block**2, h * block, w * block)


def space_to_depth(call: Call) -> Numbers:
    """Move blocks of space into channels."""
    x, block = call.array("x"), call.integer("block_size", 1)
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // block, block, w // block, block)
    return parts.transpose(0, 3, 5, 1, 2, 4).reshape(n, c * block**2, h // block, w // block)


def pixel_shuffle(call: Call) -> Numbers:
    """Move channels into blocks of space, as PyTorch does."""
    x, block = call.array("x"), call.integer("upscale_factor", 1)
    n, c, h, w = x.shape
    parts = x.reshape(n, c // block**2, block, block, h, w)
    return parts.transpose(0, 1, 4, 2, 5, 3).reshape(n, c // block**2, h * block, w * block)


def pixel_unshuffle(call: Call) -> Numbers:
    """Move blocks of space into channels, as PyTorch does."""
    x, block = call.array("x"), call.integer("downscale_factor", 1)
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // block, block, w // block, block)
    return parts.transpose(0, 1, 3, 5, 2, 4).reshape(n, c * block**2, h // block, w // block)


def band_part(call: Call) -> Numbers:
    """Keep what lies near the diagonal."""
    x = call.array("x")
    rows, columns = np.indices(x.shape[-2:])
    lower, upper = call.integer("lower", -1), call.integer("upper", -1)
    kept = ((lower < 0) | (rows - columns <= lower)) & ((upper < 0) | (columns - rows <= upper))
    return np.where(kept, x, np.zeros((), x.dtype))


def reshape_like(call: Call) -> Numbers:
    """Return the same numbers in a shape that is put together of others'."""
    sizes: list[int] = []
    begins, ends, masks = (call.several(name) for name in ("begins", "ends", "end_masks"))
    for other, begin, end, mask in zip(call.several("ref_tensors"), begins, ends, masks, strict=True):
        sizes += other.shape[int(begin) : None if bool(mask) else int(end)]
    return call.array("x").reshape(sizes)


def _range(call: Call) -> Numbers:
    start, end, step = (call.array(name) for name in ("start", "end", "step"))
    if not step:
        raise ValueError(f"the operator {call.kind} has a step of 0")
    count = max(0, int(np.ceil((float(end) - float(start)) / float(step))))
    return np.asarray(start + step * np.arange(*sensible(call, [count])).astype(step.dtype))


def _filled(call: Call) -> Numbers:
    return np.full(sensible(call, call.integers("shape", [])), call.given.get("value", np.float32(0)))


def _filled_like(call: Call) -> Numbers:
    return np.full(call.array("ref_tensor").shape, call.given.get("value", np.float32(0)))


def _one_hot(call: Call) -> Numbers:
    indices, size = call.array("indices"), call.integer("one_hot_vector_size", 1)
    sensible(call, [*indices.shape, size])
    axis = call.integer("axis", -1)
    hot = np.moveaxis(indices[..., None] == np.arange(size), -1, axis)
    on, off = (np.asarray(call.given.get(*each)) for each in (("on_value", 1), ("off_value", 0)))
    return np.where(hot, on, off)


def _flatten(call: Call) -> Numbers:
    x, axis = call.array("x"), call.integer("axis", 1)
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


TABLE: dict[str, Operator] = {
    "reshape": reshape,
    "reshape_like": reshape_like,
    "transpose": lambda call: call.array("x").transpose(call.integers("perm", [])),
    "expand_dims": expand_dims,
    "squeeze": squeeze,
    "flatten2d": _flatten,
    "reverse": lambda call: np.flip(call.array("x"), tuple(call.integers("axes", list(range(call.array("x").ndim))))),
    "pad": pad,
    "concat": concat,
    "stack": lambda call: np.stack(call.several("values"), call.integer("axis", 0)),
    "split": split,
    "tile": tile,
    "shape": lambda call: np.array(call.array("x").shape, np.int32),
    "range_1d": _range,
    "fill": _filled,
    "fill_like": _filled_like,
    "one_hot": _one_hot,
    "band_part": band_part,
    "depth_to_space": depth_to_space,
    "space_to_depth": space_to_depth,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
}
