"""What several stages make of their raw material: a sample of latencies, the libraries that a runtime loaded."""

from collections.abc import Mapping, Sequence
from statistics import median

from evaluator.core.records import Figure, LabelValue, Metrics, Profile
from exports.contract import Runtime


def latencies(seconds: Sequence[float], profile: Profile, **labels: LabelValue) -> tuple[Figure, ...]:
    """Return `latency_s` with these labels: the median, p50, p90 …; a tail that too few samples allow is left out."""
    # SciPy is imported after the measuring: before it, it would count as memory of what is measured.
    from evaluator.measure.statistics import TAILS, tail

    highest = float(profile.highest_tail.removeprefix("p"))
    found = {f"p{each:g}": tail(seconds, each / 100) for each in TAILS if each <= highest}
    known = {"median": median(seconds), **{name: value for name, value in found.items() if value is not None}}
    return tuple(
        Figure(name="latency_s", value=value, labels={**labels, "statistic": name}) for name, value in known.items()
    )


def carried(runtime: Runtime, libraries: Mapping[str, int]) -> Metrics:
    """Return what an application would carry of a runtime: its native libraries, and their size as published."""
    return {
        **({"runtime_native_bytes": sum(libraries.values())} if libraries else {}),
        **({} if runtime.carried is None else {"runtime_carried": runtime.carried}),
    }


def labelled(metrics: Metrics, **labels: LabelValue) -> tuple[Figure, ...]:
    """Return metrics as figures that all have these labels."""
    return tuple(Figure(name=name, value=value, labels=labels) for name, value in metrics.items())
