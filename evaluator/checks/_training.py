"""Trainings whose figures count: both frameworks started from the same model, and the result is good enough."""

from evaluator.checks._comparable import Place
from evaluator.checks._measured import Found, Gap, Measurement
from evaluator.judging.evidence import Evidence
from evaluator.judging.training import STEP, look


def trained(evidence: Evidence, place: Place, framework: str) -> Found:
    """Return the steps of a framework's training in steady state, round by round; what does not count is a gap."""
    found = look(evidence, place.scenario, place.device, framework)
    if isinstance(found, Gap):
        return found
    return Measurement(subject=found.subject, rounds=found.steps, entries=found.entries, track=STEP)
