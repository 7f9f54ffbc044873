"""What a load on a server came to, and what may be concluded from several. Pure; times in seconds, rates per second."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from evaluator.core.records import Record

CLIENT_BUSY_FROM = (
    0.8  # of one core: beyond it the client, whose threads share one interpreter, may be what is measured
)
CLIENT_LATE_FROM = 0.2  # of the latency: so much of it may be the client's own lateness in sending
KEEPS_UP_FROM = 0.95  # of the offered rate


class Load(Record, frozen=True, kw_only=True):
    """One measurement under load. In an open loop requests are due at random times, whatever the server does."""

    kind: Literal["open", "closed"]
    rate_per_s: float | None = None  # asked for; None in a closed loop
    clients: int  # connections in use, at most
    seconds: tuple[float, ...]  # latencies of the calls that succeeded, in order; open loop: from when each was due
    errors: dict[str, int]  # failed calls by the code of their error
    wall_s: float  # from the start until the last call had ended
    client_cpu_s: float  # processor time of the measuring process meanwhile
    scheduled_s: float | None = None  # open loop: from the start until the last request was due
    late_s: float = 0.0  # open loop: how much later than due the client sent, on average
    aborted: bool = False  # open loop: ended early, because more requests were in flight than are let be

    @property
    def calls(self) -> int:
        """Calls made, failed ones included."""
        return len(self.seconds) + sum(self.errors.values())

    @property
    def achieved_per_s(self) -> float:
        """Calls that succeeded, per second."""
        return len(self.seconds) / self.wall_s

    @property
    def offered_per_s(self) -> float | None:
        """Open loop: requests per second as they were due; by chance a little off the rate asked for."""
        return self.calls / self.scheduled_s if self.scheduled_s else None

    @property
    def keeps_up(self) -> bool:
        """Tell whether the server answered as fast as it was asked: at least 95 % of the offered rate.

        Both rates are those that loadgen prints, "Scheduled" and "Completed samples per second" (`results.cc`): under
        an overload the answers go on coming long after the last request was due.
        """
        offered = self.offered_per_s
        return offered is not None and not self.aborted and self.achieved_per_s >= KEEPS_UP_FROM * offered


class Best(Record, frozen=True, kw_only=True):
    """The highest rate that met a limit, and the next higher one that did not."""

    rate_per_s: float | None  # as asked for; None when no measured rate met the limit
    failed_at_per_s: float | None  # None when no higher rate was measured, or none failed


def client_bound(load: Load) -> str | None:
    """Say why a load tells more about the client than about the server; None when it does not."""
    busy = load.client_cpu_s / load.wall_s
    if busy >= CLIENT_BUSY_FROM:
        return f"the client was busy for {busy:.0%} of one core"
    mean = float(np.mean(load.seconds)) if load.seconds else 0.0
    if load.late_s >= CLIENT_LATE_FROM * mean > 0:
        return f"the client sent {load.late_s:.4f} s late on average, of a mean latency of {mean:.4f} s"
    return None


def invalid(load: Load) -> str | None:
    """Say why a load must not count: nothing succeeded, calls failed, or it was the client that was measured."""
    if load.errors:
        codes = ", ".join(f"{code}: {count}" for code, count in sorted(load.errors.items()))
        return f"calls failed ({codes})"
    if not load.seconds:
        return "no call was made"
    return client_bound(load)


def knee(loads: Sequence[Load]) -> float | None:
    """Return the asked rate beyond which more load costs more latency than it brings throughput.

    It is where throughput over latency is highest (Kleinrock, Power and deterministic rules of thumb for probabilistic
    problems in computer communications, ICC 1979), among the valid open loops that the server kept up with; the
    latency is the median. None when there is none.
    """
    valid = [load for load in _open(loads) if load.keeps_up]
    best = max(valid, key=lambda load: load.achieved_per_s / float(np.median(load.seconds)), default=None)
    return None if best is None else best.rate_per_s


def best_under(loads: Sequence[Load], limit_s: float, p: float) -> Best:
    """Return the highest measured rate whose `p` quantile (0 to 1) stays within the limit while the server keeps up.

    The quantile is `statistics.tail`, so a load that passes would pass MLPerf's Server scenario with this limit. Failed
    calls fail a rate, a client-bound load never counts, and one with too few calls for the quantile does not either. Of
    several loads at one rate, all must pass.
    """
    decided: dict[float, bool] = {}
    for load in loads:
        passed = _meets(load, limit_s, p)
        if load.rate_per_s is not None and passed is not None:
            decided[load.rate_per_s] = decided.get(load.rate_per_s, True) and passed
    best = max((rate for rate, passed in decided.items() if passed), default=None)
    failed = (rate for rate, passed in decided.items() if not passed and (best is None or rate > best))
    return Best(rate_per_s=best, failed_at_per_s=min(failed, default=None))


def _meets(load: Load, limit_s: float, p: float) -> bool | None:
    """Tell whether an open loop stayed within the limit; None when it cannot be told."""
    if load.errors:
        return False
    if invalid(load) is not None:
        return None
    if not load.keeps_up:
        return False
    from evaluator.measure.statistics import tail  # here, because a plan imports every stage, and SciPy takes a second

    latency = tail(load.seconds, p)
    return None if latency is None else latency <= limit_s


def _open(loads: Sequence[Load]) -> list[Load]:
    return [load for load in loads if load.kind == "open" and invalid(load) is None]
