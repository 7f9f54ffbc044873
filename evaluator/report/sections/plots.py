"""What artifacts cost, drawn: the time of a call, disk, memory. Every bar has its own figure."""

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from evaluator.core.metrics import key
from evaluator.core.records import FRAMEWORKS, Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import Bar, Bars, Block, Figures, FrameworkName, Heading, Prose, soft

ROUNDS = f"Every bar has its own figure; several rounds are shown by their median. {_format.PERCENTILES}"


class Plots(Section):
    """Bars of every artifact and runtime, framework by framework."""

    name: ClassVar[str] = "plots"
    title: ClassVar[str] = "Plots"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return the plots of each scenario."""
        first, second = FRAMEWORKS
        legend = (FrameworkName(first), " (circle, solid line), ", FrameworkName(second), " (square, dashed line)")
        blocks: list[Block] = [Prose(line=legend, soft=True, picture=True), soft(ROUNDS)]
        for scenario in _cells.scenarios(card):
            blocks += [Heading(text=scenario), Figures(figures=plots(card, scenario))]
        return tuple(blocks) if len(blocks) > 2 else ()


def plots(card: Scorecard, scenario: str) -> tuple[Bars, ...]:
    """Return the plots of a scenario: latency, size against the raw weights, memory."""
    trained = _cells.select(card, "train", scenario)
    usual = _cells.typical(card.cells)
    run = _cells.select(card, "run", scenario)
    latency = _cells.bars(card, run, key("latency_s", statistic=usual), key("latency_s", statistic="p90"))
    memory = tuple(
        replace(bar, label=_cells.joined((card.title("stage", stage), bar.label)))
        for stage in ("train", "run", "serve")
        for bar in _cells.bars(card, _cells.select(card, stage, scenario), key("peak_rss_bytes"))
    )
    sizes = _sizes(card, trained, _cells.select(card, "export", scenario))
    return (
        Bars(title=f"Latency of a warm call, {usual} to p90", unit="s", log=True, bars=latency),
        Bars(title="Size on disk", unit="bytes", bars=sizes),
        Bars(title="Peak memory", unit="bytes", bars=memory),
    )


def _sizes(card: Scorecard, trained: Iterable[Cell], exported: Iterable[Cell]) -> tuple[Bar, ...]:
    """Return the artifacts' sizes, each as a factor of its framework's raw weights, after those."""
    weights = _cells.bars(card, trained, key("weights_bytes"))
    raw = {bar.framework: bar.value for bar in weights}
    artifacts = _cells.bars(card, exported, key("size_bytes"))
    return (
        *(replace(bar, label="raw weights") for bar in weights),
        *(
            replace(bar, note=f"{_format.times(bar.value / raw[bar.framework])} the weights")
            if raw.get(bar.framework)
            else bar
            for bar in artifacts
        ),
    )


plugin = Plots()
