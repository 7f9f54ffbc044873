"""Commercial and production readiness: who maintains what the paths rest on, licences, vulnerabilities, adoption."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from packaging.utils import canonicalize_name

from evaluator.core.scorecard import Scorecard
from evaluator.core.upkeep import MEANINGS, STALE_AFTER_DAYS, Component, Match, PathUpkeep, Standing, Status, Upkeep
from evaluator.report import _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Chip,
    Folded,
    FrameworkName,
    Heading,
    Items,
    Lines,
    Prose,
    Table,
    Text,
    column,
    item,
    lines,
    soft,
)
from evaluator.report._format import Tone

READING = (
    "What the makers of each component say of its future, in their words, and whether the packages that are installed "
    "here say the same. A path is as good as the weakest component that it rests on. Unknown is never healthy, and an "
    f"entry that nobody looked at for {STALE_AFTER_DAYS} days before the run is unknown."
)
NOT_ASKED = "Known vulnerabilities: not asked. `fweval score RUN --advisories FILE` asks a copy of the OSV database."
UNSCORED = (
    "Licences, vulnerabilities and adoption are facts beside, and no points. A licence is what the metadata of a "
    "package say for sure; copyleft is pointed out, and no judgement."
)
ADOPTION = "Adoption: cited, with dates, and not scored. Popularity is no measurement, and no two sources count alike."
_TONES: dict[Status, Tone] = {
    "active": "good",
    "minimal": "good",
    "limited": "warn",
    "deprecated": "warn",
    "archived": "bad",
    "unknown": "none",
}
_ANSWERS: dict[str, Tone] = {"agrees": "good", "disagrees": "bad", "not installed": "none", "cannot tell": "none"}
_MOST_NAMED = 6


class UpkeepSection(Section):
    """Paths, components, licences, vulnerabilities, adoption."""

    name: ClassVar[str] = "upkeep"
    title: ClassVar[str] = "Commercial and production readiness"
    short: ClassVar[str] = "Upkeep"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing for a run that did not look."""
        found = card.upkeep
        if found is None:
            return ()
        return (
            soft(READING),
            *_paths(card, found),
            *_components(found),
            *_packages(card, found),
            *_vulnerable(found),
            *_adoption(found),
        )


def _chip(status: Status) -> Chip:
    return Chip(status, _TONES[status])


def _together(paths: Iterable[PathUpkeep]) -> dict[tuple[str, str, str], list[PathUpkeep]]:
    """Return the paths of all scenarios, those that differ in the scenario only as one."""
    found: dict[tuple[str, str, str], list[PathUpkeep]] = {}
    for each in paths:
        found.setdefault((each.path, each.framework, each.title), []).append(each)
    order = {"server": 0, "mobile": 1, "portable": 2, "web": 3}
    return dict(
        sorted(found.items(), key=lambda one: (order.get(one[0][0], 9), _cells.place(one[0][1]), -one[1][0].points))
    )


def _paths(card: Scorecard, found: Upkeep) -> Iterable[Block]:
    rows = tuple(_path(found, same) for same in _together(found.paths).values())
    if rows:
        yield Table(
            caption="What each path rests on",
            columns=tuple(
                column(title, right=title == "Points")
                for title in (
                    "For",
                    "Path",
                    "Status",
                    "Points",
                    "Because of",
                    "What replaces it, and what that touches",
                )
            ),
            rows=rows,
            layout="stacked",
        )
    told = ", ".join(f"{name} {value:g}" for name, value in card.policy.upkeep.items())
    yield soft(f"Points of the weakest component: {told}. What is archived caps the verdict of its framework.")


