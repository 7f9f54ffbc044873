"""What a person sees in the terminal: a compact summary of a scorecard, and the table of cells.

Made to be right at 80 columns and without colour: words and signs carry the meaning, styles only help.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from evaluator.core.matrix import MatrixCell
from evaluator.core.records import Cell, DeviceClass
from evaluator.core.scorecard import CandidateScore, Comparison, EdgeFit, Scorecard
from evaluator.report import _format, _matrix, _view
from evaluator.report.html import plugin as html
from evaluator.report.json import plugin as json

_STYLES = {"good": "green", "bad": "red", "warn": "yellow", "none": "dim"}
_VERDICTS = {"ready": "good", "not ready": "bad", "insufficient evidence": "warn"}
# What a cell shows where there is room for little; all metrics are in the CSV and JSON forms.
_SHOWN = (
    "train_s",
    "heldout_accuracy",
    "export_s",
    "size_bytes",
    "max_rel_diff",
    "latency_p50_s",
    "latency_p90_s",
    "cold_start_s",
    "ram_floor_bytes",
    "ready_s",
    "rest_p50_s",
    "grpc_p50_s",
)


def show(scorecard: Scorecard, folder: Path, *, as_json: bool) -> None:
    """Print the scorecard: the summary for people, or the whole of it as JSON."""
    if as_json:
        click.echo(json.render(scorecard), nl=False)
    else:
        Console().print(summary(scorecard, folder))


def summary(card: Scorecard, folder: Path) -> RenderableType:
    """Return answer, scores, comparisons, what did not pass, what could not be measured, and where the report lies."""
    answer = _view.answer(card)
    parts: list[RenderableType] = [Text(answer.sentence, style="bold"), Text(answer.support)]
    if card.scores:
        by_scenario = _view.scenario_scores(card).values()
        parts += [_title("Scores"), _scores([*_view.overall_scores(card), *chain.from_iterable(by_scenario)])]
    if card.comparisons:
        parts += [_title("Comparison"), _comparisons(card)]
    if any(comparison.provisional for comparison in card.comparisons):
        parts.append(Text(f"* {_view.PROVISIONAL}", style="yellow"))
    parts += _list("Did not pass", (_refusal(cell) for cell in _view.not_passed(card.cells)))
    parts += _list("Could not be measured", (_gap(gap) for gap in _view.gaps(card)))
    parts += _list("Warnings", card.warnings)
    return Group(*parts, _title("Report"), Text(f"{folder / html.filename}", overflow="fold"))


def cells_table(cells: Iterable[Cell]) -> RenderableType:
    """Return one line per cell: what it was, how it ended, and why or its first figures."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("stage", "scenario", "framework", "subject"):
        table.add_column(name, overflow="fold")
    table.add_column("outcome", no_wrap=True)
    table.add_column("reason or figures", overflow="fold", ratio=1)
    for cell in cells:
        names = (Text(part) for part in (cell.stage, cell.scenario, cell.framework, _view.subject(cell)))
        table.add_row(*names, _outcome(cell), Text(_figures(cell)))
    return table


