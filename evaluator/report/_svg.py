"""Small inline pictures. Places are percentages of the width, so a picture needs no script to fit any screen.

Each function returns one `<svg>`; colours are classes of the style sheet (`s0`, `s1`: the frameworks in their order). A
picture never says more than the text beside it, so that those in tables are silent; curves have a title.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Comparison, Curve, Interval
from evaluator.report import _format
from evaluator.report._blocks import Bar, Bars, Curves

# Where ticks of ratios may lie, closer together where it is not far from the first to the last.
_LADDERS = (
    (0.8, 0.9, 1.0, 1.1, 1.2),
    (0.5, 0.7, 1.0, 1.5, 2.0, 3.0),
    (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0),
    (0.01, 0.1, 1.0, 10.0, 100.0),
)
_REACHES = (2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # where the axis of a comparison may end, as a factor


def series(framework: str) -> str:
    """Return the class that gives a framework its colour and mark."""
    return f"s{FRAMEWORKS.index(framework)}" if framework in FRAMEWORKS else "s2"


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from the first to the last tick, linear or logarithmic."""

    ticks: tuple[float, ...]
    log: bool

    def share(self, value: float) -> float:
        """Return where a value lies, from 0 (first tick) to 1 (last tick); what lies beyond is drawn at the end."""
        first, last = self.ticks[0], self.ticks[-1]
        if self.log:
            value, first, last = math.log(max(value, first)), math.log(first), math.log(last)
        return min(1.0, max(0.0, (value - first) / (last - first)))


def axis(plot: Bars) -> Axis | None:
    """Return an axis that holds all bars of a plot, linear ones from zero; None when there is nothing to draw."""
    values = [v for bar in plot.bars for v in (bar.value, bar.end, *(bar.between or ())) if v is not None and v > 0]
    if not values:
        return None
    return Axis(_format.log_ticks(min(values), max(values)), log=True) if plot.log else _from_zero(values)


def _from_zero(values: Iterable[float]) -> Axis | None:
    highest = max(values, default=0.0)
    return Axis(_format.linear_ticks(highest), log=False) if highest > 0 else None


def ticks(scale: Axis, unit: str) -> Markup:
    """Draw the labels of an axis."""
    labels = (
        Markup('<text x="{}" y="11" class="{}">{}</text>').format(
            _percent(scale.share(tick)), _anchor(scale.share(tick)), _format.tick(tick, unit)
        )
        for tick in scale.ticks
    )
    return Markup('<svg class="axis" height="14" aria-hidden="true">{}</svg>').format(Markup("").join(labels))


def bar(scale: Axis, found: Bar) -> Markup:
    """Draw a bar from the start of the axis to the value, and over its end the interval that the value lies in."""
    shape = Markup('<rect x="0" y="3" width="{}" height="12" rx="2" class="fill {}"/>').format(
        _percent(scale.share(found.value)), series(found.framework)
    )
    return _picture(_grid(scale), shape, _between(scale, found))


def _between(scale: Axis, found: Bar) -> Markup:
    if found.between is None:
        return Markup("")
    low, high = (_percent(scale.share(end)) for end in found.between)
    return Markup(
        '<line x1="{0}" x2="{1}" y1="9" y2="9" class="between"/>'
        '<line x1="{0}" x2="{0}" y1="5" y2="13" class="between"/>'
        '<line x1="{1}" x2="{1}" y1="5" y2="13" class="between"/>'
    ).format(low, high)


def span(scale: Axis, found: Bar) -> Markup:
    """Draw a range: a filled mark at its low end (the median), a line, and a stop at its high end (the tail)."""
    value, framework = found.value, found.framework
    start, end = (_percent(scale.share(each)) for each in (value, value if found.end is None else found.end))
    shape = Markup(
        '<line x1="{0}" x2="{1}" y1="9" y2="9" class="range {2}"/>'
        '<line x1="{1}" x2="{1}" y1="3" y2="15" class="stop {2}"/>'
        '<circle cx="{0}" cy="9" r="5" class="fill {2}"/>'
    ).format(start, end, series(framework))
    return _picture(_grid(scale), shape, _between(scale, found))


def around_one(ratios: Iterable[Interval]) -> Axis | None:
    """Return an axis that holds ratios, their intervals and 1; None when there is nothing to draw."""
    values = [end for ratio in ratios for end in _ends(ratio) if end > 0]
    if not values:
        return None
    low, high = min(1.0, *values), max(1.0, *values)
    ladder = next((each for each in _LADDERS if each[0] <= low and high <= each[-1]), _LADDERS[-1])
    first = max((i for i, tick in enumerate(ladder) if tick <= low), default=0)
    last = min((i for i, tick in enumerate(ladder) if tick >= high), default=len(ladder) - 1)
    return Axis(ladder[first : max(last, first + 1) + 1], log=True)


