"""Which step may start now: one that measures has its machine to itself, the others share it. Pure."""

from collections.abc import Iterable, Sequence

from evaluator.core.records import Step
from evaluator.planning.capabilities import Capabilities


def may_start(step: Step, running: Sequence[Step], waiting: Iterable[Step], machine: Capabilities) -> bool:
    """Tell whether the step disturbs nothing that is measured, finds what it needs, and fits into its machine.

    `running` and `waiting` are steps of all machines: what a step needs may be made on another one.
    """
    pending = {other.id for other in (*running, *waiting)}
    if not pending.isdisjoint(step.needs.values()):
        return False
    beside = [other for other in running if other.machine == step.machine]
    if not beside:
        return True
    if step.measures or any(other.measures for other in beside):
        return False
    limits = step.memory_bytes + sum(other.memory_bytes for other in beside)
    return len(beside) < machine.cores and limits <= machine.memory_bytes
