"""What a machine elsewhere can do, as it said when it was asked: all answers to the questions of a plan, in one record.

Machines that are alike in all that decides figures are of one kind. Steps are planned for kinds; which machine of a
kind takes one is seen when it starts.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
from packaging.utils import canonicalize_name

from evaluator.children import environments
from evaluator.core import digests, machine, registry
from evaluator.core.records import Machine, Record
from evaluator.planning.capabilities import Capabilities
from exports.contract import DeviceState
from scenarios.loading import Scenario
from serving.contract import Launcher, Server

Refusal = tuple[str, str]  # the reason, and the remedy
_GIB = 1 << 30


class Launch(Record, frozen=True, kw_only=True):
    """Whether a launcher can start a server there."""

    server: str
    launcher: str
    images: tuple[str, ...]
    refusal: Refusal | None = None
    reference: bool = False  # it would start a stand-in


class Survey(Record, frozen=True, kw_only=True):
    """The answers of one machine; it implements `evaluator.planning.capabilities.Capabilities`."""

    isa: str  # as `platform.machine()` has it
    host: str  # what machines have in common that share processor and memory
    fweval: str  # which one is there
    cores: int
    threads: int
    time_factor: float
    memory_bytes: int
    free_memory_bytes: int
    versions: dict[str, str]
    packages: dict[str, str]  # all that is installed
    machine: Machine
    launches: tuple[Launch, ...] = ()
    no_environments: dict[str, Refusal] = msgspec.field(default_factory=dict)
    no_devices: dict[str, Refusal] = msgspec.field(default_factory=dict)
    no_data: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)  # scenario -> names of packages

    def missing(self, distributions: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the pip distributions that are not installed there."""
        there = {canonicalize_name(name) for name in self.packages}
        return tuple(name for name in distributions if canonicalize_name(name) not in there)

    def cannot_launch(self, server: Server, launcher: Launcher, images: Sequence[str]) -> Refusal | None:
        """Say why not, as it was told."""
        found = self._launch(server, launcher, images)
        return ("it was not asked whether this server can be started", "try again") if found is None else found.refusal

    def is_reference(self, server: Server, launcher: Launcher, images: Sequence[str]) -> bool:
        """Tell whether it would start a stand-in there."""
        found = self._launch(server, launcher, images)
        return found is not None and found.reference

    def no_environment(self, name: str) -> Refusal | None:
        """Say why there is none of that name."""
        return self.no_environments.get(name)

    def no_device(self, name: str) -> Refusal | None:
        """Say why it has no device of that name."""
        return self.no_devices.get(name)

    def device_state(self, name: str) -> DeviceState | None:
        """Know nothing of how a device stands now: whoever measures there looks."""
        return None

    def missing_data(self, scenario: Scenario) -> tuple[str, ...]:
        """Return the scenario's data packages that have not been fetched there."""
        return self.no_data.get(scenario.name, ())

    def describe(self) -> Machine:
        """Describe it."""
        return self.machine

    def _launch(self, server: Server, launcher: Launcher, images: Sequence[str]) -> Launch | None:
        found = [each for each in self.launches if (each.server, each.launcher) == (server.name, launcher.name)]
        return next((each for each in found if each.images == tuple(images)), next(iter(found), None))


@dataclass(frozen=True, slots=True)
class Kind:
    """Machines that are alike, as one: what one of them has, the kind has."""

    surveys: tuple[Survey, ...]

    @property
    def cores(self) -> int:
        """How many cores each has."""
        return self.surveys[0].cores

    @property
    def threads(self) -> int:
        """How many threads what is measured gets."""
        return self.surveys[0].threads

    @property
    def time_factor(self) -> float:
        """How slow the slowest is now."""
        return max(each.time_factor for each in self.surveys)

    @property
    def memory_bytes(self) -> int:
        """How much memory each has."""
        return min(each.memory_bytes for each in self.surveys)

    @property
    def free_memory_bytes(self) -> int:
        """How much of it is free where most is."""
        return max(each.free_memory_bytes for each in self.surveys)

    @property
    def versions(self) -> Mapping[str, str]:
        """What is installed."""
        return self.surveys[0].versions

    def missing(self, distributions: tuple[str, ...]) -> tuple[str, ...]:
        """Return what none of them has."""
        return min((each.missing(distributions) for each in self.surveys), key=len)

    def cannot_launch(self, server: Server, launcher: Launcher, images: Sequence[str]) -> Refusal | None:
        """Say why none of them can."""
        return _of_all(each.cannot_launch(server, launcher, images) for each in self.surveys)

    def is_reference(self, server: Server, launcher: Launcher, images: Sequence[str]) -> bool:
        """Tell whether those that can would start a stand-in."""
        able = [each for each in self.surveys if each.cannot_launch(server, launcher, images) is None]
        return any(each.is_reference(server, launcher, images) for each in able or self.surveys)

    def no_environment(self, name: str) -> Refusal | None:
        """Say why none of them has it."""
        return _of_all(each.no_environment(name) for each in self.surveys)

    def no_device(self, name: str) -> Refusal | None:
        """Say why none of them has it."""
        return _of_all(each.no_device(name) for each in self.surveys)

    def device_state(self, name: str) -> DeviceState | None:
        """Know nothing of how a device stands now."""
        return None

    def missing_data(self, scenario: Scenario) -> tuple[str, ...]:
        """Return what none of them has."""
        return min((each.missing_data(scenario) for each in self.surveys), key=len)

    def describe(self) -> Machine:
        """Describe the first of them."""
        return self.surveys[0].machine