def estimate(scale: Axis, ratio: Interval, *, good: bool) -> Markup:
    """Draw a ratio as a dot with its interval; a full dot is among the best."""
    ends = [scale.share(end) for end in _ends(ratio) if end > 0]
    style = "s2" if good else "tie"
    shape = Markup('<line x1="{}" x2="{}" y1="9" y2="9" class="range {}"/>').format(
        _percent(min(ends, default=0)), _percent(max(ends, default=0)), style
    )
    return _picture(_grid(scale), shape, _mark(scale.share(ratio.value) if ratio.value > 0 else 0.0, style))


def score(value: float | None, lower: float, upper: float, framework: str) -> Markup:
    """Draw a score of 0 to 10 with the bounds that missing evidence leaves; unmeasured: the bounds alone."""
    scale = Axis((0.0, 5.0, 10.0), log=False)
    left, right = scale.share(lower), scale.share(upper)
    parts = [
        _grid(scale),
        Markup('<rect x="0" y="7" width="100%" height="4" rx="2" class="track"/>'),
        Markup('<rect x="{}" y="4" width="{}" height="10" rx="2" class="bounds {}"/>').format(
            _percent(left), _percent(right - left), series(framework)
        ),
    ]
    if value is not None:
        place = _percent(scale.share(value))
        parts.append(
            Markup('<line x1="{0}" x2="{0}" y1="0" y2="18" class="mark {1}"/>').format(place, series(framework))
        )
    return _picture(*parts)


def reach(comparisons: Iterable[Comparison]) -> float:
    """Return the factor at which the axis of these comparisons ends: round, and large enough for what is told."""
    told = (c for c in comparisons if c.answer not in ("undecided", "disturbed"))
    ratios = [c.ratio for c in told if c.ratio is not None]
    factors = [max(v, 1 / v) for ratio in ratios for v in _ends(ratio) if v > 0]
    return next((r for r in _REACHES if r >= max(factors, default=1.0)), _REACHES[-1])


def advantage(comparison: Comparison, farthest: float) -> Markup | None:
    """Draw who is ahead by which factor, on a log scale: left of the middle the first framework is better.

    The band in the middle is the margin (before there were answers: the noise floor): a mark inside it means nothing. A
    factor beyond the end of the axis is an arrow there. None when there is no ratio.
    """
    ratio = comparison.ratio
    if ratio is None or ratio.value <= 0:
        return None
    towards_second = 1 if comparison.lower_is_better else -1

    def place(value: float) -> float:
        return 0.5 + towards_second * math.log(value) / (2 * math.log(farthest))

    band = comparison.noise_floor if comparison.answer is None else comparison.margin
    noise = abs(place(1 + (band or 0.0)) - 0.5)
    ends = [min(1.0, max(0.0, place(v))) for v in _ends(ratio) if v > 0]
    won = series(comparison.ahead) if comparison.ahead else "tie"
    return _picture(
        Markup('<line x1="0" x2="100%" y1="9" y2="9" class="grid"/>'),
        Markup('<rect x="{}" y="0" width="{}" height="18" class="noise"/>').format(
            _percent(max(0.0, 0.5 - noise)), _percent(min(1.0, 2 * noise))
        ),
        Markup('<line x1="50%" x2="50%" y1="0" y2="18" class="middle"/>'),
        Markup('<line x1="{}" x2="{}" y1="9" y2="9" class="range {}"/>').format(
            _percent(min(ends)), _percent(max(ends)), won
        ),
        _mark(place(ratio.value), won),
    )


def _mark(share: float, style: str) -> Markup:
    if 0 <= share <= 1:
        return Markup('<circle cx="{}" cy="9" r="5" class="fill {}"/>').format(_percent(share), style)
    end, sign = ("0%", "◀") if share < 0 else ("100%", "▶")
    return Markup('<text x="{}" y="14" class="beyond fill {}">{}</text>').format(end, style, sign)


