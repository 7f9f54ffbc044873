"""The energy of one call, from what a counter said of whole blocks of calls; pure."""

from collections.abc import Iterable

from evaluator.core.energy import Meter, Unmetered
from evaluator.core.records import Metrics
from evaluator.core.turns import Block

_SPOILED = "others had the machine during every block: their energy is in the counter, too → measure on a quiet machine"
_SILENT = "the counter did not tell during any block → see the driver's log (dmesg)"


def per_call(blocks: Iterable[Block], metric: str, meter: Meter | Unmetered) -> Metrics:
    """Return the energy of one call as `metric`, the mean power, and where they come from; or why there are none.

    `blocks` are those of one track. Only quiet ones count. Calls that were not timed took energy like the others.
    """
    if isinstance(meter, Unmetered):
        return {"energy_unmeasured": meter.said()}
    told = [
        (block, block.energy_j, block.energy_s)
        for block in blocks
        if block.calls and block.energy_j is not None and block.energy_s
    ]
    quiet = [(block, joules, seconds) for block, joules, seconds in told if block.quiet]
    if not quiet:
        return {"energy_unmeasured": _SPOILED if told else _SILENT}
    joules = sum(each for _, each, _ in quiet)
    return {
        metric: joules / sum(block.calls + block.untimed for block, _, _ in quiet),
        "mean_power_w": joules / sum(seconds for _, _, seconds in quiet),
        "energy_provenance": meter.provenance,
    }
