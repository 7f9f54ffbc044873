"""From scenarios, registries and capabilities to steps. Pure: the same question and machine give the same plan.

A step that cannot run here is planned all the same and ends at once, as `unavailable`, with a reason and a remedy: a
cell that could not be had is a row, never a gap. A step's id is a digest of all that can change its result: its own
fields, the whole scenario and profile, the versions of fweval and of what is installed, and the ids of the steps that
it needs.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

import evaluator
from evaluator.children import environments
from evaluator.core import registry
from evaluator.core.coordinates import axes
from evaluator.core.errors import UsageError
from evaluator.core.outcome import Outcome
from evaluator.core.records import CELL_STAGES, FRAMEWORKS, PRECISIONS, STAGES, Profile, Record, Result, Step
from evaluator.core.store import Plan
from evaluator.planning.capabilities import Capabilities
from exports.contract import Exporter, Format, Runtime
from scenarios.loading import Scenario
from serving.contract import Launcher, Server

DEVICES = ("cpu", "gpu")
EMULATED = "arm64"  # a device, and its environment: artifacts of the export matrix are proven there, never timed
EMULATION = 4  # times the time limit: seconds for each example of a large model
STANDARD_PRECISION = PRECISIONS[0]  # what is run and served
LAUNCHERS = ("container", "process", "embedded")  # the order in which `auto` tries them; `all` takes each that works
PATHS = ("server", "mobile", "portable", "web")
MEASURING = frozenset({"train", "run", "edge", "serve", "load", "probe"})
GIB = 1 << 30
# What a step of each stage may use at most. Room for ResNet-50 and BERT-base; from measured peaks, doubled.
MEMORY_BYTES = {
    "align": 6 * GIB,
    "train": 12 * GIB,
    "export": 23 * GIB // 2,  # tf2onnx takes 11 GB for BERT-base; two such limits fit into 24 GB
    "verify": 6 * GIB,
    "run": 6 * GIB,
    "edge": 6 * GIB,
    "serve": 8 * GIB,
    "load": 8 * GIB,
    "probe": 8 * GIB,
}
NO_GPU = ("no CUDA GPU on this machine", "run on a machine with an NVIDIA GPU and driver (nvidia-smi must answer)")
_PROOF = ("align", "train", "export", "verify")
RESTS_ON = {
    **{stage: _PROOF[:number] for number, stage in enumerate(_PROOF)},
    "run": _PROOF,
    "edge": _PROOF,
    "serve": _PROOF,
    "load": (*_PROOF, "serve"),
    "probe": (*_PROOF, "serve"),
}
LEAST_MEMORY_BYTES = 3 * GIB  # below this much free memory, no framework can train


class Options(Record, frozen=True, kw_only=True):
    """What the person asked for."""

    frameworks: tuple[str, ...] = FRAMEWORKS
    devices: tuple[str, ...] = DEVICES
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    launcher: str = "auto"
    seed: int = 1
    everything: bool = False  # every exporter at every precision, whatever the profile says


class _Draft:
    """The plan in the making: keeps the steps in order, and why some of them are impossible."""

    def __init__(self, options: Options, profile: Profile, capabilities: Capabilities) -> None:
        self.options = options
        self.profile = profile
        self.capabilities = capabilities
        self.steps: dict[str, Step] = {}
        self.impossible: dict[str, Result] = {}

    @cached_property
    def no_arm64(self) -> tuple[str, str] | None:
        """Ask once: the answer comes from the Docker engine."""
        return self.capabilities.no_arm64()

    def add(self, scenario: Scenario, fields: Mapping[str, Any], refusal: tuple[str, str] | None = None) -> str | None:
        """Add a step and return its id, or None when the person left it (or one that it needs) out.

        `needs` maps roles to step ids; `refusal` is (reason, remedy) when the step cannot run here.
        """
        stage = fields["stage"]
        if None in fields["needs"].values():
            return None
        draft = Step(
            id="",
            scenario=scenario.name,
            measures=stage in MEASURING,
            timeout_s=self.profile.timeout_s[stage] * (EMULATION if fields.get("device") == EMULATED else 1),
            memory_bytes=MEMORY_BYTES[stage],
            settings={
                "scenario": msgspec.to_builtins(scenario),
                "profile": msgspec.to_builtins(self.profile),
                "seed": self.options.seed,
                "threads": self.capabilities.cores,
                "environment": environments.identity(fields["environment"]) if fields.get("environment") else None,
            },
            **fields,
        )
        if _left_out(draft, self.options):
            return None
        step = msgspec.structs.replace(draft, id=_identify(draft, self.capabilities.versions))
        self.steps[step.id] = step
        self._rule_out(step, refusal)
        return step.id

    def _rule_out(self, step: Step, refusal: tuple[str, str] | None) -> None:
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


def make_plan(scenarios: Sequence[Scenario], profile: Profile, options: Options, capabilities: Capabilities) -> Plan:
    """Plan a run, stage by stage, so that the steps of one stage lie side by side over all scenarios."""
    check_names(options)
    draft = _Draft(options, profile, capabilities)
    plans = [_ScenarioPlan(scenario, draft) for scenario in scenarios]
    for part in STAGES:
        for plan in plans:
            getattr(plan, part)()
    return Plan(steps=tuple(draft.steps.values()), impossible=tuple(draft.impossible.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
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
class _Subject:
    """An artifact in a runtime on a device."""

    made: _Made
    runtime: Runtime
    device: str

    @property
    def standard(self) -> bool:
        """Tell whether it is proven in every profile, and timed."""
        return self.made.standard and self.runtime.standard and self.device != EMULATED

    @property
    def environment(self) -> str | None:
        """Return the environment that it needs."""
        return EMULATED if self.device == EMULATED else self.runtime.environment


class _ScenarioPlan:
    """The steps of one scenario; one method per stage, called in the order of the stages."""

    def __init__(self, scenario: Scenario, draft: _Draft) -> None:
        self.scenario = scenario
        self.draft = draft
        self.frameworks = draft.options.frameworks
        self.aligned: dict[str, str | None] = {}
        self.trained: dict[str, str | None] = {}
        self.exported: dict[_Made, str | None] = {}
        self.verified: dict[_Subject, str | None] = {}
        self.served: dict[tuple[Server, str], str | None] = {}  # by server and launcher

    def align(self) -> None:
        """Bring both frameworks to the same weights; the first framework's are the reference for the next."""
        for framework in self.frameworks:
            needs = {"reference": next(iter(self.aligned.values()))} if self.aligned else {}
            self.aligned[framework] = self._add("align", framework, needs=needs, refusal=self._no_framework(framework))

    def train(self) -> None:
        """Train on every device, round by round, in counter-balanced order."""
        rounds = range(1, self.draft.profile.train_rounds + 1)
        for device, number in itertools.product(self.draft.options.devices, rounds):
            for framework in _balanced(self.frameworks, number):
                needs = {"weights": next(iter(self.aligned.values())), "aligned": self.aligned[framework]}
                step = self._add(
                    "train", framework, device=device, round=number, needs=needs, refusal=self._no_device(device)
                )
                if number == 1:
                    self.trained.setdefault(framework, step)

    def export(self) -> None:
        """Export what each framework trained: by the standard exporters, or by all of them at every precision."""
        for made in self._artifacts():
            exporter = made.exporter
            step = self._add(
                "export",
                exporter.origin,
                environment=exporter.environment,
                needs={"trained": self.trained[exporter.origin]},
                refusal=self._not_installed(exporter.distributions) or self._no_environment(exporter.environment),
                **made.fields(),
            )
            if step is not None and made.precision in exporter.cannot:
                self.draft.end(step, Outcome.UNSUPPORTED, exporter.cannot[made.precision])
            self.exported[made] = step

    def verify(self) -> None:
        """Prove each artifact in each runtime that reads it, on every device."""
        for subject in self._subjects():
            self.verified[subject] = self._about("verify", subject, needs=self._proof(subject.made))

    def run(self) -> None:
        """Measure each proven artifact: interleaved over the candidates, order reversed every other round (ABBA).

        On the CPU, the first subject that can be had is measured once more at the end of each round: an A/A pair shows
        the noise.
        """
        subjects = sorted(
            (subject for subject in self._subjects() if subject.standard),
            key=lambda subject: (DEVICES.index(subject.device), PATHS.index(subject.made.format.path)),
        )
        for number in range(1, self.draft.profile.rounds + 1):
            planned = {subject: self._run(subject, round=number) for subject in _balanced(subjects, number)}
            on_cpu = [subject for subject in subjects if subject.device == "cpu" and planned[subject] is not None]
            able = [subject for subject in on_cpu if planned[subject] not in self.draft.impossible]
            for control in (able or on_cpu)[:1]:
                self._run(control, round=number, control=True)

    def edge(self) -> None:
        """Ask of each proven artifact what it takes on a small computer, in the runtimes that are made for those."""
        for subject in self._subjects():
            if subject.runtime.edge and subject.device == "cpu":
                needs = {**self._proof(subject.made), "verified": self.verified[subject]}
                self._about("edge", subject, needs=needs)

    def serve(self) -> None:
        """Serve each framework's artifact by the launcher that was asked for; the others stay visible."""
        for server in registry.load_all("server"):
            if server.framework in self.frameworks:
                self._serve(server)

    def load(self) -> None:
        """Load every server that is served."""
        self._under_load("load")

    def probe(self) -> None:
        """Try on every server that is served what an operator would fear."""
        self._under_load("probe")

    def _run(self, subject: _Subject, **fields: Any) -> str | None:
        needs = {**self._proof(subject.made), "verified": self.verified[subject]}
        return self._about("run", subject, needs=needs, **fields)

    def _about(self, stage: str, subject: _Subject, **fields: Any) -> str | None:
        """Add a step about one artifact in one runtime on one device."""
        runtime = subject.runtime
        return self._add(
            stage,
            subject.made.exporter.origin,
            runtime=runtime.name,
            device=subject.device,
            environment=subject.environment,
            refusal=self._no_device(subject.device)
            or (None if subject.device == EMULATED else self._not_installed(runtime.distributions))
            or self._no_environment(subject.environment),
            **{**subject.made.fields(), "standard": subject.standard},
            **fields,
        )

    def _serve(self, server: Server) -> None:
        served = self._served_by(server)
        proof = self.verified.get(served)
        images = self.scenario.serve.images.get(server.name, server.images)
        launchers = [registry.load("launcher", name) for name in LAUNCHERS if name in server.launchers]
        refusals = {each.name: self.draft.capabilities.cannot_launch(server, each, images) for each in launchers}
        chosen = self._chosen(server, [each for each in launchers if refusals[each.name] is None], images)
        for launcher in launchers:
            step = self._add(
                "serve",
                server.framework,
                server=server.name,
                launcher=launcher.name,
                needs={**self._proof(served.made), "verified": proof},
                refusal=refusals[launcher.name],
                **served.made.fields(),
            )
            if step is not None and step not in self.draft.impossible and launcher.name not in chosen:
                used = " and ".join(chosen) or self.draft.options.launcher
                self.draft.end(step, Outcome.NOT_APPLICABLE, f"launcher '{used}' was chosen instead")
            self.served[server, launcher.name] = step

    def _served_by(self, server: Server) -> _Subject:
        """Return what a server of that format embeds: the standard artifact, in the first runtime that reads it."""
        runtimes: tuple[Runtime, ...] = registry.load_all("runtime")
        return _Subject(
            made=next(
                made
                for made in self._artifacts()
                if made.standard and (made.exporter.format, made.exporter.origin) == (server.format, server.framework)
            ),
            runtime=next(runtime for runtime in runtimes if server.format in runtime.formats),
            device="cpu",
        )

    def _chosen(self, server: Server, able: Sequence[Launcher], images: Sequence[str]) -> list[str]:
        """Return the names of the launchers to use: for `auto`, a real server comes before a reference one."""
        wanted = self.draft.options.launcher
        if wanted == "auto":
            able = sorted(able, key=lambda each: self.draft.capabilities.is_reference(server, each, images))[:1]
        return [each.name for each in able if wanted in ("auto", "all", each.name)]

    def _under_load(self, stage: str) -> None:
        for (server, launcher), served in self.served.items():
            if served in self.draft.steps:
                self._add(
                    stage,
                    server.framework,
                    server=server.name,
                    launcher=launcher,
                    needs={**self.draft.steps[served].needs, "served": served},
                    **self._served_by(server).made.fields(),
                )

    def _add(self, stage: str, framework: str, *, refusal: tuple[str, str] | None = None, **fields: Any) -> str | None:
        return self.draft.add(self.scenario, {"stage": stage, "framework": framework, **fields}, refusal)

    def _proof(self, made: _Made) -> dict[str, str | None]:
        return {"artifact": self.exported[made], "trained": self.trained[made.exporter.origin]}

    def _artifacts(self) -> Iterator[_Made]:
        """Yield every artifact of the plan, format by format."""
        everything = self.draft.profile.exports == "all"
        exporters = [each for each in registry.load_all("exporter") if each.origin in self.frameworks]
        for exporter in sorted(exporters, key=lambda each: (each.format, each.origin)):
            for precision in PRECISIONS:
                made = _Made(exporter=exporter, precision=precision)
                if everything or made.standard:
                    yield made

    def _subjects(self) -> Iterator[_Subject]:
        """Yield every artifact that may come to be, in each runtime, on each device that the runtime can use."""
        everything = self.draft.profile.exports == "all"
        devices = self.draft.options.devices
        if everything and "cpu" in devices:
            devices = (*devices, EMULATED)
        for made in self._artifacts():
            if made.precision in made.exporter.cannot:
                continue
            for runtime in registry.load_all("runtime"):
                if made.exporter.format in runtime.formats and (everything or runtime.standard):
                    for device in devices:
                        if device in runtime.devices:
                            yield _Subject(made=made, runtime=runtime, device=device)

    def _no_framework(self, framework: str) -> tuple[str, str] | None:
        absent = self.draft.capabilities.missing_data(self.scenario)
        if absent:
            return f"data not fetched: {', '.join(absent)}", "fweval fetch"
        return self._not_installed(registry.load("framework", framework).distributions)

    def _no_device(self, device: str) -> tuple[str, str] | None:
        if device == "gpu" and self.draft.capabilities.gpu is None:
            return NO_GPU
        return self.draft.no_arm64 if device == EMULATED else None

    def _no_environment(self, name: str | None) -> tuple[str, str] | None:
        return None if name is None else self.draft.capabilities.no_environment(name)

    def _not_installed(self, distributions: tuple[str, ...]) -> tuple[str, str] | None:
        absent = self.draft.capabilities.missing(distributions)
        if absent:
            return f"not installed: {', '.join(absent)}", f"pip install -c constraints.txt {' '.join(absent)}"
        return None


