"""A new version takes over while requests come in.

Every model is retrained; a server that drops requests, or answers none for a while, makes each of these an outage. The
second version is the same artifact, so that every answer can be proven right whichever version gave it.
"""

from serving.probes._versions import changed
from serving.probing import Field, Probe, Reply

_NEXT = 2


class HotSwap(Probe):
    """Deploys version 2 beside version 1 and lets it answer."""

    name = "hot_swap"
    title = "Hot swap"
    question = "Can a new version take over under load without a failed request?"
    risk = "high"
    harm = "changes"

    def ask(self, field: Field) -> Reply:
        """Deploy under load; the server must say that the new version answers."""
        service = field.service
        with field.server.admin(service.bundle, service.ports) as admin:
            return changed(field, service, admin, lambda admin: admin.deploy(field.artifact, _NEXT), _NEXT)


plugin = HotSwap()