def _path(found: Upkeep, same: Sequence[PathUpkeep]) -> tuple[Lines, ...]:
    first = same[0]
    unproven = [each.scenario for each in same if not each.proven]
    doubt = (Text(f"not proven: {', '.join(unproven)}", "flag"),) if unproven else None
    because = first.capped or f"{first.decided_by}: {MEANINGS[first.status]}"
    return (
        lines(_format.path(first.path)),
        lines(first.title, *((doubt,) if doubt else ())),
        lines(_chip(first.status)),
        lines(Text(f"{first.points:g}", "figure")),
        lines(because),
        _replacing(found, same),
    )


def _replacing(found: Upkeep, same: Sequence[PathUpkeep]) -> Lines:
    known = {each.component.id: each.component for each in found.standings}
    heirs = [name for each in same[0].components if each in known for name in known[each].replaced_by]
    titles = [known[name].title if name in known else name.replace("_", " ") for name in dict.fromkeys(heirs)]
    uses: dict[tuple[str, str], dict[str, int]] = {}
    for use in (use for each in same for use in each.uses):
        uses.setdefault((use.api, use.replacement), {})[use.file] = use.count
    told = [
        (Text(api, "code"), " → ", Text(replacement, "code"), Text(f" ({_places(files)})", "soft"))
        for (api, replacement), files in uses.items()
    ]
    return lines(*((", ".join(titles),) if titles else ()), *told)


def _places(files: dict[str, int]) -> str:
    total = sum(files.values())
    return f"{total} place{'' if total == 1 else 's'} in {', '.join(sorted(files))}"


def _components(found: Upkeep) -> Iterable[Block]:
    if found.standings:
        yield Heading(text="The register")
        yield Table(
            caption="Components, and what their makers say",
            columns=tuple(
                column(each) for each in ("Component", "Status", "In their words", "Source", "Installed here")
            ),
            rows=tuple(_component(found, each) for each in found.standings),
            layout="stacked",
        )


def _component(found: Upkeep, standing: Standing) -> tuple[Lines, ...]:
    about, doubts = standing.component, []
    if standing.stale:
        doubts.append((Text(f"stale: not looked at for {STALE_AFTER_DAYS} days", "flag"),))
    if standing.counts_as != about.status:
        doubts.append((Text(f"counts as {standing.counts_as}", "flag"),))
    quote = f"“{about.quote}”" if about.quote else Text("no statement was found", "missing")
    note = ((Text(about.note, "soft"),),) if about.note else ()
    dated = f"of {about.dated}, checked on {about.checked_on}" if about.dated else f"checked on {about.checked_on}"
    detected = standing.detected
    return (
        lines(about.title),
        lines(_chip(about.status), *doubts),
        lines(quote, *note),
        lines(about.source or Text("none", "missing"), Text(dated, "soft")),
        lines(Chip(detected.answer, _ANSWERS[detected.answer]), Text(detected.said, "soft"), *_newest(found, about)),
    )


def _newest(found: Upkeep, about: Component) -> Iterable[Text]:
    """Say when the index had the newest release of what the entry is seen by, where it was asked."""
    seen_by = canonicalize_name(about.detector.package) if about.detector else ""
    days = (each.released for each in found.packages if canonicalize_name(each.name) == seen_by)
    if day := next(filter(None, days), ""):
        yield Text(f"newest release on {day}, by the index on {found.releases_asked}", "soft")


def _packages(card: Scorecard, found: Upkeep) -> Iterable[Block]:
    yield Heading(text="Licences, Pythons and platforms")
    yield soft(UNSCORED)
    rows = tuple(_licences(same[0]) for same in _together(found.paths).values())
    if rows:
        titles = ("Path", "Packages", "Licences", "Copyleft", "Licence unknown", "Python", "Installed wheels")
        yield Table(
            caption="What comes with each path",
            columns=tuple(column(each, right=each == "Packages") for each in titles),
            rows=rows,
            layout="stacked",
        )
    del card
    yield Folded(title=f"All {len(found.packages)} packages", blocks=(_every(found),))


