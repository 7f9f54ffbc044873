"""Steps as children of this process, on the machine that it runs on.

The end of a child makes a file descriptor readable, so that waiting takes no time of any core.
Documentation: https://man7.org/linux/man-pages/man2/pidfd_open.2.html
"""

import select
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from evaluator.children.cleaning import Leftover, clean
from evaluator.children.isolation import Child
from evaluator.core.coordinates import MACHINE
from evaluator.core.records import Result, Step
from evaluator.core.turns import Said, Wanted
from evaluator.executors._contract import Hear, Near, Node, deaf
from evaluator.executors._this_machine import ThisMachine
from evaluator.planning.capabilities import Capabilities

Launch = Callable[[Step, Path], Child]


class Local(Near[Child]):
    """Starts children here. They see the run folder: nothing needs to be shipped or fetched."""

    name = "local"
    title = "children on this machine"

    def __init__(
        self, launch: Launch = Child, *, node: Node | None = None, engine: Callable[[], float | None] = lambda: None
    ) -> None:
        """Take what starts a child in the step's folder; of a node of a cluster, which one this is, and its engine."""
        self._launch = launch
        self._node = node or Node(name=MACHINE, able=ThisMachine())
        self._engine = engine

    def machines(self) -> Mapping[str, Capabilities]:
        """Return the one machine that it reaches."""
        return {self._node.machine: self._node.able}

    def nodes(self) -> Sequence[Node]:
        """Return this machine."""
        return (self._node,)

    def start(self, steps: Sequence[Step], node: str, place: Path, needed: Sequence[Path]) -> Child:
        """Start a child for one step; what it needs lies beside its folder already."""
        (step,) = steps
        return self._launch(step, place / step.id)

    def ask(self, job: Child, wanted: Wanted) -> None:
        """Write to the child's socket."""
        job.ask(wanted)

    def hear(self, job: Child, at_most_s: float) -> Said | None:
        """Read from the child's socket."""
        until = time.monotonic() + at_most_s
        while True:
            wait_s = max(0.0, min(until, job.deadline) - time.monotonic())
            readable, _, _ = select.select([*job.lines, job.descriptor], [], [], wait_s)
            said = job.said() if job.lines and job.lines[0] in readable else None
            if said is not None:
                return said
            if job.descriptor in readable or job.is_over():
                return None
            if time.monotonic() >= until:
                raise TimeoutError

    def wait(self, jobs: Sequence[Child], at_most_s: float, hear: Hear = deaf) -> list[Child]:
        """Block until a child has ended or its time is up; return those, and none after `at_most_s` seconds."""
        until = time.monotonic() + at_most_s
        while True:
            wake_at = min(until, *(child.deadline for child in jobs))
            descriptors = [child.descriptor for child in jobs]
            readable, _, _ = select.select(descriptors, [], [], max(0.0, wake_at - time.monotonic()))
            ended = [child for child in jobs if child.descriptor in readable or child.is_over()]
            if ended or time.monotonic() >= until:
                return ended

    def fetch(self, job: Child) -> Sequence[Result]:
        """Collect the child; its files are here."""
        return (job.finish(),)

    def cancel(self, job: Child) -> None:
        """Stop the child and remove its folder."""
        job.interrupt()

    def tidy(self, node: str) -> Sequence[Leftover]:
        """Remove containers, networks and temporary folders whose makers have ended."""
        return clean().found

    def engine_cpu_s(self) -> float | None:
        """Ask the engine, where this machine is a node of one."""
        return self._engine()


plugin = Local()
