"""How close to the machine's limit: what steps and answers compute, of what the machine can compute at all."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from evaluator.core import metrics
from evaluator.core.metrics import number
from evaluator.core.quantities import significant, size
from evaluator.core.records import Cell, Figure
from evaluator.core.scorecard import Scorecard
from evaluator.core.utilisation import Utilisation
from evaluator.report import _cells, _format
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
    Lines,
    Table,
    Text,
    column,
    item,
    lines,
    soft,
)

READING = (
    "Operations are those of convolutions and matrix products, two for each multiply and add, as the framework's own "
    "counter finds them. The limit is the best that a large matrix product or a convolution of either framework "
    "reached in the same turns, in the same precision. Utilisation (MFU) is what a step or an answer computes of that; "
    "the rest went to memory, to other operators, to starting them, or to cores that waited."
)
_SCALES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_KERNELS = {"gemm": "matrix product", "convolution": "convolution"}
_EMULATED = "bfloat16 is emulated on this processor: nothing is scored by it."


class Utilisations(Section):
    """Utilisation of every training and every artifact, and the limits that it is a share of."""

    name: ClassVar[str] = "utilisation"
    title: ClassVar[str] = "How close to the machine's limit"
    short: ClassVar[str] = "Utilisation"
    appendix: ClassVar[bool] = True

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return limits, figures and pictures of each scenario; nothing in runs that did not look."""
        found = tuple(
            block for scenario in _cells.scenarios(card) for block in _scenario(card, scenario) if card.utilisation
        )
        return (soft(READING), *found) if found else ()


def _scenario(card: Scorecard, scenario: str) -> Iterable[Block]:
    told = [each for each in card.utilisation if each.scenario == scenario]
    told.sort(key=lambda each: (each.stage != "train", _cells.place(each.framework)))
    if not told:
        return
    yield Heading(text=scenario)
    yield from _limits(card, scenario)
    known = [each for each in told if each.mfu is not None]
    if known:
        yield _table(card, scenario, known)
        pictures = (("Training steps", ("step",)), ("Answers", ("answer",)), ("Answers in batches", ("batch",)))
        yield Figures(figures=tuple(_picture(card, *each, known) for each in pictures if _has(known, each[1])))
    reasons: dict[str, int] = {}
    for each in told:
        if each.mfu is None:
            reasons[each.reason] = reasons.get(each.reason, 0) + 1
    if reasons:
        yield Items(items=tuple(item(_unknown(reason, count)) for reason, count in reasons.items()))


def _unknown(reason: str, count: int) -> tuple[Text, str]:
    return Text(f"Not known of {count}:", "strong"), f" {reason}."


def _limits(card: Scorecard, scenario: str) -> Iterable[Block]:
    """Say what each framework's kernels reached at best, over all turns of a scenario."""
    cells = [cell for cell in card.cells if cell.scenario == scenario]
    rows = []
    for key in dict.fromkeys((cell.device, cell.framework) for cell in cells if _shows(cell)):
        same = [cell for cell in cells if (cell.device, cell.framework) == key]
        peaks = [figure for cell in same for figure in metrics.select(cell.figures, "peak_flops_per_s")]
        moved = [value for cell in same if (value := number(cell.metrics.get("memory_bytes_per_s"))) is not None]
        for precision in dict.fromkeys(str(figure.labels.get("precision")) for figure in peaks):
            best = [_best(peaks, kernel, precision) for kernel in _KERNELS]
            device = _cells.device(card, key[0])
            about = _cells.joined((device, precision))
            memory = f"{size(max(moved))}/s" if moved and precision == "fp32" else ""
            rows.append((lines((FrameworkName(key[1]), f" {about}")), *map(_figure, best), lines(memory)))
    if rows:
        titles = ("Kernels of", "Matrix product", "Convolution", "Memory")
        columns = tuple(column(title, right=number > 0) for number, title in enumerate(titles))
        caption = f"{scenario}: what this machine can do at most"
        yield Table(caption=caption, columns=columns, rows=tuple(rows), layout="stacked")
    if any(cell.metrics.get("bfloat16") == "emulated" for cell in cells):
        yield soft(_EMULATED)


def _shows(cell: Cell) -> bool:
    return bool(metrics.select(cell.figures, "peak_flops_per_s"))


def _best(peaks: Iterable[Figure], kernel: str, precision: str) -> float | None:
    found = metrics.select(peaks, "peak_flops_per_s", kernel=kernel, precision=precision)
    return max((value for each in found if (value := number(each.value)) is not None), default=None)


def _figure(value: float | None) -> Lines:
    return lines(Text(_format.NOT_MEASURED, "missing") if value is None else Text(f"{_operations(value)}/s", "figure"))


def _table(card: Scorecard, scenario: str, known: Sequence[Utilisation]) -> Table:
    titles = ("What", "Computes", "Reached", "Limit", "Utilisation")
    return Table(
        caption=f"{scenario}: what is computed, of what the machine can compute",
        columns=tuple(
            Column(title=lines(title), right=number > 0, half=number > 0) for number, title in enumerate(titles)
        ),
        rows=tuple(_row(card, each) for each in known),
        layout="stacked",
    )


def _row(card: Scorecard, each: Utilisation) -> tuple[Lines, ...]:
    flops, peak, share = each.flops or 0, each.peak_flops_per_s or 0.0, each.mfu or 0.0
    kernel = f"{_KERNELS.get(each.peak_kernel, each.peak_kernel)} of {_format.framework(each.peak_framework)}"
    return (
        lines((FrameworkName(each.framework), " · ", _cells.joined((_subject(card, each), _per(each))))),
        lines(Text(_operations(flops), "figure")),
        lines(Text(f"{_operations(flops / each.seconds)}/s", "figure")),
        lines(Text(f"{_operations(peak)}/s", "figure"), Text(kernel, "soft")),
        lines(Text(_format.quantity(share, "share"), "figure"), *_disturbed(each)),
    )


def _disturbed(each: Utilisation) -> tuple[Text, ...]:
    share = each.disturbed_share
    return (Text(f"{_format.quantity(share, 'share')} of its blocks disturbed", "soft"),) if share else ()


def _subject(card: Scorecard, each: Utilisation) -> str:
    return each.title(card.names, parts=("artifact", "place"), separator=" · ")


def _per(each: Utilisation) -> str:
    return {"step": "a training step", "answer": "an answer"}.get(each.per, f"a batch of {each.examples:,}")


def _has(known: Iterable[Utilisation], per: Sequence[str]) -> bool:
    return any(each.per in per for each in known)


def _picture(card: Scorecard, title: str, per: Sequence[str], known: Iterable[Utilisation]) -> Bars:
    bars = tuple(
        Bar(label=_subject(card, each), framework=each.framework, value=each.mfu or 0.0)
        for each in known
        if each.per in per
    )
    return Bars(title=f"{title}: share of the limit", unit="share", bars=bars)


def _operations(value: float) -> str:
    """Write a number of operations: "33.1 GFLOP"."""
    scale, letter = next(((scale, letter) for scale, letter in _SCALES if value >= scale), (1.0, ""))
    return f"{significant(value / scale)} {letter}FLOP"


plugin = Utilisations()
