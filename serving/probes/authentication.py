"""Who may ask when nobody has set anything.

A server that answers everybody by default is open wherever somebody forgot a setting.
"""

import time

from serving.contract import Running, Setup
from serving.errors import NotReady
from serving.life import Service
from serving.probes._shipped import as_shipped
from serving.probing import END_OF_LOG, Field, Probe, Reply, failed, passed

_LOOK_EVERY_S = 0.1
# A starting server's answers: nobody listens, no worker yet, no model yet.
_NOT_YET = ("UNREACHABLE", "UNAVAILABLE", "TIMEOUT", "DEADLINE_EXCEEDED", "NOT_FOUND", "404", "500", "503")


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
        opened = [wire for wire, code in found.items() if code is None]
        figures = {f"{wire}_open": wire in opened for wire in found}
        if opened:
            return failed(
                f"with its defaults it answers calls without credentials over {', '.join(opened)}",
                "switch its authentication on, or put an authenticating proxy in front",
                **figures,
            )
        codes = ", ".join(f"{wire} {code}" for wire, code in found.items())
        return passed(f"calls without credentials are refused ({codes})", **figures)


def _settled(field: Field, wire: str, setup: Setup, running: Running) -> str | None:
    """Call until the answer is final; return the code of the refusal, None for a right answer."""
    service = Service(server=field.server, bundle=field.bundle, setup=setup, running=running, ready_s=0.0)
    begin = time.perf_counter()
    while (refusal := field.problem(service, wire)) is not None and refusal.code in _NOT_YET:
        if not running.alive() or time.perf_counter() - begin > field.ready_within_s:
            raise NotReady(f"with its defaults it did not answer{END_OF_LOG}\n{running.log_tail()}")
        time.sleep(_LOOK_EVERY_S)
    return None if refusal is None else refusal.code


plugin = Authentication()
