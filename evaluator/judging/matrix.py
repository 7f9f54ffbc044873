"""The export matrix of a run: every exporter at every precision with its proofs, or the reason why not.

It is worked out from the run folder whenever the run is scored, and nothing of it is stored before. "Tried" says how
other ways to the same format ended in the same run: other exporters, other runtimes, other precisions. So a remedy is
named together with what it really did here.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import msgspec

from evaluator.core import files, metrics, quality
from evaluator.core.catalogue import Catalogue
from evaluator.core.coordinates import Part
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.matrix import Diagnosis, MatrixCell, Proof, State
from evaluator.core.outcome import Outcome
from evaluator.core.reading import read_end
from evaluator.core.records import PRECISIONS, Anatomy, LabelValue, Value
from evaluator.judging.evidence import Entry, Evidence
from exports.diagnosing.rules import TAIL_BYTES, Failure, diagnose

ANATOMY = "anatomy"  # key of the file among those of the export step
_FIGURES = (
    *("export_s", "peak_rss_bytes", "size_bytes", "compressed_bytes", "weights_bytes", "graph_bytes"),
    *("metadata_bytes", "trained_weights_bytes", "lowered_share"),
)
_PROOF_FIGURES = ("accuracy", "origin_accuracy", "max_rel_diff", "smallest_tolerance")
_MOST_TRIED = 3


_PLACE: tuple[Part, ...] = ("place",)
_ARTIFACT: tuple[Part, ...] = ("model", "artifact")  # what the proofs of an artifact have in common with its export


def build(evidence: Evidence, folder: Path) -> tuple[MatrixCell, ...]:
    """Return one cell for every planned export, format by format; `folder` is the run's."""
    entries = [entry for entry in _entries(evidence, "verify") if _ended(entry)]
    # Those that passed tell that a device is emulated, which holds for all the machine was asked.
    emulated = {entry.step.device for entry in entries if entry.result.metrics.get("emulated") is True}
    proofs: dict[tuple[object, ...], list[Proof]] = {}
    for entry in entries:
        proof = _proof(entry, folder, evidence, emulated=entry.step.device in emulated)
        proofs.setdefault(entry.step.key(*_ARTIFACT), []).append(proof)
    known = evidence.catalogue
    exports = _entries(evidence, "export")
    cells = [_cell(entry, folder, proofs.get(entry.step.key(*_ARTIFACT), ()), known) for entry in exports]
    cells.sort(key=lambda cell: (cell.format, cell.exporter, PRECISIONS.index(cell.precision)))
    ways: dict[tuple[str, ...], list[MatrixCell]] = {}
    for cell in cells:
        ways.setdefault(_goal(cell), []).append(cell)
    return tuple(_with_tried(cell, ways[_goal(cell)], known) for cell in cells)


def state_of(outcome: Outcome, proofs: Sequence[Proof]) -> State:
    """Say in one word what became of an artifact: first its export, then all runtimes that could be asked."""
    if outcome is not Outcome.PASSED:
        return _word(outcome)
    answers = {proof.outcome for proof in proofs if proof.outcome.is_answer}
    if Outcome.PASSED in answers:
        return "passed" if answers == {Outcome.PASSED} else "passed in part"
    if answers:
        return "unsupported" if answers == {Outcome.UNSUPPORTED} else "failed"
    return "unavailable" if any(proof.outcome is Outcome.UNAVAILABLE for proof in proofs) else "not run"


def _word(outcome: Outcome) -> State:
    words: dict[Outcome, State] = {Outcome.UNSUPPORTED: "unsupported", Outcome.UNAVAILABLE: "unavailable"}
    return words.get(outcome, "failed" if outcome.is_answer else "not run")


def _entries(evidence: Evidence, stage: str) -> tuple[Entry, ...]:
    return tuple(chain(evidence.select(stage), evidence.select(stage, standard=False)))


def _ended(entry: Entry) -> bool:
    return bool(entry.digests)


def _cell(entry: Entry, folder: Path, proofs: Sequence[Proof], known: Catalogue) -> MatrixCell:
    step, result = entry.step, entry.result
    name, form = str(step.exporter), str(step.format)
    exporter = known.exporter(name, step)
    anatomy = _anatomy(entry, folder)
    made = MatrixCell(
        scenario=step.scenario,
        origin=step.framework,
        exporter=name,
        title=known.title("exporter", name),
        route=exporter.route,
        format=form,
        format_title=known.title("format", form),
        precision=str(step.precision),
        standard=step.standard,
        state=state_of(result.outcome, proofs) if _ended(entry) else "not run",
        evidence=entry.folder,
        outcome=result.outcome,
        reason=result.reason,
        diagnosis=_diagnosis(entry, folder, exporter.cannot.get(str(step.precision))),
        proofs=tuple(proofs),
        version=anatomy.version,
        operators=anatomy.operators,
    )
    return msgspec.structs.replace(made, **{name: entry.number(name) for name in _FIGURES})


