"""What a step and an answer took of energy, and what a device says of its own time and memory; or why nobody knows."""

import statistics
from collections.abc import Sequence
from typing import ClassVar

from evaluator.core import metrics
from evaluator.core.metrics import Key, number
from evaluator.core.records import Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Column,
    FrameworkName,
    Items,
    Line,
    Lines,
    Prose,
    Table,
    Text,
    column,
    item,
    lines,
    soft,
)

READING = (
    "Energy is what a counter of the machine counted while blocks of calls ran that nobody disturbed, by the number of "
    "calls: of the processor's packages (RAPL) or of a GPU's whole board (NVML), with what these take at rest. It is "
    "measured or missing, never estimated."
)
DEVICE_READING = (
    "What a GPU says itself. Its own time lies between two events in its queue, without what Python and the processor "
    "take; what is compared is the time that a user waits. Tensors' memory is the framework's figure, the process's is "
    "the driver's."
)
_PER_CALL = (("train", Key("energy_per_step_j"), "step"), ("run", Key("energy_per_answer_j"), "answer"))
_POWER, _SOURCE, _WHY = Key("mean_power_w"), "energy_provenance", "energy_unmeasured"
_OWN_TIME = {"train": (Key("step_s"), Key("device_step_s")), "run": (None, Key("device_latency_s"))}
_MEMORY = (Key("peak_device_bytes"), Key("device_process_bytes"))
_NO_TIME = "device_time_unmeasured"


class Energy(Section):
    """Energy by step and by answer, or one line for each reason why there is none; a GPU's own figures."""

    name: ClassVar[str] = "energy"
    title: ClassVar[str] = "Energy"
    appendix: ClassVar[bool] = True

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing of runs that asked for neither."""
        return (*_energy(card), *_own(card))


def _energy(card: Scorecard) -> tuple[Block, ...]:
    rows = tuple(
        (
            *_about(card, same),
            *_figures(same, (wanted, _POWER), f" per {what}"),
            _counter(same),
        )
        for stage, wanted, what in _PER_CALL
        for same in _subjects(card, stage)
        if _median(same, wanted) is not None
    )
    why = _reasons(card, _WHY)
    if not rows and not why:
        return ()
    table = Table(
        caption="Energy of a training step and of an answer",
        columns=(column("Scenario, framework"), column("What"), *_columns("Energy", "Mean power"), column("Counter")),
        rows=rows,
        layout="stacked",
    )
    return (soft(READING), *((table,) if rows else ()), *_missing("Not measured", why))


def _own(card: Scorecard) -> tuple[Block, ...]:
    rows = []
    for stage, (waited, own) in _OWN_TIME.items():
        for same in _subjects(card, stage):
            if any(_median(same, wanted) is not None for wanted in (own, *_MEMORY)):
                times = _figures(same, (waited or Key("latency_s", {"statistic": "median"}), own), "")
                rows.append((*_about(card, same), *times, *_figures(same, _MEMORY, "")))
    why = _reasons(card, _NO_TIME)
    if not rows and not why:
        return ()
    table = Table(
        caption="What the device says of its own time and memory",
        columns=(
            column("Scenario, framework"),
            column("What"),
            *_columns("Waited for", "Its own time", "Held by tensors", "Held by the process"),
        ),
        rows=tuple(rows),
        layout="stacked",
    )
    return (soft(DEVICE_READING), *((table,) if rows else ()), *_missing("No time of its own", why))


def _columns(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title=lines(title), half=True) for title in titles)


def _missing(what: str, why: Sequence[str]) -> tuple[Block, ...]:
    """Return one line for each reason; it is the same for all that was measured on a device of the machine."""
    head: Line = (Text(f"{what}:", "strong"),)
    return (Prose(line=head), Items(items=tuple(map(item, why)))) if why else ()


def _reasons(card: Scorecard, name: str) -> tuple[str, ...]:
    asked = [cell for stage, _, _ in _PER_CALL for same in _subjects(card, stage) for cell in same]
    told = ((card.title("device", cell.device), cell.metrics.get(name)) for cell in asked)
    return tuple(dict.fromkeys(f"{device}: {why}" for device, why in told if why))


def _subjects(card: Scorecard, stage: str) -> list[list[Cell]]:
    """Return the rounds of each subject of a stage, the frameworks' own together."""
    cells = [cell for cell in card.cells if cell.stage == stage and cell.standard and cell.outcome.is_answer]
    return sorted(_cells.by_subject(cells), key=lambda same: (same[0].scenario, _cells.place(same[0].framework)))


def _about(card: Scorecard, same: Sequence[Cell]) -> tuple[Lines, Lines]:
    about = (f"{same[0].scenario}, ", FrameworkName(same[0].framework))
    return lines(about), lines(_cells.subject(same[0], card.names) or card.title("stage", same[0].stage))


def _figures(same: Sequence[Cell], wanted: Sequence[Key], behind: str) -> tuple[Lines, ...]:
    """Write figures, the first of them with what it is of."""
    found = [(key, _median(same, key)) for key in wanted]
    return tuple(
        lines(Text(_format.NOT_MEASURED, "missing"))
        if value is None
        else lines(Text(f"{_format.metric(key.name, value)}{behind if key == wanted[0] else ''}", "figure"))
        for key, value in found
    )


def _median(same: Sequence[Cell], wanted: Key) -> float | None:
    figures = (metrics.find(cell, wanted) for cell in same)
    found = (number(figure.value) for figure in figures if figure is not None)
    values = [value for value in found if value is not None]
    return statistics.median(values) if values else None


def _counter(same: Sequence[Cell]) -> Lines:
    told = dict.fromkeys(str(cell.metrics[_SOURCE]) for cell in same if _SOURCE in cell.metrics)
    return lines(Text(", ".join(told), "soft"))


plugin = Energy()
