"""Whether memory grows with the requests served.

Resident memory is sampled under load; the first half of the time is warm-up (arenas, pools, compiled code). The growth
per 1,000 requests is the Theil-Sen slope of the second half with its 95 % interval: a median of slopes, which the steps
in which allocators grow do not mislead (https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.theilslopes.html).

Material is what fills a gigabyte within a day at one request a second: 86,400 requests, 12 MiB for each 1,000. A short
soak cannot tell growth from warm-up: it can acquit, but not convict.
"""

import time
from collections.abc import Sequence

from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Metrics
from serving.probing import Field, Probe, Reply, failed, passed

MATERIAL_BYTES = (1 << 30) / 86.4  # per 1,000 requests
LONG_ENOUGH_S = 30.0
_SAMPLES = 40
_PER = 1_000


class MemoryGrowth(Probe):
    """Samples the server's resident memory while it is under load."""

    name = "memory_growth"
    title = "Memory over a soak"
    question = "Does the server's memory stay level under load?"
    risk = "medium"
    harm = "none"

    def ask(self, field: Field) -> Reply:
        """Sample at even distances; memory is a function of the requests answered."""
        service = field.service
        served: list[int] = []
        memory: list[int] = []
        with field.traffic(service) as calls:
            for _ in range(_SAMPLES):
                time.sleep(field.seconds / _SAMPLES)
                served.append(len(calls.taken))
                memory.append(service.running.memory_bytes())
        return judge(served, memory, field.seconds)


def judge(served: Sequence[int], memory_bytes: Sequence[int], seconds: float) -> Reply:
    """Judge samples of memory against requests served."""
    half = len(served) // 2
    figures: Metrics = {
        "memory_bytes": memory_bytes[-1],
        "requests": served[-1],
        "soak_s": seconds,
    }
    if served[-1] - served[half] < half:  # fewer requests than samples: no slope can be had
        reason = f"{served[-1]} requests in {seconds:.0f} s are too few for a slope"
        return Reply(outcome=Outcome.UNAVAILABLE, reason=reason, remedy="take a longer profile", figures=figures)
    low, slope, high = growth(served[half:], memory_bytes[half:])
    grew = Figure(name="growth_bytes_per_1000_requests", value=slope, low=low, high=high)
    told = (
        f"memory grew by {slope / 2**20:.2f} MiB per 1,000 requests (95 %: {low / 2**20:.2f} to {high / 2**20:.2f}) "
        f"in the second half of {served[-1]} requests"
    )
    if high <= MATERIAL_BYTES:
        return passed(told, grew, **figures)
    if low > MATERIAL_BYTES and seconds >= LONG_ENOUGH_S:
        return failed(told, "look for a leak; until it is found, restart instances in turn", grew, **figures)
    return Reply(
        outcome=Outcome.UNAVAILABLE,
        reason=f"too short to tell growth from warm-up: {told}",
        remedy="take a longer profile",
        figures=figures,
        labelled=(grew,),
    )


def growth(served: Sequence[int], memory_bytes: Sequence[int]) -> tuple[float, float, float]:
    """Return lower end, slope and upper end in bytes per 1,000 requests.

    Of samples between which nothing was served the last one counts: ties in both series leave scipy without an interval
    (the variance of Kendall's S comes out below zero), and a slope at no distance says nothing.
    """
    from scipy import stats

    last = dict(zip(served, memory_bytes, strict=True))
    found = stats.theilslopes(tuple(last.values()), tuple(last), alpha=0.95)
    return float(found.low_slope) * _PER, float(found.slope) * _PER, float(found.high_slope) * _PER


plugin = MemoryGrowth()
