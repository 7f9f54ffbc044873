"""Finding the least amount that suffices by trying: upwards in strides at first, then by bisection."""

from collections.abc import Callable

_STRIDE = 1.3


def least(suffices: Callable[[int], bool], low: int, most: int, *, resolution: float) -> int | None:
    """Return an amount that suffices, of which the least one is at most `resolution` (a share of it) away.

    `low`, which is above zero, is known not to suffice and is not tried; nor is more than `most`. None when that does
    not suffice either.
    """
    high = low
    while high == low:
        if low >= most:
            return None
        high = min(most, max(low + 1, int(low * _STRIDE)))
        if not suffices(high):
            low = high
    while high > max(low * (1 + resolution), low + 1):
        middle = min(high - 1, max(low + 1, int((low * high) ** 0.5)))
        if suffices(middle):
            high = middle
        else:
            low = middle
    return high
