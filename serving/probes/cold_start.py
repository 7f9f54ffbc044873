"""From the start of the process to the first right answer, and what the health endpoint says meanwhile.

A load balancer believes the endpoint that the server's makers name for it. One that says "healthy" before the model
answers sends users to errors with every deployment. What an orchestrator must wait for is the time to the first right
answer; its own time-out should be a multiple of it.
"""

import statistics
import time

from serving.contract import Bundle, Running, Setup
from serving.errors import NotReady
from serving.life import Service
from serving.probing import Field, Probe, Reply, failed, passed

_LOOK_EVERY_S = 0.05
_WARM_CALLS = 20
_LONG_S = 30.0  # phases of this length allow for three starts instead of one


class ColdStart(Probe):
    """Starts an instance and asks at once and again."""

    name = "cold_start"
    title = "Cold start"
    question = "How long does a start take, and is the health endpoint honest meanwhile?"
    risk = "high"
    harm = "none"

    def ask(self, field: Field) -> Reply:
        """Start once, or three times where there is time; the slowest counts."""
        starts = [_start(field) for _ in range(3 if field.seconds >= _LONG_S else 1)]
        slowest = max(starts, key=lambda start: start["ready_s"])
        early_s = max(start["healthy_too_early_s"] for start in starts)
        reason = (
            f"the first right answer came {slowest['ready_s']:.2f} s after the start; "
            f"the first call took {slowest['first_call_s']:.3f} s, a warm one {slowest['warm_call_s']:.4f} s"
        )
        figures = {**slowest, "healthy_too_early_s": early_s, "starts": len(starts)}
        if early_s > 0:
            return failed(
                f"the health endpoint said healthy {early_s:.2f} s before the model answered; {reason}",
                "let load balancers ask for the model's own status, not for the server's health",
                **figures,
            )
        return passed(reason, **figures)


def _start(field: Field) -> dict[str, float]:
    """Watch one start. Healthy too early: a call was refused after the endpoint had said yes."""
    bundle, begin = field.bundle, time.perf_counter()
    with field.launch() as (setup, running):
        service = _service(field, bundle, setup, running)
        healthy_at: float | None = None
        while True:
            asked = time.perf_counter()
            healthy = healthy_at is not None or field.server.healthy(setup.ports)
            if healthy and healthy_at is None:
                healthy_at = asked
            ready = field.server.ready(bundle, setup.ports)
            called = time.perf_counter()
            if (healthy or ready) and field.problem(service) is None:
                break
            if not running.alive() or called - begin > field.ready_within_s:
                raise NotReady(f"no right answer after {called - begin:.1f} s; it last wrote:\n{running.log_tail()}")
            time.sleep(_LOOK_EVERY_S)
        first_s = time.perf_counter() - called
        return {
            "ready_s": called + first_s - begin,
            "first_call_s": first_s,
            "warm_call_s": _warm_s(field, service),
            "healthy_too_early_s": 0.0 if healthy_at is None or healthy_at >= asked else called - healthy_at,
        }


def _service(field: Field, bundle: Bundle, setup: Setup, running: Running) -> Service:
    return Service(server=field.server, bundle=bundle, setup=setup, running=running, ready_s=0.0)


def _warm_s(field: Field, service: Service) -> float:
    """Return the median time of calls over one connection."""
    with field.asking(service) as ask:
        seconds = []
        for _ in range(_WARM_CALLS):
            begin = time.perf_counter()
            ask()
            seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


plugin = ColdStart()
