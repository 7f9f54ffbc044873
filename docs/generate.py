"""Renews what is generated from the program itself, README.md's tables and two pages of docs/: `make docs`; tests look.

A table stands between `<!-- NAME -->` and `<!-- /NAME -->`, for every NAME in TABLES. `python docs/generate.py RUN`
writes docs/matrix.md from the scorecard of a real run that was made with `fweval export --matrix`.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from evaluator import cli
from evaluator.commands._topics import TOPICS
from evaluator.core import metrics, registry, settings
from evaluator.core.policy import UPKEEP
from evaluator.core.scorecard import Scorecard
from evaluator.core.store import RunFolder
from evaluator.core.upkeep import MEANINGS, STALE_AFTER_DAYS, Component, register
from evaluator.judging.replay import read_scorecard
from evaluator.report import markdown
from evaluator.report.sections import matrix
from scenarios.loading import load_profile, profile_names

MATRIX = Path(__file__).with_name("matrix.md")
METRICS = Path(__file__).with_name("metrics.md")
SETTINGS = Path(__file__).with_name("settings.md")
UPKEEP_PAGE = Path(__file__).with_name("upkeep.md")
README = Path(__file__).parents[1] / "README.md"


def renew(text: str) -> str:
    """Return the text with every generated table as it should be; `ValueError` when a marker is missing."""
    for name, table in TABLES.items():
        opening, closing = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if text.count(opening) != 1 or text.count(closing) != 1:
            raise ValueError(f"README.md needs one place for the table '{name}'")
        before, _, rest = text.partition(opening)
        text = before + opening + table() + closing + rest.partition(closing)[2]
    return text


def commands() -> str:
    """One row per command, under what one wants to do: the first paragraph of its help, and its example."""
    group, context = cli.app, click.Context(cli.app)
    rows = []
    for topic in TOPICS:
        rows.append((f"**{topic}**", "", ""))
        for name in (name for name in group.list_commands(context) if group.topic(name) == topic):
            example = (group.get_command(context, name).epilog or "").removeprefix("Example:").strip()
            rows.append((f"`{name}`", cli.summary(group, context, name), f"`{example}`"))
    return _table(("Command", "What it does", "Example"), rows)


def profiles() -> str:
    """One row per built-in profile, the quickest first."""
    found = sorted((load_profile(name) for name in profile_names()), key=lambda each: each.sampling.min_queries)
    rows = (
        (
            f"`{each.name}`",
            f"{each.sampling.min_queries:,}",
            f"{each.sampling.min_seconds:g} s",
            str(each.rounds),
            str(each.train_rounds),
            each.highest_tail,
        )
        for each in found
    )
    header = ("Profile", "Calls at least", "and at least", "Rounds", "Trainings", "Highest percentile")
    return _table(header, rows)


def formats() -> str:
    """One row per format: what writes it, what it is for, and what runs it. What every run uses stands in bold."""
    rows = (
        (
            each.title,
            *(_exporters(each.name, framework.name) for framework in registry.load_all("framework")),
            each.path,
            ", ".join(
                _marked(runtime.title, everywhere=runtime.standard and _everywhere(each.name))
                for runtime in registry.load_all("runtime")
                if each.name in runtime.formats
            ),
        )
        for each in registry.load_all("format")
    )
    origins = (f"From {framework.title}" for framework in registry.load_all("framework"))
    return _table(("Format", *origins, "Deployment path", "Runtimes"), rows)


def _exporters(form: str, framework: str) -> str:
    found = [each for each in registry.load_all("exporter") if (each.format, each.origin) == (form, framework)]
    return ", ".join(_marked(each.title, everywhere=each.standard) for each in found)


def _everywhere(form: str) -> bool:
    return any(each.format == form and each.standard for each in registry.load_all("exporter"))


def _marked(title: str, *, everywhere: bool) -> str:
    return f"**{title}**" if everywhere else title


def servers() -> str:
    """One row per server: what it takes, how it is spoken to, and how it can be started."""
    titles = {each.name: each.title for each in registry.load_all("format")}
    rows = (
        (each.title, titles[each.format], ", ".join(each.wires), ", ".join(f"`{name}`" for name in each.launchers))
        for each in registry.load_all("server")
    )
    return _table(("Server", "Serves", "Wires", "Launchers"), rows)


def checks() -> str:
    """One row per check: its question, where it counts, and how much."""
    rows = ((f"`{c.name}`", c.question, c.category, c.risk.value) for c in registry.load_all("check"))
    return _table(("Check", "Question", "Category", "Risk"), rows)


def probes() -> str:
    """One row per probe of a server: its question, and what a wrong answer costs."""
    rows = ((f"`{each.name}`", each.question, each.risk) for each in registry.load_all("probe"))
    return _table(("Probe", "Question", "Risk"), rows)


def matrix_page(card: Scorecard) -> str:
    """Return the page about the export matrix of a real run."""
    machine, versions = card.machine, card.machine.versions
    made = (
        f"Made on {card.created_at[:10]} by `fweval export {' '.join(card.scenarios)} --matrix`, "
        f"profile {card.profile}: {machine.cpu}, {machine.cores} cores, Python {machine.python}."
    )
    lines = [
        "# The export matrix of a real run",
        "",
        made,
        "What each mark rests on is in the run's scorecard; a mark stands with the size of the artifact.",
        "",
        *markdown.write(matrix.whole(card.matrix)),
        "## Why not",
        "",
        *markdown.write((matrix.reasons(card.matrix),)),
        "## Versions",
        "",
        ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
    ]
    return "\n".join(lines) + "\n"


def glossary() -> str:
    """Return the page about every metric: its unit, which direction is better, what it means, how it is known."""
    lines = [
        "# Metrics",
        "",
        "Everything that `fweval cells` and the scorecard's cells hold, from `evaluator/core/metrics.py`. Units: `s`",
        "seconds, `bytes`, `1/s` per second, `share` 0 to 1, `1` a plain number. Provenance: how it is known.",
        "",
    ]
    for title, chapter in metrics.CHAPTERS.items():
        rows = (
            (f"`{each.name}`", each.unit, each.better, each.meaning, each.provenance, ", ".join(each.labels))
            for each in chapter
        )
        header = ("Metric", "Unit", "Better", "Meaning", "Provenance", "Labels")
        lines += [f"## {title}", "", _table(header, rows)]
    labels = ((f"`{name}`", meaning) for name, meaning in metrics.LABELS.items())
    statistics = ((f"`{name}`", meaning) for name, meaning in metrics.STATISTICS.items())
    lines += [
        "## Labels",
        "",
        "A figure of which a step has several is told apart by labels: `latency_s wire=grpc share=0.6 statistic=p90`.",
        "",
        _table(("Label", "Meaning"), labels),
        "## Statistics",
        "",
        _table(("Statistic", "Meaning"), statistics),
    ]
    return "\n".join(lines).rstrip() + "\n"


def settings_page() -> str:
    """Return the page about all that fweval sets around what it measures."""
    variants = ((f"`{each.name}`", each.title, each.summary) for each in registry.load_all("variant"))
    trainings = (
        (f"`{each.name}`", registry.load("framework", each.framework).title, each.title, each.summary)
        for each in registry.load_all("training_variant")
    )
    lines = [
        "# What fweval sets",
        "",
        "A runtime is measured as its users have it, the number of threads aside. This is all that fweval sets around",
        "what it measures, from `evaluator/core/settings.py`; tests look at started processes for anything else.",
        "",
        "## Environment variables",
        "",
        _table(("Variable", "Why"), ((f"`{name}`", why) for name, why in settings.VARIABLES.items())),
        "A person's own `OMP_NUM_THREADS` is kept to, up to the number of cores, and stands in `run.json`. Other",
        "variables by which libraries are tuned are not passed on; `fweval doctor` and the start of a run name them.",
        "",
        "## Options, limits and configuration",
        "",
        _table(("What", "Why"), settings.OPTIONS.items()),
        "## Variants",
        "",
        "What else people set is measured beside the default, never in its place.",
        "",
        _table(("Variant", "Title", "What is set"), variants),
        "## Training variants",
        "",
        "A training step is what its framework's documentation has. Ways to take the same step otherwise are shown to",
        "be the same, and measured in the same turns.",
        "",
        _table(("Variant", "Framework", "Title", "What is set"), trainings),
    ]
    return "\n".join(lines).rstrip() + "\n"


def upkeep_page() -> str:
    """Return the page about the lifecycle register: what a status means, every entry, and facts of adoption."""
    found = register()
    points = ((f"`{name}`", told, f"{UPKEEP[name]:g}") for name, told in MEANINGS.items())
    heirs = {each.id: each.title for each in found.components}
    entries = (
        (
            f"**{each.title}**",
            f"`{each.status}`",
            " ".join(filter(None, (f"“{each.quote}”" if each.quote else "", each.note))),
            f"{each.source or 'none'}{f' ({each.dated})' if each.dated else ''}",
            each.checked_on,
            _detector(each),
            ", ".join(heirs[name] for name in each.replaced_by),
        )
        for each in found.components
    )
    header = ("Component", "Status", "Official words, and a note", "Source", "Checked on", "Seen by", "Replaced by")
    moves = (
        (each.title, f"`{api.removeprefix('.')}`", f"`{replacement}`")
        for each in found.components
        for api, replacement in each.migration.items()
    )
    facts = ((each.says, f"{each.source} ({each.dated})", each.checked_on, each.caution) for each in found.adoption)
    lines = [
        "# Upkeep",
        "",
        "Who maintains what a path rests on, from `evaluator/register`. Each entry has official words, their source,",
        "and the day on which somebody last read it; `fweval upkeep` asks the installed packages whether they say the",
        "same. A path is as good as the weakest component that it rests on, and has its points. What is archived caps",
        f"the verdict. An entry by which all is well counts as unknown {STALE_AFTER_DAYS} days after `checked on`,",
        "counted to the day of the run; so does one that the installed packages contradict. Unknown is never healthy.",
        "",
        "Licences, known vulnerabilities (`fweval score RUN --advisories PATH`: OSV records, as osv.dev has them) and",
        "adoption are shown beside, and are no points. A licence is what the metadata of a package say for sure.",
        "`fweval fetch --releases` asks pip's index on which day packages were last released; a run shows the day and",
        "asks nobody.",
        "",
        "## What a status means",
        "",
        _table(("Status", "Meaning", "Points"), points),
        "## The register",
        "",
        _table(header, entries),
        "## What takes the place of what",
        "",
        "Names are counted in the code of fweval's plug-ins and of the scenario's network, in their syntax trees.",
        "",
        _table(("Component", "API", "Its replacement"), moves),
        "## Adoption",
        "",
        "Cited facts, never scored: popularity is no measurement, and no two sources count alike.",
        "",
        _table(("Fact", "Source", "Checked on", "What it does not tell"), facts),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _detector(component: Component) -> str:
    asked = component.detector
    if asked is None:
        return "nothing"
    told = f"`{asked.package}{asked.version}`" if asked.version else f"`{asked.package}`"
    return f"{told}: `{asked.file}` says “{asked.says}”" if asked.says else told


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


TABLES: dict[str, Callable[[], str]] = {
    "commands": commands,
    "profiles": profiles,
    "formats": formats,
    "servers": servers,
    "checks": checks,
    "probes": probes,
}

if __name__ == "__main__":
    for run in sys.argv[1:]:
        MATRIX.write_text(matrix_page(read_scorecard(RunFolder.open(Path(run)))), encoding="utf-8")
    METRICS.write_text(glossary(), encoding="utf-8")
    SETTINGS.write_text(settings_page(), encoding="utf-8")
    UPKEEP_PAGE.write_text(upkeep_page(), encoding="utf-8")
    README.write_text(renew(README.read_text(encoding="utf-8")), encoding="utf-8")