def take(here: Capabilities, *, isa: str, host: str, scenarios: Iterable[Scenario]) -> Survey:
    """Ask a machine all the questions of plans about these scenarios."""
    scenarios = tuple(scenarios)
    lacking = {name: here.no_environment(name) for name in environments.names()}
    devices = {name: here.no_device(name) for name in registry.names("device")}
    return Survey(
        isa=isa,
        host=host,
        fweval=digests.me(),
        cores=here.cores,
        threads=here.threads,
        time_factor=here.time_factor,
        memory_bytes=here.memory_bytes,
        free_memory_bytes=here.free_memory_bytes,
        versions=dict(here.versions),
        packages=machine.packages(),
        machine=here.describe(),
        launches=tuple(_launches(here, scenarios)),
        no_environments={name: each for name, each in lacking.items() if each is not None},
        no_devices={name: each for name, each in devices.items() if each is not None},
        no_data={each.name: here.missing_data(each) for each in scenarios},
    )


def kind_of(survey: Survey) -> str:
    """Name the kind of a machine: of those that are alike in processor, memory, GPU and versions.

    It stays what it is while machines come and go: a step's id rests on it.
    """
    described = survey.machine
    gib = round(survey.memory_bytes / _GIB)
    versions = sorted(
        (name, number) for name, number in survey.versions.items() if canonicalize_name(name) in _computing()
    )
    alike = (described.cpu, described.gpu, survey.threads, described.python, versions)
    digest = hashlib.sha256(repr(alike).encode()).hexdigest()[:6]
    gpu = "" if described.gpu is None else "-" + re.sub(r"[^a-z0-9]+", "-", described.gpu.lower()).strip("-")
    return f"{survey.isa}-{survey.cores}c-{gib}g{gpu}-{digest}"


@cache
def _computing() -> frozenset[str]:
    """Return the distributions that what is measured is made of: tools of a person's own make no kind of machine."""
    kinds = ("framework", "exporter", "runtime")
    plugins = (plugin for kind in kinds for plugin in registry.load_all(kind))
    return frozenset(canonicalize_name(name) for plugin in plugins for name in plugin.distributions)


def difference(here: Survey, there: Survey) -> str | None:
    """Say in what the software of a machine differs from ours, so that figures would not be of the same; else None.

    What is not installed there is no difference: steps that need it are unavailable there. Nor is the build of a
    version ("2.13.0+cpu" beside "2.13.0+cu130"): a machine with a GPU needs another one.
    """
    pairs = [("Python", here.machine.python, there.machine.python), ("fweval", here.fweval, there.fweval)]
    both = sorted(here.versions.keys() & there.versions.keys())
    pairs += [(name, _public(here.versions[name]), _public(there.versions[name])) for name in both]
    told = [f"{name} {theirs}, here {ours}" for name, ours, theirs in pairs if ours != theirs]
    return "; ".join(told) or None


def _public(version: str) -> str:
    return version.partition("+")[0]


def _of_all(refusals: Iterable[Refusal | None]) -> Refusal | None:
    found = list(refusals)
    return None if None in found else found[0]


def _launches(here: Capabilities, scenarios: Sequence[Scenario]) -> Iterable[Launch]:
    servers: tuple[Server, ...] = registry.load_all("server")
    for server in servers:
        named = (each.serve.images.get(server.name, server.images) for each in scenarios)
        for images in dict.fromkeys(map(tuple, (server.images, *named))):
            for name in server.launchers:
                launcher: Launcher = registry.load("launcher", name)
                yield Launch(
                    server=server.name,
                    launcher=name,
                    images=images,
                    refusal=here.cannot_launch(server, launcher, images),
                    reference=here.is_reference(server, launcher, images),
                )
