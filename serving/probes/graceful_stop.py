"""SIGTERM while requests are on their way, as every rolling deployment sends it.

What was accepted must be answered; what comes later may be refused. An orchestrator kills what has not ended within its
grace period, and with that all that was still on its way.
"""

import time

from serving.errors import NotReady
from serving.probing import Field, Probe, Reply, failed, passed

_SHARE = 4
_CALLERS = 8
_GRACE_S = 10.0  # Docker's, and what our launchers wait before they kill


class GracefulStop(Probe):
    """Stops the shared instance under load."""

    name = "graceful_stop"
    title = "Graceful stop"
    question = "Are requests on their way answered when the server is told to stop, and does it end in time?"
    risk = "medium"
    harm = "ends"

    def ask(self, field: Field) -> Reply:
        """Stop, and look at the calls that had begun before."""
        service = field.service
        with field.traffic(service, callers=_CALLERS) as calls:
            time.sleep(field.seconds / _SHARE)
            told_at = time.perf_counter()
            stop_s = service.running.stop()
        if service.running.alive():
            raise NotReady(f"the server lives on {stop_s:.1f} s after it was told to stop", remedy="kill it")
        flying = [call for call in calls.taken if call.begin < told_at < call.end]
        lost = sorted({str(call.code) for call in flying if call.code is not None})
        leftovers = field.end().leftovers
        answered = sum(call.code is None for call in flying)
        figures = {
            "stop_s": stop_s,
            "requests_in_flight": len(flying),
            "requests_lost": len(flying) - answered,
            "leftovers": len(leftovers),
        }
        told = f"{answered} of {len(flying)} requests on their way were answered; the server ended after {stop_s:.2f} s"
        if lost or leftovers or stop_s >= _GRACE_S:
            words = f" (lost: {', '.join(lost)})" if lost else ""
            left = f"; left behind: {', '.join(leftovers)}" if leftovers else ""
            return failed(
                told + words + left,
                "take an instance out of the load balancer and wait for its requests before it is stopped",
                **figures,
            )
        return passed(told, **figures)


plugin = GracefulStop()
