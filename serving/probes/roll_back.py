"""The former version takes over again while requests come in.

It is what an operator does first when a new version misbehaves, so it must work under load.
"""

from serving.probes._versions import changed
from serving.probing import Field, Probe, Reply

_FORMER, _PRESENT = 1, 2


class RollBack(Probe):
    """Lets version 1 answer again, after version 2."""

    name = "roll_back"
    title = "Roll-back"
    question = "Can the former version answer again under load without a failed request?"
    risk = "high"
    harm = "changes"

    def ask(self, field: Field) -> Reply:
        """Deploy version 2 unless it answers already, then roll back under load."""
        service = field.service
        with field.server.admin(service.bundle, service.ports) as admin:
            if admin.answering() != _PRESENT:
                admin.deploy(field.artifact, _PRESENT)
            return changed(field, service, admin, lambda admin: admin.roll_back(_FORMER), _FORMER)


plugin = RollBack()
