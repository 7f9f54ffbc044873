"""Upkeep: what the parts of every way out of a framework rest on, as it is installed here.

The register of components (`evaluator/register`) says what their makers say of their future. This stage asks the
installed packages whether they say the same, and writes down of all packages that a way needs: versions, licences, and
for which Pythons and platforms they are made. Files are read; nothing is imported, run or downloaded.
"""

import ast
import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from packaging.utils import canonicalize_name

from evaluator.children.work import Work
from evaluator.core import files, registry, releases
from evaluator.core.metrics import key
from evaluator.core.records import Measured
from evaluator.core.releases import Releases
from evaluator.core.upkeep import EVIDENCE, Component, Inventory, Package, Use, Way, register
from evaluator.stages import _packages, _register, _uses
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._packages import Installed
from scenarios.loading import OWN, Scenario
from scenarios.own.form import Own

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan


class Upkeep(Stage):
    """One step for each framework of a scenario."""

    name = "upkeep"
    title = "Upkeep"
    summary = "Read who still maintains what a path rests on, and how its packages are licensed."
    command = "upkeep"
    example = "fweval upkeep bert"
    memory_bytes = 1 * GIB
    timeout_s = 120.0
    expected_s = 3.0
    figures: ClassVar = (Shown(key("packages"), "{} packages"), Shown(key("licences_unknown"), "{} licences unknown"))

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan a step for each framework; it needs no other."""
        for framework in plan.frameworks:
            plan.ids[self.name][framework] = plan.add(self.name, framework, needs={})

    def work(self, work: Work) -> Measured:
        """Read the register, the installed packages, and the code that would have to change."""
        found = take_stock(work.step.framework, msgspec.convert(work.step.settings["scenario"], Scenario))
        files.write_record(work.folder / EVIDENCE, found)
        answers = [each.answer for each in found.detected.values()]
        return Measured(
            metrics={
                "packages": len(found.packages),
                "licences_unknown": sum(not each.licence for each in found.packages.values() if each.version),
                "entries_agree": answers.count("agrees"),
                "entries_disagree": answers.count("disagrees"),
            },
            files={"inventory": EVIDENCE},
        )


def take_stock(framework: str, scenario: Scenario) -> Inventory:
    """Return all ways out of a framework, with what they rest on here."""
    entries = register()
    ours, environment = _packages.ours(), cache(_packages.of_environment)
    packages: dict[str, Package] = {}
    ways, code = [], tuple(_code(scenario, framework))
    of_part = cache(lambda part: {each.key: each for each in _needed(part, ours, environment)})
    for parts in _ways(framework):
        needed = {name: each for part in parts for name, each in of_part(part).items()}
        packages |= needed
        ways.append(_way(framework, parts, entries.components, tuple(sorted(needed)), code))
    known = releases.known()
    return Inventory(
        register=entries,
        detected=dict(_register.detect(entries, ours, environment)),
        packages={name: _released(each, known) for name, each in sorted(packages.items())},
        ways=tuple(ways),
        releases_asked=known.asked if known else "",
    )


def _released(package: Package, known: Releases | None) -> Package:
    """Add the day of the newest release, where the index was asked about the package."""
    day = known.days.get(canonicalize_name(package.name)) if known and package.ecosystem == "PyPI" else None
    return msgspec.structs.replace(package, released=day) if day else package


def asked_about() -> set[str]:
    """Return the packages whose releases tell something: the register's, and those that plug-ins are made for."""
    entries = [each.detector for each in register().components if each.detector]
    named = {each.package for each in entries if each.ecosystem == "PyPI"}
    parts = [part for kind in ("exporter", "runtime", "server") for part in registry.load_all(kind)]
    return {canonicalize_name(name) for name in named.union(*(part.distributions for part in parts))}


def _ways(framework: str) -> Iterator[tuple[Any, ...]]:
    """Yield every exporter of a framework with each runtime that reads its format, and with each server."""
    for exporter in registry.load_all("exporter"):
        if exporter.origin == framework:
            runtimes = [each for each in registry.load_all("runtime") if exporter.format in each.formats]
            yield from ((exporter, each) for each in runtimes)
            for server in registry.load_all("server"):
                if (server.format, server.framework) == (exporter.format, framework) and runtimes:
                    yield exporter, runtimes[0], server


