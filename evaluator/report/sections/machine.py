"""The machine that the figures hold for, and the version of everything that was measured on it.

Of a cluster, that is the kind of machine which the run is judged by.
"""

from typing import ClassVar

from evaluator.core.coordinates import MACHINE
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
            *_judged_by(card),
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


def _judged_by(card: Scorecard) -> tuple[tuple[str, str], ...]:
    """Say of a cluster which machines scores, findings and comparisons are of, and of which devices others'."""
    if card.machines is None:
        return ()
    elsewhere = {cell.device: cell.machine for cell in card.cells if cell.machine != MACHINE}
    also = (
        (f"Scores, findings and comparisons, {card.title('device', device)}", f"of {card.machines.title(kind)}")
        for device, kind in elsewhere.items()
    )
    own = f"of {card.machines.title(MACHINE)}, of the kind {card.machines.judged_by}"
    return (("Scores, findings and comparisons", own), *also)


plugin = MachineAndVersions()
