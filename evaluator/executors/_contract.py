"""What an executor is: it starts steps on the machines that it reaches, waits for them, and brings back what they left.

The run folder stays with the one who asks. An executor whose machines do not see it ships the folders of the needed
steps there, and the folder of the ended step back.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from evaluator.children.cleaning import Leftover
from evaluator.core.records import Result, Step
from evaluator.core.turns import Said, Wanted
from evaluator.planning.capabilities import Capabilities


class Job(Protocol):
    """A step that was started, as its executor knows it."""

    @property
    def step(self) -> Step:
        """What is at work."""
        ...


J = TypeVar("J", bound=Job)


class Executor(ABC, Generic[J]):
    """Runs steps on machines. Which step may start when is not its business (`evaluator.running.slots`)."""

    name: ClassVar[str]
    title: ClassVar[str]  # as people write it: "children of this process"

    @abstractmethod
    def machines(self) -> Mapping[str, Capabilities]:
        """Return what each machine that it reaches can do, by the name that steps bear (`Step.machine`)."""

    @abstractmethod
    def start(self, step: Step, folder: Path, needed: Sequence[Path]) -> J:
        """Start a step on its machine, in a process of its own that keeps the step's limits of time and memory.

        An executor may put the end of its time off while others have the cores, as `evaluator.children.patience` does.
        `folder`, which does not exist yet, is where the step's files must lie once they have been fetched. `needed` are
        the folders of the steps that this one needs: they must lie beside the step's own where it runs.
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

    @abstractmethod
    def wait(self, jobs: Sequence[J], at_most_s: float) -> Sequence[J]:
        """Block until one of the jobs has ended or its time is up; return those, and none after `at_most_s` seconds.

        Polls nothing: a poller would burn the cores that are measured.
        """

    @abstractmethod
    def fetch(self, job: J) -> Result:
        """Bring the files of a job that `wait` returned into its folder, and return how it ended; called once.

        One whose time is up is stopped. Every ending is a result, also that its machine was lost.
        """

    @abstractmethod
    def cancel(self, job: J) -> None:
        """Stop a job and all that it started, because the person asked for it; nothing that it left is kept.

        Also of a job whose `fetch` was interrupted.
        """

    @abstractmethod
    def tidy(self, machine: str) -> Sequence[Leftover]:
        """Remove what steps that have ended, or were killed, left behind on a machine, and say what it was."""