def _way(
    framework: str,
    parts: tuple[Any, ...],
    components: tuple[Component, ...],
    packages: tuple[str, ...],
    code: tuple[tuple[Path, str], ...],
) -> Way:
    exporter, runtime, server = (*parts, None)[:3]
    named = {"framework": framework, "exporter": exporter.name, "format": exporter.format, "runtime": runtime.name}
    if server is not None:
        named["server"] = server.name
    resting = {kind: _covering(components, kind, name) for kind, name in named.items()}
    for kind, part in zip(("exporter", "runtime", "server"), parts, strict=False):
        if not resting[kind]:  # nothing is about the plug-in itself: what it needs may be covered
            resting[kind] = [each for name in part.distributions for each in _about(components, name)]
    of_way = {each.id: each for found in resting.values() for each in found}
    sources = [*_sources(parts), *code]
    return Way(
        framework=framework,
        exporter=exporter.name,
        format=exporter.format,
        runtime=runtime.name,
        server=server.name if server else None,
        components=tuple(each.id for each in components if each.id in of_way),
        uncovered=tuple(f"{kind} {named[kind]}" for kind, found in resting.items() if not found),
        packages=packages,
        uses=_together(use for path, shown in sources for use in _uses.uses(path, shown, of_way.values())),
    )


def _covering(components: Iterable[Component], kind: str, name: str) -> list[Component]:
    return [each for each in components if name in getattr(each.covers, f"{kind}s")]


def _about(components: Iterable[Component], distribution: str) -> list[Component]:
    return [each for each in components if distribution in each.covers.distributions]


def _together(uses: Iterable[Use]) -> tuple[Use, ...]:
    return tuple(dict.fromkeys(uses))


def _needed(part: Any, ours: Installed, environment: Any) -> Iterator[Package]:
    """Yield the packages of an exporter, a runtime or a server: its environment's, and what it requires of ours."""
    name = getattr(part, "environment", None)
    place: Installed | None = environment(name) if name else None
    if name and place is None:
        yield Package(name="(not made here)", environment=name)
        return
    if place is not None:
        yield from (_packages.module(each, place, path) for each, path in place.npm.items())
        yield from (_packages.package(each, place, found) for each, found in place.found.items())
        if place.whole and place.found:
            return
    places = (place, ours) if place is not None else (ours,)
    for each, (where, found) in _packages.closure(part.distributions, *places).items():
        yield _packages.package(each, where, found)


def _sources(parts: tuple[Any, ...]) -> Iterator[tuple[Path, str]]:
    """Yield the files of plug-ins, and of what lies beside them and they import."""
    for part in parts:
        path = Path(inspect.getfile(type(part)))
        yield path, _shown(path)
        for module in _beside(path, type(part).__module__.rpartition(".")[0]):
            yield module, _shown(module)


def _beside(path: Path, package: str) -> Iterator[Path]:
    """Yield the helpers of a plug-in: modules of its package whose name begins with an underscore."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != package else [f"{package}.{each.name}" for each in node.names]
            for name in names:
                spec = find_spec(name) if name.startswith(f"{package}._") else None
                if spec is not None and spec.origin:
                    yield Path(spec.origin)


def _shown(path: Path) -> str:
    return "/".join(path.parts[-3:])


def _code(scenario: Scenario, framework: str) -> Iterator[tuple[Path, str]]:
    """Yield the file that defines the scenario's network: ours, or the one that was brought."""
    if scenario.model != OWN:
        path = Path(inspect.getfile(type(registry.load("model", scenario.model))))
        yield path, _shown(path)
        return
    source = msgspec.convert(scenario.settings, Own).source(framework) or ""
    path = Path(source.rpartition(":")[0] or source)
    if path.suffix == ".py":
        yield path, path.name


plugin = Upkeep()
