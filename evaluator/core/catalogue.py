"""`catalogue.json`: what the plug-ins of a run are called and what they make, written when the run is planned.

Judging, scoring and the matrix read it and no registry, so that a run says the same next year, whatever is installed
then. (Checks, rules of diagnosis and reports are code, and are those of today.)
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from evaluator.core import files, plugins, registry, upkeep, versions
from evaluator.core.kinds import VARIANTS
from evaluator.core.records import FRAMEWORKS, PRECISIONS, Plugin, Record, Step

NAME = "catalogue.json"
# Where two kinds share a name, the title of the later one is meant by the bare name.
_TITLED = ("device", "exporter", "format", "runtime", "server", "launcher", "framework", "probe", *VARIANTS)
_SHOWN = (*_TITLED, "stage", "check")  # what reports have words for


class CataloguedExporter(Record, frozen=True, kw_only=True):
    """What a run must know of an exporter beside its title."""

    origin: str
    format: str
    route: str
    standard: bool = False
    cannot: dict[str, str] = msgspec.field(default_factory=dict)  # precision -> why the tool has no way to it


class Catalogue(Record, frozen=True, kw_only=True):
    """The plug-ins that were there when a run was planned."""

    titles: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)  # kind -> name -> as people write it
    paths: dict[str, str] = msgspec.field(default_factory=dict)  # format -> the deployment path that it is for
    exporters: dict[str, CataloguedExporter] = msgspec.field(default_factory=dict)
    probes: dict[str, str] = msgspec.field(default_factory=dict)  # probe -> its risk
    protocol: tuple[str, ...] = ()  # probes whose question is one of protocol: a stand-in speaks for them, too
    # By which rules servers are judged: in runs of version 1 a stand-in spoke for everything, and a rate that nobody
    # measured was none. They score for ever as they did.
    rules: int = 2
    archived: dict[str, str] = msgspec.field(default_factory=dict)  # server -> where its makers say so
    plugins: tuple[Plugin, ...] = ()  # that did not come with fweval
    baselines: tuple[str, ...] = ()  # runtimes that compute with the origin itself, as it is
    browsers: tuple[str, ...] = ()  # runtimes that are made for browsers
    stands_for: dict[str, str] = msgspec.field(default_factory=dict)  # runtime of fweval's own -> what it stands for
    precisions: dict[str, str] = msgspec.field(default_factory=dict)  # training variant -> what it computes in
    preparing: tuple[str, ...] = ()  # stages that only prepare: their steps are no cells, and are not shown

    @property
    def origins(self) -> dict[str, tuple[str, ...]]:
        """Return format -> the frameworks that it is exported from in every run."""
        found: dict[str, list[str]] = {}
        for exporter in self.exporters.values():
            if exporter.standard:
                found.setdefault(exporter.format, []).append(exporter.origin)
        return {name: tuple(origin for origin in FRAMEWORKS if origin in origins) for name, origins in found.items()}

    @property
    def all_titles(self) -> dict[str, str]:
        """Return any name -> as people write it."""
        return flat(self.titles)

    def exporter(self, name: str, step: Step) -> CataloguedExporter:
        """Return what is known of the exporter of a step; of a user's own in an old run, what the step says."""
        own = CataloguedExporter(origin=step.framework, format=str(step.format), route="native")
        return self.exporters.get(name, own)

    def title(self, kind: str, name: str) -> str:
        """Return what people call a plug-in; its name when the catalogue does not know it."""
        return self.titles.get(kind, {}).get(name, name)


def flat(titles: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the titles of all kinds in one: any name that a coordinate may have -> as people write it."""
    plugins = {name: title for kind in (*_TITLED, "machine") for name, title in titles.get(kind, {}).items()}
    return {name: name.replace("_", " ") for name in PRECISIONS} | plugins


def collect() -> Catalogue:
    """Return the catalogue of the plug-ins that are installed now."""
    return Catalogue(
        titles={kind: {plugin.name: plugin.title for plugin in registry.load_all(kind)} for kind in _SHOWN},
        paths={plugin.name: plugin.path for plugin in registry.load_all("format")},
        exporters={
            plugin.name: CataloguedExporter(
                origin=plugin.origin,
                format=plugin.format,
                route=plugin.route,
                standard=plugin.standard,
                cannot=dict(plugin.cannot),
            )
            for plugin in registry.load_all("exporter")
        },
        probes={plugin.name: plugin.risk for plugin in registry.load_all("probe")},
        protocol=tuple(plugin.name for plugin in registry.load_all("probe") if plugin.protocol),
        archived=upkeep.register().archived_servers(),
        baselines=tuple(plugin.name for plugin in registry.load_all("runtime") if plugin.baseline),
        browsers=tuple(plugin.name for plugin in registry.load_all("runtime") if plugin.browser),
        plugins=from_outside(),
        stands_for={plugin.name: plugin.stands_for for plugin in registry.load_all("runtime") if plugin.stands_for},
        precisions={plugin.name: plugin.precision for plugin in registry.load_all("training_variant")},
        preparing=tuple(plugin.name for plugin in registry.load_all("stage") if not plugin.shown),
    )


def from_outside() -> tuple[Plugin, ...]:
    """Return the plug-ins that did not come with fweval and are found now; `UsageError` when one cannot be loaded."""
    known = plugins.digests()
    for each in registry.found():
        registry.load(each.kind, each.name)
    return tuple(
        Plugin(
            kind=each.kind,
            name=each.name,
            origin=each.place.origin,
            version=each.place.version,
            folder=str(each.place.folder),
            sha256=known[each.kind, each.name],
        )
        for each in registry.found()
    )


def read(run: Path) -> Catalogue:
    """Return the catalogue of a run folder; a run of version 1 had the plug-ins of its day, which are known.

    `IncompleteEvidence` when it is missing or damaged.
    """
    old = not (run / NAME).exists() and versions.of(run / "run.json") == 1
    return files.read_record((versions.VERSION_1 if old else run) / NAME, Catalogue)
