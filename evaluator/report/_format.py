"""How all outputs dress what the scorecard holds: names, outcomes, scores, and numbers (by `core.quantities`)."""

import math
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal
from urllib.parse import quote

from evaluator.core import answers, metrics, quantities
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import more as more  # noqa: PLC0414
from evaluator.core.quantities import percent as percent  # noqa: PLC0414
from evaluator.core.quantities import seconds as seconds  # noqa: PLC0414  # taken from here, as all dress is
from evaluator.core.quantities import share as share  # noqa: PLC0414
from evaluator.core.quantities import significant as significant  # noqa: PLC0414
from evaluator.core.quantities import size as size  # noqa: PLC0414
from evaluator.core.quantities import times as times  # noqa: PLC0414
from evaluator.core.records import LabelValue, Value
from evaluator.core.scorecard import Curve, Scorecard

Tone = Literal["good", "bad", "warn", "none"]

NOT_MEASURED = "not measured"
_TWO_LINES = 140  # characters, in a terminal of 80 columns
_NO_LABELS: Mapping[str, LabelValue] = MappingProxyType({})
# What tells p50 from a median, which it exceeds: said wherever percentiles are shown.
PERCENTILES = "Percentiles (p50, p90 …) are observed values that the true ones do not exceed, with 99 % confidence."

_PATHS = {"mobile": "phone", "web": "browser"}  # deployment paths, where their raw name is not what people say

_LONG = ((86_400, "days"), (3_600, "h"), (60, "min"))  # seconds: at an axis there is room for one unit

# Outcomes as a letter, a sign and a tone: colour never carries the meaning alone.
LETTERS = {
    Outcome.PASSED: "P",
    Outcome.FAILED: "F",
    Outcome.UNSUPPORTED: "U",
    Outcome.UNAVAILABLE: "-",
    Outcome.NOT_APPLICABLE: "N",
    Outcome.CRASHED: "C",
    Outcome.TIMED_OUT: "T",
    Outcome.ERROR: "E",
}
TONES: dict[Outcome, Tone] = {
    Outcome.PASSED: "good",
    Outcome.FAILED: "bad",
    Outcome.UNSUPPORTED: "warn",
    Outcome.UNAVAILABLE: "none",
    Outcome.NOT_APPLICABLE: "none",
    Outcome.CRASHED: "bad",
    Outcome.TIMED_OUT: "bad",
    Outcome.ERROR: "warn",
}
VERDICTS: dict[str, Tone] = {"ready": "good", "not ready": "bad", "insufficient evidence": "warn"}
FITS: dict[str, Tone] = {"fits": "good", "does not fit": "bad", "undecided": "warn"}  # tones of the verdicts on devices
SIGNS = {"good": "✓", "bad": "✗", "warn": "!", "none": "-"}


def address(path: str) -> str:
    """Return what a link to a file of the run folder holds: relative, and never more than a path."""
    return quote(path.lstrip("/"))


def clipped(text: str) -> str:
    """Return a text that fits two lines of a terminal; what was cut off stands in the report."""
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _TWO_LINES else f"{one_line[: _TWO_LINES - 2]} …"


def words(name: str) -> str:
    """Turn a raw name into words: `timed_out` → "timed out"."""
    return name.replace("_", " ")


def framework(name: str) -> str:
    """Return a framework's name as its makers write it."""
    return answers.NAMES.get(name, name)


def frameworks(card: Scorecard) -> str:
    """Name those that a scorecard is about: "PyTorch", or both."""
    asked = {score.candidate for score in card.scores}
    return " and ".join(title for name, title in answers.NAMES.items() if name in asked or not asked)


def path(name: str | None) -> str:
    """Name what an artifact is deployed to; empty where a question has no such path."""
    return _PATHS.get(name or "", name or "")


def quantity(value: float | None, unit: str | None) -> str:
    """Write a value in the unit of a record; None is "not measured"."""
    return NOT_MEASURED if value is None else quantities.quantity(value, unit)


