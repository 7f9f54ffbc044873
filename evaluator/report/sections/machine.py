"""The machine that the figures hold for, and the version of everything that was measured on it."""

from typing import ClassVar

from evaluator.core.scorecard import Scorecard
from evaluator.report import _format
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Facts, Folded


class MachineAndVersions(Section):
    """Processor, memory, system, and versions."""

    name: ClassVar[str] = "machine"
    title: ClassVar[str] = "Machine and versions"
    short: ClassVar[str] = "Machine"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return one row for each."""
        machine = card.machine
        rows = (
            ("Processor", machine.processor),
            ("Memory", _format.size(machine.memory_bytes)),
            ("System", machine.system),
            ("GPU", machine.gpu or "none found"),
            ("Docker", machine.docker or "none found"),
            ("Java", machine.java or "none found"),
            ("Python", machine.python),
        )
        versions = Folded(
            title=f"Versions of {len(machine.versions)} packages", blocks=(Facts(rows=tuple(machine.versions.items())),)
        )
        return (Facts(rows=rows), *((versions,) if machine.versions else ()))


plugin = MachineAndVersions()
