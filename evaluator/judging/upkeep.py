"""Who maintains what each path rests on, from what was found installed and the register of that day. Pure.

"Today" is the day of the run: an entry by which all is well counts as unknown when nobody looked at it for 90 days, and
so does one that the installed packages contradict. A path is as good as the weakest component that it rests on; a part
that no component covers is unknown. What the points are is the policy's.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from evaluator.core import advisories, licences
from evaluator.core.policy import Policy
from evaluator.core.upkeep import (
    Component,
    Detected,
    Inventory,
    Match,
    Package,
    PathUpkeep,
    Standing,
    Status,
    Upkeep,
    Way,
)
from evaluator.judging import candidates
from evaluator.judging.evidence import Entry, Evidence

STAGE = "upkeep"
_HEALTHY = ("active", "minimal", "limited")  # what an entry has to be looked at again for
PYTHONS = tuple(f"3.{minor}" for minor in range(9, 16))
_NOT_LOOKED = Detected(answer="cannot tell", said="not looked at")
_MOST_LIMITS = 3
_ALL = "all of its components"
_ARCH = re.compile(r"(manylinux|musllinux|linux|macosx|win)[^.]*?_?(x86_64|aarch64|arm64|amd64|universal2|i686|32)$")


@dataclass(frozen=True, slots=True)
class Walk:
    """A way that the run planned or went, with the step that shows it."""

    way: Way
    path: str
    entry: Entry

    @property
    def proven(self) -> bool:
        """Tell whether the run shows that it computes the same."""
        return self.entry.passed


def standing(component: Component, detected: Detected, day: str, policy: Policy) -> Standing:
    """Return what an entry comes to on a day."""
    stale = component.is_stale(day)
    doubted = detected.answer == "disagrees" or (stale and component.status in _HEALTHY)
    counts_as: Status = "unknown" if doubted else component.status
    points = min(policy.upkeep[component.status], policy.upkeep[counts_as])
    return Standing(component=component, detected=detected, stale=stale, counts_as=counts_as, points=points)


def standings(evidence: Evidence, found: Inventory) -> dict[str, Standing]:
    """Return what every entry of a run's register comes to."""
    day = evidence.run.created_at[:10]
    return {
        each.id: standing(each, found.detected.get(each.id, _NOT_LOOKED), day, evidence.policy)
        for each in found.register.components
    }


def walks(evidence: Evidence, scenario: str, framework: str, *, standard: bool) -> tuple[Walk, ...]:
    """Return the ways that the run planned, by the steps that prove them; of a server, those that serve it.

    Of a model of one's own every path counts; of built-in scenarios the standard ones, unless all are asked for.
    """
    found = evidence.inventories.get((scenario, framework))
    if found is None:
        return ()
    known = {way.key: way for way in found.ways}
    walked: dict[tuple[str, ...], Walk] = {}
    for stage in ("verify", "serve"):
        for entry in evidence.everything(stage, scenario):
            way = _way(known, entry)
            path = evidence.paths.get(entry.step.format or "")
            mine = entry.step.framework == framework and not entry.step.control and entry.step.variant is None
            if way is None or path is None or not mine:
                continue
            if standard and not (entry.step.standard or evidence.own(scenario)):
                continue
            web = "web" if entry.step.runtime in evidence.catalogue.browsers else path
            before = walked.get((stage, *map(str, way.key)))
            if before is None or (entry.passed and not before.proven):
                walked[stage, *map(str, way.key)] = Walk(way, web, entry)
    return tuple(walked.values())


def _way(known: Mapping[tuple[str, str, str, str | None], Way], entry: Entry) -> Way | None:
    step = entry.step
    return next(
        (
            way
            for (exporter, form, runtime, server), way in known.items()
            if (form, server) == (step.format, step.server)
            and step.exporter in (exporter, None)
            and (step.server is not None or runtime == step.runtime)
        ),
        None,
    )


