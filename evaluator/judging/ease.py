"""From what the stage `ease` left to the table of it: framework by framework, scenario by scenario."""

import re
from collections.abc import Iterator
from pathlib import Path

from evaluator.core import ease, files, notices
from evaluator.core.ease import Ease, Found, FrameworkEase, ScenarioEase, Times
from evaluator.core.reading import read_end
from evaluator.core.text import line
from evaluator.judging.evidence import Entry, Evidence
from evaluator.measure.statistics import median_interval

STAGE = "ease"
IMPORT = "import"  # the samples of import times
_LOG_BYTES = 1 << 18  # of the end of a log
_LONGEST = 240  # characters of a warning
# How Python and Python's loggers begin a line that warns: "/a/b.py:1: UserWarning: …".
_WARNS = re.compile(r"^(?:\S+:\d+: \w*Warning: |WARNING:)")


def asked(evidence: Evidence) -> bool:
    """Tell whether the run's plan has the stage: older runs have not."""
    return any(entry.step.stage == STAGE for entry in evidence.entries)


def common(evidence: Evidence, framework: str) -> Entry | None:
    """Return the entry of what is asked once of a framework; None where the plan has none."""
    entries = evidence.select(STAGE, framework=framework)
    return next((entry for entry in entries if ease.MISTAKES not in entry.step.needs), None)


def build(evidence: Evidence, run: Path) -> Ease | None:
    """Return all that was found out; None where nothing was."""
    frameworks = tuple(_frameworks(evidence, run))
    scenarios = tuple(_scenarios(evidence, run))
    return Ease(frameworks=frameworks, scenarios=scenarios) if frameworks or scenarios else None


def import_time(entry: Entry) -> Times | None:
    """Return the median import with its interval."""
    seconds = entry.samples.get(IMPORT, ())
    if not seconds:
        return None
    found = median_interval(seconds)
    return Times(median_s=found.value, low_s=found.low, high_s=found.high, count=len(seconds))


def first_step_s(evidence: Evidence, scenario: str, framework: str) -> float | None:
    """Return the seconds to the end of a first training step, as the training measured them; not twice."""
    for entry in evidence.select("train", scenario=scenario, framework=framework):
        parts = [entry.number(name) for name in ("import_s", "build_s", "time_to_first_step_s")]
        known = [part for part in parts if part is not None]
        if entry.passed and len(known) == len(parts):
            return sum(known)
    return None


def _frameworks(evidence: Evidence, run: Path) -> Iterator[FrameworkEase]:
    for framework in evidence.frameworks:
        entry = common(evidence, framework)
        found = None if entry is None else _found(entry, run)
        if entry is not None and found is not None:
            yield FrameworkEase(
                framework=framework,
                packages=found.packages,
                import_time=import_time(entry),
                shown=found.shown,
                mistakes=found.mistakes,
                not_applicable=found.not_applicable,
                evidence=entry.folder,
                reproduce=f"sh {entry.folder}/reproduce.sh",
            )


def _scenarios(evidence: Evidence, run: Path) -> Iterator[ScenarioEase]:
    for entry in evidence.select(STAGE):
        found = _found(entry, run)
        if found is not None:
            scenario, framework = entry.step.scenario, entry.step.framework
            yield ScenarioEase(
                scenario=scenario,
                framework=framework,
                code=found.code,
                first_step_s=first_step_s(evidence, scenario, framework),
                export_warnings=dict(_export_warnings(evidence, scenario, framework, run)),
                evidence=entry.folder,
                reproduce=f"sh {entry.folder}/reproduce.sh",
            )


def _export_warnings(
    evidence: Evidence, scenario: str, framework: str, run: Path
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for entry in evidence.select("export", scenario=scenario, framework=framework):
        if entry.passed and entry.step.standard:
            yield str(entry.step.exporter), warned(read_end(run / entry.folder / "stderr", _LOG_BYTES))


def warned(log: str) -> tuple[str, ...]:
    """Return the lines of a log that warn, without places of the machine; those that differ in numbers only, once."""
    found: dict[str, str] = {}
    for each in log.splitlines():
        if _WARNS.match(each) or notices.is_native(each):
            told = line(notices.without_places(each.strip()), _LONGEST)
            found.setdefault(notices.alike(told), told)
    return tuple(found.values())


def _found(entry: Entry, run: Path) -> Found | None:
    """Return what a step found out; None where it did not end, or its file is gone."""
    path = run / entry.folder / ease.NAME
    return files.read_record(path, Found) if entry.passed and path.exists() else None
