"""Which proven artifacts fit which classes of devices, by memory, disk and latency."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from evaluator.core import metrics
from evaluator.core.coordinates import MACHINE
from evaluator.core.metrics import key
from evaluator.core.records import Cell, DeviceClass
from evaluator.core.scorecard import EdgeFit, Scorecard, Verdict
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
    Prose,
    Table,
    Text,
    column,
    item,
    lines,
    soft,
)

READING = (
    "What proven artifacts take in runtimes for phones and small computers, and which classes of devices they fit. An "
    "application carries the artifact and the runtime's native libraries, which count for its storage. Memory and time "
    "include Python, which a phone does not need; the model's own memory is what it adds to its runtime. "
    f"Latency is of one core of this machine; for a device it is estimated. {_format.PERCENTILES}"
)
ELSEWHERE = (
    "Where this machine has not the instruction set of a device, and another one of the cluster has, an artifact was "
    "judged by what was measured there, on one core, in place of an estimate: as if the device were as fast as that "
    "machine. Findings and scores rest on this machine's figures alone."
)
FIGURES = (
    ("Artifact, its runtime", (key("size_bytes"), key("runtime_native_bytes"), key("runtime_bytes"))),
    ("Least memory, the model's own at most", (key("ram_floor_bytes"), key("model_ram_bytes"))),
    ("One core: latency p50, cold start", (key("latency_s", statistic="p50"), key("cold_start_s"))),
)
_NOT_JUDGED = Text("not judged", "missing")
_ELSEWHERE = Text("by its figures on another machine", "soft")
_BEST_FIRST: tuple[Verdict, ...] = ("fits", "undecided", "does not fit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One artifact in one runtime: its figures, and a verdict for each class of devices, in their order."""

    cell: Cell
    made: str  # by what, and its runtime: "torch.onnx (torch.export) · ONNX Runtime"
    fits: tuple[EdgeFit, ...]
    elsewhere: frozenset[str] = frozenset()  # classes by which another machine's figures of it were judged

    @property
    def told(self) -> str:
        """Name it: "bert · PyTorch · torch.onnx (torch.export) · ONNX Runtime"."""
        return _cells.joined((self.cell.scenario, _format.framework(self.cell.framework), self.made))


class Edge(Section):
    """Artifacts against budgets, with the reason for every verdict."""

    name: ClassVar[str] = "edge"
    title: ClassVar[str] = "Devices"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing when no artifact was judged by a class of devices."""
        artifacts = judged(card.every_cell, card.edge, card.names)
        if not artifacts:
            return ()
        titles = {device.name: device.title for device in card.device_classes}
        table = Table(
            caption="Artifacts by class of devices",
            columns=(
                *(column("Scenario, framework"), column("Artifact and runtime")),
                *(column(title) for title in (*(title for title, _ in FIGURES), *titles.values())),
            ),
            rows=tuple(_row(artifact, titles) for artifact in artifacts),
            layout="wide",
            shown_caption=True,
        )
        why = tuple(_reason(artifact, fit, titles[fit.device]) for artifact in artifacts for fit in artifact.fits)
        devices = tuple(item(_budgets(device)) for device in card.device_classes)
        return (
            soft(READING),
            *((soft(ELSEWHERE),) if any(artifact.elsewhere for artifact in artifacts) else ()),
            _summary(artifacts, titles),
            Folded(title=f"Figures of all {len(artifacts)} artifacts, and each verdict", blocks=(table,)),
            Folded(title=f"Why: the reasons of all {len(why)} verdicts", blocks=(Items(items=why),)),
            Folded(title="Budgets of these devices", blocks=(Items(items=devices),)),
        )


def _summary(artifacts: Sequence[Artifact], titles: Mapping[str, str]) -> Table:
    """Return for each scenario and framework the best verdict of its artifacts, one of them, and how many agree."""
    rows = dict.fromkeys((artifact.cell.scenario, artifact.cell.framework) for artifact in artifacts)
    return Table(
        caption="The best verdict of any artifact, by class of devices",
        columns=(column("Scenario, framework"), *map(column, titles.values())),
        rows=tuple(
            (
                lines(scenario, FrameworkName(framework)),
                *(
                    _best([a for a in artifacts if (a.cell.scenario, a.cell.framework) == (scenario, framework)], name)
                    for name in titles
                ),
            )
            for scenario, framework in rows
        ),
        layout="wide",
        shown_caption=True,
    )


def _best(artifacts: Sequence[Artifact], device: str) -> Lines:
    found = [(fit, artifact) for artifact in artifacts for fit in artifact.fits if fit.device == device]
    if not found:
        return lines(_NOT_JUDGED)
    fit, artifact = min(found, key=lambda each: _BEST_FIRST.index(each[0].verdict))
    same = sum(each.verdict == fit.verdict for each, _ in found)
    return lines(
        _verdict(fit),
        Text(f"{artifact.made}{', estimated' if fit.estimated else ''}", "soft"),
        Text(f"{same} of {len(found)} artifacts", "soft"),
    )


def judged(cells: Iterable[Cell], fits: Collection[EdgeFit], names: Mapping[str, str]) -> tuple[Artifact, ...]:
    """Return the artifacts that were judged by classes of devices, framework by framework."""
    by_cell: dict[str, list[EdgeFit]] = {}
    for fit in fits:
        by_cell.setdefault(fit.evidence, []).append(fit)
    rows = [(cell, tuple(by_cell[cell.evidence])) for cell in cells if cell.evidence in by_cell]
    judged_by: dict[tuple[object, ...], set[str]] = {}
    for cell, own in rows:
        judged_by.setdefault(_anywhere(cell), set()).update(fit.device for fit in own)
    found = [
        Artifact(
            cell=cell,
            made=_cells.made(cell, names),
            fits=own,
            elsewhere=frozenset(judged_by[_anywhere(cell)] - {fit.device for fit in own}),
        )
        for cell, own in rows
    ]
    order = list(dict.fromkeys(row.cell.scenario for row in found))
    return tuple(sorted(found, key=lambda row: (order.index(row.cell.scenario), _cells.place(row.cell.framework))))


def _anywhere(cell: Cell) -> tuple[object, ...]:
    """Return what equals another cell's where both are of one artifact, whatever machine measured it."""
    return msgspec.structs.replace(cell, machine=MACHINE).key()


