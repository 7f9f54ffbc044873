"""Candidates are paths: from an origin by an exporter to an artifact, in a runtime or behind a server, on a device.

Steps become candidates here, those that cannot be one with the reason. A baseline is a candidate, too: the origin as it
is, in its own framework, which needs no proof.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from statistics import median

import msgspec

from evaluator.core import metrics
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.records import Step
from evaluator.core.scorecard import Interval
from evaluator.core.turns import guests, others_share, undisturbed
from evaluator.judging.evidence import Entry, Evidence
from evaluator.judging.questions import Question
from evaluator.measure.pairs import LEAST_PAIRS, Rounds
from evaluator.measure.statistics import median_interval

FAILED, NOT_ASKED = "failed in the runtime", "not asked in this run"
WRONG, NOT_PROVEN, NOT_EXPORTED = "computes something else", "not proven", "not exported"
REFERENCE = "proven by a reference of fweval's own only"
NOT_MEASURED, STAND_IN = "not measured", "a stand-in answered for the server"
_ENDED = {  # how a proof ended -> why a path takes no part
    Outcome.FAILED: FAILED,
    Outcome.UNSUPPORTED: "refused by the runtime",
    Outcome.CRASHED: "the runtime crashed",
    Outcome.TIMED_OUT: "the proof ran out of time",
    Outcome.UNAVAILABLE: "could not be asked here",
}
_ARROW = " → "
_WIRES = ("rest", "grpc")
_TOLERANCE = 1e-4  # of answers through a wire, where a step names none


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One candidate: where it leads, and what was measured of it."""

    step: Step
    title: str  # "PyTorch -> torch.onnx -> ONNX Runtime, fp32", with arrows
    evidence: str  # the folder of its first step
    baseline: bool = False  # the origin as it is
    absent: str | None = None  # why it takes no part
    figure: Interval | None = None
    by_round: Mapping[int, float] = field(default_factory=dict)
    blocks: Rounds = field(default_factory=dict)  # of quiet blocks; empty where nothing took turns
    spoiled: bool = False  # it took turns, and others disturbed too many of them
    others: float | None = None  # share of this machine's time that others had meanwhile; None: not known
    guests: int = 0  # processes of others that computed on its device meanwhile


def paths(evidence: Evidence, question: Question, scenario: str, device: str) -> list[Path]:
    """Return every path that a question is about, also those that take no part."""
    groups: dict[tuple[object, ...], list[Entry]] = {}
    for entry in evidence.everything(question.stage, scenario):
        if entry.step.device == device and not entry.step.control and _asked(evidence, question, entry.step):
            groups.setdefault(entry.step.key("model", "artifact", "place"), []).append(entry)
    proofs = _grouped(evidence.everything("verify", scenario))
    asked = (each for each in groups.values() if each[0].result.outcome is not Outcome.NOT_APPLICABLE)
    return [_path(evidence, question, entries, proofs) for entries in asked]


def title(evidence: Evidence, step: Step) -> str:
    """Name a path: origin, exporter, runtime or server, precision; of a baseline, that it is the origin as it is."""
    origin = evidence.title(step.framework)
    also = "".join(f", {evidence.title(name)}" for name in (_device(step), step.variant) if name)
    if _baseline(evidence, step):
        return f"{origin} as it is{also}"
    made = evidence.catalogue.title("exporter", step.exporter) if step.exporter else evidence.title(step.format)
    parts = [origin, made]
    if step.server:
        parts.append(f"{evidence.title(step.server)} ({evidence.title(step.launcher)})")
    else:
        parts.append(evidence.title(step.runtime or step.format))
    precision = step.precision or "fp32"
    said = [part for part, before in zip(parts, ["", *parts], strict=False) if part != before]
    return f"{_ARROW.join(said)}, {evidence.titles.get(precision, precision)}{also}"


def _device(step: Step) -> str | None:
    return None if step.device == DEVICE else step.device


def _baseline(evidence: Evidence, step: Step) -> bool:
    return step.runtime in evidence.catalogue.baselines


def _asked(evidence: Evidence, question: Question, step: Step) -> bool:
    """Tell whether a step is one of those that a question is about."""
    if _baseline(evidence, step):
        return question.stage == "run"
    if question.browser is not (step.runtime in evidence.catalogue.browsers):
        return False
    return not question.formats or evidence.paths.get(step.format or "") in question.formats


Proofs = Mapping[tuple[object, ...], list[Entry]]


def _grouped(entries: tuple[Entry, ...]) -> Proofs:
    """Return proofs by artifact, and by artifact and place."""
    found: dict[tuple[object, ...], list[Entry]] = {}
    for entry in entries:
        for key in (entry.step.key("model", "artifact"), entry.step.key("model", "artifact", "place")):
            found.setdefault(key, []).append(entry)
    return found


def _path(evidence: Evidence, question: Question, entries: list[Entry], proofs: Proofs) -> Path:
    first = entries[0]
    path = Path(
        step=first.step,
        title=title(evidence, first.step),
        evidence=first.folder,
        baseline=_baseline(evidence, first.step),
        absent=_absent(evidence, question, entries, proofs),
    )
    return path if path.absent else _measured(question, entries, path, evidence.cores(entries))


