"""Which step may start where: one that measures has its machine to itself, the others share it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evaluator.core import registry
from evaluator.core.records import Step
from evaluator.executors._contract import Node
from evaluator.planning.capabilities import Capabilities

Placed = tuple[Step, Node | None]  # None: no machine of its kind is there


@dataclass(slots=True)
class Slots:
    """What is at work on each node, and where what was measured must go on.

    All that is measured of one scenario on one device is measured on one machine of its kind: figures of two machines
    are never compared, however alike they are.
    """

    nodes: Sequence[Node]
    running: Mapping[str, Sequence[Step]]  # node -> what is at work there
    bound: dict[tuple[str, str, str], str] = field(default_factory=dict)  # what is measured -> node
    made_at: Mapping[str, str] = field(default_factory=dict)  # step -> the node that has its files
    lost_on: Mapping[str, set[str]] = field(default_factory=dict)  # step -> nodes on which it was lost
    _beside: dict[str, list[Step]] = field(init=False)  # host -> what is at work on its nodes

    def __post_init__(self) -> None:
        """Gather what is at work by host."""
        self._beside = {}
        for node in self.nodes:
            self._beside.setdefault(node.host or node.name, []).extend(self.running.get(node.name, ()))

    def next(self, waiting: Sequence[Step]) -> Placed | None:
        """Return the first step that may start, and where; None when none may."""
        pending = self.pending(waiting)
        refused: set[tuple[object, ...]] = set()  # alike in all that decides: what one is refused, the next one is, too
        for step in waiting:
            shape = (*_shape(step), *self.lost_on.get(step.id, ()))
            if shape in refused or not pending.isdisjoint(step.needs.values()):
                continue
            there = [node for node in self.nodes if node.machine == step.machine]
            if not there:
                return step, None
            chosen = next((node for node in self._wanted(step, there) if self.fits(step, node)), None)
            if chosen is not None:
                return step, chosen
            refused.add(shape)
        return None

    def pending(self, waiting: Sequence[Step]) -> set[str]:
        """Return the ids of the steps that have not ended: what needs one of them waits."""
        return {step.id for steps in (waiting, *self.running.values()) for step in steps}

    def fits(self, step: Step, node: Node) -> bool:
        """Tell whether a step disturbs nothing that is measured on a node's host, and has room there."""
        here = self.running.get(node.name, ())
        return may_start(step, self._beside.get(node.host or node.name, ()), node.able, len(here))

    def _wanted(self, step: Step, there: Sequence[Node]) -> Sequence[Node]:
        """Return the nodes that a step may go to: first those that have least to do, of these one with its files."""
        able = [node for node in there if can(node.able, step)] if len(there) > 1 else there
        able = able or there  # the plan knows better: what cannot be had there ends with its reason
        able = [node for node in able if node.name not in self.lost_on.get(step.id, ())] or able
        if step.measures:
            home = self.bound.get(question(step))
            if any(node.name == home for node in able):
                return [node for node in able if node.name == home]
        return sorted(able, key=lambda node: (self._busy(node), -self._has(node, step)))

    def _busy(self, node: Node) -> int:
        return len(self.running.get(node.name, ()))

    def _has(self, node: Node, step: Step) -> int:
        return sum(self.made_at.get(each) == node.name for each in step.needs.values())


def question(step: Step) -> tuple[str, str, str]:
    """Return what steps agree in whose figures may be compared: scenario, device, and kind of machine."""
    return step.scenario, step.device, step.machine


def may_start(step: Step, beside: Sequence[Step], machine: Capabilities, here: int | None = None) -> bool:
    """Tell whether a step disturbs nothing that is measured beside it, and fits into its machine.

    `beside` is at work on the machine; where it is one of several that share a host, so many of them are `here`.
    """
    if not beside:
        return True
    if step.measures or any(other.measures for other in beside):
        return False
    limits = step.memory_bytes + sum(other.memory_bytes for other in beside)
    return (len(beside) if here is None else here) < machine.cores and limits <= machine.memory_bytes


def can(able: Capabilities, step: Step) -> bool:
    """Tell whether a machine has what a step names: its device, its environment, what starts its server."""
    if able.no_device(step.device) is not None:
        return False
    if step.environment is not None and able.no_environment(step.environment) is not None:
        return False
    if step.server is None or step.launcher is None:
        return True
    server = registry.load("server", step.server)
    return able.cannot_launch(server, registry.load("launcher", step.launcher), server.images) is None


def by_node(jobs: Iterable[tuple[Sequence[Step], Node]]) -> dict[str, list[Step]]:
    """Return the steps at work by the node that they are at work on."""
    found: dict[str, list[Step]] = {}
    for steps, node in jobs:
        found.setdefault(node.name, []).extend(steps)
    return found


def _shape(step: Step) -> tuple[object, ...]:
    """Return what decides whether and where a step whose needs are met may start."""
    asked = (step.environment, step.server, step.launcher)
    return (question(step) if step.measures else step.machine, step.measures, step.memory_bytes, *asked, step.device)
