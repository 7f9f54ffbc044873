"""Figures of an artifact count only in runtimes that were proven to compute the same thing as the origin."""

from dataclasses import replace
from math import fsum

from evaluator.checks._comparable import Place
from evaluator.checks._measured import Found, Gap, Measurement
from evaluator.core.outcome import Outcome
from evaluator.core.turns import undisturbed
from evaluator.judging.evidence import Entry, Evidence
from evaluator.measure import pairs


def fastest(evidence: Evidence, place: Place, framework: str) -> Found:
    """Return the latency of a framework in a place, in the fastest of the runtimes that passed their proof.

    Every planned runtime must have answered, in every round: otherwise the fastest may be the one that is missing. A
    runtime that refused the artifact or computed something else has answered, and is out.
    """
    name = evidence.title(framework)
    proofs = evidence.select(
        "verify", scenario=place.scenario, framework=framework, path=place.path, device=place.device
    )
    found = [_in_runtime(evidence, proof) for proof in proofs]
    for one in found:
        if isinstance(one, Gap) and not one.state.is_answer:
            return one
    proven = [one for one in found if isinstance(one, Measurement)]
    if proven:
        best = _best(proven)
        return replace(best, rivals=tuple(one for one in proven if one is not best))
    if found:
        return found[0]
    return Gap(subject=f"{name} on the {place.path} path", state=Outcome.UNAVAILABLE, reason="not part of this run")


def _in_runtime(evidence: Evidence, proof: Entry) -> Found:
    """Return the latency in the runtime of one proof, over all rounds."""
    subject = evidence.subject(proof)
    if not proof.passed:
        return _gap(subject, proof, "not proven to compute the same")
    runs = evidence.sharing(proof.step, "run", "model", "artifact", "place")
    for run in runs:
        if not run.passed:
            return _gap(subject, run, f"round {run.step.round} was not measured")
    rounds = tuple(run.values("latency") for run in runs)
    if not rounds or not all(rounds):
        return Gap(subject=subject, state=Outcome.UNAVAILABLE, reason=f"{subject} was not timed", entries=(proof,))
    quiet = tuple(
        undisturbed([b for b in run.blocks.blocks if b.track == "latency"], values)
        for run, values in zip(runs, rounds, strict=True)
    )
    return Measurement(subject=subject, rounds=rounds, entries=(*runs, proof), track="latency", quiet=quiet)


def _best(proven: list[Measurement]) -> Measurement:
    """Return the fastest: in the turns that all of them shared, else as measured.

    A turn that one of them missed, because others disturbed it, makes no difference then.
    """
    others = {id(one): [other for other in proven if other is not one] for one in proven}
    told = {id(one): [pairs.ratio(one.paired, other.paired) for other in others[id(one)]] for one in proven}
    if all(estimate is not None for each in told.values() for estimate in each):
        return min(proven, key=lambda one: fsum(estimate.log for estimate in told[id(one)] if estimate is not None))
    return min(proven, key=lambda one: one.interval.value)


def _gap(subject: str, entry: Entry, what: str) -> Gap:
    """Turn a step that did not pass into the reason why there is no figure."""
    result = entry.result
    told = result.reason or result.outcome.value
    reason = f"{subject}: {what}: {told}" if result.outcome.is_answer else told
    return Gap(subject=subject, state=result.outcome, reason=reason, remedy=result.remedy, entries=(entry,))
