"""Operators that unpack weights which are stored in fewer bits, and those that pack numbers on the way."""

import numpy as np

from exports.mil.call import Call, Numbers, Operator


def _along(call: Call, name: str, like: Numbers) -> Numbers | None:
    """Return a scale or a zero point, which may be one number for all or one for each place of an axis."""
    found = call.optional(name)
    if found is None or found.ndim == 0:
        return found
    sizes = [1] * like.ndim
    sizes[call.integer("axis", 0)] = -1
    return found.reshape(sizes)


def affine_dequantize(call: Call) -> Numbers:
    """Return (data - zero point) times scale."""
    return _dequantized(call, call.array("quantized_data"))


def dequantize(call: Call) -> Numbers:
    """Return (input - zero point) times scale."""
    return _dequantized(call, call.array("input"))


def _dequantized(call: Call, data: Numbers) -> Numbers:
    zero, scale = _along(call, "zero_point", data), _along(call, "scale", data)
    numbers = data.astype(np.float32)
    if zero is not None:
        numbers = numbers - zero.astype(np.float32)
    return numbers if scale is None else numbers * scale


def quantize(call: Call) -> Numbers:
    """Return round(input / scale) + zero point, cut to what the type holds."""
    x = call.array("input")
    zero, scale = _along(call, "zero_point", x), _along(call, "scale", x)
    numbers = np.round(x / (1 if scale is None else scale))
    limits = np.iinfo(call.text("output_dtype", "int8"))
    return np.clip(numbers + (0 if zero is None else zero.astype(np.float32)), limits.min, limits.max)


def blockwise_shift_scale(call: Call) -> Numbers:
    """Return (data - offset) times scale, each of which holds for a block of the data."""
    data, scale, offset = call.array("data"), call.array("scale"), call.optional("offset")
    numbers = data.astype(np.float32)
    if offset is not None:
        numbers = numbers - _spread(offset.astype(np.float32), data.shape)
    return numbers * _spread(scale, data.shape)


def _spread(blocks: Numbers, sizes: tuple[int, ...]) -> Numbers:
    for axis, size in enumerate(sizes):
        blocks = np.repeat(blocks, size // blocks.shape[axis], axis)
    return blocks


def lut_to_dense(call: Call) -> Numbers:
    """Return the numbers of a table at these places: one table with packed places, or one for each block."""
    lut, indices = call.array("lut"), call.array("indices")
    if lut.ndim == 1:
        sizes, bits = call.integers("shape", []), int(np.log2(lut.size))
        flat = np.unpackbits(indices.astype(np.uint8), bitorder="little")[: int(np.prod(sizes)) * bits]
        return np.asarray(lut[flat.reshape(-1, bits) @ (1 << np.arange(bits))]).reshape(sizes)
    if lut.shape[-1] != 1:
        raise call.unknown("with vectors in its table")
    tables = _spread(lut[..., 0], (*indices.shape, lut.shape[-2]))
    return np.asarray(np.take_along_axis(tables, indices[..., None].astype(np.int64), -1)[..., 0])


def sparse_to_dense(call: Call) -> Numbers:
    """Return the numbers at the places of a mask, and zeros elsewhere."""
    numbers, mask = call.array("nonzero_data"), call.array("mask")
    sizes = call.integers("shape", list(mask.shape))
    places = mask.reshape(-1).astype(bool)
    if "shape" in call.given:  # packed, as before iOS 18
        places = np.unpackbits(mask.astype(np.uint8), bitorder="little")[: int(np.prod(sizes))].astype(bool)
    found = np.zeros(places.shape, numbers.dtype)
    found[places] = numbers
    return found.reshape(sizes)


TABLE: dict[str, Operator] = {
    "constexpr_affine_dequantize": affine_dequantize,
    "constexpr_blockwise_shift_scale": blockwise_shift_scale,
    "constexpr_cast": lambda call: call.array("source_val"),
    "constexpr_lut_to_dense": lut_to_dense,
    "constexpr_sparse_to_dense": sparse_to_dense,
    "quantize": quantize,
    "dequantize": dequantize,
}
