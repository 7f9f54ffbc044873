"""One worker dies, as the kernel's out-of-memory killer would have it.

The server must notice and start another. The requests that the worker held are lost in any server that does not repeat
them; all others must be answered.
"""

from evaluator.core.outcome import Outcome
from serving.contract import Admin
from serving.life import Service
from serving.probes._under_load import during
from serving.probes._waiting import until_right
from serving.probing import Field, Probe, Reply, failed, passed

_BOUND_S = 60.0  # a new worker imports a framework and loads a model
_CALLERS = 2


class WorkerKill(Probe):
    """Kills a worker under load and waits for its successor."""

    name = "worker_kill"
    title = "Death of a worker"
    question = "Does the server recover when a worker is killed, and lose only what that worker held?"
    risk = "high"
    harm = "changes"

    def ask(self, field: Field) -> Reply:
        """Kill the first of the workers; it has recovered when as many live as before, and the answer is right."""
        service = field.service
        with field.server.admin(service.bundle, service.ports) as admin:
            workers = admin.workers()
            if not workers:
                reason = "the server has no workers: it computes in one process"
                return Reply(outcome=Outcome.NOT_APPLICABLE, reason=reason, figures={"workers": 0})

            def kill() -> float:
                service.running.kill(workers[0])
                bound_s = _BOUND_S * field.time_factor
                return until_right(lambda: _problem(field, service, admin, workers), bound_s, "the death of a worker")

            recovered_s, noticed = during(field, service, kill, callers=_CALLERS)
        figures = {"workers": len(workers), "recovered_s": recovered_s, **noticed.figures()}
        reason = (
            f"a new worker answered {recovered_s:.2f} s after one of {len(workers)} was killed; {noticed.summary()}"
        )
        if len(noticed.failed) > _CALLERS:  # each had one request on its way, no more
            return failed(reason, "run several workers, and let clients repeat requests", **figures)
        return passed(reason, **figures)


def _problem(field: Field, service: Service, admin: Admin, before: tuple[int, ...]) -> object:
    now = admin.workers()
    if before[0] in now or len(now) < len(before):
        return f"{len(set(now) - {before[0]})} of {len(before)} workers live"
    return field.problem(service)


plugin = WorkerKill()
