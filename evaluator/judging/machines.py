"""What the machines of a cluster measured, in columns, and what disturbed each. Pure.

Across machines nothing is compared. What counts as proven, and which of it is fastest, is asked within one kind alone.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from statistics import median

import msgspec

from evaluator.core import metrics
from evaluator.core.coordinates import MACHINE
from evaluator.core.machines import (
    ClusterMachine,
    Disturbed,
    Fastest,
    MachinePath,
    MachineRow,
    Machines,
    OnKind,
    title,
)
from evaluator.core.metrics import Key, key
from evaluator.core.records import Node, Step
from evaluator.core.store import cell_of
from evaluator.core.turns import Block
from evaluator.judging import candidates, training
from evaluator.judging.evidence import Entry, Evidence
from evaluator.judging.questions import QUESTIONS, Question

TRAINING = "training"
_COMPUTES = ("torch", "tensorflow", "keras", "onnxruntime", "ai-edge-litert")  # versions that decide figures
_ONCE = (training.EQUIVALENCE, "export")  # stages of which one answer holds for every kind
_UNSAID = "it gave no such figure"
_UNPLANNED = "not planned there"

_About = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A figure that is shown by kind; `otherwise` where some kind that measured has none of it."""

    stage: str
    figure: Key
    otherwise: Key | None = None
    always: bool = False  # shown also where no kind has it: why is said once


