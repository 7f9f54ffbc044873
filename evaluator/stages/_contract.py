"""What a stage is: a part of the evaluation with steps of its own, in one file.

A stage plans its steps in the parent (`plan`), and does one of them in a child (`work`). What it says of itself decides
how its steps are run and shown, and how its command reads. The command line reads `name`, `command`, `summary` and
`example` from the file, without importing it, so that help stays quick: each is one literal.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from evaluator.children.work import Work
from evaluator.core.metrics import Key, Metric
from evaluator.core.records import Measured, Profile, Result, Step

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure that is shown to people when a step has ended."""

    key: Key
    form: str = "{}"  # what stands around the number, which is dressed in its metric's unit: "median {}"


class Stage(ABC):
    """A stage of a run. Limits are for one of its steps: room for ResNet-50 and BERT-base, from measured peaks."""

    name: ClassVar[str]
    title: ClassVar[str]  # as people say it: "Training"
    summary: ClassVar[str]  # one sentence: what it does; the help of its command begins with it
    command: ClassVar[str | None] = None  # `fweval COMMAND`; None: it has none, or a file in evaluator/commands
    example: ClassVar[str] = ""  # of its command
    rests_on: ClassVar[tuple[str, ...]] = ()  # stages whose steps its own need
    comes_with: ClassVar[tuple[str, ...]] = ()  # stages that its variants need: done where it is what was asked for
    measures: ClassVar[bool] = False  # measuring steps run strictly one at a time
    in_turns: ClassVar[bool] = False  # `work` asks `work.turns` for its calls: those of one scenario take turns
    # Where its steps are done, where a run has several kinds of machines: on the first one, which is what a run is
    # judged by; for each device on the first that has it; or on each kind, to be set side by side in columns.
    spread: ClassVar[Literal["once", "device", "machine"]] = "once"
    memory_bytes: ClassVar[int]  # what a step may use at most, with all that it starts
    timeout_s: ClassVar[float]  # what a step may take at most, where the profile does not say
    expected_s: ClassVar[float]  # what a step is expected to take before any has ended, but for `measuring_s`
    questions: ClassVar[tuple[str, ...]] = ()  # that further rounds are taken for while they are undecided
    gives: ClassVar[Mapping[str, str]] = {}  # role in which later steps need one of these -> what it is, in words
    figures: ClassVar[tuple[Shown, ...]] = ()  # the two or three that tell most
    own_metrics: ClassVar[tuple[Metric, ...]] = ()  # what it emits that is not in the vocabulary of metrics
    shown: ClassVar[bool] = True  # whether its steps are cells; those that only prepare are none
    planned: ClassVar[bool] = True  # False: no part of a run; the command that does its steps makes them itself

    def measuring_s(self, profile: Profile) -> float:
        """Return how long a step is expected to take in addition, as the profile has it."""
        return 0.0

    def plan(self, plan: "ScenarioPlan") -> None:  # noqa: B027  # one that is not planned has no steps to add
        """Add the steps of one scenario, in the order in which they are to run; keep ids that later stages need."""

    @abstractmethod
    def work(self, work: Work) -> Measured:
        """Do one step, in its child. Whatever is raised becomes an outcome: `evaluator.children.worker` says which."""

    def conclude(self, ended: Sequence[tuple[Step, Result]]) -> None:  # noqa: B027  # most have nothing to say
        """Look at all of its steps in the parent when they have ended; `UsageError` when going on makes no sense."""
