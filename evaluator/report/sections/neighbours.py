"""How runtimes bear a busy neighbour, and what helps: shared hosts are how models are served."""

import statistics
from collections.abc import Iterable, Sequence
from typing import ClassVar

from evaluator.core import metrics
from evaluator.core.metrics import Key
from evaluator.core.records import Cell
from evaluator.core.scorecard import MARGIN, Scorecard
from evaluator.report import _cells, _claims, _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Bar,
    Bars,
    Block,
    Column,
    Figures,
    FrameworkName,
    Heading,
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
    "A deliberately busy process on every core, beside the same calls as alone: how many times slower each artifact "
    "gets, and what helps. Where a quota can be had, also what the time of one core costs that sees them all. Runtimes "
    "run with their own defaults; everything else that can be set is a variant, measured in turns with the default, "
    "and never its figure."
)
_LIMITED, _QUOTA = Key("quota_latency_s"), Key("quota_slowdown")
_DISTURBED_FROM = 0.5  # of the blocks beside others: what is called "alone" was not
_BESIDE, _SLOWER, _DISTURBED = Key("neighbour_latency_s"), Key("neighbour_slowdown"), Key("disturbed_share")


class Neighbours(Section):
    """Every artifact alone and beside a neighbour, and the variants of its runtime."""

    name: ClassVar[str] = "neighbours"
    title: ClassVar[str] = "Beside a busy neighbour"
    short: ClassVar[str] = "Neighbours"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return a table and a picture for each scenario; nothing where neither neighbours nor variants were tried."""
        found = tuple(block for scenario in _cells.scenarios(card) for block in _scenario(card, scenario))
        turned = tuple(map(item, _claims.turns(card)))
        turns = (Prose(line=(Text("The order turns:", "strong"),)), Items(items=turned)) if turned else ()
        return (soft(READING), *turns, *found) if found else ()


def _scenario(card: Scorecard, scenario: str) -> tuple[Block, ...]:
    run = [c for c in card.cells if c.standard and c.stage == "run" and c.scenario == scenario and c.outcome.is_answer]
    groups = sorted(_cells.by_subject(run), key=lambda same: _cells.place(same[0].framework))
    usual = [same for same in groups if same[0].variant is None]
    rows, bars = [], []
    for same in usual:
        variants = [other for other in groups if _is_variant_of(other[0], same[0])]
        alone, beside = _alone(same), _median(same, _BESIDE)
        if beside is None and not variants:
            continue
        rows.append(_row(card, same, variants))
        rows += [_variant(card, same, other) for other in variants]
        if alone is not None and beside is not None:
            about = _cells.subject(same[0], card.names)
            bars.append(Bar(label=about, framework=same[0].framework, value=alone, end=beside))
    if not rows:
        return ()
    table = Table(
        caption=f"{scenario}: the median call alone and beside one busy neighbour per core",
        columns=(
            column("Artifact"),
            *(Column(title=lines(title), half=True) for title in ("Alone", "Beside a neighbour", "Times slower")),
            column("What helps, what it costs"),
        ),
        rows=tuple(rows),
        layout="stacked",
    )
    picture = Bars(title="Latency, alone to beside a neighbour", unit="s", log=True, bars=tuple(bars))
    return (Heading(text=scenario), table, *((Figures(figures=(picture,)),) if bars else ()))


def _is_variant_of(cell: Cell, usual: Cell) -> bool:
    own, other = cell.coordinates(), usual.coordinates()
    apart = {name for name in own if own[name] != other[name]}
    return cell.variant is not None and apart <= {"variant", "round", "control"}


def _row(card: Scorecard, same: Sequence[Cell], variants: Sequence[Sequence[Cell]]) -> tuple[Lines, ...]:
    about = (FrameworkName(same[0].framework), f" {_cells.subject(same[0], card.names)}")
    return (*(lines(about), *_figures(same)), _helps(card, same, variants))


def _variant(card: Scorecard, usual: Sequence[Cell], same: Sequence[Cell]) -> tuple[Lines, ...]:
    rounds = {cell.round for cell in same}  # a variant may have been measured in the first one only
    usual = [cell for cell in usual if cell.round in rounds]
    name = card.title("variant", str(same[0].variant))
    told = (
        ("alone", _against(_alone(same), _alone(usual))),
        ("beside a neighbour", _against(_median(same, _BESIDE), _median(usual, _BESIDE))),
    )
    spoiled = _spoiled(same) or _spoiled(usual)
    effect = "" if spoiled else ", ".join(f"{when} {words}" for when, words in told if words)
    return (lines(Text(f"with {name}", "soft")), *_figures(same), lines(Text(effect, "soft")))


def _figures(same: Sequence[Cell]) -> tuple[Lines, ...]:
    alone, beside = _alone(same), _median(same, _BESIDE)
    slower = _median(same, _SLOWER)
    if slower is None and alone and beside:
        slower = beside / alone
    flag = (Text("others were busy", "flag"),) if _spoiled(same) else ()
    quota = _median(same, _QUOTA)
    limited = (Text(f"under a quota of one core: {_format.times(quota)}", "soft"),) if quota is not None else ()
    return lines(_time(alone), *flag), lines(_time(beside)), lines(_times(slower), *limited)


def _spoiled(same: Iterable[Cell]) -> bool:
    """Whether most of the blocks that were to be alone were beside others on this machine."""
    return (_median(same, _DISTURBED) or 0.0) > _DISTURBED_FROM


def _helps(card: Scorecard, same: Sequence[Cell], variants: Sequence[Sequence[Cell]]) -> Lines:
    """Name the variant that helps most beside a neighbour and under a quota, and what it costs alone."""
    told = ((_BESIDE, "beside a neighbour"), (_LIMITED, "under a quota"))
    found = (_help(card, same, variants, wanted, where) for wanted, where in told)
    return tuple(line for line in found if line)


def _help(card: Scorecard, same: Sequence[Cell], variants: Sequence[Sequence[Cell]], wanted: Key, where: str) -> Line:
    usual = _median(same, wanted)
    found = [(at, other) for other in variants if (at := _median(other, wanted)) is not None]
    if usual is None or not found:
        return ()
    if any(map(_spoiled, (same, *variants))):
        return (Text(f"{where}: too disturbed to tell", "missing"),)
    best, other = min(found, key=lambda each: each[0])
    if best * (1 + MARGIN) > usual:
        return (f"{where}: nothing that was tried",)
    alone = _against(_alone(other), _alone(same))
    cost = f"; {alone} alone" if alone else ""
    name = card.title("variant", str(other[0].variant))
    return (f"{where}: ", Text(name, "strong"), f", {_format.times(usual / best)} faster{cost}")


def _against(value: float | None, usual: float | None) -> str:
    """Say how a variant's time compares with the default's: "12 % slower"."""
    if not value or not usual:
        return ""
    if max(value, usual) <= min(value, usual) * (1 + MARGIN):
        return "as fast"
    return f"{_format.more(max(value, usual) / min(value, usual))} {'slower' if value > usual else 'faster'}"


def _alone(same: Iterable[Cell]) -> float | None:
    cells = tuple(same)
    return _median(cells, Key("latency_s", {"statistic": _cells.typical(cells)}))


def _median(same: Iterable[Cell], wanted: Key) -> float | None:
    """Return the median over rounds of a figure, whatever its labels where it may have none."""
    found = (
        metrics.find(cell, wanted) or next(iter(metrics.select(cell.figures, wanted.name, **wanted.labels)), None)
        for cell in same
    )
    values = [value for figure in found if figure and (value := metrics.number(figure.value)) is not None]
    return statistics.median(values) if values else None


def _time(value: float | None) -> Text:
    return Text(_format.quantity(value, "s"), "missing" if value is None else "figure")


def _times(value: float | None) -> Text:
    return Text(_format.NOT_MEASURED, "missing") if value is None else Text(_format.times(value), "figure")


plugin = Neighbours()