def edge_table(cells: Iterable[Cell], devices: Sequence[DeviceClass], fits: Sequence[EdgeFit]) -> RenderableType:
    """Return one block per artifact: its figures, then a line for each class of devices with verdict and reason."""
    blocks: list[RenderableType] = []
    titles = {device.name: device.title for device in devices}
    for row in _view.edge(cells, fits):
        cell = row.cell
        head = f"{cell.scenario} · {_format.framework(cell.framework)} · {_view.made(cell)}"
        shown = (name for _, names in _view.EDGE for name in names if name in cell.metrics)
        figures = ", ".join(f"{_format.metric_name(name)} {_view.figure(cell, name)}" for name in shown)
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(min_width=max(len(title) for title in titles.values()), no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold", ratio=1)
        for fit in row.fits:
            tone = _format.FITS[fit.verdict]
            verdict = Text(f"{_format.SIGNS[tone]} {fit.verdict}", style=_STYLES[tone])
            table.add_row(Text(titles[fit.device]), verdict, Text(fit.reason))
        blocks += [Text(head, style="bold"), Text(figures or cell.reason or ""), table, Text("")]
    return Group(*blocks) if blocks else Text("no artifact could be asked")


def matrix_table(cells: Sequence[MatrixCell]) -> RenderableType:
    """Return the export matrix: a mark for every cell, a legend, counts, and why the others did not pass."""
    if not cells:
        return Text("no export was planned")
    scenarios = dict.fromkeys(cell.scenario for cell in cells)
    tables = (_marks(name, [cell for cell in cells if cell.scenario == name]) for name in scenarios)
    legend = ", ".join(f"{_matrix.LETTERS[state]} {state}" for state in _matrix.STATES)
    classes = _matrix.classes(cells)
    lines = (f"{_some(places)}: {line}" for line, places in _matrix.explanations(cells).items())
    return Group(
        *tables,
        Text(legend, style="dim"),
        Text(f"{_matrix.counts(cells)}{f'; by class: {classes}' if classes else ''}", style="bold"),
        *_list("Why", lines),
        *_list("Runtimes", (_tally(*row) for row in _matrix.runtimes(cells))),
    )


def _marks(scenario: str, cells: Sequence[MatrixCell]) -> RenderableType:
    """Return the marks of one scenario: together, two would be wider than a terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(scenario, overflow="fold")
    table.add_column("from", no_wrap=True)
    for _, precision in _matrix.columns(cells):
        table.add_column(_format.words(precision), no_wrap=True)
    for group in _matrix.groups(cells):
        table.add_row(Text(group.title, style="bold"))
        for row in group.rows:
            title = f"  {row.title}{f' ({row.route})' if row.route else ''}"
            table.add_row(Text(title), Text(_format.framework(row.origin)), *(_mark(cell) for cell in row.cells))
    return Group(table, Text(""))


def _some(places: Sequence[str]) -> str:
    return places[0] if len(places) == 1 else f"{len(places)} cells, such as {places[0]}"


def _tally(runtime: str, passed: int, not_passed: int, unasked: int) -> str:
    return f"{runtime}: {passed} passed, {not_passed} did not, {unasked} could not be asked about"


def _mark(cell: MatrixCell | None) -> Text:
    if cell is None:
        return Text("")
    return Text(_matrix.mark(cell), style=_STYLES[_matrix.TONES[cell.state]])


def _figures(cell: Cell) -> str:
    if cell.reason:
        return cell.reason
    figures = ((name, cell.metrics[name]) for name in _SHOWN if name in cell.metrics)
    return ", ".join(f"{_format.metric_name(name)} {_format.metric(name, value)}" for name, value in figures)


def _outcome(cell: Cell) -> Text:
    tone = _format.TONES[cell.outcome]
    return Text(f"{_format.SIGNS[tone]} {_format.words(cell.outcome)}", style=_STYLES[tone])


def _scores(scores: Sequence[CandidateScore]) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "verdict", "score", "bounds", "coverage", "weakest category"):
        table.add_column(name, justify="right" if name in ("score", "coverage") else "left")
    for score in scores:
        tone = _VERDICTS[score.verdict]
        table.add_row(
            Text(f"{_format.framework(score.candidate)}{f', {score.scenario}' if score.scenario else ''}"),
            Text(f"{_format.SIGNS[tone]} {score.verdict}", style=_STYLES[tone]),
            Text(_format.score(score.overall)),
            Text(f"{_format.score(score.lower)} to {_format.score(score.upper)}"),
            Text(_format.percent(score.coverage)),
            Text(f"{_format.words(score.weakest)} {_format.score(score.weakest_score)}" if score.weakest else "-"),
        )
    gates = dict.fromkeys(f"{_format.framework(s.candidate)}: {gate}" for s in scores for gate in s.gates)
    return Group(table, *(Text(f"! gate: {gate}", style="red") for gate in gates))


def _comparisons(card: Scorecard) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", max_width=28)
    table.add_column("PyTorch", justify="right", no_wrap=True)
    table.add_column("TensorFlow", justify="right", no_wrap=True)
    table.add_column("", ratio=1)
    for scenario in dict.fromkeys(comparison.scenario for comparison in card.comparisons):
        table.add_row(Text(scenario, style="bold"))
        for comparison in _view.comparisons(card, scenario):
            table.add_row(
                Text(f"  {_view.question(comparison)}"),
                _value(card, comparison, "pytorch"),
                _value(card, comparison, "tensorflow"),
                Text(comparison.statement),
            )
        missing = len(_view.incomparable(card, scenario))
        if missing:
            table.add_row(Text(f"  {missing} more", style="dim"), "", "", Text("not measured on either side"))
    return table


def _value(card: Scorecard, comparison: Comparison, name: str) -> Text:
    found = comparison.values.get(name)
    if found is None:
        return Text("-", style="dim")
    mark = "*" if name in _view.provisional_sides(card, comparison) else " "
    return Text(_format.quantity(found.value, comparison.unit) + mark)


def _refusal(cell: Cell) -> str:
    subject = " · ".join((cell.stage, cell.scenario, _format.framework(cell.framework), _view.subject(cell)))
    return f"{_format.words(cell.outcome)}: {subject}: {cell.reason or _view.NO_REASON}"


def _gap(gap: _view.Gap) -> str:
    count = len(gap.affected)
    what = gap.affected[0] if count == 1 else f"{count} steps or findings"
    return f"{gap.reason} ({what}){f'; to get it: {gap.remedy}' if gap.remedy else ''}"


def _title(text: str) -> RenderableType:
    return Text(f"\n{text}", style="bold")


def _list(title: str, lines: Iterable[str]) -> list[RenderableType]:
    items = [_item(line) for line in lines]
    return [_title(title), *items] if items else []


def _item(line: str) -> RenderableType:
    """Return a list item whose further lines are indented under its first."""
    table = Table.grid(padding=(0, 1))
    table.add_row(Text("-"), Text(line, overflow="fold"))
    return table