def bar(value: float, end: float | None, unit: str) -> str:
    """Write what a bar shows: a value, or the range that it begins: "7.10 ms to 8.20 ms"."""
    start = quantity(value, unit)
    return start if end is None else f"{start} to {quantity(end, unit)}"


def ends(curve: Curve) -> str:
    """Write where a curve begins and ends: "from 2.30 to 0.12"."""
    return f"from {quantity(curve.y[0], curve.unit)} to {quantity(curve.y[-1], curve.unit)}"


def tick(value: float, unit: str | None) -> str:
    """Write a round value at an axis, without the zeros that say nothing: "50 ms", "16.7 min"."""
    length = next((each for each in _LONG if unit == "s" and value >= 2 * each[0]), None)
    shown = quantity(value, unit) if length is None else f"{significant(value / length[0])} {length[1]}"
    number, _, rest = shown.partition(" ")
    shown = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{shown} {rest}".rstrip()


def metric(name: str, value: Value | None) -> str:
    """Write the value of a metric in the unit that the vocabulary has for it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value) or "none"
    if value is None or isinstance(value, str):
        return value or NOT_MEASURED
    about = metrics.known(name)
    if about is not None and about.unit != "text":
        return quantity(value, about.unit)
    return f"{value:,}" if isinstance(value, int) else significant(value)


def metric_name(name: str, labels: Mapping[str, LabelValue] = _NO_LABELS) -> str:
    """Return a metric's name in words, without the unit that `metric` writes, and its labels: "latency grpc p50"."""
    suffix = next((end for end in ("_per_s", "_s", "_bytes") if name.endswith(end)), "")
    return " ".join((words(name.removesuffix(suffix)), *(_label(each, value) for each, value in labels.items())))


def _label(name: str, value: LabelValue) -> str:
    if isinstance(value, bool):
        return f"with {name}" if value else f"without {name}"
    if isinstance(value, str):
        return metrics.wire(value) if name == "wire" else words(value)
    return f"at {share(value)}" if name == "share" else f"{words(name)} {value}"


def score(value: float | None) -> str:
    """Write a score of 0 to 10 with one decimal; an unmeasured one is said to be so."""
    return NOT_MEASURED if value is None else f"{value:.1f}"


def coverage(share: float) -> str:
    """Write a share as whole per cent, rounded down: 99.6 % of the evidence is not all of it."""
    return f"{math.floor(round(share * 100, 6))} %"


def interval(low: float, high: float) -> str:
    """Write the ends of an interval of a plain number: "1.40 to 1.90"."""
    return f"{significant(low)} to {significant(high)}"


def excesses(low: float, high: float) -> str:
    """Write the ends of a factor's interval as `more` writes the factor: "1.40 to 1.90", "3.90 % to 4.30 %"."""
    return f"{more(low)} to {more(high)}" if more(high).endswith("%") else interval(low, high)


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return at least two round values around `low` to `high`.

    1, 2 and 5 times powers of ten on a short axis, the powers alone on a longer one, every second one beyond 10,000.
    """
    low, high = (max(each, sys.float_info.min) for each in (low, high))  # below that there are no powers of ten
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1.0,) if high > 20 * low else (1.0, 2.0, 5.0)
    stride = 2 if high > 1e4 * low else 1
    ticks = [factor * 10.0**power for power in range(first, last + 1 + stride, stride) for factor in factors]
    begin = max(i for i, tick in enumerate(ticks) if tick <= low * (1 + 1e-9))
    end = next(i for i, tick in enumerate(ticks) if tick >= high * (1 - 1e-9) and i > begin)
    return tuple(ticks[begin : end + 1])


def linear_ticks(high: float) -> tuple[float, ...]:
    """Return three to five round values from 0 to at or above `high`."""
    raw = high / 3
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if power * factor >= raw * (1 - 1e-9))
    return tuple(step * i for i in range(math.ceil(round(high / step, 9)) + 1))
