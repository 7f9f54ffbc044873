"""From the start of the process to the first right answer, and what the health endpoint says meanwhile.

A load balancer believes the endpoint that the server's makers name for it. One that says "healthy" before the model
answers sends users to errors with every deployment. What an orchestrator must wait for is the time to the first right
answer; its own time-out should be a multiple of it.
"""

import statistics
import time

from evaluator.core.records import Metrics
from serving.errors import NotReady
from serving.life import Service
from serving.probing import END_OF_LOG, Field, Probe, Reply, failed, passed

_LOOK_EVERY_S = 0.05
_WARM_CALLS = 20
_MATERIAL_S = 0.5  # shorter than any health check's interval: nobody sends requests in that time
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
        slowest = max(starts, key=lambda start: start["first_answer_s"])
        lead_s = max(start["healthy_lead_s"] for start in starts)
        figures: Metrics = {**slowest, "healthy_lead_s": lead_s, "starts": len(starts)}
        reason = (
            f"the first right answer came {slowest['first_answer_s']:.2f} s after the start; "
            f"the first call took {slowest['first_call_s']:.3f} s, a warm one {slowest['warm_call_s']:.4f} s"
        )
        if lead_s > _MATERIAL_S:
            return failed(
                f"the health endpoint said healthy {lead_s:.2f} s before the model could answer; {reason}",
                "let load balancers ask for the model's own status, not for the server's health",
                **figures,
            )
        return passed(reason, **figures)


def _start(field: Field) -> dict[str, float]:
    """Watch one start: when the endpoint says healthy, when the model is ready, when the first right answer comes."""
    bundle, begin = field.bundle, time.perf_counter()
    with field.launch() as (setup, running):
        healthy_at: float | None = None
        while not field.server.ready(bundle, setup.ports):
            if healthy_at is None and field.server.healthy(setup.ports):
                healthy_at = time.perf_counter()
            if not running.alive() or time.perf_counter() - begin > field.ready_within_s:
                waited_s = time.perf_counter() - begin
                raise NotReady(f"not ready after {waited_s:.1f} s{END_OF_LOG}\n{running.log_tail()}")
            time.sleep(_LOOK_EVERY_S)
        service = Service(server=field.server, bundle=bundle, setup=setup, running=running, ready_s=0.0)
        ready_at = time.perf_counter()
        first_s, warm_s = _calls_s(field, service)
        return {
            "first_answer_s": ready_at + first_s - begin,
            "first_call_s": first_s,
            "warm_call_s": warm_s,
            "healthy_lead_s": 0.0 if healthy_at is None else ready_at - healthy_at,
        }


def _calls_s(field: Field, service: Service) -> tuple[float, float]:
    """Return the time of the first call, with the connection, and the median of later ones."""
    begin = time.perf_counter()
    with field.asking(service) as ask:
        ask()
        first_s = time.perf_counter() - begin
        seconds = []
        for _ in range(_WARM_CALLS):
            begin = time.perf_counter()
            ask()
            seconds.append(time.perf_counter() - begin)
    return first_s, statistics.median(seconds)


plugin = ColdStart()