def check_names(options: Options) -> None:
    """Refuse a name in --only, --skip or --framework that nothing bears; `UsageError` with the nearest one."""
    known = selectable()
    for name in (*options.only, *options.skip):
        if name not in known:
            *others, last = _kinds()
            raise registry.unknown(f"{', '.join(others)} or {last}", name, known)
    for name in options.frameworks:
        if name not in FRAMEWORKS:
            raise registry.unknown("framework", name, FRAMEWORKS)
    if not options.frameworks:
        raise UsageError("no framework is left to evaluate", remedy=f"known: {', '.join(FRAMEWORKS)}")


def environments_of(profile: Profile) -> tuple[str, ...]:
    """Return the environments of their own that a profile's exporters and runtimes need."""
    everything = profile.exports == "all"
    exporters = [each for each in registry.load_all("exporter") if everything or each.standard]
    formats = {each.format for each in exporters}
    runtimes = [
        each
        for each in registry.load_all("runtime")
        if (everything or each.standard) and not formats.isdisjoint(each.formats)
    ]
    needed = {plugin.environment for plugin in (*exporters, *runtimes) if plugin.environment is not None}
    return tuple(sorted({*needed, *([EMULATED] if everything else [])}))


def selectable() -> tuple[str, ...]:
    """Return every name that --only and --skip understand."""
    return tuple(itertools.chain.from_iterable(_pool(kind) for kind in _kinds()))