def _proof(entry: Entry, folder: Path, evidence: Evidence, *, emulated: bool) -> Proof:
    result = entry.result
    proof = Proof(
        runtime=str(entry.step.runtime),
        device=entry.step.device,
        title=entry.step.title(evidence.titles, parts=_PLACE, separator=" on "),
        outcome=result.outcome,
        reason=result.reason,
        evidence=entry.folder,
        seconds=result.seconds,
        emulated=emulated,
        stands_for=evidence.catalogue.stands_for.get(str(entry.step.runtime)),
        diagnosis=_diagnosis(entry, folder),
        batch_sizes=_sizes(entry),
        refusals={int(size): str(said) for size, said in _told(entry, "refusal", "batch")},
        other_size=_words(entry, "other_size"),
        quality=quality.read(entry.result),
        placement={str(place): int(str(count)) for place, count in _told(entry, "placed_operators", "place")},
    )
    return msgspec.structs.replace(proof, **{name: entry.number(name) for name in _PROOF_FIGURES})


def _sizes(entry: Entry) -> tuple[int, ...]:
    taken = entry.result.metrics.get("batch_sizes", ())
    return tuple(int(size) for size in taken if str(size).isdecimal()) if isinstance(taken, tuple) else ()


def _told(entry: Entry, name: str, label: str) -> Iterator[tuple[LabelValue, Value]]:
    """Yield the values of a metric by one of its labels."""
    for figure in metrics.select(entry.result.figures, name):
        yield figure.labels.get(label, 0), figure.value


def _words(entry: Entry, name: str) -> str | None:
    """Return a metric in words; None where the step has none of that name."""
    value = entry.result.metrics.get(name)
    return None if value is None else ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _diagnosis(entry: Entry, folder: Path, declared: str | None = None) -> Diagnosis | None:
    result = entry.result
    if not _ended(entry) or result.outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE):
        return None
    failure = Failure(
        outcome=result.outcome,
        reason=result.reason,
        remedy=result.remedy,
        stderr=read_end(folder / entry.folder / "stderr", TAIL_BYTES),
        layer=_words(entry, "diverges_at"),
        declared=declared is not None and declared == result.reason,
    )
    return diagnose(failure)


def _anatomy(entry: Entry, folder: Path) -> Anatomy:
    """Return what the artifact is made of; empty where nothing was exported, or nobody could read it."""
    name = entry.result.files.get(ANATOMY)
    if name is None:
        return Anatomy()
    try:
        return files.read_record(folder / entry.folder / name, Anatomy)
    except IncompleteEvidence:
        return Anatomy()


def _with_tried(cell: MatrixCell, ways: Sequence[MatrixCell], known: Catalogue) -> MatrixCell:
    """Add to a cell, and to each of its proofs that failed, how other ways to the same format ended."""
    near = [each for each in ways if each is not cell and _another_way(each, cell)]
    near.sort(key=lambda each: (each.precision != cell.precision, PRECISIONS.index(each.precision)))

    def told(proof: Proof) -> Proof:
        tried = () if proof.diagnosis is None else _tried(proof, cell, near, known)
        return msgspec.structs.replace(proof, tried=tried)

    tried = () if cell.diagnosis is None else _tried_exports(near, cell)
    return msgspec.structs.replace(cell, tried=tried, proofs=tuple(told(proof) for proof in cell.proofs))


def _goal(cell: MatrixCell) -> tuple[str, ...]:
    """Return what other ways may lead to: a format, of the same model."""
    return cell.scenario, cell.origin, cell.format


def _another_way(one: MatrixCell, other: MatrixCell) -> bool:
    """Tell whether one cell is another way to the other's format: another exporter, or another precision."""
    return one.precision == other.precision or one.exporter == other.exporter


def _tells(other: MatrixCell, cell: MatrixCell) -> bool:
    """Tell whether another way is worth naming: another exporter always is, another precision only when it works."""
    return other.exporter != cell.exporter or other.state.startswith("passed")


def _in_words(name: str) -> str:
    return name.replace("_", " ")


def _tried_exports(near: Iterable[MatrixCell], cell: MatrixCell) -> tuple[str, ...]:
    ended = [each for each in near if each.state not in ("unavailable", "not run") and _tells(each, cell)]
    ended.sort(key=lambda each: not each.state.startswith("passed"))
    return tuple(f"{each.title}, {_in_words(each.precision)}: {each.state}" for each in ended[:_MOST_TRIED])


def _tried(proof: Proof, cell: MatrixCell, near: Iterable[MatrixCell], known: Catalogue) -> tuple[str, ...]:
    """Say how the artifact did in other runtimes on the same device, and how others did in this runtime."""
    if not proof.outcome.is_answer:
        return ()
    ways: list[tuple[str, Outcome]] = [
        (f"this artifact in {known.title('runtime', other.runtime)}", other.outcome)
        for other in cell.proofs
        if other is not proof and other.device == proof.device and other.outcome is Outcome.PASSED
    ]
    ways += [
        (f"{each.title}, {_in_words(each.precision)}, in {known.title('runtime', proof.runtime)}", other.outcome)
        for each in near
        for other in each.proofs
        if (other.runtime, other.device) == (proof.runtime, proof.device) and _tells(each, cell)
    ]
    answers = [(what, outcome) for what, outcome in ways if outcome.is_answer]
    answers.sort(key=lambda way: way[1] is not Outcome.PASSED)
    return tuple(f"{what}: {_in_words(outcome)}" for what, outcome in answers[:_MOST_TRIED])