def short(artifacts: Iterable[Artifact], devices: Sequence[DeviceClass]) -> tuple[Block, ...]:
    """Return for each artifact its figures, then a line for each class of devices with verdict and reason."""
    titles = {device.name: device.title for device in devices}
    blocks: list[Block] = []
    for artifact in artifacts:
        cell = artifact.cell
        shown = (name for _, names in FIGURES for name in names if metrics.find(cell, name))
        figures = ", ".join(
            f"{_format.metric_name(name.name, name.labels)} {_cells.figure(cell, name)}" for name in shown
        )
        table = Table(
            caption=artifact.told,
            columns=(column("", whole=True), column("", whole=True), column("")),
            rows=tuple((lines(titles[fit.device]), lines(_verdict(fit)), lines(fit.reason)) for fit in artifact.fits),
        )
        blocks += [Prose(line=(Text(artifact.told, "strong"),)), Prose(line=(figures or cell.reason or "",)), table]
    return tuple(blocks) or (Prose(line=("no artifact could be asked",)),)


def _row(artifact: Artifact, classes: Iterable[str]) -> tuple[Lines, ...]:
    cell, fits = artifact.cell, {fit.device: fit for fit in artifact.fits}
    ending = () if cell.outcome.is_answer else (_cells.chip(cell),)
    return (
        lines(cell.scenario, FrameworkName(cell.framework)),
        lines(artifact.made, *ending),
        *(lines(*(_cells.shown(cell, name) for name in _known(cell, names))) for _, names in FIGURES),
        *(lines(_ELSEWHERE) if name in artifact.elsewhere else _verdict_on(fits.get(name)) for name in classes),
    )


def _verdict_on(fit: EdgeFit | None) -> Lines:
    if fit is None:
        return lines(_NOT_JUDGED)
    return lines(_verdict(fit), *((Text("estimated", "soft"),) if fit.estimated else ()))


def _known(cell: Cell, names: Sequence[metrics.Key]) -> Sequence[metrics.Key]:
    """Leave out what was not measured, as long as something was."""
    return [name for name in names if metrics.find(cell, name) is not None] or names[:1]


def _verdict(fit: EdgeFit) -> Chip:
    return Chip(fit.verdict, _format.FITS[fit.verdict])


def _reason(artifact: Artifact, fit: EdgeFit, device: str) -> Item:
    return item((f"{artifact.told} · {device}: ", Text(fit.verdict, "strong"), f": {fit.reason}"))


def _budgets(device: DeviceClass) -> tuple[Text | str, ...]:
    """Write the budgets of a class of devices in a line."""
    ram, flash = _format.size(device.ram_bytes), _format.size(device.flash_bytes)
    cores = "one core" if device.threads == 1 else f"{device.threads} cores"
    speed = ""
    if device.slower is not None:
        low, high = (_format.significant(factor) for factor in device.slower)
        speed = f"; a core takes {low} to {high} times as long as one of this machine"
    source = f". {device.source}" if device.source else ""
    latency = _format.seconds(device.latency_s)
    scored = "" if device.required else " (in no score)"
    told = f"{ram} of memory, {flash} of storage, {latency} for an answer on {cores} ({device.isa}){speed}{source}."
    return Text(device.title, "strong"), f"{scored}: {told}"


plugin = Edge()
