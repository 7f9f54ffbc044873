"""How close to the machine's limit a training step, an answer and a batch of answers come: `mfu`.

Model FLOP utilisation: the operations that a model's arithmetic takes, over those that the machine could have computed
in the same time (Chowdhery et al., 2022, https://arxiv.org/abs/2204.02311, appendix B). The limit is no data sheet's:
it is what the best kernel of either framework reached in the same turns, on the same cores and beside the same
neighbours, in the precision that is computed in.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median_low

import msgspec

from evaluator.core import metrics
from evaluator.core.coordinates import PARTS
from evaluator.core.metrics import number
from evaluator.core.outcome import Outcome
from evaluator.core.records import Cell, Figure
from evaluator.core.utilisation import Per, Utilisation

STAGES = ("train", "run")
USUAL = "fp32"
_SUBJECT = tuple(part for part in PARTS if part != "repeat")
_TURNS = ("stage", "scenario", "device", "machine", "round")  # what cells agree in that were measured in the same turns

Place = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Peak:
    """The most that a kernel reached."""

    flops_per_s: float
    kernel: str
    framework: str


@dataclass(frozen=True, slots=True)
class _Call:
    """What was timed: a step, an answer or a batch of them."""

    per: Per
    examples: int
    seconds: float


class _Known:
    """What cells say of operations and of limits."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._flops: dict[tuple[str, str, str], int] = {}
        self._reasons: dict[tuple[str, str], str] = {}
        self._peaks: dict[tuple[Place, str], _Peak] = {}
        self._scenarios: set[str] = set()
        for cell in cells:
            self._read(cell)

    def _read(self, cell: Cell) -> None:
        about = (cell.scenario, cell.framework)
        for name in ("flops_per_step", "flops_per_answer"):
            value = number(cell.metrics.get(name))
            if value:
                self._flops.setdefault((*about, name), int(value))
                self._scenarios.add(cell.scenario)
        if "flops_unknown" in cell.metrics:
            self._reasons.setdefault(about, str(cell.metrics["flops_unknown"]))
        for figure in metrics.select(cell.figures, "peak_flops_per_s"):
            self._scenarios.add(cell.scenario)
            reached = number(figure.value) or 0.0
            key = (_place(cell), str(figure.labels.get("precision")))
            if reached > 0 and (key not in self._peaks or reached > self._peaks[key].flops_per_s):
                self._peaks[key] = _Peak(reached, str(figure.labels.get("kernel")), cell.framework)

    def asked(self, cell: Cell) -> bool:
        """Tell whether the run looked at all: runs of before did not."""
        return cell.scenario in self._scenarios and cell.stage in STAGES and cell.outcome is Outcome.PASSED

    def flops(self, cell: Cell, call: _Call) -> int | str:
        """Return the operations of a call, or why they are not known."""
        about = (cell.scenario, cell.framework)
        one = self._flops.get((*about, "flops_per_step" if call.per == "step" else "flops_per_answer"))
        return self._reasons.get(about, "its operations were not counted") if one is None else one * call.examples

    def peak(self, cell: Cell, precision: str) -> _Peak | str:
        """Return the limit in the turns of a cell, or why it is not known."""
        found = self._peaks.get((_place(cell), precision))
        return f"no kernel showed in the same turns what the machine can do in {precision}" if found is None else found


def utilisations(cells: Sequence[Cell]) -> tuple[Utilisation, ...]:
    """Return what is known of each subject, of the middle one of its rounds; repeats that show the noise left out."""
    rounds: dict[tuple[object, ...], list[Utilisation]] = defaultdict(list)
    known = _Known(cells)
    for cell in cells:
        if not cell.control:
            for each in _of(cell, known):
                rounds[(*cell.key(*_SUBJECT), each.per)].append(each)
    return tuple(_middle(same) for same in rounds.values())


def with_utilisation(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the cells, those of trainings and runtimes with their `mfu` where it is known."""
    known = _Known(cells)
    return tuple(_with(cell, tuple(_of(cell, known))) for cell in cells)


def _with(cell: Cell, found: Iterable[Utilisation]) -> Cell:
    for each in found:
        if each.mfu is None:
            continue
        if each.per == "batch":
            batch = Figure(name="mfu", value=each.mfu, labels={"batch": each.examples})
            cell = msgspec.structs.replace(cell, figures=(*cell.figures, batch))
        else:
            cell = msgspec.structs.replace(cell, metrics={**cell.metrics, "mfu": each.mfu})
    return cell


def _middle(same: Sequence[Utilisation]) -> Utilisation:
    shares = {each.mfu: each for each in same if each.mfu is not None}
    found = shares[median_low(shares)] if shares else same[0]
    return msgspec.structs.replace(found, round=same[0].round)


def _of(cell: Cell, known: _Known) -> Iterator[Utilisation]:
    """Yield what a cell comes to, call by call."""
    if not known.asked(cell):
        return
    precision = str(cell.metrics.get("computed_in") or cell.precision or USUAL)
    for call in _calls(cell):
        flops, peak = known.flops(cell, call), known.peak(cell, precision)
        share, reason = utilised(flops, call.seconds, peak if isinstance(peak, str) else peak.flops_per_s)
        yield Utilisation(
            **cell.coordinates(),
            per=call.per,
            examples=call.examples,
            computed_in=precision,
            seconds=call.seconds,
            flops=None if isinstance(flops, str) else flops,
            peak_flops_per_s=None if isinstance(peak, str) else peak.flops_per_s,
            peak_kernel="" if isinstance(peak, str) else peak.kernel,
            peak_framework="" if isinstance(peak, str) else peak.framework,
            mfu=share,
            disturbed_share=number(cell.metrics.get("disturbed_share")),
            reason=reason,
        )


def utilised(flops: int | str, seconds: float, peak: float | str) -> tuple[float | None, str]:
    """Return operations / (seconds times the limit), above 0 and at most 1; None with the reason where it is not known.

    More than the limit is none: kernels can save multiplications (Winograd, 1980), or compute in less than they say.
    """
    for each in (flops, peak):
        if isinstance(each, str):
            return None, each
    if not isinstance(flops, int) or not isinstance(peak, float) or min(flops, seconds, peak) <= 0:
        return None, "it took no time that could be measured"
    share = flops / seconds / peak
    if share > 1:
        return None, "it computes faster than every kernel that was to show the limit"
    return (share, "") if share > 0 else (None, "it is too little to be written")


def _calls(cell: Cell) -> Iterator[_Call]:
    """Yield what was timed of a cell."""
    step = number(cell.metrics.get("step_s"))
    if cell.stage == "train":
        if step:
            yield _Call("step", 1, step)
        return
    answer = next(iter(metrics.select(cell.figures, "latency_s", statistic="median")), None)
    latency = None if answer is None else number(answer.value)
    if latency:
        yield _Call("answer", 1, latency)
    rate, size = number(cell.metrics.get("throughput_per_s")), number(cell.metrics.get("throughput_batch"))
    if rate and size:
        yield _Call("batch", int(size), size / rate)


def _place(cell: Cell) -> Place:
    return tuple(getattr(cell, name) for name in _TURNS)
