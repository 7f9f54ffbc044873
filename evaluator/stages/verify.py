"""Verify: an artifact must compute what its origin computes, before anything about it is timed.

The artifact is loaded in its runtime and fed real held-out inputs in batches of several sizes, inputs at the edges of
what is allowed, and, where the origin takes them, inputs of another size. What it computes must agree with the origin
within the tolerance of the precision, and the accuracy on held-out data must be at least 99 % of the origin's
(rigour.md, "Correctness before speed", 3), chance left aside. An artifact with quantized activations or weights is
judged by that accuracy, and by a direction that must be about right. A model of somebody's own is judged by the measure
of quality that comes with it in place of accuracy; in doubt, and without one, by the direction alone. Which batch sizes
and which other sizes it takes is written down; that it takes one size only is a finding, no failure.
"""

import logging
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from evaluator.children.work import Work, attempt, blame
from evaluator.core import metrics as metrics_of
from evaluator.core import registry
from evaluator.core.causes import shortened
from evaluator.core.metrics import key
from evaluator.core.outcome import Outcome
from evaluator.core.quality import Quality
from evaluator.core.quantities import percent
from evaluator.core.records import Figure, Measured, Metrics
from evaluator.core.tensors import Array, Arrays, read_arrays, rows
from evaluator.measure import fidelity
from evaluator.measure.fidelity import Fidelity
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._divergence import explain
from evaluator.stages._evidence import (
    EXTREMES,
    INPUTS,
    LABELS,
    LEAST_COSINE,
    OUTPUTS,
    RESIZED,
    Assignment,
    calibration_rows,
    read_artifact,
    read_examples,
    read_result,
    write_examples,
)
from evaluator.stages._outputs import in_batches, right
from evaluator.stages._quality import Asked, asked_of, of_artifact, stored, taken
from exports.contract import Device, Runtime, Session, Telling, TimedWithin

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

SINGLES = 8  # how many golden inputs are also fed one by one
ODD = 3  # a batch size that nobody exports or measures with
FEW = 8  # examples at most under an emulator: seconds each, for a large model
LOOK_S = 1.0
LEAST_LOOKS = 5
LEAST_ACCURACY_RATIO = 0.99  # of the origin's accuracy
MORE_S = 20.0  # for labelled examples beyond those of the proof
_LONGEST = 160  # characters of a refusal
_COMPARE = "do not use this artifact; compare inputs.npz and outputs.npz with those of the train step"
_ALLOW = "take a precision that keeps more, or say with --allowed-loss how much may be lost, in the measure's unit"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """What the origin computed: real examples with their labels, edge cases, and examples of another size.

    Where somebody's own measure judges, `asked` has the labels of these examples and, behind them, of `more`.
    """

    inputs: Arrays
    outputs: Arrays
    labels: Array | None
    asked: Asked | None
    more: tuple[Arrays, Arrays]  # inputs and outputs that only quality looks at, as far as there is time
    extremes: tuple[Arrays, Arrays] | None
    resized: tuple[Arrays, Arrays] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """What the artifact computed from it: by batch size, or the error with which it refused that size."""

    batches: Mapping[int, Arrays | Exception]
    extremes: Arrays | None
    resized: Arrays | Exception | None

    @property
    def taken(self) -> tuple[int, ...]:
        """Return the batch sizes that it takes."""
        return tuple(size for size, outputs in self.batches.items() if not isinstance(outputs, Exception))


