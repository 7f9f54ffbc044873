"""What a step says of the device that it computed on: its memory, its own clock, and its energy."""

from collections.abc import Sequence
from statistics import median

from evaluator.children.turns import Taken
from evaluator.core.energy import Meter, Unmetered
from evaluator.core.records import Metrics
from evaluator.measure import energy
from exports.contract import Device
from scenarios.contract import Framework


def memory(device: Device, framework: Framework | None) -> Metrics:
    """Return what was held of a device's own memory; nothing of one that has none.

    The driver's figure has what no allocator of a framework knows: the CUDA context, and libraries. `framework` is the
    one whose tensors these are; None for a runtime whose allocator tells nothing.
    """
    state = device.state()
    if state is None:
        return {}
    peak = None if framework is None else framework.device_peak(device.name)
    own, unknown = state.own_bytes, "; ".join(state.unknown) or "the driver does not say what this process holds"
    sources = (*(() if peak is None else (peak[1],)), f"not by NVML: {unknown}" if own is None else "NVML")
    return {
        **({} if peak is None else {"peak_device_bytes": peak[0]}),
        **({} if own is None else {"device_process_bytes": own}),
        "device_memory_provenance": ", ".join(sources),
    }


def by_its_clock(device: Device, metric: str, seconds: Sequence[float], who: str) -> Metrics:
    """Return the median by the clock of a GPU as `metric`; where `who` has no events, that; nothing of a processor."""
    if not device.cuda:
        return {}
    if not seconds:
        return {"device_time_unmeasured": f"{who} has no events to time a GPU by"}
    return {metric: median(seconds)}


def joules(taken: Taken, track: str, metric: str, meter: Meter | Unmetered) -> Metrics:
    """Return the energy of one call of a track as `metric`, or why it is not known."""
    return energy.per_call([block for block in taken.found.blocks if block.track == track], metric, meter)
