"""Which artifacts of a run fit which classes of devices: the verdicts on what the edge steps left behind. Pure."""

from collections.abc import Iterable

from evaluator.core.records import DeviceClass
from evaluator.core.scorecard import EdgeFit
from evaluator.judging.evidence import Entry, Evidence
from evaluator.judging.fit import Figures, fit


def table(evidence: Evidence) -> tuple[EdgeFit, ...]:
    """Judge every artifact that was asked about, also those of the export matrix, by every class of the run."""
    entries = (*evidence.select("edge"), *evidence.select("edge", standard=False))
    return tuple(verdict(entry, device) for entry in entries for device in evidence.run.device_classes)


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
