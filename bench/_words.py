"""How figures and goals are written, in the terminal and on the page alike."""

from collections.abc import Iterable

from bench._records import Answer, Line

HEADER = ("Figure", "Goal", "Reached", "")
_MARKS = {True: "met", False: "MISSED", None: ""}


def rows(answer: Answer) -> Iterable[tuple[str, str, str, str]]:
    """Return one row for each line: figure, goal, what was reached, and whether that suffices."""
    for line in answer.lines:
        yield line.what, goal(line), reached(line), _MARKS[line.met]


def goal(line: Line) -> str:
    """Write a line's goal; nothing where it has none."""
    bounds = (("at least", line.at_least), ("at most", line.at_most))
    return ", ".join(f"{words} {figure(bound, line.unit)}" for words, bound in bounds if bound is not None)


def reached(line: Line) -> str:
    """Write what was reached, with its interval, or why there is no figure."""
    if line.reached is None:
        return f"not measured: {line.note}" if line.note else "not measured"
    ends = "" if line.low is None or line.high is None else _interval(line.low, line.high, line)
    return f"{figure(line.reached, line.unit)}{ends}{f' ({line.note})' if line.note else ''}"


def figure(value: float, unit: str) -> str:
    """Write one figure."""
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit == "count":
        return f"{value:.0f}"
    if unit == "ms":
        return f"{value:.1f} ms"
    return f"{value:.3f}" if unit == "times" else f"{value:.2f} s"


def measured_on(answer: Answer) -> str:
    """Say when and where an answer was found, and beside what."""
    brief = ", with few repetitions" if answer.quick else ""
    return f"Measured on {answer.at[:10]}{brief}: {answer.machine}; {answer.beside}."


def _interval(low: float, high: float, line: Line) -> str:
    return f" [{figure(low, line.unit).removesuffix(' %')}, {figure(high, line.unit)}]"
