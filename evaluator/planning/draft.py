"""A plan in the making: what stages have to hand when they plan their steps.

A step that cannot run here is planned all the same and ends at once, as `unavailable`, with a reason and a remedy: a
cell that could not be had is a row, never a gap. A step's id is a digest of all that can change its result: its own
fields, the whole scenario and profile, the versions of fweval and of what is installed, and the ids of the steps that
it needs.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

import evaluator
from evaluator.children import environments
from evaluator.core import plugins, registry
from evaluator.core.coordinates import DEVICE, MACHINE, axes
from evaluator.core.outcome import Outcome
from evaluator.core.records import PRECISIONS, Profile, Result, Step
from evaluator.planning.capabilities import Capabilities
from evaluator.planning.selection import Options, known_devices, left_out
from exports.contract import Device, Exporter, Format, Runtime, Variant
from scenarios.loading import Scenario, model_of
from serving.contract import Server

STANDARD_PRECISION = PRECISIONS[0]  # what is run and served
PATHS = ("server", "mobile", "portable", "web")
Refusal = tuple[str, str]  # the reason why a step cannot run here, and the remedy
Item = TypeVar("Item")


class Draft:
    """The steps so far, in order, and why some of them are impossible."""

    def __init__(
        self,
        options: Options,
        profile: Profile,
        capabilities: Capabilities,
        *,
        machine: str = MACHINE,
        column: bool = False,
    ) -> None:
        self.options = options
        self.profile = profile
        self.capabilities = capabilities
        self.machine = machine  # the kind that the steps are for
        self.column = column  # what is measured on the first kind is measured again on this one
        self.steps: dict[str, Step] = {}
        self.impossible: dict[str, Result] = {}
        self._no_device: dict[str, Refusal | None] = {}
        self._foreign = plugins.digests()

    def elsewhere(self, machine: str, capabilities: Capabilities, devices: tuple[str, ...], *, column: bool) -> "Draft":
        """Return a draft for another kind of machine and some of the devices, whose steps are this one's, too."""
        options = msgspec.structs.replace(self.options, devices=devices)
        other = Draft(options, self.profile, capabilities, machine=machine, column=column)
        other.steps, other.impossible = self.steps, self.impossible
        return other

    def no_device(self, name: str) -> Refusal | None:
        """Say why a device cannot be had; it is asked once: an answer may come from the Docker engine."""
        if name not in self._no_device:
            self._no_device[name] = self.capabilities.no_device(name)
        return self._no_device[name]

    def add(
        self, scenario: Scenario, fields: Mapping[str, Any], refusal: Refusal | None = None, beside_s: float = 0.0
    ) -> str | None:
        """Add a step and return its id, or None when the person left it (or one that it needs) out.

        `needs` maps roles to step ids; `refusal` is given when the step cannot run here; `beside_s` is what it may take
        for other things than those that its stage's limit is for.
        """
        if None in fields["needs"].values() or (self.column and _is_of_the_first(fields)):
            return None
        stage = registry.load("stage", fields["stage"])
        device: Device = registry.load("device", fields.get("device", DEVICE))
        limit_s = self.profile.timeout_s.get(stage.name, stage.timeout_s)
        draft = Step(
            id="",
            scenario=scenario.name,
            machine=self.machine,
            column=self.column,
            measures=stage.measures,
            in_turns=stage.in_turns,
            timeout_s=limit_s * device.time_factor + beside_s,
            memory_bytes=stage.memory_bytes,
            settings={
                "scenario": msgspec.to_builtins(scenario),
                "profile": msgspec.to_builtins(self.profile),
                "seed": self.options.seed,
                "threads": _threads(fields.get("variant"), self.capabilities.threads),
                "environment": environments.identity(fields["environment"]) if fields.get("environment") else None,
            },
            **fields,
        )
        if left_out(draft, self.options):
            return None
        used = self._plugins(draft, scenario)
        if used:
            draft = msgspec.structs.replace(draft, settings={**draft.settings, "plugins": used})
        step = msgspec.structs.replace(draft, id=_identify(draft, self.capabilities.versions))
        self.steps[step.id] = step
        self._rule_out(step, refusal)
        return step.id

    def _plugins(self, step: Step, scenario: Scenario) -> dict[str, str]:
        """Return the digests of the plug-ins from outside that work on a step: another file, another step.

        Probes are no coordinates: any of them may ask a server.
        """
        own = ((kind, getattr(step, axis.name)) for axis in axes() for kind in axis.kinds)
        named = {("model", scenario.model), *own}
        return {
            f"{kind}/{name}": digest
            for (kind, name), digest in self._foreign.items()
            if (kind, name) in named or (kind == "probe" and step.server is not None)
        }

    def _rule_out(self, step: Step, refusal: Refusal | None) -> None:
        """Write down at once the ending of a step that cannot run here."""
        for needed in step.needs.values():
            if needed in self.impossible:
                refusal = refusal or _passed_on(self.impossible[needed])
                if self.impossible[needed].outcome is Outcome.NOT_APPLICABLE:
                    self.end(step.id, Outcome.NOT_APPLICABLE, refusal[0])
                    return
        if refusal is not None:
            reason, remedy = refusal
            self.impossible[step.id] = Result(step=step.id, outcome=Outcome.UNAVAILABLE, reason=reason, remedy=remedy)

    def end(self, step_id: str, outcome: Outcome, reason: str) -> None:
        """Write down the ending of a step that needs no child to be known."""
        self.impossible[step_id] = Result(step=step_id, outcome=outcome, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An artifact to be: what one exporter makes at one precision."""

    exporter: Exporter
    precision: str

    @property
    def standard(self) -> bool:
        """Tell whether it is made in every profile, run and served."""
        return self.exporter.standard and self.precision == STANDARD_PRECISION

    @property
    def format(self) -> Format:
        """Return the format's plug-in."""
        kind: Format = registry.load("format", self.exporter.format)
        return kind

    def fields(self) -> dict[str, Any]:
        """Return what a step about it says about it."""
        return {
            "format": self.exporter.format,
            "exporter": self.exporter.name,
            "precision": self.precision,
            "standard": self.standard,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """An artifact in a runtime on a device."""

    made: Made
    runtime: Runtime
    device: Device

    @property
    def standard(self) -> bool:
        """Tell whether it is proven in every profile, and timed."""
        return self.made.standard and self.runtime.standard and self.device.beside is None

    @property
    def may_be_timed(self) -> bool:
        """Tell whether it may be timed, by anybody: what stands for a runtime proves, and says nothing of its speed."""
        return self.runtime.stands_for is None

    @property
    def environment(self) -> str | None:
        """Return the environment that it needs."""
        return self.device.environment or self.runtime.environment

    @property
    def rank(self) -> tuple[int, int]:
        """Return where it comes among those that are measured: by device, then by deployment path."""
        return known_devices().index(self.device.name), PATHS.index(self.made.format.path)


class ScenarioPlan:
    """The steps of one scenario. A stage adds its own, and finds in `ids` those of the stages that it rests on."""

    def __init__(self, scenario: Scenario, draft: Draft, first: "ScenarioPlan | None" = None) -> None:
        """Plan for the draft's kind of machine; `first` is the plan of the first kind, where this is another."""
        self.scenario = scenario
        self.draft = draft
        self.model, self.settings = model_of(scenario)
        self.brought = self.model.brought  # every path out of it is tried and timed, at full precision
        self.frameworks = tuple(
            name for name in draft.options.frameworks if name in self.model.frameworks(self.settings)
        )
        # stage -> what a step of it is about -> its id, None when the person left it out
        self.ids: dict[str, dict[Any, str | None]] = defaultdict(dict) if first is None else _Ids(first.ids)

    def add(
        self, stage: str, framework: str, *, refusal: Refusal | None = None, beside_s: float = 0.0, **fields: Any
    ) -> str | None:
        """Add a step and return its id; None when the person left it, or one that it needs, out.

        `fields` are those of `Step`; `needs` maps roles to ids of other steps; `beside_s` is explained at `Draft.add`.
        """
        return self.draft.add(self.scenario, {"stage": stage, "framework": framework, **fields}, refusal, beside_s)

    def about(self, stage: str, pairing: Pairing, **fields: Any) -> str | None:
        """Add a step about one artifact in one runtime on one device."""
        runtime = pairing.runtime
        return self.add(
            stage,
            pairing.made.exporter.origin,
            runtime=runtime.name,
            device=pairing.device.name,
            environment=pairing.environment,
            refusal=self.no_device(pairing.device.name)
            or (None if pairing.device.environment else self.not_installed(runtime.distributions))
            or self.no_environment(pairing.environment),
            **{**pairing.made.fields(), "standard": pairing.standard},
            **fields,
        )

    def artifact(self, made: Made) -> dict[str, str | None]:
        """Return what a step about an artifact needs: its export, and the training that it comes from."""
        return {"artifact": self.ids["export"][made], "trained": self.ids["train"][made.exporter.origin]}

    def proven(self, pairing: Pairing) -> dict[str, str | None]:
        """Return what a step about a proven artifact needs: the proof in that runtime, too."""
        return {**self.artifact(pairing.made), "verified": self.ids["verify"].get(pairing)}

    def artifacts(self) -> Iterator[Made]:
        """Yield every artifact of the plan, format by format."""
        everything = self.draft.profile.exports == "all"
        exporters = [each for each in registry.load_all("exporter") if each.origin in self.frameworks]
        for exporter in sorted(exporters, key=lambda each: (each.format, each.origin)):
            for precision in PRECISIONS:
                made = Made(exporter=exporter, precision=precision)
                if everything or made.standard or (self.brought and precision == STANDARD_PRECISION):
                    yield made

    def pairings(self) -> Iterator[Pairing]:
        """Yield every artifact that may come to be, in each runtime, on each device that the runtime can use."""
        everything = self.draft.profile.exports == "all" and not self.draft.column
        for made in self.artifacts():
            if self.brought and made.exporter.rebuilds:
                continue
            if made.precision in made.exporter.cannot:
                continue
            for runtime in registry.load_all("runtime"):
                if made.exporter.format in runtime.formats and (everything or runtime.standard or self.brought):
                    for device in self.devices(beside=everything):
                        if device.name in runtime.devices:
                            yield Pairing(made=made, runtime=runtime, device=device)

    def timed(self) -> Iterator[Pairing]:
        """Yield the pairings that are timed: the standard ones, and of a model of one's own every one at fp32."""
        for each in self.pairings():
            own = self.brought and each.made.precision == STANDARD_PRECISION and each.device.beside is None
            if each.may_be_timed and (each.standard or (own and each.runtime.in_turns)):
                yield each

    def devices(self, *, beside: bool) -> Sequence[Device]:
        """Return the devices that were asked for and, behind them, those that are planned beside one of them."""
        wanted = self.draft.options.devices
        known: tuple[Device, ...] = registry.load_all("device")
        asked = [registry.load("device", name) for name in wanted]
        return [*asked, *(each for each in known if beside and each.beside in wanted)]

    def beginning(self, framework: str) -> dict[str, str | None]:
        """Return what a training needs: the weights that it begins with, and the framework's own step of aligning.

        Common weights are those of the framework that came first; a model of somebody's own has those it came with.
        """
        aligned = self.ids["origin" if self.brought else "align"]
        return {
            "weights": aligned[framework] if self.brought else next(iter(aligned.values())),
            "aligned": aligned[framework],
        }

    def served_by(self, server: Server) -> Pairing:
        """Return what a server of that format embeds: the standard artifact, in the first runtime that reads it."""
        runtimes: tuple[Runtime, ...] = registry.load_all("runtime")
        return Pairing(
            made=next(
                made
                for made in self.artifacts()
                if made.standard and (made.exporter.format, made.exporter.origin) == (server.format, server.framework)
            ),
            runtime=next(runtime for runtime in runtimes if server.format in runtime.formats),
            device=registry.load("device", DEVICE),
        )

    @staticmethod
    def balanced(items: Sequence[Item], number: int) -> Sequence[Item]:
        """Return the items in order in odd rounds and reversed in even ones."""
        return items if number % 2 else items[::-1]

    def no_framework(self, framework: str) -> Refusal | None:
        """Say why the scenario cannot be had in a framework; None when it can."""
        absent = self.draft.capabilities.missing_data(self.scenario)
        if absent:
            return f"data not fetched: {', '.join(absent)}", "fweval fetch"
        return self.not_installed(registry.load("framework", framework).distributions)

    def no_device(self, device: str) -> Refusal | None:
        """Say why a device cannot be had."""
        return self.draft.no_device(device)

    def no_environment(self, name: str | None) -> Refusal | None:
        """Say why an environment of tools cannot be had; None for no environment."""
        return None if name is None else self.draft.capabilities.no_environment(name)

    def not_installed(self, distributions: tuple[str, ...]) -> Refusal | None:
        """Say which of the distributions are not installed."""
        absent = self.draft.capabilities.missing(distributions)
        if absent:
            return f"not installed: {', '.join(absent)}", f"pip install -c constraints.txt {' '.join(absent)}"
        return None


class _Ids(dict[str, dict[Any, str | None]]):
    """The ids of a plan for another kind of machine: its own of what was proven and served there, else the first's.

    What is exported is what was trained on the first one, wherever else is trained to see how long that takes.
    """

    def __init__(self, first: dict[str, dict[Any, str | None]]) -> None:
        super().__init__()
        self._first = first

    def __missing__(self, stage: str) -> dict[Any, str | None]:
        found = registry.load("stage", stage)
        if found.spread != "machine" or "trained" in found.gives:
            return self._first[stage]
        self[stage] = {}
        return self[stage]


def _is_of_the_first(fields: Mapping[str, Any]) -> bool:
    """Tell whether a step is no figure for people's columns: a variant, or a round that a question asks for."""
    return fields.get("variant") is not None or bool(fields.get("spare"))


def _threads(variant: str | None, threads: int) -> int:
    """Return how many threads a step gets: those that everything gets, or as its runtime's variant has it."""
    if variant not in registry.names("variant"):
        return threads
    chosen: Variant = registry.load("variant", variant)
    return chosen.threads(threads)


def _identify(step: Step, versions: Mapping[str, str]) -> str:
    """Return a readable id that ends in a digest of everything that can change the step's result."""
    content = msgspec.json.encode([step, dict(versions), evaluator.__version__], order="deterministic")
    digest = hashlib.sha256(content).hexdigest()[:8]
    return f"{step.slug()}-{digest}"


def _passed_on(result: Result) -> Refusal:
    """Pass the reason of a step that cannot run on to the steps that need it."""
    return result.reason or "a step that it needs cannot run", result.remedy or "see the step that it needs"
