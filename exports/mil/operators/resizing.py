"""Operators that make images larger or smaller."""

import numpy as np

from exports.mil.call import Call, Numbers, Operator
from exports.mil.operators.arranging import sensible


def _points(mode: str, size: int, wanted: int) -> Numbers | None:
    """Return where each new pixel lies among the old ones, as the sampling modes of `resize_bilinear` have it."""
    steps = np.arange(wanted)
    if mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        return np.linspace(0, size - 1, wanted) if wanted > 1 else np.zeros(1)
    if mode == "DEFAULT":
        return np.asarray(steps * (size / wanted))
    if mode == "OFFSET_CORNERS":
        half = max(1.0, size - 1) / wanted / 2
        return np.linspace(half, size - 1 - half, wanted)
    if mode == "UNALIGN_CORNERS":
        return np.asarray(np.clip((steps + 0.5) * (size / wanted) - 0.5, 0, size - 1))
    return None


def _between(x: Numbers, axis: int, points: Numbers) -> Numbers:
    """Return the numbers at these points of an axis, in a straight line between two."""
    points = np.clip(points, 0, x.shape[axis] - 1)
    low = np.floor(points).astype(np.int64)
    high = np.minimum(low + 1, x.shape[axis] - 1)
    share = (points - low).astype(np.float32).reshape(-1, *[1] * (x.ndim - 1 - axis % x.ndim))
    return np.asarray(np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share)


def _bilinear(call: Call, sizes: tuple[int, int], mode: str) -> Numbers:
    x = call.array("x")
    sensible(call, [*x.shape[:-2], *sizes])
    for axis, wanted in zip((-2, -1), sizes, strict=True):
        points = _points(mode, x.shape[axis], wanted)
        if points is None:
            raise call.unknown(f"in the sampling mode {mode}")
        x = _between(x, axis, points)
    return x


def resize_bilinear(call: Call) -> Numbers:
    """Resize to a size."""
    sizes = call.integer("target_size_height", 1), call.integer("target_size_width", 1)
    return _bilinear(call, sizes, call.text("sampling_mode", "DEFAULT"))


def upsample_bilinear(call: Call) -> Numbers:
    """Resize by factors."""
    corners = call.flag("align_corners", default=True)
    halves = call.flag("half_pixel_centers", default=not corners)
    mode = "ALIGN_CORNERS" if corners else "UNALIGN_CORNERS" if halves else "DEFAULT"
    return _bilinear(call, _scaled(call), mode)


def _scaled(call: Call) -> tuple[int, int]:
    height, width = call.array("x").shape[-2:]
    by = call.number("scale_factor_height", 1.0), call.number("scale_factor_width", 1.0)
    return int(np.floor(height * by[0] + 1e-6)), int(np.floor(width * by[1] + 1e-6))


def _nearest(call: Call, sizes: tuple[int, int]) -> Numbers:
    x = call.array("x")
    sensible(call, [*x.shape[:-2], *sizes])
    for axis, wanted in zip((-2, -1), sizes, strict=True):
        x = np.take(x, (np.arange(wanted) * x.shape[axis]) // wanted, axis)
    return x


def resize_nearest_neighbor(call: Call) -> Numbers:
    """Resize to a size, without numbers that were not there."""
    return _nearest(call, (call.integer("target_size_height", 1), call.integer("target_size_width", 1)))


def crop(call: Call) -> Numbers:
    """Cut off what lies outside."""
    x = call.array("x")
    (top, bottom), (left, right) = call.integers("crop_height", [0, 0]), call.integers("crop_width", [0, 0])
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


TABLE: dict[str, Operator] = {
    "resize_bilinear": resize_bilinear,
    "upsample_bilinear": upsample_bilinear,
    "resize_nearest_neighbor": resize_nearest_neighbor,
    "upsample_nearest_neighbor": lambda call: _nearest(call, _scaled(call)),
    "crop": crop,
}