class Verify(Stage):
    """Proofs of artifacts; rows call it `verify`, the command line `prove`."""

    name = "verify"
    title = "Proof"
    summary = "Prove that each exported artifact computes what its origin computes."
    command = "prove"
    example = "fweval prove resnet50 --device cpu"
    rests_on = ("export",)
    spread = "machine"
    memory_bytes = 6 * GIB
    timeout_s = 120.0
    expected_s = 8.0
    gives: ClassVar = {"verified": "the proof of its outputs"}
    figures = (Shown(key("max_rel_diff"), "difference {}"),)

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan the proof of each artifact in each runtime that reads it, on every device."""
        for each in plan.pairings():
            plan.ids[self.name][each] = plan.about(self.name, each, needs=plan.artifact(each.made))

    def work(self, work: Work) -> Measured:
        """Load the artifact, compute the golden examples, and compare."""
        begin = time.perf_counter()
        about = Assignment(work)
        runtime: Runtime = registry.load("runtime", str(work.step.runtime))
        artifact, path = read_artifact(work.need("artifact"))
        if about.model.brought:
            about.noise = metrics_of.number(read_result(work.need("trained")).metrics.get("self_noise")) or 0.0
        golden = _golden(about, work.need("trained"), artifact.layout)
        with (
            blame(f"running in {runtime.title}"),
            about.device.load(runtime, path, artifact.signature, threads=about.threads) as session,
        ):
            computed = _compute(session, golden, about)
            told = dict(session.facts) if isinstance(session, Telling) else {}
            looked = _look(session, golden) if 1 in computed.taken else {}
            more = _further(session, golden, computed.taken[-1], MORE_S * work.time_factor)
        size = computed.taken[-1]
        outputs = _of(computed.batches[size])
        write_examples(work.folder, rows(golden.inputs, 0, SINGLES), rows(outputs, 0, SINGLES))
        found = fidelity.worst(list(_comparisons(golden, computed, about)))
        told_of, fallen = _accuracy(golden, outputs)
        quality = _quality(golden, outputs, more)
        kept, of_quality = ({}, ()) if quality is None else stored(quality)
        metrics: Metrics = {
            **found.metrics(),
            **_legality(golden, computed, about.tolerance),
            **told_of,
            **kept,
            "cases": _count(golden.inputs),
            **looked,
            **told,
        }
        figures = (*of_quality, *_refusals(computed), *_placed(runtime, path, about.device))
        files = {"inputs": INPUTS, "outputs": OUTPUTS}
        verdict = quality.verdict if isinstance(quality, Quality) else ""
        wrong = _wrong(found, quantized=about.quantized, decided=verdict in ("kept", "lost"))
        if wrong is not None:
            where, evidence = explain(work, computed.taken[-1], begin)
            return _refused(
                f"outputs differ from the origin's: {wrong}", {**metrics, **where}, figures, {**files, **evidence}
            )
        # Whether it computes what it should there can be told from a few examples; its accuracy cannot.
        if not about.device.slow and fallen is not None:
            return _refused(fallen, metrics, figures, files)
        if isinstance(quality, Quality) and verdict == "lost":
            return _refused(f"quality fell: {quality.words}", metrics, figures, files, remedy=_ALLOW)
        return Measured(metrics=metrics, figures=figures, files=files)


def _accuracy(golden: Golden, outputs: Arrays) -> tuple[Metrics, str | None]:
    """Return how many answers are right of a classifier with labels, and in words if they are too few."""
    if golden.labels is None:
        return {}, None
    before, now = right(golden.outputs, golden.labels), right(outputs, golden.labels)
    metrics: Metrics = {
        "accuracy": float(now.mean()),
        "origin_accuracy": float(before.mean()),
        "answers_lost": int((before & ~now).sum()),
        "answers_gained": int((now & ~before).sum()),
    }
    fell = f"accuracy fell from {percent(before.mean())} to {percent(now.mean())}"
    return metrics, fell if _fell(before, now) else None


def _quality(golden: Golden, outputs: Arrays, more: Arrays) -> Quality | str | None:
    """Return how good the artifact's answers are beside its origin's, or why nobody can say; None if nobody asked."""
    if golden.asked is None:
        return None
    further = _count(more) if more else 0
    theirs = {
        name: np.concatenate([array, golden.more[1][name][:further]]) if more else array
        for name, array in golden.outputs.items()
    }
    ours = {name: np.concatenate([array, more[name]]) if more else array for name, array in outputs.items()}
    labels = rows(golden.asked.labels, 0, _count(golden.inputs) + further)
    return of_artifact(replace(golden.asked, labels=labels), (theirs, ours))


def _further(session: Session, golden: Golden, size: int, seconds: float) -> Arrays:
    """Compute examples that only quality looks at, in whole batches, until time is up."""
    inputs, parts = golden.more[0], []
    end = time.perf_counter() + seconds
    count = _count(inputs) if inputs else 0
    for start in range(0, count - size + 1, size):
        parts.append(session(rows(inputs, start, start + size)))
        if time.perf_counter() > end:
            break
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def _placed(runtime: Runtime, path: Path, device: Device) -> tuple[Figure, ...]:
    """Say where the operators run, where that is known."""
    found = attempt(lambda: device.placement(runtime, path))
    if isinstance(found, Exception):  # it has just been run: whatever goes wrong here is not the artifact's
        _log.info("where the operators run is not known: %s", found)
        return ()
    return tuple(
        Figure(name="placed_operators", value=count, labels={"place": place}) for place, count in found.items()
    )


def _fell(before: NDArray[np.bool_], now: NDArray[np.bool_]) -> bool:
    """Tell whether fewer answers are right than may be, and by more than the chance of so few examples explains.

    One answer of forty is 2.5 %: without the second condition a short profile would condemn what is right.
    """
    from evaluator.measure.statistics import is_loss  # here, because a plan imports every stage: SciPy takes a second

    fewer = now.mean() < LEAST_ACCURACY_RATIO * before.mean()
    return bool(fewer and is_loss(int((before & ~now).sum()), int((now & ~before).sum())))


def _golden(about: Assignment, trained: Path, layout: str) -> Golden:
    """Read what the origin computed, with the inputs in the layout that the artifact takes.

    A quantized artifact is judged on all examples that it was not calibrated with: accuracy needs many.
    """

    def read(folder: Path) -> tuple[Arrays, Arrays]:
        inputs, outputs = read_examples(folder)
        return about.model.inputs_for(layout, inputs), outputs

    inputs, outputs = read(trained)
    count = _count(inputs)
    labels = None if about.model.brought else read_arrays(trained / LABELS)["labels"]
    chosen = np.arange(min(about.profile.verify_samples, count))
    unfitted = np.delete(np.arange(count), calibration_rows(count, about.profile.verify_samples))
    if about.quantized:
        chosen = unfitted
    if about.device.slow:
        chosen = chosen[:FEW]
    asked = None if about.device.slow else asked_of(about, trained)
    further = unfitted[len(chosen) :] if asked is not None else unfitted[:0]
    return Golden(
        inputs=taken(inputs, chosen),
        outputs=taken(outputs, chosen),
        labels=None if labels is None else labels[chosen],
        asked=None if asked is None else asked.of(np.concatenate([chosen, further])),
        more=(taken(inputs, further), taken(outputs, further)),
        extremes=read(trained / EXTREMES) if (trained / EXTREMES).is_dir() else None,
        resized=read(trained / RESIZED) if (trained / RESIZED).is_dir() else None,
    )


def _compute(session: Session, golden: Golden, about: Assignment) -> Computed:
    """Feed the golden inputs in batches of every size; all of them in the largest size that is taken."""
    throughput_batch = about.scenario.throughput_batch
    some = {1: 1, ODD: ODD} if about.device.slow else {1: SINGLES, ODD: 3 * ODD}
    batches = {size: _try(session, rows(golden.inputs, 0, some[size]), size) for size in (1, ODD)}
    batches[throughput_batch] = _try(session, golden.inputs, throughput_batch)
    taken = [size for size, outputs in batches.items() if not isinstance(outputs, Exception)]
    if not taken:
        raise next(error for error in batches.values() if isinstance(error, Exception))
    if taken[-1] != throughput_batch:
        batches[taken[-1]] = in_batches(session, golden.inputs, taken[-1])
    return Computed(
        batches=batches,
        extremes=None if golden.extremes is None else in_batches(session, golden.extremes[0], taken[0]),
        resized=None if golden.resized is None else _try(session, golden.resized[0], taken[0]),
    )


def _look(session: Session, golden: Golden) -> Metrics:
    """Look for a moment at how long one input takes where the runtime itself takes the time; no figure to be scored."""
    if not isinstance(session, TimedWithin):
        return {}
    start, begin = len(session.inner_seconds), time.perf_counter()
    while time.perf_counter() - begin < LOOK_S or len(session.inner_seconds) - start < LEAST_LOOKS:
        session(rows(golden.inputs, 0, 1))
    seconds = session.inner_seconds[start:]
    return {
        "latency_in_js_s": statistics.median(seconds),
        "latency_in_js_n": len(seconds),
    }


def _try(session: Session, inputs: Arrays, size: int) -> Arrays | Exception:
    _log.info("computing in batches of %s", size)
    outputs = attempt(lambda: in_batches(session, inputs, size))
    if isinstance(outputs, Exception):
        _log.info("refused: %s", outputs)
    return outputs


def _comparisons(golden: Golden, computed: Computed, about: Assignment) -> list[Fidelity]:
    """Compare all that was computed; of a quantized artifact at the edges only whether it is finite."""
    tolerance = about.tolerance
    found = []
    for size in computed.taken:
        outputs = _of(computed.batches[size])
        found.append(fidelity.compare(rows(golden.outputs, 0, _count(outputs)), outputs, tolerance))
    if golden.extremes is None or computed.extremes is None:
        return found
    extremes = fidelity.compare(golden.extremes[1], computed.extremes, tolerance)
    if not about.quantized or extremes.max_rel is None:
        found.append(extremes)
    return found


def _legality(golden: Golden, computed: Computed, tolerance: float) -> Metrics:
    """Say which batch sizes are taken, and whether inputs of another size are."""
    told: Metrics = {"batch_sizes": computed.taken}
    if golden.resized is None:
        told["other_size"] = "the origin takes none"
    elif isinstance(computed.resized, Exception):
        told["other_size"] = f"refused: {_line(computed.resized)}"
    elif computed.resized is not None:
        found = fidelity.compare(golden.resized[1], computed.resized, tolerance)
        told["other_size"] = (
            "computes the same" if found.passed else f"computes something else: {found.first_difference}"
        )
    return told


def _refusals(computed: Computed) -> tuple[Figure, ...]:
    """Say with which error each batch size was refused that is not taken."""
    return tuple(
        Figure(name="refusal", value=_line(outputs), labels={"batch": size})
        for size, outputs in computed.batches.items()
        if isinstance(outputs, Exception)
    )


def _wrong(found: Fidelity, *, quantized: bool, decided: bool) -> str | None:
    """Say what is wrong with the worst comparison, None when nothing is, or where a measure of quality has decided."""
    if not quantized or found.cosine is None:
        return found.first_difference
    if not decided and found.cosine < LEAST_COSINE:
        return f"the cosine between them is {found.cosine:.3f}, at least {LEAST_COSINE} is asked for"
    return None


def _of(outputs: Arrays | Exception) -> Arrays:
    if isinstance(outputs, Exception):
        raise outputs
    return outputs


def _count(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def _line(error: Exception) -> str:
    return shortened(f"{type(error).__name__}: {error}", _LONGEST)


def _refused(
    reason: str, metrics: Metrics, figures: tuple[Figure, ...], files: dict[str, str], remedy: str = _COMPARE
) -> Measured:
    return Measured(
        outcome=Outcome.FAILED,
        reason=reason,
        remedy=remedy,
        metrics=metrics,
        figures=figures,
        files=files,
    )


plugin = Verify()
