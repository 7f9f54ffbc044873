"""What `fweval doctor` looks at: everything that decides which steps of a plan can run on this machine."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evaluator.children import confinement, environments
from evaluator.core import machine, registry, settings
from evaluator.core.energy import Unmetered
from evaluator.measure import neighbours
from evaluator.pipeline import LEAST_DISK_BYTES
from evaluator.planning import plan
from evaluator.planning.capabilities import Capabilities
from evaluator.running.quiet import BESIDE, REMEDY
from exports.contract import Device
from exports.web import programs
from scenarios.loading import load_scenario, scenario_names

LOAD = "load"
_WATCH_S = 1.0
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One thing that was looked at."""

    topic: str
    name: str
    fine: bool
    detail: str
    remedy: str | None = None

    def line(self) -> str:
        """Return one line for people."""
        remedy = f" → {self.remedy}" if self.remedy and not self.fine else ""
        return f"{'✓' if self.fine else '-'} {self.topic:<11} {self.name:<26} {self.detail}{remedy}"

    def as_dict(self) -> dict[str, str | bool | None]:
        """Return it for machines."""
        return asdict(self)


def examine(here: Capabilities) -> list[Diagnosis]:
    """Look at machine, frameworks, exporters, runtimes, programs, servers and data, in this order; takes a second."""
    of_this_machine = (_machine(here), _energy(here), _environment(), _load(), _wall())
    looked_at = (*of_this_machine, _software(here), _matrix(here), _web(), _servers(here), _data(here))
    return [finding for part in looked_at for finding in part]


def summary(findings: Sequence[Diagnosis]) -> str:
    """Say in a few lines what can be evaluated here, what cannot, and whether the machine is quiet enough."""
    frameworks = [_called(finding) for finding in findings if finding.topic == "framework" and finding.fine]
    absent = [finding for finding in findings if not finding.fine and finding.name != LOAD]
    load = next(finding for finding in findings if finding.name == LOAD)
    can = f"{' and '.join(frameworks)} can be evaluated here" if frameworks else "no framework can be evaluated here"
    lines = [f"{can}: {len(findings) - len(absent)} of {len(findings)} things are there."]
    if absent:
        names = list(dict.fromkeys(map(_called, absent)))
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        lines.append(f"Missing, marked with - above: {', '.join(names[:_MOST_NAMED])}{more}.")
        lines.append("What needs them will be unavailable in a run; that lowers the coverage, never a score.")
    lines.append(f"Load: {load.detail}" + ("." if load.fine else f" → {load.remedy}"))
    return "\n".join(lines)


def _called(finding: Diagnosis) -> str:
    """Name what was looked at as people do: rows have the names that commands take."""
    if finding.topic not in registry.KINDS:
        return finding.name
    name, _, how = finding.name.partition(" ")
    return f"{registry.load(finding.topic, name).title} {how}".strip()


def exit_code(findings: Sequence[Diagnosis]) -> int:
    """Return 0 when at least one framework can be evaluated here, else 3: there will be no evidence."""
    return 0 if any(finding.fine for finding in findings if finding.topic == "framework") else 3


def _machine(here: Capabilities) -> Iterator[Diagnosis]:
    described = here.describe()
    devices: tuple[Device, ...] = registry.load_all("device")
    for device in sorted(devices, key=lambda each: each.beside is not None):
        refusal = here.no_device(device.name)
        reason, remedy = refusal or (f"{device.describe(described)}{_now(here, device)}", None)
        yield Diagnosis(topic="machine", name=device.title, fine=refusal is None, detail=reason, remedy=remedy)
    free = here.free_memory_bytes
    yield Diagnosis(
        topic="machine",
        name="memory",
        fine=free >= plan.LEAST_MEMORY_BYTES,
        detail=f"{free / 2**30:.1f} of {described.memory_bytes / 2**30:.1f} GiB free",
        remedy=f"free at least {plan.LEAST_MEMORY_BYTES / 2**30:.0f} GiB",
    )
    disk = shutil.disk_usage(Path.cwd()).free
    yield Diagnosis(
        topic="machine",
        name="disk",
        fine=disk >= LEAST_DISK_BYTES,
        detail=f"{disk / 2**30:.0f} GiB free in the current folder",
        remedy=f"free at least {LEAST_DISK_BYTES / 2**30:.0f} GiB, or use --out",
    )


