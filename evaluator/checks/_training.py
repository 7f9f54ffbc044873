"""Trainings whose figures count: both frameworks started from the same model, and the result is good enough."""

from evaluator.checks._comparable import Place
from evaluator.checks._measured import Found, Gap, Measurement
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import percent, significant
from evaluator.judging.evidence import Entry, Evidence

FIRST_STEPS = 3  # later on, rounding grows from step to step and the curves part for no reason


def trained(evidence: Evidence, place: Place, framework: str) -> Found:
    """Return the seconds of a framework's training, round by round.

    A fast training of another model, or to a worse one, says nothing (rigour.md, "Correctness before speed", 1 and 2):
    it counts as failed.
    """
    subject = f"training in {evidence.title(framework)}"
    entries = evidence.select("train", scenario=place.scenario, framework=framework, device=place.device)
    if not entries:
        return Gap(subject=subject, state=Outcome.UNAVAILABLE, reason="not part of this run")
    for entry in entries:
        found = _not_counting(evidence, entry, subject)
        if found is not None:
            return found
    rounds = tuple(entry.values("train_s") for entry in entries)
    return Measurement(subject=subject, rounds=rounds, entries=entries, track="step", worth=_total_s)


def _total_s(entry: Entry, step_s: float) -> float:
    """Return how long the training took if each step but the first took that long."""
    steps = entry.number("steps") or 1.0
    return (entry.number("time_to_first_step_s") or 0.0) + (steps - 1) * step_s


def _not_counting(evidence: Evidence, entry: Entry, subject: str) -> Gap | None:
    """Say why a round of training does not count, or None when it does."""
    result = entry.result
    if not entry.passed:
        reason = result.reason or result.outcome.value
        return Gap(subject=subject, state=result.outcome, reason=reason, remedy=result.remedy, entries=(entry,))
    start = _start_difference(evidence, entry.step.scenario)
    accuracy, target = entry.number("heldout_accuracy"), entry.number("accuracy_target")
    if start is None or accuracy is None or target is None or not entry.values("train_s"):
        return Gap(
            subject=subject,
            state=Outcome.UNAVAILABLE,
            reason="the start parity, the accuracy or the time of the training is missing",
            remedy="evaluate both frameworks in one run",
            entries=(entry,),
        )
    tolerance = evidence.setting(entry.step.scenario, "start_tolerance", default=evidence.policy.start_tolerance)
    if start > tolerance:
        return Gap(
            subject=subject,
            state=Outcome.FAILED,
            reason=f"the two models differ before training: {significant(start)} relative, "
            f"allowed are {significant(tolerance)}",
            remedy="make both definitions of the model compute the same from the same weights",
            entries=(entry,),
        )
    apart = _first_losses_apart(evidence, entry)
    if apart > evidence.policy.first_losses_tolerance:
        return Gap(
            subject=subject,
            state=Outcome.FAILED,
            reason=f"the two trainings are not the same: their first {FIRST_STEPS} losses differ by {percent(apart)}",
            remedy="make optimiser, data order and loss compute the same in both frameworks",
            entries=(entry,),
        )
    if accuracy < target:
        return Gap(
            subject=subject,
            state=Outcome.FAILED,
            reason=f"the held-out accuracy of {percent(accuracy)} misses the target of {percent(target)}",
            remedy="train longer (a larger profile), or correct the target in the scenario file",
            entries=(entry,),
        )
    return None


def _first_losses_apart(evidence: Evidence, entry: Entry) -> float:
    """Return how far the first losses lie from the other framework's in the same round; 0 when there is no other."""
    step = entry.step
    twins = evidence.select("train", scenario=step.scenario, device=step.device, round=step.round)
    own = entry.values("loss")[:FIRST_STEPS]
    others = [twin.values("loss")[:FIRST_STEPS] for twin in twins if twin.step.framework != step.framework]
    return max((abs(a - b) / abs(a) for other in others for a, b in zip(own, other, strict=False) if a), default=0.0)


def _start_difference(evidence: Evidence, scenario: str) -> float | None:
    """Return how far the two frameworks lay apart before training; either one's record of it proves both."""
    entries = evidence.select("train", scenario=scenario)
    found = [entry.number("max_rel_diff", between="frameworks") for entry in entries]
    return max((difference for difference in found if difference is not None), default=None)