def assess(evidence: Evidence, scenario: str, framework: str, walk: Walk) -> PathUpkeep:
    """Say what one path rests on."""
    found = evidence.inventories[scenario, framework]
    known = standings(evidence, found)
    way = walk.way
    points, status, by = _weakest(evidence.policy, way, [known[each] for each in way.components])
    packages = [found.packages[name] for name in way.packages if name in found.packages]
    installed = [each for each in packages if each.version]
    archived = [known[each] for each in way.components if known[each].counts_as == "archived"]
    return PathUpkeep(
        scenario=scenario,
        framework=framework,
        path=walk.path,
        title=candidates.title(evidence, walk.entry.step),
        exporter=way.exporter,
        format=way.format,
        runtime=way.runtime,
        server=way.server,
        proven=walk.proven,
        status=status,
        decided_by=by,
        points=points,
        capped="; ".join(f"{each.component.title} is archived: “{each.component.quote}”" for each in archived),
        components=way.components,
        uncovered=way.uncovered,
        packages=len(installed),
        licences=dict(sorted(Counter(each.licence for each in installed).items())),
        copyleft={each.key: which for each in installed if (which := licences.copyleft(each.licence))},
        unlicensed=tuple(each.key for each in installed if not each.licence),
        missing=tuple(each.key for each in packages if not each.version),
        pythons=pythons(installed),
        python_limits=tuple(_limits(installed)),
        platforms=dict(sorted(Counter(name for each in installed for name in platforms(each)).items())),
        vulnerabilities=_vulnerable(evidence, installed),
        uses=tuple(each for each in way.uses if known[each.component].points < evidence.policy.upkeep["active"]),
    )


def _weakest(policy: Policy, way: Way, under: Sequence[Standing]) -> tuple[float, Status, str]:
    """Return the points of a path, its status, and what decides them: of equals, what the register names last."""
    worst = min(reversed(under), key=_rank, default=None)
    unknown = policy.upkeep["unknown"]
    if worst is None or (way.uncovered and worst.points > unknown):
        what = f"{way.uncovered[0]}, which the register does not know" if way.uncovered else "nothing that is known"
        return unknown, "unknown", what
    return worst.points, worst.counts_as, _ALL if worst.counts_as == "active" else worst.component.title


def _rank(found: Standing) -> tuple[float, bool]:
    return found.points, found.counts_as != "archived"


def _vulnerable(evidence: Evidence, packages: Iterable[Package]) -> tuple[Match, ...]:
    return () if evidence.advisories is None else advisories.matches(evidence.advisories, packages)


def pythons(packages: Iterable[Package]) -> tuple[str, ...]:
    """Return the versions of Python that all packages say they run on."""
    wanted = [_specifiers(each.requires_python) for each in packages if each.requires_python]
    return tuple(each for each in PYTHONS if all(one is None or one.contains(f"{each}.0") for one in wanted))


def _specifiers(text: str) -> SpecifierSet | None:
    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        return None


def _limits(packages: Iterable[Package]) -> Iterator[str]:
    """Name the packages that leave out the oldest and the newest of these versions, the strictest first."""
    told = {}
    for each in packages:
        wanted = _specifiers(each.requires_python) if each.requires_python else None
        allowed = PYTHONS if wanted is None else tuple(one for one in PYTHONS if wanted.contains(f"{one}.0"))
        if len(allowed) < len(PYTHONS):
            told[f"{each.name} {each.requires_python}"] = len(allowed)
    yield from sorted(told, key=lambda name: (told[name], name))[:_MOST_LIMITS]


def platforms(package: Package) -> tuple[str, ...]:
    """Say for which systems the installed wheel is: "linux x86_64", or "any"."""
    if package.platforms == ("any",):
        return ("any",)
    told = []
    for each in package.platforms:
        found = _ARCH.search(each)
        system = "linux" if found and "linux" in found[1] else found[1] if found else each
        told.append(f"{system} {found[2]}" if found else system)
    return tuple(dict.fromkeys(told))


def table(evidence: Evidence) -> Upkeep | None:
    """Return what the scorecard says; None for a run that did not look."""
    if not evidence.inventories:
        return None
    paths = tuple(
        assess(evidence, scenario, framework, walk)
        for scenario in evidence.scenarios
        for framework in evidence.frameworks
        for walk in walks(evidence, scenario, framework, standard=False)
        if walk.proven or walk.entry.step.standard
    )
    found = list(evidence.inventories.values())
    known = {name: each for one in found for name, each in standings(evidence, one).items()}
    shown = {name for each in paths for name in each.components} or set(known)
    walked = {(each.framework, each.exporter, each.format, each.runtime, each.server) for each in paths}
    keys = {
        name
        for one in found
        for way in one.ways
        if not paths or (way.framework, *way.key) in walked
        for name in way.packages
    }
    packages = {name: each for one in found for name, each in one.packages.items() if name in keys}
    return Upkeep(
        standings=tuple(each for name, each in known.items() if name in shown),
        paths=paths,
        packages=tuple(packages[name] for name in sorted(packages)),
        database=None if evidence.advisories is None else evidence.advisories.database,
        releases_asked=max((each.releases_asked for each in found), default=""),
        adoption=found[0].register.adoption,
    )
