"""Which artifacts of a run fit which classes of devices: the verdicts on what the edge steps left behind. Pure.

Findings rest on the machine that the run is judged by. The table also looks at what further kinds of machines measured:
where only one of those has a class's instruction set, its figures stand in place of an estimate.
"""

from collections.abc import Iterable

import msgspec

from evaluator.core.coordinates import MACHINE
from evaluator.core.records import DeviceClass
from evaluator.core.scorecard import EdgeFit
from evaluator.judging.evidence import Entry, Evidence
from evaluator.judging.fit import Figures, fit, same_isa


def table(evidence: Evidence) -> tuple[EdgeFit, ...]:
    """Judge every artifact that was asked about, also those of the export matrix, by every class of the run."""
    entries = (*evidence.select("edge"), *evidence.select("edge", standard=False))
    there = _on_other_kinds(evidence)
    return tuple(
        _nearest(evidence, entry, device, there.get(entry.step.key(), ()))
        for entry in entries
        for device in evidence.run.device_classes
    )


def _on_other_kinds(evidence: Evidence) -> dict[tuple[object, ...], list[Entry]]:
    """Return what further kinds of machines measured of the same artifacts, by what the steps here agree in."""
    found: dict[tuple[object, ...], list[Entry]] = {}
    for entry in sorted(evidence.columns, key=lambda each: each.step.machine):
        if entry.step.stage == "edge" and entry.passed:
            found.setdefault(msgspec.structs.replace(entry.step, machine=MACHINE).key(), []).append(entry)
    return found


def _nearest(evidence: Evidence, entry: Entry, device: DeviceClass, there: Iterable[Entry]) -> EdgeFit:
    """Judge by the machine that has the class's instruction set: the run's own first, then further ones."""
    own = {node.isa for node in evidence.nodes if node.kind == entry.step.machine} | {_isa(entry)}
    if any(same_isa(isa, device.isa) for isa in own):
        return verdict(entry, device)
    other = next((each for each in there if same_isa(_isa(each), device.isa) and figures_of(each)), None)
    if other is None:
        return verdict(entry, device)
    found = verdict(other, msgspec.structs.replace(device, slower=None))  # which is of the run's own machine
    measured: EdgeFit = msgspec.structs.replace(found, reason=f"{found.reason}; measured on {_where(evidence, other)}")
    return measured


def _isa(entry: Entry) -> str:
    return str(entry.result.metrics.get("isa", ""))


def _where(evidence: Evidence, entry: Entry) -> str:
    """Name the machine that a step ran on, and its processor: "pi-1 (Cortex-A76, 4 cores)"."""
    name = entry.result.node
    machine = next((node.machine for node in evidence.nodes if node.name == name), None)
    return (name or entry.step.machine) + (f" ({machine.processor})" if machine else "")


def verdict(entry: Entry, device: DeviceClass) -> EdgeFit:
    """Judge one artifact by one class; what was not measured is undecided."""
    figures = figures_of(entry)
    if figures is None:
        reason = entry.result.reason or f"the step ended as {entry.result.outcome.value.replace('_', ' ')}"
        return EdgeFit(evidence=entry.folder, device=device.name, verdict="undecided", reason=reason)
    found = fit(figures, device)
    return EdgeFit(
        evidence=entry.folder,
        device=device.name,
        verdict=found.verdict,
        reason=found.reason,
        estimated=found.estimated,
    )


def best(verdicts: Iterable[EdgeFit]) -> EdgeFit | None:
    """Return the verdict that speaks for a device: one artifact that fits is enough; None without any."""
    order = ("fits", "undecided", "does not fit")
    return min(verdicts, key=lambda each: order.index(each.verdict), default=None)


def figures_of(entry: Entry) -> Figures | None:
    """Return what an edge step measured; None when it did not pass."""
    size = _whole(entry, "size_bytes")
    if not entry.passed or size is None:
        return None
    floor = _whole(entry, "ram_floor_bytes")
    return Figures(
        artifact_bytes=size,
        runtime_bytes=_whole(entry, "runtime_bytes"),
        native_bytes=_whole(entry, "runtime_native_bytes"),
        carried=_text(entry, "runtime_carried"),
        latency_s=entry.number("latency_s", statistic="p50"),
        isa=str(entry.result.metrics.get("isa", "")),
        ram="peak" if floor is None else "floor",
        ram_bytes=_whole(entry, "peak_rss_bytes") if floor is None else floor,
        runtime_ram_bytes=_whole(entry, "runtime_rss_bytes" if floor is None else "runtime_ram_floor_bytes"),
        ram_resolution=entry.number("ram_floor_resolution") or 0.0,
    )


def _whole(entry: Entry, name: str) -> int | None:
    number = entry.number(name)
    return None if number is None else int(number)


def _text(entry: Entry, name: str) -> str | None:
    value = entry.result.metrics.get(name)
    return None if value is None else str(value)