def curves(found: Curves) -> Markup | None:
    """Draw curves over a common pair of axes; None when there is nothing to draw.

    Both start at zero, but for latencies: under load these span powers of ten, as both axes do where it is asked for.
    """
    lines, title = found.lines, found.title
    across, upwards = _axes(found)
    if across is None or upwards is None:
        return None
    dotted = upwards.log and not found.log  # what was measured; of a computed line every place is as good as another
    drawn = [(line, curve_style(lines, number)) for number, line in enumerate(lines)]
    return Markup(
        '<svg class="plot" role="img" aria-label="{0}"><title>{0}</title>{1}'
        '<svg width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none">{2}</svg>{3}</svg>'
    ).format(
        title,
        Markup("").join([*_rows(upwards, lines[0].unit), *_columns(across), *_marked(found, across)]),
        Markup("").join(_polyline(line, style, across, upwards) for line, style in drawn),
        Markup("").join(_dots(line, style, across, upwards) for line, style in drawn if dotted),
    )


def _axes(found: Curves) -> tuple[Axis | None, Axis | None]:
    """Return the axes of a plot, across and upwards; None where nothing is to be drawn along one."""
    points = [point for line in found.lines for point in _points(line)]
    places, heights = [x for x, _ in points if x > 0 or not found.log], [y for _, y in points if y > 0]
    timed = found.lines[0].unit == "s"
    upwards = _powers(heights) if timed or found.log else _from_zero(heights)
    return _powers(places) if found.log else _from_zero(places), upwards


def _powers(values: Sequence[float]) -> Axis | None:
    return Axis(_format.log_ticks(min(values), max(values)), log=True) if values else None


def _marked(found: Curves, across: Axis) -> Iterable[Markup]:
    """Draw a line upwards at the place that is set apart."""
    if found.mark is not None and across.ticks[0] <= found.mark <= across.ticks[-1]:
        yield Markup('<g><title>{1}</title><line x1="{0}" x2="{0}" y1="0" y2="100%" class="middle"/></g>').format(
            _percent(across.share(found.mark)), found.mark_title
        )


def curve_style(lines: Sequence[Curve], number: int) -> str:
    """Return the classes of one of several curves: a framework's second one is drawn lighter than its first."""
    before = sum(line.framework == lines[number].framework for line in lines[:number])
    return f"{series(lines[number].framework)}{' again' if before else ''}"


def _points(line: Curve) -> list[tuple[float, float]]:
    return list(zip(line.x, line.y, strict=True))


def _polyline(line: Curve, style: str, across: Axis, upwards: Axis) -> Markup:
    places = (f"{1000 * across.share(x):.1f},{1000 - 1000 * upwards.share(y):.1f}" for x, y in _points(line))
    return Markup('<polyline points="{}" class="curve {}"/>').format(" ".join(places), style)


def _dots(line: Curve, style: str, across: Axis, upwards: Axis) -> Markup:
    """Mark what was measured: between the marks the line is only drawn."""
    return Markup("").join(
        Markup('<g><title>{}</title><circle cx="{}" cy="{}" r="4" class="fill {}"/></g>').format(
            f"{line.subject}: {_format.quantity(y, line.unit)} at {_format.significant(x)} {line.x_name}",
            _percent(across.share(x)),
            _percent(1 - upwards.share(y)),
            style,
        )
        for x, y in _points(line)
    )


def _rows(scale: Axis, unit: str) -> Iterable[Markup]:
    for tick in scale.ticks:
        place = _percent(1 - scale.share(tick))
        yield Markup(
            '<line x1="0" x2="100%" y1="{0}" y2="{0}" class="grid"/><text x="-8" y="{0}" dy="4" class="end">{1}</text>'
        ).format(place, _format.tick(tick, unit or None))


def _columns(scale: Axis) -> Iterable[Markup]:
    for tick in scale.ticks:
        share = scale.share(tick)
        yield Markup('<text x="{}" y="100%" dy="18" class="{}">{}</text>').format(
            _percent(share), _anchor(share), _format.tick(tick, None)
        )


def _ends(interval: Interval) -> tuple[float, ...]:
    return tuple(v for v in (interval.low, interval.value, interval.high) if v is not None)


def _grid(scale: Axis) -> Markup:
    lines = (
        Markup('<line x1="{0}" x2="{0}" y1="0" y2="18" class="grid"/>').format(_percent(scale.share(tick)))
        for tick in scale.ticks
    )
    return Markup("").join(lines)


def _picture(*parts: Markup) -> Markup:
    return Markup('<svg class="line" height="18" aria-hidden="true">{}</svg>').format(Markup("").join(parts))


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _anchor(share: float) -> str:
    return "start" if share < 0.02 else "end" if share > 0.98 else "centre"
