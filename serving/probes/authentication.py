"""Who may ask when nobody has set anything.

A server that answers everybody by default is open wherever somebody forgot a setting.
"""

import time

from evaluator.core import metrics
from evaluator.core.errors import Unavailable
from serving.contract import Running, Setup
from serving.errors import NotReady
from serving.life import Service
from serving.probes._shipped import as_shipped, contained, is_loopback
from serving.probing import END_OF_LOG, Field, Probe, Reply, by_wire, failed, passed

_LOOK_EVERY_S = 0.1
_RIGHT = "answered"
# A starting server's answers: nobody listens, no worker yet, no model yet.
_NOT_YET = ("UNREACHABLE", "UNAVAILABLE", "TIMEOUT", "DEADLINE_EXCEEDED", "NOT_FOUND", "404", "503")
# 400 is what TorchServe says; the same call is answered by an instance that asks for no credentials.
_NO_CREDENTIALS = ("400", "401", "403", "UNAUTHENTICATED", "PERMISSION_DENIED")


class Authentication(Probe):
    """Calls an instance with default settings without any credentials."""

    name = "authentication"
    title = "Authentication by default"
    question = "Is a call without credentials refused when nothing was configured?"
    risk = "medium"
    harm = "none"

    def ask(self, field: Field) -> Reply:
        """Call over every wire until each has answered or refused."""
        with as_shipped(field) as (setup, running):
            found = {wire: _settled(field, wire, setup, running) for wire in field.wires}
        figures = by_wire("answered", found)
        told = ", ".join(f"{metrics.wire(wire)}: {code}" for wire, code in found.items())
        if all(code in _NO_CREDENTIALS for code in found.values()):
            return passed(f"with its defaults it refuses calls without credentials ({told})", *figures)
        return failed(
            f"with its defaults it does not ask for credentials ({told})",
            "switch its authentication on, or put an authenticating proxy in front",
            *figures,
        )


def _settled(field: Field, wire: str, setup: Setup, running: Running) -> str:
    """Call until the answer is final; return the code of the refusal, or `_RIGHT`."""
    service = Service(server=field.server, bundle=field.bundle, setup=setup, running=running, ready_s=0.0)
    begin, confined = time.perf_counter(), contained(field)
    while (refusal := field.problem(service, wire)) is not None and refusal.code in _NOT_YET:
        sockets = running.listening() if confined else ()
        if sockets and all(is_loopback(socket) for socket in sockets):
            raise Unavailable(
                "with its defaults it listens on loopback inside its container, where no call from outside arrives",
                remedy="ask it with the process launcher",
            )
        if not running.alive() or time.perf_counter() - begin > field.ready_within_s:
            raise NotReady(f"with its defaults: {refusal}{END_OF_LOG}\n{running.log_tail()}")
        time.sleep(_LOOK_EVERY_S)
    return _RIGHT if refusal is None else refusal.code


plugin = Authentication()
