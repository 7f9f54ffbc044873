"""Percentiles as metrics: only those that the profile may print and that the number of samples allows."""

from collections.abc import Sequence

from evaluator.core.records import Metrics, Profile


def tails(prefix: str, seconds: Sequence[float], profile: Profile) -> Metrics:
    """Return `<prefix>_p50_s`, `<prefix>_p90_s` … in seconds; a tail that too few samples allow is left out."""
    # SciPy is imported after the measuring: before it, it would count as memory of what is measured.
    from evaluator.measure.statistics import TAILS, tail

    highest = float(profile.highest_tail.removeprefix("p"))
    found = {each: tail(seconds, each / 100) for each in TAILS if each <= highest}
    return {f"{prefix}_p{each:g}_s": value for each, value in found.items() if value is not None}
