"""`scorecard.md`: the scorecard for pull requests, wikis and mail: the same order as the page, without its pictures.

Written as GitHub-flavoured Markdown (https://github.github.com/gfm/). Text that comes from a run is escaped, so that no
name can break a table or become markup.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import ClassVar

from evaluator.core.matrix import MatrixCell
from evaluator.core.records import Cell
from evaluator.core.scorecard import Comparison, Finding, Interval, Scorecard
from evaluator.report import _format, _matrix, _view
from evaluator.report._base import Report

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
_PROVISIONAL = "provisional: reference server"


class Markdown(Report):
    """The scorecard as Markdown."""

    name: ClassVar[str] = "markdown"
    filename: ClassVar[str] = "scorecard.md"

    def render(self, scorecard: Scorecard) -> str:
        """Return the document."""
        parts = (
            _headline,
            _scores,
            _comparisons,
            _exports,
            _export_matrix,
            _edge,
            _serving,
            _findings,
            _gaps,
            _machine,
        )
        return "\n".join(line for part in parts for line in part(scorecard)) + "\n"


def _headline(card: Scorecard) -> Iterable[str]:
    answer = _view.answer(card)
    yield "# Deployment readiness: PyTorch and TensorFlow"
    yield ""
    yield f"**{_escape(answer.sentence)}** {_escape(answer.support)}"
    yield ""
    yield _escape(f"Run {card.run}, {card.created_at}, profile {card.profile}, fweval {card.fweval}.")
    yield ""


def _scores(card: Scorecard) -> Iterable[str]:
    yield "## Scores"
    yield ""
    rows = [
        (
            _format.framework(score.candidate),
            score.scenario or "all",
            score.verdict,
            _format.score(score.overall),
            f"{_format.score(score.lower)} to {_format.score(score.upper)}",
            _format.percent(score.coverage),
            f"{_format.words(score.weakest)}, {_format.score(score.weakest_score)}"
            if score.weakest
            else "not measured",
            "; ".join(score.gates) or "none",
        )
        for score in (*_view.overall_scores(card), *chain.from_iterable(_view.scenario_scores(card).values()))
    ]
    header = ("Framework", "Scenario", "Verdict", "Score (of 10)", "Bounds", "Coverage", "Weakest category", "Gates")
    yield from _table(header, rows, "Nothing was scored.")


def _comparisons(card: Scorecard) -> Iterable[str]:
    yield "## Comparison"
    yield ""
    rows = [
        (
            comparison.scenario,
            _view.question(comparison),
            _value(card, comparison, "pytorch"),
            _value(card, comparison, "tensorflow"),
            _ratio(comparison.ratio),
            comparison.statement,
        )
        for comparison in card.comparisons
    ]
    header = ("Scenario", "Question", "PyTorch", "TensorFlow", "PyTorch / TensorFlow", "In words")
    yield from _table(header, rows, "Nothing was compared.")


def _value(card: Scorecard, comparison: Comparison, name: str) -> str:
    found = comparison.values.get(name)
    mark = f" ({_PROVISIONAL})" if name in _view.provisional_sides(card, comparison) else ""
    return _format.quantity(None if found is None else found.value, comparison.unit) + mark


def _ratio(ratio: Interval | None) -> str:
    if ratio is None:
        return "not comparable"
    if ratio.low is None or ratio.high is None:
        return _format.ratio(ratio.value)
    return f"{_format.ratio(ratio.value)} ({_format.significant(ratio.low)} to {_format.significant(ratio.high)})"


def _exports(card: Scorecard) -> Iterable[str]:
    yield "## Exports"
    yield ""
    rows = [
        (row.scenario, _format.framework(row.framework), *(_steps(steps) for steps in row.steps))
        for row in _view.matrix(card)
    ]
    yield from _table(("Scenario", "Framework", *_view.formats(card)), rows, "No export was made.")
    for cell in _view.not_passed(card.cells):
        what = f"{cell.stage}, {cell.scenario}, {_format.framework(cell.framework)}, {_view.subject(cell)}"
        remedy = f". Remedy: {cell.remedy}" if cell.remedy else ""
        yield f"- {_escape(f'{_format.words(cell.outcome)}: {what}: {cell.reason or _view.NO_REASON}{remedy}')}"
    yield ""


def _steps(cells: Sequence[Cell]) -> str:
    named = (
        (" ".join(part for part in (c.stage, c.runtime, c.device if c.device != "cpu" else None) if part), c.outcome)
        for c in cells
    )
    return "; ".join(f"{name}: {_format.words(outcome)}" for name, outcome in named) or "not offered"


def _export_matrix(card: Scorecard) -> Iterable[str]:
    cells = _matrix.shown(card)
    if cells:
        yield "## Export matrix"
        yield ""
        yield from matrix_table(cells)
        yield from _explained("What did not pass, and why", [cell for cell in cells if _matrix.unproven(cell)])
        yield from _explained("What passed", [cell for cell in cells if not _matrix.unproven(cell)])


def matrix_table(cells: Sequence[MatrixCell]) -> Iterable[str]:
    """Write the export matrix: counts, a mark for every cell with the size of its artifact, and the runtimes."""
    classes = _matrix.classes(cells)
    yield _escape(f"{_matrix.counts(cells)}.{f' By class: {classes}.' if classes else ''}")
    yield ""
    yield ", ".join(f"{_matrix.LETTERS[state]} {state}" for state in _matrix.STATES) + "."
    yield ""
    rows = [
        (
            group.title,
            row.title + (f" ({row.route})" if row.route else ""),
            _format.framework(row.origin),
            *("" if cell is None else _matrix.mark(cell) for cell in row.cells),
        )
        for group in _matrix.groups(cells)
        for row in group.rows
    ]
    columns = (f"{scenario} {precision}" for scenario, precision in _matrix.columns(cells))
    yield from _table(("Format", "Exporter", "From", *columns), rows, "No export was planned.")
    rows = [(name, *map(str, tally)) for name, *tally in _matrix.runtimes(cells)]
    yield from _table(("Runtime", "Passed", "Did not", "Could not be asked"), rows, "No artifact was asked about.")


def matrix_reasons(cells: Sequence[MatrixCell]) -> Iterable[str]:
    """Write why cells did not pass: each reason once, with all the places that it holds for."""
    for line, places in _matrix.explanations(cells).items():
        yield f"- {_escape(line)}. *{_escape('; '.join(places))}*"
    yield ""


def _explained(title: str, cells: Sequence[MatrixCell]) -> Iterable[str]:
    if cells:
        yield f"### {title}"
        yield ""
        yield from (
            f"- **{_escape(_matrix.place(cell))}**: {_escape('. '.join(_matrix.words(cell)))}" for cell in cells
        )
        yield ""


def _edge(card: Scorecard) -> Iterable[str]:
    artifacts = _view.edge(card.cells, card.edge)
    if not artifacts:
        return
    yield "## Devices"
    yield ""
    titles = (title for title, _ in _view.EDGE)
    devices = (device.title for device in card.device_classes)
    rows = [
        (
            row.cell.scenario,
            _format.framework(row.cell.framework),
            _view.made(row.cell),
            *(" / ".join(_view.figure(row.cell, name) for name in names) for _, names in _view.EDGE),
            *(fit.verdict + (" (estimated)" if fit.estimated else "") for fit in row.fits),
        )
        for row in artifacts
    ]
    yield from _table(("Scenario", "Framework", "Artifact and runtime", *titles, *devices), rows, "")
    for device in card.device_classes:
        yield f"- {_escape(f'{device.title}: {_view.budgets(device)}')}"
    yield ""
    for row in artifacts:
        what = f"{row.cell.scenario}, {_format.framework(row.cell.framework)}, {_view.made(row.cell)}"
        for fit in row.fits:
            yield f"- {_escape(f'{what}, {_view.device(card, fit).title}: {fit.verdict}: {fit.reason}')}"
    yield ""


def _serving(card: Scorecard) -> Iterable[str]:
    yield "## Serving"
    yield ""
    yield from _served(card, "serve", _view.SERVING)
    yield "REST and gRPC latencies are p50 / p90."
    yield ""
    if _view.served(card, "load"):
        yield "### Under load"
        yield ""
        yield from _served(card, "load", _view.LOAD)
    yield from _probes(card)
    images = _view.images(card)
    if images:
        yield "### Container images"
        yield ""
        names = [_format.metric_name(name) for name in _view.IMAGE]
        rows = [
            (cell.server or "", *(_format.metric(name, cell.metrics.get(name)) for name in _view.IMAGE))
            for cell in images
        ]
        yield from _table(("Server", *names), rows, "")


def _probes(card: Scorecard) -> Iterable[str]:
    servers = _view.served(card, "probe")
    rows = [
        (_format.words(row.probe), *(f"{_format.words(reply.outcome)}: {reply.reason}" for reply in row.replies))
        for row in _view.probes(card)
    ]
    if rows:
        yield "### Operations"
        yield ""
        names = (f"{cell.scenario}, {_view.subject(cell)}" for cell in servers)
        yield from _table(("Probe", *names), rows, "")


def _served(card: Scorecard, stage: str, columns: _view.Columns) -> Iterable[str]:
    rows = [
        (
            cell.scenario,
            _format.framework(cell.framework),
            _view.subject(cell) + (f" ({_PROVISIONAL})" if _view.is_provisional(card, cell) else ""),
            _format.words(cell.outcome) + (f": {cell.reason}" if cell.reason else ""),
            *(
                " / ".join(_view.figure(cell, name) for name in names) if cell.metrics else _format.NOT_MEASURED
                for _, names in columns
            ),
        )
        for cell in _view.served(card, stage)
    ]
    titles = (title for title, _ in columns)
    yield from _table(("Scenario", "Framework", "Server", "Outcome", *titles), rows, "No server was tried.")


def _findings(card: Scorecard) -> Iterable[str]:
    yield "## Findings"
    yield ""
    if not card.findings:
        yield "There are none."
        yield ""
    for category, found in _view.categories(card).items():
        yield f"### {_escape(_format.words(category).capitalize())}"
        yield ""
        yield from _table(
            ("State", "Score", "Risk", "Framework", "Scenario", "Subject", "Why", "Evidence", "Repeat"),
            [_finding(finding) for finding in found],
            "",
        )


def _finding(finding: Finding) -> tuple[str, ...]:
    subject = ", ".join(p for p in (finding.subject, finding.path, finding.device) if p)
    mark = f" ({_PROVISIONAL})" if finding.provisional else ""
    remedy = f". Remedy: {finding.remedy}" if finding.remedy else ""
    return (
        _format.words(finding.state) + (" (gate)" if finding.gate else ""),
        _format.score(finding.score) + mark,
        finding.risk,
        _format.framework(finding.candidate),
        finding.scenario,
        subject,
        finding.reason + remedy,
        "; ".join(f"{ref.path} ({ref.sha256[:12]})" for ref in finding.evidence) or "none",
        finding.reproduce or "none",
    )


def _gaps(card: Scorecard) -> Iterable[str]:
    yield "## What could not be measured, and how to get it"
    yield ""
    gaps = _view.gaps(card)
    for gap in gaps:
        remedy = f" To get it: {gap.remedy}." if gap.remedy else ""
        yield f"- **{_escape(gap.reason)}**.{_escape(remedy)} Concerns: {_escape('; '.join(gap.affected))}"
    if not gaps:
        yield "Everything that was asked for was measured."
    yield ""
    if card.warnings:
        yield "### Warnings"
        yield ""
        yield from (f"- {_escape(warning)}" for warning in card.warnings)
        yield ""


def _machine(card: Scorecard) -> Iterable[str]:
    machine = card.machine
    yield "## Machine and versions"
    yield ""
    rows = [
        ("Processor", f"{machine.cpu}, {machine.cores} cores"),
        ("Memory", _format.size(machine.memory_bytes)),
        ("System", machine.system),
        ("GPU", machine.gpu or "none found"),
        ("Docker", machine.docker or "none found"),
        ("Java", machine.java or "none found"),
        ("Python", machine.python),
        *machine.versions.items(),
    ]
    yield from _table(("What", "Which"), rows, "")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], otherwise: str) -> Iterable[str]:
    """Write a table, every cell escaped, or one sentence when it has no rows; a blank line follows."""
    if rows:
        yield _row(header)
        yield "|" + " --- |" * len(header)
        yield from (_row(row) for row in rows)
    else:
        yield otherwise
    yield ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_escape(cell) for cell in cells) + " |"


def _escape(text: str) -> str:
    """Make text harmless in Markdown: markup characters escaped, everything on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


plugin = Markdown()
