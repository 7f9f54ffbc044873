"""The machines of a cluster in a scorecard: what each is, what disturbed it, and what each kind measured, in columns.

Figures of different machines are set side by side, and never compared: no ratio, no score and no winner rests on them.
"""

from typing import Annotated

import msgspec

from evaluator.core.outcome import Outcome
from evaluator.core.records import Cell, LabelValue, Node, Record

_NAMED = 3  # machines of a kind, of which all are named

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Disturbed(Record, frozen=True, kw_only=True):
    """What kept a machine busy while it measured, beside what was measured: means over its blocks, by their length."""

    blocks: int
    spoiled: Share  # of the blocks, which comparisons leave out
    others_cores: float | None = None  # that everybody else kept busy, other guests of its host too; None: not known
    engine_cores: float | None = None  # of these, what the cluster's engine kept busy


class ClusterMachine(Record, frozen=True, kw_only=True):
    """One machine of a cluster; what could not be asked of it is None."""

    name: str
    kind: str  # those that are alike in all that decides figures; empty for one that could not be asked
    isa: str = ""
    processor: str | None = None
    memory_bytes: int | None = None
    gpu: str | None = None
    system: str | None = None
    python: str | None = None
    versions: dict[str, str] = msgspec.field(default_factory=dict)  # of what computes
    refused: str | None = None  # why nothing is run there, or nothing more
    remedy: str | None = None
    steps: int = 0  # that ended there
    disturbed: Disturbed | None = None  # None: nothing was measured there in turns


class OnKind(Record, frozen=True, kw_only=True):
    """What one kind of machine measured: the median of its rounds, and the lowest and highest of them."""

    kind: str
    value: float | None = None  # None: it has none
    low: float | None = None
    high: float | None = None
    rounds: int = 0
    nodes: tuple[str, ...] = ()  # that measured it
    reference: bool = False  # the embedded reference server answered, a stand-in for the real one
    outcome: Outcome | None = None  # how the steps ended that gave no value; None where none is planned there
    reason: str = ""


class MachineRow(Record, frozen=True, kw_only=True):
    """One thing that was measured, kind by kind."""

    stage: str
    scenario: str
    framework: str
    subject: str  # what was measured, for people
    path: str  # deployment path, or "training"; empty for an origin as it is
    device: str
    metric: str
    labels: dict[str, LabelValue] = msgspec.field(default_factory=dict)
    unit: str
    kinds: tuple[OnKind, ...]


class Fastest(Record, frozen=True, kw_only=True):
    """The fastest of what was proven and measured on one kind of machine; without a value there is none."""

    kind: str
    framework: str = ""
    subject: str = ""
    value: float | None = None


class MachinePath(Record, frozen=True, kw_only=True):
    """What was fastest on each kind of machine, for one path in one scenario on one device. No kind is called ahead."""

    scenario: str
    path: str
    about: str  # what is timed: "one answer"
    device: str
    metric: str
    unit: str
    kinds: tuple[Fastest, ...]


class Machines(Record, frozen=True, kw_only=True):
    """Everything that a scorecard says of a cluster."""

    judged_by: str  # the kind that scores, findings and comparisons are of, by its own name
    kinds: tuple[str, ...]  # that steps were planned for, as they bear it; the one that is judged by comes first
    machines: tuple[ClusterMachine, ...]
    rows: tuple[MachineRow, ...] = ()
    paths: tuple[MachinePath, ...] = ()
    cells: tuple[Cell, ...] = ()  # what was measured again on further kinds: in no finding and in no score

    def title(self, kind: str) -> str:
        """Name a kind by its machines: "node-2, node-3"."""
        return title(self.machines, kind)


def title(machines: "tuple[ClusterMachine, ...] | tuple[Node, ...]", kind: str) -> str:
    """Name a kind by its machines, those first that were used; by its own name where it has none any more."""
    alike = [each for each in machines if each.kind == kind]
    names = [each.name for each in sorted(alike, key=lambda each: each.refused is not None)]
    more = f" and {len(names) - _NAMED + 1} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[: _NAMED - 1] if more else names)}{more}" or kind
