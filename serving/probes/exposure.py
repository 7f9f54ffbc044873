"""Which addresses a server listens on, when nobody has set anything.

On all interfaces means: reachable by everybody in the network, management interfaces included.
"""

import time

from evaluator.core.records import Metrics
from serving.contract import Running
from serving.errors import NotReady
from serving.probes._shipped import as_shipped, is_loopback
from serving.probing import END_OF_LOG, Field, Probe, Reply, failed, passed

_LOOK_EVERY_S = 0.2
_SETTLED_S = 2.0  # without a further socket


class Exposure(Probe):
    """Lists the sockets of an instance with default settings."""

    name = "exposure"
    title = "Exposure by default"
    question = "Does the server listen on this machine only when nothing was configured?"
    risk = "medium"
    harm = "none"

    def ask(self, field: Field) -> Reply:
        """Wait until no more sockets appear."""
        with as_shipped(field) as (_, running):
            addresses = _settled(running, field.ready_within_s)
        exposed = [address for address in addresses if not is_loopback(address)]
        figures: Metrics = {"listening": addresses, "sockets": len(addresses), "exposed": len(exposed)}
        if exposed:
            return failed(
                f"with its defaults it listens beyond the machine on {', '.join(exposed)}",
                "set its addresses, and publish only the ports that callers need",
                **figures,
            )
        return passed(f"with its defaults all of its {len(addresses)} sockets are on loopback", **figures)


def _settled(running: Running, bound_s: float) -> tuple[str, ...]:
    """Return the sockets when there are some and no more have come for a while."""
    begin = changed = time.perf_counter()
    seen: tuple[str, ...] = ()
    while not seen or time.perf_counter() - changed < _SETTLED_S:
        now = running.listening()
        if now != seen:
            seen, changed = now, time.perf_counter()
        if not running.alive() or time.perf_counter() - begin > bound_s:
            raise NotReady(f"with its defaults it did not listen{END_OF_LOG}\n{running.log_tail()}")
        time.sleep(_LOOK_EVERY_S)
    return seen


plugin = Exposure()