def _absent(evidence: Evidence, question: Question, entries: list[Entry], proofs: Proofs) -> str | None:
    """Say why a path takes no part; None where it does."""
    step = entries[0].step
    if not _baseline(evidence, step):
        exports = evidence.everything("export", step.scenario)
        key = step.key("model", "artifact")
        made = [each for each in exports if each.step.key("model", "artifact") == key]
        if any(not each.passed and each.result.outcome.is_answer for each in made):
            return NOT_EXPORTED
        why = _unproven(evidence, step, proofs)
        if why is not None:
            return why
    if question.stage == "load" and not all(evidence.speaks_for(each, "load") for each in entries):
        return STAND_IN
    if not all(each.passed for each in entries if not each.step.spare or each.digests):
        return NOT_ASKED if all(each.ahead for each in entries) else NOT_MEASURED
    return None


def _unproven(evidence: Evidence, step: Step, proofs: Proofs) -> str | None:
    """Say why an artifact is not proven: in its runtime, in any for the artifact alone, through the server's wires."""
    if step.stage == "load":
        served = [each for each in evidence.everything("serve", step.scenario) if _same(each.step, step)]
        answered = [each for each in served if each.passed]
        if not answered:
            return _ended(served)
        return None if all(_agrees(each, wire) for each in answered for wire in _WIRES) else WRONG
    place = ("model", "artifact") if step.stage == "export" else ("model", "artifact", "place")
    found = proofs.get(msgspec.structs.replace(step, variant=None).key(*place), [])
    passed = [each for each in found if each.passed]
    if passed:
        stand_ins = evidence.catalogue.stands_for
        return REFERENCE if all(str(each.step.runtime) in stand_ins for each in passed) else None
    return _ended(found)


def _ended(proofs: list[Entry]) -> str:
    """Say how proofs ended of which none passed: what answered says more than what could not be asked."""
    if any(each.result.outcome is Outcome.FAILED and "tolerance" in each.result.metrics for each in proofs):
        return WRONG  # it did compute, and was compared
    if proofs and all(each.ahead for each in proofs):
        return NOT_ASKED
    ended = [each.result.outcome for each in proofs]
    answers = [outcome for outcome in ended if outcome.is_answer]
    return next((_ENDED[outcome] for outcome in (*answers, *ended) if outcome in _ENDED), NOT_PROVEN)


def _same(one: Step, other: Step) -> bool:
    return one.key("model", "artifact", "place") == other.key("model", "artifact", "place")


def _agrees(entry: Entry, wire: str) -> bool:
    """Tell whether answers through a wire were those of the runtime; one that was not asked contradicts nothing."""
    difference, tolerance = entry.number("max_rel_diff", wire=wire), entry.number("tolerance", wire=wire)
    return difference is None or difference <= (_TOLERANCE if tolerance is None else tolerance)


def _measured(question: Question, entries: list[Entry], path: Path, cores: int) -> Path:
    """Fill in what was measured; without a figure a path is proven, and not measured."""
    ended = [entry for entry in entries if entry.passed]
    track, name = question.track, question.metric
    if question.stage == "load":
        track = _best_way(ended)
        figures = {each.step.round: _sustained(each, track) for each in ended}
        values = [value for value in figures.values() if value]
    elif track is not None:
        series = {each.step.round: _quiet(each, track) for each in ended}
        figures = {number: median(samples) if samples else None for number, samples in series.items()}
        values = list(chain.from_iterable(series.values()))
    else:
        figures = {each.step.round: each.number(name) for each in ended}
        values = [value for value in figures.values() if value]
    by_round = {number: value for number, value in figures.items() if value}
    if not values:
        return _without(question, path)
    own = [block for each in ended for block in each.blocks.blocks if block.track == track]
    blocks = {each.step.round: _blocks(each, track) for each in ended if track}
    return Path(
        step=path.step,
        title=path.title,
        evidence=path.evidence,
        baseline=path.baseline,
        figure=median_interval(tuple(values)),
        by_round=by_round,
        blocks={number: each for number, each in blocks.items() if each},
        spoiled=len(own) >= LEAST_PAIRS > sum(block.quiet for block in own),
        others=others_share(own, cores),
        guests=guests(own),
    )


def _without(question: Question, path: Path) -> Path:
    """Return a path without a figure: of what is only proven in a browser that is no reason to leave it out."""
    return (
        path
        if question.browser
        else Path(step=path.step, title=path.title, evidence=path.evidence, baseline=path.baseline, absent=NOT_MEASURED)
    )


def _blocks(entry: Entry, track: str | None) -> dict[int, float]:
    return {turn: seconds for turn, seconds in entry.medians(track or "").items() if seconds > 0}


def _quiet(entry: Entry, track: str) -> tuple[float, ...]:
    """Return the samples of a track that nobody disturbed; without samples, the step's own figure of the usual call."""
    values = undisturbed([block for block in entry.blocks.blocks if block.track == track], entry.values(track))
    told = entry.number("latency_s", statistic="p50")
    return values or ((told,) if told and told > 0 else ())


def _best_way(entries: list[Entry]) -> str | None:
    """Return the track of the way over which a server sustains most, as the stage names it."""
    found: dict[str, float] = {}
    for entry in entries:
        for each in metrics.select(entry.result.figures, "saturation_per_s"):
            rate, wire = metrics.number(each.value), str(each.labels.get("wire", ""))
            if rate is not None and rate > 0:
                found[f"{wire}_batched" if each.labels.get("batching") is True else wire] = rate
    return max(found, key=lambda way: found[way], default=None)


def _sustained(entry: Entry, track: str | None) -> float | None:
    wire = (track or "").removesuffix("_batched")
    return entry.number("saturation_per_s", wire=wire, batching=str(track).endswith("_batched"))