def _now(here: Capabilities, device: Device) -> str:
    """Say how much of a device's own memory is free, and who else computes on it."""
    state = here.device_state(device.name)
    if state is None:
        return ""
    free = () if state.free_bytes is None else (f"{state.free_bytes / 2**30:.1f} GiB free",)
    others = (f"others compute on it: {', '.join(state.others)}",) if state.others else ()
    return "".join(f"; {each}" for each in (*free, *others, *state.unknown))


def _energy(here: Capabilities) -> Iterator[Diagnosis]:
    """Say whose energy is counted: where it is not, joules are missing, and nothing else."""
    devices: tuple[Device, ...] = registry.load_all("device")
    told = []
    for device in (each for each in devices if each.beside is None and here.no_device(each.name) is None):
        meter = device.meter()
        told.append(f"{device.title}: {meter.reason if isinstance(meter, Unmetered) else meter.provenance}")
    yield Diagnosis(topic="machine", name="energy", fine=True, detail="; ".join(told))


def _environment() -> Iterator[Diagnosis]:
    """Say what becomes of variables by which a person tunes libraries."""
    told = settings.said(os.environ, machine.cores()) or ("nothing in it changes how runtimes compute",)
    yield Diagnosis(topic="machine", name="environment", fine=True, detail="; ".join(told))


def _load() -> Iterator[Diagnosis]:
    """Look whether others leave the machine alone: what is measured beside them says less."""
    found = neighbours.watch(_WATCH_S)
    yield Diagnosis(topic="machine", name=LOAD, fine=found.quiet, detail=found.said(), remedy=f"{REMEDY}; {BESIDE}")


def _software(here: Capabilities) -> Iterator[Diagnosis]:
    """Look whether the distributions of frameworks, exporters and runtimes are installed."""
    for framework in registry.load_all("framework"):
        yield _installed(here, "framework", framework.name, framework.distributions)
    for exporter in registry.load_all("exporter"):
        yield _installed(here, "exporter", exporter.name, exporter.distributions)
    for runtime in registry.load_all("runtime"):
        yield _installed(here, "runtime", runtime.name, runtime.distributions)


def _matrix(here: Capabilities) -> Iterator[Diagnosis]:
    """Look for what only the whole export matrix needs."""
    for name in environments.names():
        refusal = here.no_environment(name)
        reason, remedy = refusal or (f"made: {environments.locate(name)}", None)
        yield Diagnosis(topic="environment", name=name, fine=refusal is None, detail=reason, remedy=remedy)


def _web() -> Iterator[Diagnosis]:
    for name, (_, remedy) in programs.PROGRAMS.items():
        found = programs.locate(name)
        detail = found or "not on PATH"
        yield Diagnosis(topic="web", name=name, fine=found is not None, detail=detail, remedy=remedy)


def _wall() -> Iterator[Diagnosis]:
    """Look for what `fweval inspect` runs artifacts from elsewhere with."""
    obstacle = confinement.obstacle()
    yield Diagnosis(
        topic="machine",
        name="bubblewrap",
        fine=obstacle is None,
        detail="confines artifacts from elsewhere" if obstacle is None else obstacle.message,
        remedy=None if obstacle is None else obstacle.remedy,
    )


def _servers(here: Capabilities) -> Iterator[Diagnosis]:
    for server in registry.load_all("server"):
        for name in server.launchers:
            refusal = here.cannot_launch(server, registry.load("launcher", name), server.images)
            reason, remedy = refusal or ("can be started", None)
            yield Diagnosis(
                topic="server", name=f"{server.name} as {name}", fine=refusal is None, detail=reason, remedy=remedy
            )


def _data(here: Capabilities) -> Iterator[Diagnosis]:
    for name in scenario_names():
        absent = here.missing_data(load_scenario(name))
        yield Diagnosis(
            topic="data",
            name=name,
            fine=not absent,
            detail="fetched" if not absent else f"not fetched: {', '.join(absent)}",
            remedy=f"fweval fetch {name}",
        )


def _installed(here: Capabilities, topic: str, name: str, distributions: tuple[str, ...]) -> Diagnosis:
    absent = here.missing(distributions)
    found = ", ".join(f"{each} {machine.version(each)}" for each in distributions if each not in absent)
    return Diagnosis(
        topic=topic,
        name=name,
        fine=not absent,
        detail=f"not installed: {', '.join(absent)}" if absent else found or "all in its environment",
        remedy=f"pip install -c constraints.txt {' '.join(absent)}",
    )
