"""docs/bench.md and its pictures, drawn from docs/bench.json: `python -m bench --page`; a test compares them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from bench import _words
from bench._records import QUESTIONS, Answer, Kept, Line
from evaluator.report._svg import Axis

DOCS = Path(__file__).parents[1] / "docs"
KEPT = DOCS / "bench.json"
PAGE = "bench.md"
_WIDTH, _ROW, _LEFT, _RIGHT = 900, 26, 430, 130  # of a picture, in pixels; the words stand left, the figures right
_SUFFIX = {"share": "shares", "times": "ratios", "s": "seconds", "ms": "milliseconds", "count": "counts"}
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.end{text-anchor:end}.soft{fill:#666}.centre{text-anchor:middle}"
    ".goal{fill:#2a7d4f;opacity:.15}.bound{stroke:#2a7d4f;stroke-width:2}.range{stroke:#3b6fb5;stroke-width:3}"
    ".dot{fill:#3b6fb5}.missed .range{stroke:#b5483b}.missed .dot{fill:#b5483b}.grid{stroke:#ddd}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.soft{fill:#999}.grid{stroke:#444}}"
)
_INTRODUCTION = """# Do the numbers hold?

What `make bench` asks of fweval itself, with goals and what was reached, drawn from [bench.json](bench.json), which
holds the raw figures, too. A goal that was missed says so. All goals are ratios; seconds are those of the reference
machine. The rules behind them are in [rigour.md](rigour.md).
"""


def files(kept: Kept) -> dict[str, str]:
    """Return every file that is drawn from the answers: name in docs/ -> text."""
    drawn = {name: text for answer in kept.answers for name, text in pictures(answer).items()}
    return {PAGE: page(kept), **drawn}


def write(kept: Kept, docs: Path = DOCS) -> None:
    """Renew the page and its pictures."""
    for name, text in files(kept).items():
        (docs / name).write_text(text, encoding="utf-8")


def page(kept: Kept) -> str:
    """Return the page."""
    lines = [_INTRODUCTION]
    for answer in kept.answers:
        lines += [f"## {answer.title}", "", _words.measured_on(answer), "", _table(answer)]
        lines += [f"![{answer.title}]({name})\n" for name in pictures(answer)]
    asked = {answer.question for answer in kept.answers}
    missing = [f"`{name}`" for name in QUESTIONS if name not in asked]
    if missing:
        lines += ["## Not asked yet", "", f"No answer is kept of {', '.join(missing)}: `make bench ARGS=--keep` asks."]
    return "\n".join(lines).rstrip() + "\n"


def _table(answer: Answer) -> str:
    cells = (_words.HEADER, ("---",) * len(_words.HEADER), *_words.rows(answer))
    return "".join(f"| {' | '.join(text.replace('|', chr(92) + '|') for text in row)} |\n" for row in cells)


def pictures(answer: Answer) -> Mapping[str, str]:
    """Draw the figures of an answer that share a unit and are more than one: name of the file -> SVG."""
    found: dict[str, list[Line]] = {}
    for line in answer.lines:
        if line.reached is not None:
            # What is to be high is drawn apart from what is to be low: coverage beside false alarms would be two lumps.
            name = f"{_SUFFIX[line.unit]}{'-at-least' if line.at_least is not None and line.at_most is None else ''}"
            found.setdefault(name, []).append(line)
    return {
        f"bench-{answer.question.replace('_', '-')}-{name}.svg": picture(lines, answer.title)
        for name, lines in found.items()
        if len(lines) > 1
    }


def picture(lines: Sequence[Line], title: str) -> str:
    """Draw one row for each line: a dot with its interval, and the goal as a band."""
    scale = _axis(lines)
    height = _ROW * (len(lines) + 1)
    rows = Markup("").join(_row(line, number, scale) for number, line in enumerate(lines))
    ticks = Markup("").join(
        Markup('<line x1="{0:.1f}" x2="{0:.1f}" y1="0" y2="{1}" class="grid"/>').format(place(scale, tick), height - 20)
        + Markup('<text x="{:.1f}" y="{}" class="soft centre">{}</text>').format(
            place(scale, tick), height - 6, _words.figure(tick, lines[0].unit)
        )
        for tick in scale.ticks
    )
    return str(
        Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">\n'
            "<title>{2}</title><style>{3}</style>\n{4}\n{5}</svg>\n"
        ).format(_WIDTH, height, title, Markup(_STYLE), ticks, rows)  # noqa: S704  # a constant of this module
    )


def place(scale: Axis, value: float) -> float:
    """Return where a value lies, in pixels; what lies beyond the axis is drawn at its end."""
    return _LEFT + scale.share(value) * (_WIDTH - _LEFT - _RIGHT)


def _axis(lines: Sequence[Line]) -> Axis:
    """Return an axis that holds every figure, interval and bound of a goal; from zero, unless all are far from it."""
    known = [(line.reached, line.low, line.high, line.at_least, line.at_most) for line in lines]
    values = [value for each in known for value in each if value is not None]
    from_zero = lines[0].unit != "times" and min(values) < max(values) / 2
    low, high = 0.0 if from_zero else min(values), max(values)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    first, last = (low - room if low else 0.0), high + room
    return Axis(tuple(first + (last - first) * part / 4 for part in range(5)), log=False)


def _row(line: Line, number: int, scale: Axis) -> Markup:
    middle = _ROW * number + _ROW / 2
    least = scale.ticks[0] if line.at_least is None else line.at_least
    most = scale.ticks[-1] if line.at_most is None else line.at_most
    value = line.reached or 0.0
    low, high = (value if end is None else end for end in (line.low, line.high))
    goal = Markup("")
    if line.at_least is not None or line.at_most is not None:
        left, right = place(scale, least), place(scale, most)
        goal = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{}" class="goal"/>').format(
            left, middle - _ROW / 2 + 2, max(2.0, right - left), _ROW - 4
        )
    return Markup(
        '<g class="{0}"><text x="{1}" y="{2:.1f}" class="end">{3}</text>{4}'
        '<line x1="{5:.1f}" x2="{6:.1f}" y1="{7:.1f}" y2="{7:.1f}" class="range"/>'
        '<circle cx="{8:.1f}" cy="{7:.1f}" r="5" class="dot"/><text x="{9}" y="{2:.1f}">{10}</text></g>\n'
    ).format(
        "missed" if line.met is False else "met",
        _LEFT - 14,
        middle + 4,
        line.what,
        goal,
        place(scale, low),
        place(scale, high),
        middle,
        place(scale, value),
        _WIDTH - _RIGHT + 16,
        _words.figure(value, line.unit),
    )
