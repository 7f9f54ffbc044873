"""Numbers for people. Inside, a quantity has one unit (seconds, bytes); it is dressed here and nowhere else.

A finding's reason, the table beside it and the summary in the terminal thereby write the same figure alike. Three
significant digits everywhere: more would pretend to a precision that no run has.
"""

import math

_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_TIMES_FROM = 1.1  # a factor below it is written as a percentage
_LONG_S = 120.0  # from here on minutes are easier to read
_DAY_S = 86_400.0


def significant(value: float) -> str:
    """Write a number with three significant digits and without an exponent where people can read it."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    value = float(f"{value:.3g}")
    exponent = math.floor(math.log10(abs(value)))
    if not -4 <= exponent < 9:
        return f"{value:.3g}"
    return f"{value:,.{max(0, 2 - exponent)}f}"


def seconds(value: float) -> str:
    """Write a duration: "850 µs", "1.23 ms", "12.0 s", "3 min 24 s", "2 h 3 min", "55.1 days"."""
    if value >= 2 * _DAY_S:
        return f"{significant(value / _DAY_S)} days"
    if value >= _LONG_S:
        minutes, rest = divmod(round(value), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
    return _scaled(value, _SECONDS)


def size(value: float) -> str:
    """Write a number of bytes in decimal units: "97.8 MB"."""
    return _scaled(value, _BYTES)


def percent(share: float) -> str:
    """Write a share: "4.10 %"."""
    return f"{significant(100 * share)} %"


def share(value: float) -> str:
    """Write a share as whole per cent, rounded to the nearest."""
    return f"{value:.0%}".replace("%", " %")


def times(factor: float) -> str:
    """Write a factor: "1.83 times"."""
    return f"{significant(factor)} times"


def more(factor: float) -> str:
    """Write by how much something exceeds another: "1.83 times", and "4.10 %" where that is easier to read."""
    return times(factor) if factor >= _TIMES_FROM else percent(factor - 1)


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    rounded = float(f"{value:.3g}") if math.isfinite(value) else value
    if rounded == 0:
        return f"0 {units[-1][1] if units is _BYTES else units[0][1]}"
    scale, unit = next(((s, u) for s, u in units if abs(rounded) >= s), units[-1])
    return f"{significant(rounded / scale)} {unit}"


def quantity(value: float, unit: str | None) -> str:
    """Write a value in the unit of a record: "s", "bytes", "1/s", "share", "count", "1", any other, or none."""
    if unit == "count":
        return f"{value:,.0f}"
    if unit == "share":
        return percent(value)
    if unit == "s":
        return seconds(value)
    if unit == "bytes":
        return size(value)
    if unit == "1/s":
        return f"{significant(value)} per s"
    return significant(value) if unit in (None, "", "1") else f"{significant(value)} {unit}"