_ASKED = (
    _Asked(stage="train", figure=key("step_s"), always=True),
    _Asked(stage="run", figure=key("latency_s", statistic="median"), always=True),
    _Asked(stage="run", figure=key("throughput_per_s")),
    _Asked(stage="serve", figure=key("latency_s", wire="rest", statistic="median"), always=True),
    _Asked(stage="serve", figure=key("latency_s", wire="grpc", statistic="median")),
    _Asked(stage="edge", figure=key("latency_s", statistic="median"), always=True),
    _Asked(stage="edge", figure=key("ram_floor_bytes"), otherwise=key("peak_rss_bytes")),
    _Asked(stage="verify", figure=key("latency_in_js_s")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    """By which figure the fastest on a path is found, and which question says what is proven there."""

    path: str
    about: str
    stage: str
    figure: Key
    question: str = ""


_TIMED = (
    _Timed(path=TRAINING, about="one training step", stage="train", figure=_ASKED[0].figure),
    _Timed(path="server", about="one answer", stage="run", figure=_ASKED[1].figure, question="server_answer"),
    _Timed(path="mobile", about="one answer on one core", stage="edge", figure=_ASKED[5].figure, question="phone"),
    _Timed(path="portable", about="one answer", stage="run", figure=_ASKED[1].figure, question="server_answer"),
    _Timed(path="web", about="one answer, a short look", stage="verify", figure=_ASKED[7].figure, question="browser"),
)


def told(evidence: Evidence) -> Machines | None:
    """Return what the machines of a cluster measured; None for a run that was made on one machine."""
    if not evidence.nodes:
        return None
    everything = (*evidence.entries, *evidence.columns)
    found = _Found(evidence)
    measured = tuple(found.rows())
    return Machines(
        judged_by=evidence.run.kind,
        kinds=found.kinds,
        machines=tuple(_machine(node, everything) for node in evidence.nodes),
        rows=tuple(each.row for each in measured),
        paths=tuple(found.paths(measured)),
        cells=tuple(cell_of(entry.step, entry.result) for entry in evidence.columns if entry.digests),
    )


def titles(evidence: Evidence) -> dict[str, dict[str, str]]:
    """Return the catalogue's titles, and what kinds of machines are called: by the names of their machines."""
    found = evidence.catalogue.titles
    if not evidence.nodes:
        return found
    kinds = dict.fromkeys(node.kind for node in evidence.nodes if node.kind not in ("", MACHINE))
    return {**found, "machine": {kind: f"on {title(evidence.nodes, kind)}" for kind in kinds}}


def _machine(node: Node, entries: Iterable[Entry]) -> ClusterMachine:
    about = node.machine
    ended = [entry for entry in entries if entry.result.node == node.name]
    blocks = [block for entry in ended for block in entry.blocks.blocks]
    made = ClusterMachine(
        name=node.name,
        kind=node.kind,
        isa=node.isa,
        refused=node.refused,
        remedy=node.remedy,
        steps=len(ended),
        disturbed=_disturbed(blocks),
    )
    if about is None:
        return made
    asked: ClusterMachine = msgspec.structs.replace(
        made,
        processor=about.processor,
        memory_bytes=about.memory_bytes,
        gpu=about.gpu,
        system=about.system,
        python=about.python,
        versions={name: about.versions[name] for name in _COMPUTES if name in about.versions},
    )
    return asked


def _disturbed(blocks: Sequence[Block]) -> Disturbed | None:
    if not blocks:
        return None
    others = ((b.elapsed_s, b.others_cores + b.steal_cores) for b in blocks if b.others_cores is not None)
    engine = ((b.elapsed_s, b.engine_cores) for b in blocks if b.engine_cores is not None)
    return Disturbed(
        blocks=len(blocks),
        spoiled=sum(not block.quiet for block in blocks) / len(blocks),
        others_cores=_mean(others),
        engine_cores=_mean(engine),
    )


def _mean(weighed: Iterable[tuple[float, float]]) -> float | None:
    known = list(weighed)
    total = fsum(seconds for seconds, _ in known)
    return fsum(seconds * value for seconds, value in known) / total if total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A row, and what its steps agree in whatever machine they are for."""

    row: MachineRow
    about: _About


def _about(step: Step) -> _About:
    anywhere = msgspec.structs.replace(step, machine=MACHINE)
    return anywhere.key("stage", "model", "artifact", "place")


class _Found:
    """The entries of a run, kind by kind; proofs are looked up once."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self._there: dict[str, Evidence] = {}
        self._proven: dict[tuple[str, ...], set[_About]] = {}

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that steps were planned for, the one that is judged by first."""
        found = {entry.step.machine for entry in (*self.evidence.entries, *self.evidence.columns)}
        return tuple(sorted(found, key=lambda kind: (kind != MACHINE, kind)))

    def there(self, kind: str) -> Evidence:
        """Return the evidence of one kind alone, and what holds for every kind."""
        if kind not in self._there:
            entries = (*self.evidence.entries, *self.evidence.columns)
            own = tuple(each for each in entries if each.step.machine == kind or each.step.stage in _ONCE)
            self._there[kind] = dataclasses.replace(self.evidence, entries=own, columns=())
        return self._there[kind]

    def rows(self) -> Iterator[_Measured]:
        """Yield a row for each thing and figure, in the order of scenarios, stages and the plan."""
        groups = self._groups()
        for scenario in self.evidence.scenarios:
            for asked in _ASKED:
                for about, by_kind in groups.get((scenario, asked.stage), {}).items():
                    row = self._row(asked, by_kind)
                    if asked.always or any(each.value is not None for each in row.kinds):
                        yield _Measured(row=row, about=about)

    def _groups(self) -> Mapping[tuple[str, str], Mapping[_About, Mapping[str, list[Entry]]]]:
        """Return what was measured by scenario and stage, by what it is about, and by kind."""
        found: dict[tuple[str, str], dict[_About, dict[str, list[Entry]]]] = {}
        for entry in (*self.evidence.entries, *self.evidence.columns):
            step = entry.step
            if _shown(self.evidence, step):
                of_stage = found.setdefault((step.scenario, step.stage), {})
                of_stage.setdefault(_about(step), {}).setdefault(step.machine, []).append(entry)
        return found

    def _row(self, asked: _Asked, by_kind: Mapping[str, list[Entry]]) -> MachineRow:
        evidence, wanted = self.evidence, _figure(asked, by_kind.values())
        first = next(iter(by_kind.values()))[0]
        step, trained = first.step, first.step.stage == "train"
        return MachineRow(
            stage=step.stage,
            scenario=step.scenario,
            framework=step.framework,
            subject=f"training in {evidence.title(step.framework)}" if trained else candidates.title(evidence, step),
            path=TRAINING if trained else evidence.paths.get(step.format or "", ""),
            device=step.device,
            metric=wanted.name,
            labels=dict(wanted.labels),
            unit=metrics.metric(wanted.name).unit,
            kinds=tuple(_of_kind(kind, by_kind.get(kind, ()), wanted) for kind in self.kinds),
        )

    def paths(self, measured: Sequence[_Measured]) -> Iterator[MachinePath]:
        """Yield the fastest of each kind, path by path; nothing for a path on which no kind has any."""
        for scenario in self.evidence.scenarios:
            for timed in _TIMED:
                rows = [each for each in measured if _answers(each.row, timed, scenario)]
                for device in dict.fromkeys(each.row.device for each in rows):
                    there = [each for each in rows if each.row.device == device]
                    kinds = tuple(self._fastest(kind, timed, there) for kind in self.kinds)
                    if any(each.value is not None for each in kinds):
                        yield _path(timed, there[0].row, kinds)

    def _fastest(self, kind: str, timed: _Timed, rows: Sequence[_Measured]) -> Fastest:
        known = [
            (on.value, each.row)
            for each in rows
            for on in each.row.kinds
            if on.kind == kind and on.value is not None and self._is_proven(kind, timed, each)
        ]
        if not known:
            return Fastest(kind=kind)
        value, row = min(known, key=lambda one: one[0])
        return Fastest(kind=kind, framework=row.framework, subject=row.subject, value=value)

    def _is_proven(self, kind: str, timed: _Timed, each: _Measured) -> bool:
        """Tell whether it was shown on that kind to compute what it should: a training that it learns, too."""
        row, there = each.row, self.there(kind)
        if timed.path == TRAINING:
            return isinstance(training.look(there, row.scenario, row.device, row.framework), training.Counting)
        at = (kind, timed.question, row.scenario, row.device)
        if at not in self._proven:
            found = candidates.paths(there, _question(timed.question), row.scenario, row.device)
            self._proven[at] = {_about(path.step) for path in found if path.absent is None}
        return each.about in self._proven[at]


def _path(timed: _Timed, row: MachineRow, kinds: tuple[Fastest, ...]) -> MachinePath:
    return MachinePath(
        scenario=row.scenario,
        path=timed.path,
        about=timed.about,
        device=row.device,
        metric=row.metric,
        unit=row.unit,
        kinds=kinds,
    )


def _question(name: str) -> Question:
    return next(each for each in QUESTIONS if each.name == name)


def _answers(row: MachineRow, timed: _Timed, scenario: str) -> bool:
    same = (row.stage, row.metric, row.labels) == (timed.stage, timed.figure.name, dict(timed.figure.labels))
    return same and (row.scenario, row.path) == (scenario, timed.path)


def _shown(evidence: Evidence, step: Step) -> bool:
    """Tell whether a step stands in a row: no repeat, no variant, nothing that is in the export matrix only."""
    if step.control or step.variant is not None or not (step.standard or evidence.own(step.scenario)):
        return False
    return step.stage != "verify" or step.runtime in evidence.catalogue.browsers


def _figure(asked: _Asked, by_kind: Iterable[Sequence[Entry]]) -> Key:
    """Return the figure that every kind has which measured: one row is of one figure."""
    if asked.otherwise is None:
        return asked.figure
    ended = [passed for entries in by_kind if (passed := [each for each in entries if each.passed])]
    everywhere = all(any(_number(each, asked.figure) is not None for each in passed) for passed in ended)
    return asked.figure if everywhere else asked.otherwise


def _number(entry: Entry, wanted: Key) -> float | None:
    return entry.number(wanted.name, **wanted.labels)


def _of_kind(kind: str, entries: Sequence[Entry], wanted: Key) -> OnKind:
    """Return the median of the rounds on one kind of machine, or how they ended without any."""
    numbers = [(entry, number) for entry in entries if entry.passed and (number := _number(entry, wanted)) is not None]
    if numbers:
        values = [number for _, number in numbers]
        return OnKind(
            kind=kind,
            value=median(values),
            low=min(values),
            high=max(values),
            rounds=len(values),
            nodes=tuple(sorted({entry.result.node for entry, _ in numbers} - {""})),
            reference=any(entry.reference for entry, _ in numbers),
        )
    if not entries:
        return OnKind(kind=kind, reason=_UNPLANNED)
    ended = next((each.result for each in entries if not each.passed), entries[0].result)
    return OnKind(kind=kind, outcome=ended.outcome, reason=ended.reason or _UNSAID)
