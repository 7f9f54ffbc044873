"""Which target a figure is set against: the criteria's, else the scenario's own, else the policy's band. Pure."""

from typing import Any

import msgspec

from evaluator.core.outcome import Outcome
from evaluator.core.quantities import quantity
from evaluator.core.scorecard import Interval
from evaluator.core.targets import FORMULA, HIGHER, Need, Target
from evaluator.judging.contract import Answer
from evaluator.judging.evidence import Entry, Evidence

RATE_PER_S, LIMIT_S = 10.0, 0.1  # what a scenario asks for that says nothing
_NEEDED: dict[Need, str] = {"time limit": "s", "rate": "1/s", "weights": "bytes"}


def find(evidence: Evidence, name: str, scenario: str, framework: str) -> Target | None:
    """Return the target of that name; None where it follows the model's weights, of which nobody knows the size."""
    declared = _declared(evidence, name, scenario)
    if declared is not None:
        return declared
    band = evidence.policy.bands[name]
    if band.need is None:
        return band.target(1.0, "")
    need = _need(evidence, band.need, scenario, framework)
    return None if need is None else band.target(need, quantity(need, _NEEDED[band.need]))


def resting(evidence: Evidence, name: str, scenario: str, framework: str) -> tuple[Entry, ...]:
    """Return the evidence that a target rests on: what knows of the model's weights, where it follows them."""
    follows = _declared(evidence, name, scenario) is None and evidence.policy.bands[name].need == "weights"
    known = _weights(evidence, scenario, framework) if follows else None
    return () if known is None else (known,)


def _weights(evidence: Evidence, scenario: str, framework: str) -> Entry | None:
    """Return the step that knows how many bytes the raw weights take: a training, or else an export."""
    for stage, name in _WEIGHED.items():
        for entry in evidence.select(stage, scenario=scenario, framework=framework):
            if entry.passed and (entry.number(name) or 0) > 0:
                return entry
    return None


def score(target: Target | None, metric: str, unit: str, found: tuple[Interval, str]) -> Answer:
    """Score a figure by its target; `found` is the figure with its interval, and what it is of, for people."""
    interval, subject = found
    told = f"{quantity(interval.value, unit)} with {subject}"
    if target is None:
        return Answer(
            state=Outcome.UNAVAILABLE,
            score=None,
            reason=f"{told}: no target to set it against, the size of the raw weights is missing",
            remedy="train the model in the same run, or declare a target in the scenario file",
            value=interval.value,
            metric=metric,
        )
    points, doubt = _points(target, unit, interval)
    return Answer(
        state=Outcome.PASSED,
        score=points,
        reason=f"{told}: full marks at {quantity(target.full, unit)}, none at {quantity(target.none, unit)}{doubt}",
        value=interval.value,
        interval=interval,
        metric=metric,
        target=target,
        baseline=target.full,
        formula=formula(doubtful=bool(doubt)),
    )


def formula(*, doubtful: bool = False) -> str:
    """Write the rule down, as it stands with a finding."""
    return f"the middle of both ends of the interval by {FORMULA}" if doubtful else FORMULA


def _points(target: Target, unit: str, interval: Interval) -> tuple[float, str]:
    """Return the points, and a caution where the interval holds one of the target's figures: then it is the middle."""
    low, high = interval.low, interval.high
    between = None if low is None or high is None else target.straddled(low, high)
    if low is None or high is None or between is None:
        return target.points(interval.value), ""
    ends = f"{quantity(low, unit)} to {quantity(high, unit)}"
    return target.within(low, high), f"; uncertain: {ends} holds {quantity(between, unit)}, the middle counts"


_WEIGHED = {"train": "weights_bytes", "export": "trained_weights_bytes"}


def _need(evidence: Evidence, need: Need, scenario: str, framework: str) -> float | None:
    if need == "time limit":
        return evidence.setting(scenario, "serve", "slo_s", default=LIMIT_S)
    if need == "rate":
        return evidence.setting(scenario, "serve", "rate_per_s", default=RATE_PER_S)
    entry = _weights(evidence, scenario, framework)
    return None if entry is None else entry.number(_WEIGHED[entry.step.stage])


def _declared(evidence: Evidence, name: str, scenario: str) -> Target | None:
    """Return the target that the criteria or else the scenario declare.

    What is none, as in a damaged record, counts as not declared.
    """
    if name in evidence.policy.targets:
        return evidence.policy.targets[name]
    table: Any = evidence.run.scenarios.get(scenario, {}).get("targets")
    try:
        goal = msgspec.convert(table[name], Target)
    except (TypeError, KeyError, msgspec.ValidationError):
        return None
    if (goal.full > goal.none) is not (name in HIGHER):
        return None
    source = f"the scenario's [targets.{name}]{f': {goal.source}' if goal.source else ''}"
    return msgspec.structs.replace(goal, source=source)
