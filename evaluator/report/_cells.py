"""What several sections need of the cells: which belong together, what they are called, and their figures."""

import statistics
from collections.abc import Collection, Iterable, Mapping

from evaluator.core import metrics
from evaluator.core.coordinates import DEVICE, PARTS, Part
from evaluator.core.metrics import Key, number
from evaluator.core.records import FRAMEWORKS, Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import _format
from evaluator.report._blocks import Bar, Chip, Line, Style, Text

NO_REASON = "no reason was recorded"
PROVISIONAL = "provisional: measured on the embedded reference server, a stand-in for the real one"
_SUBJECT: tuple[Part, ...] = tuple(part for part in PARTS if part != "repeat")  # of cells that are rounds of the same
_ABOUT: tuple[Part, ...] = ("artifact", "place")  # what tells the cells of a stage, scenario and framework apart
_BETWEEN = " · "


def scenarios(card: Scorecard) -> tuple[str, ...]:
    """Return every scenario that occurs, the declared ones first."""
    found = [*card.scenarios, *(c.scenario for c in card.cells), *(c.scenario for c in card.comparisons)]
    return tuple(dict.fromkeys(found))


def select(card: Scorecard, stage: str, scenario: str | None = None) -> tuple[Cell, ...]:
    """Return the cells of a stage, of one scenario or of all.

    Those of the export matrix, and those of runtimes that were set up otherwise than by default, are shown elsewhere.
    """
    usual = (cell for cell in card.cells if cell.standard and cell.variant is None)
    return tuple(cell for cell in usual if cell.stage == stage and scenario in (None, cell.scenario))


def subject(cell: Cell, names: Mapping[str, str]) -> str:
    """Name what a cell is about: "ONNX · ONNX Runtime · GPU"; `names` are the scorecard's."""
    return cell.title(names, parts=_ABOUT, separator=_BETWEEN)


def made(cell: Cell, names: Mapping[str, str]) -> str:
    """Name an artifact by what made it, and its runtime: "TFLite converter · fp16 · LiteRT"."""
    return cell.title(names, parts=_ABOUT, separator=_BETWEEN, by_exporter=True)


def told(card: Scorecard, cell: Cell) -> str:
    """Name a cell by all that tells it from others: "Runtimes · bert · PyTorch · ONNX · ONNX Runtime"."""
    about = (cell.scenario, _format.framework(cell.framework), subject(cell, card.names))
    return joined((card.title("stage", cell.stage), *about))


def device(card: Scorecard, name: str) -> str:
    """Name a device; empty for the one that goes without saying."""
    return "" if name == DEVICE else card.title("device", name)


def joined(parts: Iterable[str | None]) -> str:
    """Put the names that there are beside each other."""
    return _BETWEEN.join(part for part in parts if part)


def place(framework: str) -> int:
    """Return a framework's place in a list; the plan interleaves them, readers want each one's rows together."""
    return FRAMEWORKS.index(framework) if framework in FRAMEWORKS else len(FRAMEWORKS)


def by_subject(cells: Iterable[Cell]) -> Collection[list[Cell]]:
    """Group the rounds of each subject; repeats that only serve to learn the noise are left out."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        if not cell.control:
            groups.setdefault(cell.key(*_SUBJECT), []).append(cell)
    return groups.values()


def bars(card: Scorecard, cells: Iterable[Cell], wanted: Key, end: Key | None = None) -> tuple[Bar, ...]:
    """Return one bar for each subject that has the metric: the median where it was measured in several rounds."""
    found, names = [], card.names
    for same in by_subject(cells):
        values, ends = _numbers(same, wanted), _numbers(same, end) if end else []
        if values:
            found.append(
                Bar(
                    label=subject(same[0], names),
                    framework=same[0].framework,
                    value=statistics.median(values),
                    end=statistics.median(ends) if ends else None,
                )
            )
    return tuple(sorted(found, key=lambda bar: place(bar.framework)))


def _numbers(cells: Iterable[Cell], wanted: Key) -> list[float]:
    found = (number(figure.value) for cell in cells if (figure := metrics.find(cell, wanted)) is not None)
    return [value for value in found if value is not None]


def figure(cell: Cell, wanted: Key) -> str:
    """Write a figure of a cell, with the ends of its interval where it has one."""
    found = metrics.find(cell, wanted)
    if found is None:
        return _format.NOT_MEASURED
    value = _format.metric(found.name, found.value)
    if found.low is None or found.high is None:
        return value
    return f"{value} ({_format.metric(found.name, found.low)} to {_format.metric(found.name, found.high)})"


def shown(cell: Cell, wanted: Key) -> Line:
    """Return a figure of a cell as a line: that it was not measured is set apart from numbers, its interval as well."""
    value, bracket, ends = figure(cell, wanted).partition(" (")
    style: Style = "missing" if metrics.find(cell, wanted) is None else "figure"
    return (Text(value, style), *((Text(f"{bracket}{ends}", "soft"),) if ends else ()))


def typical(cells: Iterable[Cell]) -> str:
    """Return the statistic of a usual call: the median, as in comparisons; p50 in old runs, whose rows have no other.

    A p50 is a bound with its confidence and a median is none: whoever shows one has to name it.
    """
    kept = (figure for cell in cells for figure in metrics.select(cell.figures, "latency_s", statistic="median"))
    return "median" if any(kept) else "p50"


def chip(cell: Cell) -> Chip:
    """Return how a cell ended, as a sign and a word."""
    return Chip(_format.words(cell.outcome), _format.TONES[cell.outcome])


def is_provisional(card: Scorecard, cell: Cell) -> bool:
    """Tell whether a cell comes from a reference server: it says so, or a provisional finding rests on it."""
    cited = (ref.path for f in card.findings if f.provisional for ref in f.evidence)
    return cell.metrics.get("reference") is True or any(f"{path}/".startswith(f"{cell.evidence}/") for path in cited)


def provisional() -> Text:
    """Return the caution that stands at every figure of a reference server."""
    return Text("provisional: reference server", "flag")
