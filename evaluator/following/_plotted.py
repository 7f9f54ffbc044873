"""Series of figures as pictures: in the terminal (plotext), and as SVG for a file."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from evaluator.following.history import Series, better
from evaluator.report import _format

_WIDTH, _HEIGHT = 760, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 20, 20, 40
_MARKS = "x+o*#@"
_COLOURS = ("#1f5fa8", "#b8520a", "#3d7a2a", "#7a3d8f", "#8a6d00", "#444444")  # beside them each line has its name
MOST = 6  # lines in one picture
_DATES = 6  # that are written along the axis


def terminal(series: Sequence[Series], width: int) -> str:
    """Return a picture of characters: each series with a mark of its own; without colour, for any terminal."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(max(40, min(width, 100)), 16)
    dates = _dates(series)
    for number, each in enumerate(series[:MOST]):
        places = [dates.index(point.created_at) + 1 for point in each.points]
        values = [point.value.value for point in each.points]
        plotext.plot(places, values, marker=_MARKS[number % len(_MARKS)])
    unit = series[0].unit
    values = [point.value.value for each in series for point in each.points]
    low, high = min(values), max(values)
    marks = [low + (high - low) * at / 3 for at in range(4)] if high > low else [low]
    plotext.yticks(marks, [_format.quantity(mark, unit) for mark in marks])
    shown = _ticks(len(dates))
    plotext.xticks([place + 1 for place in shown], [dates[place][:10] for place in shown])
    lines = plotext.uncolorize(plotext.build()).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def legend(series: Sequence[Series]) -> Iterator[str]:
    """Yield what each mark stands for."""
    for number, each in enumerate(series[:MOST]):
        yield f"{_MARKS[number % len(_MARKS)]}  {each.id} ({each.unit}; {better(each)}) on {each.machine}"


def svg(series: Sequence[Series]) -> Markup:
    """Return a picture with the intervals of all points."""
    series = series[:MOST]
    dates = _dates(series)
    values = [at for each in series for point in each.points for at in _ends(point.value)]
    ticks = _format.linear_ticks(max(values, default=0.0) or 1.0)
    parts = [*_axes(ticks, dates, series)]
    for number, each in enumerate(series):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [(_x(dates.index(point.created_at), len(dates)), point) for point in each.points]
        line = " ".join(f"{x:.1f},{_y(point.value.value, ticks):.1f}" for x, point in places)
        parts.append(Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="1.5"/>').format(line, colour))
        for x, point in places:
            parts += _point(
                x, point.value, ticks, (colour, f"{point.run}: {_format.quantity(point.value.value, each.unit)}")
            )
        name = f"{each.id} on {each.machine}"
        height = _HEIGHT + 20 * (number + 1)
        parts.append(
            Markup('<rect x="{}" y="{}" width="12" height="4" fill="{}"/><text x="{}" y="{}">{}</text>').format(
                _LEFT, height - 8, colour, _LEFT + 18, height - 3, name
            )
        )
    whole = _HEIGHT + 20 * (len(series) + 1)
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" '
        'font-family="sans-serif" font-size="12"><title>{2}</title><rect width="{0}" height="{1}" fill="#ffffff"/>'
        "{3}</svg>\n"
    ).format(_WIDTH, whole, ", ".join(dict.fromkeys(each.id for each in series)), Markup("").join(parts))


def page(series: Sequence[Series], title: str) -> str:
    """Return a page that holds the picture and the figures, and needs nothing else."""
    rows = Markup("").join(
        Markup("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>").format(
            each.id,
            point.created_at[:10],
            point.run,
            _format.quantity(point.value.value, each.unit),
            each.machine,
        )
        for each in series
        for point in each.points
    )
    return Markup(
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>{0}</title><style>body{{font:14px sans-serif;max-width:60rem;margin:auto;padding:1rem}}"
        "svg{{max-width:100%;height:auto}}td,th{{padding:.2rem .6rem;text-align:left}}</style>"
        "<h1>{0}</h1>{1}<table><tr><th>Figure</th>"
        "<th>Date</th><th>Run</th><th>Value</th><th>Machine</th></tr>{2}</table></html>\n"
    ).format(title, svg(series), rows)


def _dates(series: Sequence[Series]) -> list[str]:
    return sorted({point.created_at for each in series for point in each.points})


def _ticks(count: int) -> list[int]:
    """Return which of so many places are written along the axis: the first, the last, and some between."""
    if count <= _DATES:
        return list(range(count))
    return sorted({round(at * (count - 1) / (_DATES - 1)) for at in range(_DATES)})


def _ends(value: object) -> Iterator[float]:
    return (at for at in (getattr(value, name) for name in ("value", "low", "high")) if at is not None)


def _x(place: int, count: int) -> float:
    room = _WIDTH - _LEFT - _RIGHT
    return _LEFT + (room / 2 if count == 1 else room * place / (count - 1))


def _y(value: float, ticks: Sequence[float]) -> float:
    share = min(1.0, max(0.0, value / ticks[-1]))
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _axes(ticks: Sequence[float], dates: Sequence[str], series: Sequence[Series]) -> Iterator[Markup]:
    unit = series[0].unit if series else ""
    for tick in ticks:
        y = round(_y(tick, ticks), 1)
        yield Markup('<line x1="{}" x2="{}" y1="{}" y2="{}" stroke="#cccccc"/>').format(_LEFT, _WIDTH - _RIGHT, y, y)
        yield Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(
            _LEFT - 8, y + 4, _format.tick(tick, unit)
        )
    for place in _ticks(len(dates)):
        yield Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            _x(place, len(dates)), _HEIGHT - _BOTTOM + 20, dates[place][:10]
        )


def _point(x: float, value: object, ticks: Sequence[float], look: tuple[str, str]) -> Iterator[Markup]:
    low, high = getattr(value, "low", None), getattr(value, "high", None)
    colour, title = look
    y = _y(next(_ends(value)), ticks)
    if low is not None and high is not None:
        yield Markup('<line x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}" stroke="{3}"/>').format(
            x, _y(low, ticks), _y(high, ticks), colour
        )
    yield Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3.5" fill="{}"><title>{}</title></circle>').format(
        x, y, colour, title
    )
