"""What checks are asked of: every planned step with how it ended, what it measured, and where that lies. Pure data.

The store builds it from a run folder; scoring a run again reads the same files and gets the same answers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from evaluator.core import metrics
from evaluator.core.advisories import Advisories
from evaluator.core.catalogue import Catalogue
from evaluator.core.coordinates import Part
from evaluator.core.criteria import CriteriaUsed
from evaluator.core.outcome import Outcome
from evaluator.core.policy import STANDARD, Policy
from evaluator.core.records import FRAMEWORKS, LabelValue, Machine, Node, Result, RunRecord, Step
from evaluator.core.scorecard import EvidenceRef
from evaluator.core.turns import Blocks, medians
from evaluator.core.upkeep import Inventory

RESULT = "result.json"
_AHEAD = "this step has not ended"
OWN = "own"  # the model that people bring, as a scenario names it
_MOST = 1e9  # of a setting that is a number


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One planned step and what it left behind."""

    step: Step
    result: Result
    folder: str  # relative to the run folder
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # raw, as in samples/*.jsonl
    blocks: Blocks = field(default_factory=Blocks)  # what was measured in turns, as in blocks.json
    digests: Mapping[str, str] = field(default_factory=dict)  # file below `folder` -> sha256

    @classmethod
    def unfinished(cls, step: Step, folder: str) -> "Entry":
        """Make the entry of a planned step that has not ended: missing evidence is visible, never absent."""
        result = Result(
            step=step.id,
            outcome=Outcome.UNAVAILABLE,
            reason=_AHEAD,
            remedy="continue the run with --resume",
        )
        return cls(step=step, result=result, folder=folder)

    @property
    def ahead(self) -> bool:
        """Tell whether the step has not ended: the run stopped before it, or was asked for less."""
        return self.result.outcome is Outcome.UNAVAILABLE and self.result.reason == _AHEAD

    @property
    def passed(self) -> bool:
        """Tell whether the step's figures count."""
        return self.result.outcome is Outcome.PASSED

    @property
    def reference(self) -> bool:
        """Tell whether a server was only the embedded reference implementation."""
        return self.result.metrics.get("reference") is True

    @property
    def ref(self) -> EvidenceRef:
        """Point at the step's result."""
        return EvidenceRef(path=f"{self.folder}/{RESULT}", sha256=self.digests.get(RESULT, ""))

    def number(self, name: str, **labels: LabelValue) -> float | None:
        """Return the metric of that name, or its figure with exactly these labels; None when it is absent, or none."""
        found = metrics.find(self.result, metrics.key(name, **labels))
        return None if found is None else metrics.number(found.value)

    def values(self, name: str) -> tuple[float, ...]:
        """Return the samples of that name, or the metric as a single one, for a ratio.

        Empty when there is neither, and when they are around zero: nothing can be set in a ratio to that.
        """
        number = metrics.number(self.result.metrics.get(name))
        values = self.samples.get(name, () if number is None else (number,))
        return values if values and min(values) >= 0 and float(np.median(values)) > 0 else ()

    def medians(self, track: str) -> dict[int, float]:
        """Return the median of each quiet block of a track, in seconds, by its turn; empty without blocks."""
        return medians(self.blocks, track, self.samples.get(track, ())) if self.blocks.blocks else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Why a framework shows nothing to compare: it failed (an answer), or the evidence is missing."""

    subject: str
    state: Outcome
    reason: str
    remedy: str | None = None
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A whole run. `entries` holds every step of the plan, in its order, also those that could not be had.

    What was measured again on further kinds of machines is none of them: it stands in `columns`, and nothing rests on
    it.

    The catalogue says of plug-ins what checks need to know: those of the run, not those of today.
    """

    run: RunRecord
    entries: tuple[Entry, ...]
    catalogue: Catalogue
    policy: Policy = STANDARD
    # Scenario and framework -> what was found installed, in runs that looked.
    inventories: Mapping[tuple[str, str], Inventory] = field(default_factory=dict)
    advisories: Advisories | None = None  # that were given to the run
    criteria: CriteriaUsed | None = None  # that the policy is of; None: the run has no criteria record
    columns: tuple[Entry, ...] = ()  # to be set side by side with the entries, and compared with none
    nodes: tuple[Node, ...] = ()  # the machines of a cluster; none of a run that was made on one machine
    # Stage and scenario -> entries, and stage and None -> those of all scenarios: checks ask once for every place, and
    # a run of many scenarios would be gone through as often.
    _known: Mapping[tuple[str, str | None], tuple[Entry, ...]] = field(init=False, repr=False, compare=False)
    _titles: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Sort the entries by what checks ask for."""
        known: dict[tuple[str, str | None], list[Entry]] = {}
        for entry in self.entries:
            for scenario in (entry.step.scenario, None):
                known.setdefault((entry.step.stage, scenario), []).append(entry)
        object.__setattr__(self, "_known", {key: tuple(entries) for key, entries in known.items()})
        object.__setattr__(self, "_titles", self.catalogue.all_titles)

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Return the names of the scenarios that were asked for."""
        return tuple(self.run.scenarios)

    @property
    def frameworks(self) -> tuple[str, ...]:
        """Return the candidates, in the order of `FRAMEWORKS`."""
        return tuple(name for name in FRAMEWORKS if name in self.run.frameworks)

    @property
    def titles(self) -> Mapping[str, str]:
        """Any name of a plug-in -> as people write it."""
        return self._titles

    @property
    def paths(self) -> Mapping[str, str]:
        """Format -> "server", "mobile", "portable" or "web"."""
        return self.catalogue.paths

    def cores(self, entries: Iterable[Entry]) -> int:
        """Return the cores of the machine that entries are of: the run's own, unless they ran on another."""
        there = {node.name: node.machine for node in self.nodes}
        found = (there.get(entry.result.node) for entry in entries)
        machine: Machine = next((each for each in found if each is not None), self.run.machine)
        return machine.cores

    def title(self, name: str | None) -> str:
        """Return a name as people write it."""
        return self.titles.get(name or "", name or "")

    def subject(self, entry: Entry) -> str:
        """Name an artifact in a runtime for people: "TorchScript in torch.jit"."""
        precision = "" if entry.step.precision in (None, "fp32") else f" ({entry.step.precision})"
        return f"{self.title(entry.step.format)}{precision} in {self.title(entry.step.runtime)}"

    def server(self, entry: Entry) -> str:
        """Name a server and how it was started, for people; a reference server never passes for the real one."""
        how = self.title(entry.step.launcher)
        label = ", reference server" if entry.reference and "reference" not in how else ""
        return f"{self.title(entry.step.server)} ({how}{label})"

    @property
    def old_rules(self) -> bool:
        """Tell whether the run is of version 1, whose servers are judged as in its day."""
        return self.catalogue.rules == 1

    def speaks_for(self, entry: Entry, question: str) -> bool:
        """Tell whether what a server did is an answer to a question: a stage's, or a probe's.

        A real server's is; a stand-in's where the catalogue says so. Bundle, protocol and parity are not asked about
        here: for them a stand-in always speaks.
        """
        return not entry.reference or question in self.catalogue.protocol or self.old_rules

    def setting(self, scenario: str, *keys: str, default: float) -> float:
        """Return a number of the scenario file by its keys, or the default where the file has none."""
        value: Any = self.run.scenarios.get(scenario)
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return float(value) if isinstance(value, int | float) and 0 < value < _MOST else default

    def margin(self, scenario: str) -> float:
        """Return the relative difference below which nothing is decided: the criteria's before the scenario's."""
        usual = self.policy.margin
        return usual if self.policy.margin_declared else self.setting(scenario, "margin", default=usual)

    def trains(self, scenario: str) -> bool:
        """Tell whether the scenario is trained: a model that is brought as it is has no training to be missing."""
        return self.run.scenarios.get(scenario, {}).get("train", {}) is not None

    def paired(self, scenario: str) -> bool:
        """Tell whether the frameworks are to start from the same: not a model that is given in one, or trained apart.

        Of a built-in scenario it is asked, be it evaluated in one framework alone.
        """
        if not self.own(scenario):
            return True
        settings: Any = self.run.scenarios[scenario].get("settings")
        return len(self.run.frameworks) > 1 and isinstance(settings, dict) and settings.get("pair") == "same weights"

    def own(self, scenario: str) -> bool:
        """Tell whether it is about a model of somebody's own."""
        return self.run.scenarios.get(scenario, {}).get("model") == OWN

    def formats(self, framework: str, path: str | None = None) -> tuple[str, ...]:
        """Return the formats that a framework is exported to, of one deployment path or of all."""
        return tuple(
            name
            for name, origins in self.catalogue.origins.items()
            if framework in origins and path in (None, self.paths.get(name))
        )

    def select(
        self, stage: str, *, control: bool = False, standard: bool = True, **wanted: str | int | None
    ) -> tuple[Entry, ...]:
        """Return the entries of a stage whose step has the wanted fields; `path` selects by the format's path.

        Kept apart, because they must not weigh in: repeats (`control`), and cells of the export
        matrix that are there to be looked at (not `standard`). A runtime that was set up otherwise than its users have
        it is none of the entries, unless its `variant` is asked for.
        """
        path = wanted.pop("path", None)
        wanted.setdefault("variant", None)
        scenario = wanted.get("scenario")
        return tuple(
            entry
            for entry in self._known.get((stage, scenario if isinstance(scenario, str) else None), ())
            if entry.step.control is control
            and entry.step.standard is standard
            and (path is None or self.paths.get(entry.step.format or "") == path)
            and all(getattr(entry.step, name) == value for name, value in wanted.items())
        )

    def everything(self, stage: str, scenario: str) -> tuple[Entry, ...]:
        """Return all entries of a stage in a scenario: also repeats, variants, and those of the export matrix."""
        return self._known.get((stage, scenario), ())

    def variants(self, entry: Entry) -> tuple[Entry, ...]:
        """Return the entries in which the same was measured in the same round, its runtime set up otherwise."""
        return tuple(
            other
            for other in self._known.get((entry.step.stage, entry.step.scenario), ())
            if other.step.variant is not None
            and msgspec.structs.replace(other.step, variant=entry.step.variant).key() == entry.step.key()
        )

    def sharing(self, step: Step, stage: str, *parts: Part) -> tuple[Entry, ...]:
        """Return the entries of a stage that agree with a step in those parts of its coordinates."""
        scenario = step.scenario if not parts or "model" in parts else None
        found = self.select(stage) if scenario is None else self.select(stage, scenario=scenario)
        return tuple(entry for entry in found if entry.step.key(*parts) == step.key(*parts))
