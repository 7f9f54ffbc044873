"""A sweep: with how many clients a server is saturated, then its latency at growing shares of what it sustains."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluator.core.records import LoadPlan, Record, Sampling
from evaluator.measure.load import Load
from serving.load.calls import Connect
from serving.load.closed_loop import saturate
from serving.load.open_loop import Demand, offer

_GAIN_FROM = 1.05  # more clients are tried as long as they bring at least 5 % more
_LOOK_SHARE = 1 / 3  # of the time for saturation, for each look at whether more clients bring more


class SweepPlan(Record, frozen=True, kw_only=True):
    """How to sweep."""

    sampling: Sampling  # of each rate: queries and seconds, and the most seconds
    load: LoadPlan
    seed: int = 0

    def demand(self, rate_per_s: float) -> Demand:
        """Return a rate with the profile's minima and cap."""
        sampling = self.sampling
        return Demand(rate_per_s, sampling.min_seconds, sampling.min_queries, sampling.cap_seconds)


def saturating(connect: Connect, requests: Sequence[Any], plan: SweepPlan, first: int) -> tuple[int, tuple[Load, ...]]:
    """Warm up and find how many clients saturate the server, from `first` on; return that and the looks at it.

    Clients are doubled until that brings nothing any more: more would only wait longer.
    """
    saturate(connect, requests, 1, plan.sampling.warmup_seconds)
    looks: list[Load] = []
    clients = min(first, plan.load.most_clients)
    while clients <= plan.load.most_clients:
        looks.append(saturate(connect, requests, clients, _LOOK_SHARE * plan.load.saturation_s))
        if len(looks) > 1 and looks[-1].achieved_per_s < _GAIN_FROM * looks[-2].achieved_per_s:
            break
        clients *= 2
    best = max(looks, key=lambda load: load.achieved_per_s)
    return best.clients, tuple(looks)


def offer_shares(
    connect: Connect, requests: Sequence[Any], plan: SweepPlan, most_per_s: float, folder: Path
) -> tuple[Load, ...]:
    """Offer each share of what the server sustains; the first rate that it does not keep up with is the last one.

    Which loads count is not decided here but in `evaluator.measure.load`. The logs of loadgen go to one folder per
    share below `folder`.
    """
    loads: list[Load] = []
    for share in plan.load.shares:
        demand = plan.demand(share * most_per_s)
        loads.append(offer(connect, requests, demand, plan.seed, folder / f"{share:.2f}"))
        if not loads[-1].keeps_up:
            break
    return tuple(loads)
