"""A sweep: what a server sustains at most, then its latency at growing shares of that rate."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluator.core.records import LoadPlan, Record, Sampling
from evaluator.measure.load import Load, saturation
from serving.load.calls import Connect
from serving.load.closed_loop import saturate
from serving.load.open_loop import offer

_GAIN_FROM = 1.05  # more clients are tried as long as they bring at least 5 % more


class SweepPlan(Record, frozen=True, kw_only=True):
    """How to sweep."""

    sampling: Sampling  # of each rate: queries and seconds, and the most seconds
    load: LoadPlan  # without shares: saturate only
    seed: int = 0

    def seconds(self, rate_per_s: float) -> float:
        """Return how long to offer a rate, so that both minima hold or else the cap."""
        return min(
            self.sampling.cap_seconds, max(self.sampling.min_seconds, 1.1 * self.sampling.min_queries / rate_per_s)
        )


def sweep(connect: Connect, requests: Sequence[Any], plan: SweepPlan, folder: Path) -> tuple[Load, ...]:
    """Warm up, saturate with 1, 2, 4 … clients, then offer each share of the best rate; stop when it is too much.

    The first rate that the server does not keep up with is the last one. When no closed loop is valid, there is no rate
    to take shares of, and no open loop. Which loads count is not decided here but in `evaluator.measure.load`. The
    logs of loadgen go to one folder per share below `folder`.
    """
    saturate(connect, requests, 1, plan.sampling.warmup_seconds)
    loads = _saturations(connect, requests, plan)
    most = saturation(loads)
    if most is None:
        return tuple(loads)
    for share in plan.load.shares:
        rate = share * most
        loads.append(offer(connect, requests, rate, plan.seconds(rate), plan.seed, folder / f"{share:.2f}"))
        if not loads[-1].keeps_up:
            break
    return tuple(loads)


def _saturations(connect: Connect, requests: Sequence[Any], plan: SweepPlan) -> list[Load]:
    """Double the clients until that brings nothing any more."""
    loads: list[Load] = []
    clients = 1
    while clients <= plan.load.most_clients:
        loads.append(saturate(connect, requests, clients, plan.load.saturation_s))
        if len(loads) > 1 and loads[-1].achieved_per_s < _GAIN_FROM * loads[-2].achieved_per_s:
            break
        clients *= 2
    return loads
