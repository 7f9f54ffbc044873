"""TPU: whether each model lowers to StableHLO and a TPU's compiler accepts it. No speed, and nothing computed."""

from collections.abc import Iterator
from typing import ClassVar

from evaluator.core import tpu
from evaluator.core.metrics import find, key, number
from evaluator.core.outcome import Outcome
from evaluator.core.records import Cell, Value
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Chip,
    Folded,
    FrameworkName,
    Item,
    Items,
    Lines,
    Table,
    Text,
    column,
    item,
    lines,
    soft,
)
from evaluator.report._format import Tone

READING = (
    "Each model was compiled ahead of time for a TPU, on a machine without one. “Accepted” means: it lowers to "
    "StableHLO and the TPU compiler accepts it. Nothing was computed, so this is no speed, and no proof of right "
    "answers. A training step is forward, loss and gradients; the optimizer's update is no part of it. PyTorch's "
    "module is traced by torchax; TensorFlow's graph comes through jax2tf, lowered by the kernels that XLA has for the "
    "CPU, because TensorFlow's wheel has none for TPUs."
)
MEMORY = (
    "Memory is what the compiler says of its own program. The frameworks' are not compared: they bring their weights "
    "and running statistics to a program in different ways."
)
_CHIPS: dict[str, tuple[str, Tone]] = {
    "accepted": ("accepted", "good"),
    "refused": ("partial", "warn"),
    "unlowered": ("partial", "warn"),
    "failed": ("failed", "bad"),
}
_SIZES = ("arguments", "outputs", "temporary", "code")
_ANSWERS = (Outcome.PASSED, Outcome.FAILED)


class TpuSection(Section):
    """A row for each scenario in each framework."""

    name: ClassVar[str] = "tpu"
    title: ClassVar[str] = "TPU: what its compiler accepts"
    short: ClassVar[str] = "TPU"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing for a run that did not ask."""
        cells = _cells.select(card, tpu.STAGE)
        if not cells:
            return ()
        columns = ("Scenario", "Framework", "Training step", "Inference", "Compiled for")
        table = Table(
            caption="Which programs the TPU compiler accepts",
            columns=tuple(column(title) for title in columns),
            rows=tuple(_row(cell) for cell in cells),
            layout="stacked",
        )
        told = tuple(each for cell in cells for each in _sizes(cell))
        memory = Folded(title="What the compiler says of their memory", blocks=(soft(MEMORY), Items(items=told)))
        return (soft(READING), table, *((memory,) if told else ()))


def _row(cell: Cell) -> tuple[Lines, ...]:
    about = (lines(cell.scenario), lines(FrameworkName(cell.framework)))
    target, tools = cell.metrics.get("compiled_for"), cell.metrics.get("compiled_by")
    if cell.outcome not in _ANSWERS or target is None:
        return (*about, lines(_cells.chip(cell), Text(cell.reason or _cells.NO_REASON, "soft")))
    by = ", ".join(map(str, tools)) if isinstance(tools, tuple | list) else ""
    return (*about, *(_program(cell, name) for name in tpu.PROGRAMS), lines(str(target), Text(by, "soft")))


def _program(cell: Cell, name: tpu.ProgramName) -> Lines:
    state = _value(cell, "tpu_state", name)
    if state is None:
        return lines(Text("not compiled", "missing"))
    word, tone = _CHIPS.get(str(state), (str(state), "none"))
    named = _value(cell, "unlowered_operators", name)
    operators = [str(each) for each in named] if isinstance(named, tuple | list) else []
    told = (Text(", ".join(operators), "code"),) if operators else ()
    words = next((words for known, words in tpu.IN_WORDS.items() if known == state), "")
    return lines(Chip(word, tone), Text(words if state != "accepted" else "", "soft"), *told)


def _sizes(cell: Cell) -> Iterator[Item]:
    for name, words in tpu.PROGRAMS.items():
        found = {each: number(_value(cell, f"tpu_{each}_bytes", name)) for each in _SIZES}
        known = [f"{each} {_format.quantity(size, 'bytes')}" for each, size in found.items() if size is not None]
        count, batch = _value(cell, "stablehlo_operators", name), _value(cell, "examples_at_once", name)
        if known:
            about = (f"{cell.scenario}, ", FrameworkName(cell.framework), f", {words}, {batch} at once: ")
            yield item((*about, ", ".join(known), Text(f"; {count} operators of StableHLO", "soft")))


def _value(cell: Cell, metric: str, program: str) -> Value | None:
    found = find(cell, key(metric, program=program))
    return None if found is None else found.value


plugin = TpuSection()
