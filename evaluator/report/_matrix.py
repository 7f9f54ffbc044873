"""The export matrix as several outputs show it: rows, columns, marks, and each cell in words."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evaluator.core.matrix import Diagnosis, MatrixCell, Proof, State
from evaluator.core.outcome import Outcome
from evaluator.core.records import PRECISIONS
from evaluator.report import _format

# A letter, a sign and a tone for every state: colour never carries the meaning alone.
STATES: tuple[State, ...] = ("passed", "passed in part", "failed", "unsupported", "unavailable", "not run")
LETTERS: dict[State, str] = dict(zip(STATES, ("P", "½", "F", "U", "-", "N"), strict=True))
TONES: dict[State, _format.Tone] = dict(zip(STATES, ("good", "warn", "bad", "none", "none", "none"), strict=True))
_NUMBER = re.compile(r"\d[\d.,]*")
_OPERATORS = 12  # named in the words of a cell; all of them are in scorecard.json
_ROUTES = {"native": "", "crossing": "crossing"}

Column = tuple[str, str]  # scenario, precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One exporter: its cells in the order of the columns, None where none was planned."""

    title: str
    origin: str
    route: str
    cells: tuple[MatrixCell | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One format and the exporters that write it."""

    title: str
    rows: tuple[Row, ...]


def columns(cells: Iterable[MatrixCell]) -> tuple[Column, ...]:
    """Return the columns: every precision that occurs, scenario by scenario."""
    found = {(cell.scenario, cell.precision) for cell in cells}
    named = dict.fromkeys(cell.scenario for cell in cells)
    return tuple((name, precision) for name in named for precision in PRECISIONS if (name, precision) in found)


def groups(cells: Sequence[MatrixCell]) -> tuple[Group, ...]:
    """Return the rows, format by format; in each the native exporters first."""
    formats = dict.fromkeys((cell.format, cell.format_title) for cell in cells)
    return tuple(Group(title=title, rows=_rows(cells, name)) for name, title in formats)


def _rows(cells: Sequence[MatrixCell], name: str) -> tuple[Row, ...]:
    own = [cell for cell in cells if cell.format == name]
    exporters = dict.fromkeys((cell.route != "native", cell.exporter) for cell in own)
    rows = []
    for _, exporter in sorted(exporters):
        by_column = {(cell.scenario, cell.precision): cell for cell in own if cell.exporter == exporter}
        first = next(iter(by_column.values()))
        rows.append(
            Row(
                title=first.title,
                origin=first.origin,
                route=_ROUTES.get(first.route, first.route),
                cells=tuple(by_column.get(column) for column in columns(cells)),
            )
        )
    return tuple(rows)


def counts(cells: Iterable[MatrixCell]) -> str:
    """Count the cells by state: "60 cells: 41 passed, 3 passed in part, 9 failed"."""
    states = [cell.state for cell in cells]
    found = [f"{states.count(state)} {state}" for state in STATES if state in states]
    return f"{len(states)} cell{'' if len(states) == 1 else 's'}: {', '.join(found)}"


def classes(cells: Iterable[MatrixCell]) -> str:
    """Count what did not pass by class, the most frequent first: "3 tool bug, 2 resource"; empty without any."""
    kinds = [diagnosis.kind for cell in cells for diagnosis in _first(cell)]
    order = sorted(dict.fromkeys(kinds), key=lambda kind: -kinds.count(kind))
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in order)


def _first(cell: MatrixCell) -> list[Diagnosis]:
    """Return what a cell is counted by: its own diagnosis, or that of its first proof that failed."""
    found = [cell.diagnosis, *(proof.diagnosis for proof in answered(cell))]
    return [each for each in found if each is not None][:1]


def answered(cell: MatrixCell) -> tuple[Proof, ...]:
    """Return the proofs that say something about the artifact."""
    return tuple(proof for proof in cell.proofs if proof.outcome.is_answer)


def unproven(cell: MatrixCell) -> bool:
    """Tell whether something about a cell has to be explained: it did not pass, or not in every runtime."""
    return cell.state != "passed"


def anchor(cell: MatrixCell) -> str:
    """Return the name of a cell's explanation within a page."""
    return f"m-{cell.evidence.rpartition('/')[2]}"


def place(cell: MatrixCell) -> str:
    """Name a cell: "bert · PyTorch · torch.jit.script · fp16"."""
    return " · ".join((cell.scenario, _format.framework(cell.origin), cell.title, _format.words(cell.precision)))


def where(proof: Proof) -> str:
    """Name a runtime and what it ran on: "ONNX Runtime on ARM64 (emulated)"."""
    return f"{proof.title or proof.runtime}{' (emulated)' if proof.emulated else ''}"


def words(cell: MatrixCell) -> tuple[str, ...]:
    """Say what became of a cell, sentence by sentence, but for the reasons why."""
    proofs = (f"{where(proof)}: {proven(proof)}" for proof in answered(cell))
    named = operators(cell)
    return (
        f"{cell.state}: {', '.join(facts(cell))}" if facts(cell) else cell.state,
        *([f"Operators: {named}"] if named else []),
        *proofs,
        *unasked(cell),
    )


def unasked(cell: MatrixCell) -> tuple[str, ...]:
    """Say which runtimes could not be asked about an artifact that others answered for, and why."""
    if not answered(cell):
        return ()
    return tuple(
        f"{where(proof)}: {_format.words(proof.outcome)}" for proof in cell.proofs if not proof.outcome.is_answer
    )


def runtimes(cells: Iterable[MatrixCell]) -> tuple[tuple[str, int, int, int], ...]:
    """Return each runtime and device: how many artifacts passed in it, did not, and could not be asked about."""
    found: dict[str, list[Proof]] = {}
    for proof in (proof for cell in cells for proof in cell.proofs):
        found.setdefault(where(proof), []).append(proof)
    return tuple((name, *_tally([proof.outcome for proof in proofs])) for name, proofs in sorted(found.items()))


def _tally(outcomes: Sequence[Outcome]) -> tuple[int, int, int]:
    passed = outcomes.count(Outcome.PASSED)
    asked = sum(outcome.is_answer for outcome in outcomes)
    return passed, asked - passed, len(outcomes) - asked


def explanations(cells: Iterable[MatrixCell]) -> dict[str, tuple[str, ...]]:
    """Return why cells did not pass: each reason once, with the places that it holds for."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        for line in reasons(cell):
            found.setdefault(line, []).append(place(cell))
    return {line: tuple(places) for line, places in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why cells did not pass, in the words of the first of them, and all of them with what was tried instead."""

    said: str
    cells: tuple[str, ...]


def causes(cells: Iterable[MatrixCell]) -> tuple[Cause, ...]:
    """Return why cells did not pass, each cause once: what differs in figures only is one."""
    found: dict[str, tuple[str, list[str]]] = {}
    for cell in cells:
        for said, one in _diagnosed(cell):
            _, places = found.setdefault(_NUMBER.sub("#", said), (said, []))
            places.append(one)
    return tuple(Cause(said=said, cells=tuple(dict.fromkeys(places))) for said, places in found.values())


def _diagnosed(cell: MatrixCell) -> Iterable[tuple[str, str]]:
    """Yield what is said of a cell, or of its proofs; then which it is, with what was tried instead."""
    if cell.diagnosis is not None:
        yield explained(cell.diagnosis), _with(place(cell), cell.tried)
        return
    for proof in cell.proofs:
        if proof.diagnosis is not None and (proof.outcome.is_answer or cell.state in ("unavailable", "not run")):
            yield explained(proof.diagnosis), _with(f"{place(cell)} in {where(proof)}", proof.tried)


def facts(cell: MatrixCell) -> tuple[str, ...]:
    """Return the figures of an artifact: what it took to make, and what it is made of."""
    told = []
    if cell.export_s is not None:
        told.append(f"exported in {_format.seconds(cell.export_s)}")
    if cell.peak_rss_bytes is not None:
        told.append(f"peak memory {_format.size(cell.peak_rss_bytes)}")
    if cell.size_bytes is not None:
        told.append(_size(cell))
    if cell.operators:
        told.append(f"{sum(cell.operators.values()):,} operators of {len(cell.operators)} kinds")
    if cell.version:
        told.append(cell.version)
    return tuple(told)


def _size(cell: MatrixCell) -> str:
    parts = [
        f"{name} {_format.size(value)}"
        for name, value in (
            ("weights", cell.weights_bytes),
            ("graph", cell.graph_bytes),
            ("metadata", cell.metadata_bytes),
            ("compressed", cell.compressed_bytes),
        )
        if value is not None
    ]
    if cell.size_bytes is not None and cell.trained_weights_bytes:
        parts.append(f"{_format.times(cell.size_bytes / cell.trained_weights_bytes)} the trained weights")
    whole = _format.size(cell.size_bytes or 0.0)
    return f"size {whole} ({', '.join(parts)})" if parts else f"size {whole}"


def operators(cell: MatrixCell) -> str:
    """Name the operators of an artifact, the most frequent first."""
    ordered = sorted(cell.operators.items(), key=lambda item: (-item[1], item[0]))
    more = len(ordered) - _OPERATORS
    named = ", ".join(f"{name} {count}" for name, count in ordered[:_OPERATORS])
    return f"{named} and {more} more kinds" if more > 0 else named


def proven(proof: Proof) -> str:
    """Say what a proof showed: how far the outputs are off, the accuracy, and which sizes are taken."""
    told = [_format.words(proof.outcome)]
    if proof.max_rel_diff is not None:
        told.append(f"largest relative difference {_format.significant(proof.max_rel_diff)}")
    if proof.smallest_tolerance is not None:
        told.append(f"would pass at {_format.significant(proof.smallest_tolerance)}")
    if proof.accuracy is not None and proof.origin_accuracy is not None:
        told.append(f"accuracy {_format.percent(proof.accuracy)} (origin {_format.percent(proof.origin_accuracy)})")
    if proof.quality is not None:
        told.append(proof.quality.words)
    if proof.batch_sizes:
        told.append(f"batch sizes {', '.join(map(str, proof.batch_sizes))}")
    if proof.refusals:
        told.append(f"refuses batch sizes {'; '.join(f'{size}: {said}' for size, said in proof.refusals.items())}")
    if proof.other_size:
        told.append(f"inputs of another size: {proof.other_size}")
    if proof.placement:
        told.append(f"runs in {', '.join(f'{place} {count}' for place, count in proof.placement.items())}")
    return ", ".join(told)


def reasons(cell: MatrixCell) -> tuple[str, ...]:
    """Say why a cell, or one of its proofs, did not pass: class, culprit, message, remedy, and what was tried."""
    if cell.diagnosis is not None:
        return (explained(cell.diagnosis, cell.tried),)
    shared: dict[str, list[Proof]] = {}
    for proof in cell.proofs:
        if proof.diagnosis is not None and (proof.outcome.is_answer or cell.state in ("unavailable", "not run")):
            shared.setdefault(explained(proof.diagnosis), []).append(proof)
    return tuple(
        f"{', '.join(where(proof) for proof in proofs)}: {_with(line, proofs[0].tried)}"
        for line, proofs in shared.items()
    )


def explained(diagnosis: Diagnosis, tried: Sequence[str] = ()) -> str:
    """Write a diagnosis in a line."""
    culprit = f" ({diagnosis.culprit})" if diagnosis.culprit else ""
    parts = [f"{diagnosis.kind}{culprit}: {diagnosis.said}"]
    if diagnosis.remedy:
        parts.append(f"Remedy: {diagnosis.remedy}")
    return _with(". ".join(part.rstrip(".") for part in parts), tried)


def _with(line: str, tried: Sequence[str]) -> str:
    return f"{line}. Tried: {'; '.join(tried)}" if tried else line