def _kinds() -> tuple[str, ...]:
    """Return the kinds of plug-ins that steps are selected by."""
    return tuple(axis.plugin for axis in axes() if axis.plugin is not None)


def _pool(kind: str) -> tuple[str, ...]:
    return CELL_STAGES if kind == "stage" else registry.names(kind)


def _left_out(step: Step, options: Options) -> bool:
    """Tell whether --only or --skip leaves this step out. Names of one kind in --only widen, of two kinds narrow."""
    bearing = {axis.plugin: getattr(step, axis.name) for axis in axes() if axis.plugin is not None}
    if any(name in bearing.values() for name in options.skip):
        return True
    for kind, name in bearing.items():
        wanted = set(options.only) & set(_pool(kind))
        if name is not None and wanted and name not in wanted and not (kind == "stage" and _is_needed(name, wanted)):
            return True
    return False


def _is_needed(stage: str, wanted: Iterable[str]) -> bool:
    """Tell whether a stage must stay although --only names others: later ones rest on it."""
    return any(name in RESTS_ON and stage in RESTS_ON[name] for name in wanted)


def _identify(step: Step, versions: Mapping[str, str]) -> str:
    """Return a readable id that ends in a digest of everything that can change the step's result."""
    content = msgspec.json.encode([step, dict(versions), evaluator.__version__], order="deterministic")
    digest = hashlib.sha256(content).hexdigest()[:8]
    return f"{step.slug()}-{digest}"


def _balanced(items: Iterable[Any], number: int) -> list[Any]:
    """Return the items in order in odd rounds and reversed in even ones."""
    ordered = list(items)
    return ordered if number % 2 else ordered[::-1]


def _passed_on(result: Result) -> tuple[str, str]:
    """Pass the reason of a step that cannot run on to the steps that need it."""
    return result.reason or "a step that it needs cannot run", result.remedy or "see the step that it needs"