def _licences(path: PathUpkeep) -> tuple[Lines, ...]:
    named = [f"{name} ({count})" for name, count in sorted(path.licences.items(), key=lambda one: -one[1]) if name]
    copyleft = [f"{name}: {', '.join(which)}" for name, which in path.copyleft.items()]
    pythons = f"{path.pythons[0]} to {path.pythons[-1]}" if path.pythons else "none that all packages allow"
    limits = (Text(f"limits: {', '.join(path.python_limits)}", "soft"),) if path.python_limits else None
    missing = (Text(f"not installed here: {_named(path.missing)}", "flag"),) if path.missing else None
    return (
        lines((FrameworkName(path.framework),), path.title),
        lines(Text(str(path.packages), "figure"), *((missing,) if missing else ())),
        lines(_named(named)),
        lines(_named(copyleft) or "none"),
        lines(_named(path.unlicensed) or "none"),
        lines(pythons, *((limits,) if limits else ())),
        lines(", ".join(f"{name} ({count})" for name, count in path.platforms.items()) or Text("none", "missing")),
    )


def _named(names: Sequence[str]) -> str:
    """Name some, and count the others."""
    told = ", ".join(names[:_MOST_NAMED])
    return f"{told} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else told


def _every(found: Upkeep) -> Table:
    titles = ("Package", "Version", "Environment", "Licence", "From", "Python", "Wheel for", "Newest release")
    return Table(
        caption="Every package on the paths",
        columns=tuple(column(each) for each in titles),
        rows=tuple(
            lines_of(
                each.name,
                each.version or Text("not installed", "missing"),
                each.environment or "fweval's own",
                each.licence or Text(f"unknown{f': “{each.licence_said}”' if each.licence_said else ''}", "missing"),
                each.licence_from,
                each.requires_python,
                ", ".join(each.platforms),
                each.released or Text("not asked", "missing"),
            )
            for each in found.packages
        ),
        layout="wide",
    )


def lines_of(*pieces: str | Text) -> tuple[Lines, ...]:
    """Return a row of one piece in each place."""
    return tuple(lines(each) for each in pieces)


def _vulnerable(found: Upkeep) -> Iterable[Block]:
    yield Heading(text="Known vulnerabilities")
    if found.database is None:
        yield Prose(line=(NOT_ASKED,))
        return
    about = found.database
    newest = f", the newest of {about.newest}" if about.newest else ""
    yield soft(
        f"Asked: {about.given}, {about.records:,} record{'' if about.records == 1 else 's'}{newest}, sha256 "
        f"{about.sha256[:12]}. Python packages only; what the database does not know is not told."
    )
    hit: dict[tuple[str, str], tuple[Match, list[str]]] = {}
    for path in found.paths:
        for each in path.vulnerabilities:
            hit.setdefault((each.package, each.id), (each, []))[1].append(path.title)
    yield Table(
        caption="Vulnerabilities of installed versions",
        columns=tuple(column(each) for each in ("Package", "Vulnerability", "Severity", "What", "Mended in", "Paths")),
        rows=tuple(
            lines_of(
                f"{each.package} {each.version}",
                ", ".join((each.id, *each.aliases)),
                each.severity or Text("not told", "missing"),
                each.summary,
                ", ".join(dict.fromkeys(each.fixed)) or Text("not told", "missing"),
                _named(list(dict.fromkeys(titles))),
            )
            for each, titles in hit.values()
        ),
        otherwise="None of the packages on these paths is among those that the database names.",
        layout="stacked",
    )


def _adoption(found: Upkeep) -> Iterable[Block]:
    if found.adoption:
        yield Heading(text="Adoption")
        yield soft(ADOPTION)
        yield Items(
            items=tuple(
                item(
                    (f"{each.says} ",),
                    (Text(f"{each.source}; of {each.dated}, checked on {each.checked_on}. {each.caution}", "soft"),),
                )
                for each in found.adoption
            )
        )


plugin = UpkeepSection()
