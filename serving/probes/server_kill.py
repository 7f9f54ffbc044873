"""The whole server dies, and a supervisor starts it again on the same ports.

Nothing may be left that keeps the next one from starting: processes that hold ports, locks, sockets.
"""

import time
from collections.abc import Sequence

from serving.load.calls import Call
from serving.probes._waiting import until_right
from serving.probing import Field, Probe, Reply, failed, passed

_SHARE = 4
_NOTICE_S = 0.3  # what callers get to notice; then they stop, so that no connection of theirs takes a port


class ServerKill(Probe):
    """Kills all processes of the server under load and starts it again."""

    name = "server_kill"
    title = "Death of the server"
    question = "Is the service right again after a kill and a restart, with nothing left behind?"
    risk = "high"
    harm = "kills"

    def ask(self, field: Field) -> Reply:
        """Kill, restart, ask until the answer is right."""
        service = field.service
        with field.traffic(service) as calls:
            time.sleep(field.seconds / _SHARE)
            begin = time.perf_counter()
            service.running.kill()
            time.sleep(_NOTICE_S)
        killed, new = field.restart()
        until_right(lambda: field.problem(new), field.ready_within_s, "the restart")
        outage_s = time.perf_counter() - begin
        lost, answered = _lost(calls.taken), sum(call.code is None for call in calls.taken)
        figures = {
            "outage_s": outage_s,
            "requests_lost": lost,
            "requests_answered": answered,
            "leftovers": len(killed.leftovers),
        }
        told = f"right answers came {outage_s:.2f} s after kill and restart; {lost} requests on their way were lost"
        if killed.leftovers:
            return failed(
                f"the killed server left behind: {', '.join(killed.leftovers)}; {told}",
                "run it where its supervisor ends all of its processes (a container, a systemd unit)",
                **figures,
            )
        return passed(told, **figures)


def _lost(calls: Sequence[Call]) -> int:
    """Count the calls that were on their way when the first one failed; those that began later were refused."""
    failures = [call for call in calls if call.code is not None]
    first = min((call.end for call in failures), default=0.0)
    return sum(call.begin < first for call in failures)


plugin = ServerKill()
