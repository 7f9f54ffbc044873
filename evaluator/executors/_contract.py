"""What an executor is: it starts steps on the machines that it reaches, waits for them, and brings back what they left.

A step bears the name of a kind of machine (`Step.machine`); nodes are the machines of a kind that are there now. The
run folder stays with the one who asks. An executor whose nodes do not see it ships the folders of the needed steps
there, and the folders of the ended steps back.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from evaluator.children.cleaning import Leftover
from evaluator.core.coordinates import MACHINE
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.records import Node as Described
from evaluator.core.records import Result, Step
from evaluator.core.turns import Said, Wanted
from evaluator.planning.capabilities import Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine that can be given steps now."""

    name: str  # as its rows say
    machine: str = MACHINE  # its kind, which steps bear
    host: str = ""  # nodes of one host share its cores: what measures on one has the others to itself, too
    able: Capabilities


class Job(Protocol):
    """Steps that were started together, as their executor knows them: one, or those that take turns with each other."""

    @property
    def steps(self) -> Sequence[Step]:
        """What is at work."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is heard of a job that is at work."""

    note: str = ""  # a line for people
    share: float | None = None  # of what is to be measured, 0 to 1


class NodeLost(Exception):
    """The machine of a job is gone, and with it what the job had done. It is for whoever runs steps to try again."""


class ExecutorLost(IncompleteEvidence):
    """Nothing can be asked of any machine any more: the run ends here as if it had been killed, and can be resumed."""


J = TypeVar("J", bound=Job)
Hear = Callable[[Job, Told], None]


def deaf(job: Job, told: Told) -> None:
    """Hear nothing of jobs that are at work."""


class Executor(ABC, Generic[J]):
    """Runs steps on machines. Which step may start when is not its business (`evaluator.running.slots`)."""

    name: ClassVar[str]
    title: ClassVar[str]  # as people write it: "children of this process"
    reached_as: ClassVar[tuple[str, ...]] = ()  # what `--on` says to mean it: "ray://HOST:PORT"; none: it needs none

    def at(self, on: str, *, exclusive: bool = True) -> "Executor[Any] | None":
        """Return the one that is connected to what `--on` says; None where that means another.

        `exclusive` is for a run, of which there is one at a time. Whatever is wrong with it, or not there, is one of
        our errors.
        """
        return None

    @abstractmethod
    def machines(self) -> Mapping[str, Capabilities]:
        """Return what each kind of machine that it reaches can do now, by the name that steps bear (`Step.machine`).

        The first is the one that goes without saying: `MACHINE`, by which a run is judged.
        """

    @abstractmethod
    def nodes(self) -> Sequence[Node]:
        """Return the machines that are there now; one that was lost is none of them any more. Asks nobody."""

    def described(self) -> Sequence[Described]:
        """Describe its machines for the record of a run, also those that cannot be used; none for this one alone."""
        return ()

    @property
    def first(self) -> str:
        """The kind by which a run is judged, which its steps bear as `MACHINE`; empty where there is but one."""
        return ""

    def doctor(self) -> Mapping[str, Any]:
        """Return what `fweval doctor` says on each of its machines but this one, by their names."""
        return {}

    def prepare(self, scenarios: Sequence[Mapping[str, Any]], first: str = "") -> None:
        """Learn which scenarios a run is about, in builtins, before its machines are asked what they can do.

        `first` is the kind by which it has been judged so far.
        """

    def wait_for_quiet(self, most_s: float) -> None:
        """Let every machine wait until others leave it alone, for so long at most over the whole run."""

    def bring(self, environments: Sequence[str], say: Callable[[str], None]) -> None:
        """Have data packages and environments of tools on every machine but this one; say what cannot be had."""

    @abstractmethod
    def start(self, steps: Sequence[Step], node: str, place: Path, needed: Sequence[Path]) -> J:
        """Start steps on a machine, in processes of their own that keep their limits of time and memory.

        Several steps are such as take turns with each other. An executor may put the end of a step's time off while
        others have the cores, as `evaluator.children.patience` does. `place` is the folder in which the folders of the
        steps, which do not exist yet, must lie once they have been fetched. `needed` are the folders of the steps that
        these need: they must lie beside their own where they run.
        """

    @abstractmethod
    def wait(self, jobs: Sequence[J], at_most_s: float, hear: Hear = deaf) -> Sequence[J]:
        """Block until one of the jobs has ended or its time is up; return those, and none after `at_most_s` seconds.

        `hear` is called with what comes of jobs meanwhile. Polls nothing: a poller would burn the cores that are
        measured. Raises `ExecutorLost`.
        """

    @abstractmethod
    def fetch(self, job: J) -> Sequence[Result]:
        """Bring the files of a job that `wait` returned into its place, and return how its steps ended; called once.

        One whose time is up is stopped. Every ending is a result, but for that of a job whose machine is gone:
        `NodeLost`.
        """

    @abstractmethod
    def cancel(self, job: J) -> None:
        """Stop a job and all that it started, because the person asked for it; nothing that it left is kept.

        Also of a job whose `fetch` was interrupted.
        """

    @abstractmethod
    def tidy(self, node: str) -> Sequence[Leftover]:
        """Remove what steps that have ended, or were killed, left behind on a machine, and say what it was."""

    def engine_cpu_s(self) -> float | None:
        """Return the processor time that the engine's own processes on this machine have had, None without an engine.

        They are neighbours of what is measured.
        """
        return None

    def close(self) -> None:
        """Let go of all machines; what was brought there for the run is removed."""


class Near(Executor[J]):
    """An executor on whose machine the one who asks is: what takes turns is asked by them, block by block.

    Any other has a job of several steps ask for its blocks where they run (`evaluator.nodes.there`).
    """

    @abstractmethod
    def ask(self, job: J, wanted: Wanted) -> None:
        """Ask a job whose step is measured in turns (`Step.in_turns`); one that has ended does not hear it.

        Its limit of time is for each of its answers: it begins anew when it is asked, and rests while it is not.
        """

    @abstractmethod
    def hear(self, job: J, at_most_s: float) -> Said | None:
        """Block until such a job says something, and return that; None when it has ended, or its time is up.

        `TimeoutError` when nothing of that has come after `at_most_s` seconds. Polls nothing.
        """
