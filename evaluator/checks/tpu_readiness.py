"""Would a TPU's compiler take the model? One finding for each framework: no speed, and nothing that was computed.

A program that the compiler accepts has full marks; one that lowers and is refused, or of which some operators do not
lower, has half of them. It weighs little: acceptance is the least that a TPU asks.
"""

from collections.abc import Iterator

from evaluator.core import tpu
from evaluator.core.metrics import find, key
from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Finding, Risk
from evaluator.judging.contract import Answer, Check, Subject, not_asked
from evaluator.judging.evidence import Entry, Evidence

_ANSWERS = (Outcome.PASSED, Outcome.FAILED)
_FORMULA = "the mean over programs of " + ", ".join(f"{state} {points:g}" for state, points in tpu.POINTS.items())


class TpuReadiness(Check):
    """Whether each program lowers to StableHLO and the TPU compiler accepts it."""

    name = "tpu_readiness"
    category = "training"
    risk = Risk.LOW
    title = "TPU readiness"
    question = "Does the model lower to StableHLO, and does a TPU's compiler accept it?"
    stage = tpu.STAGE

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Answer for every framework in every scenario; a run whose plan had no such stage is not asked."""
        if not evidence.select(self.stage):
            return ()
        return tuple(self._framework(evidence, *place) for place in _places(evidence))

    def _framework(self, evidence: Evidence, scenario: str, framework: str) -> Finding:
        subject = Subject(scenario=scenario, candidate=framework, text=f"{evidence.title(framework)} on a TPU")
        entries = evidence.select(self.stage, scenario=scenario, framework=framework)
        if not entries:
            return self.finding(subject, not_asked("compiling for a TPU"), ())
        return self.finding(subject, _answer(entries[0]), entries[:1])


def _places(evidence: Evidence) -> Iterator[tuple[str, str]]:
    for scenario in evidence.scenarios:
        for framework in evidence.frameworks:
            yield scenario, framework


def _answer(entry: Entry) -> Answer:
    """Answer by the states of the programs. A compiler that was stopped, or died, has not said no."""
    result, states = entry.result, _states(entry)
    if result.outcome not in _ANSWERS or not states:
        state = Outcome.UNAVAILABLE if result.outcome in _ANSWERS else result.outcome
        reason = result.reason or f"the step ended as {result.outcome.value.replace('_', ' ')}"
        return Answer(state=state, score=None, reason=reason, remedy=result.remedy)
    accepted = ", ".join(name for name, state in states.items() if state == "accepted")
    return Answer(
        state=result.outcome,
        score=sum(tpu.POINTS[state] for state in states.values()) / len(states),
        reason=result.reason or f"{accepted}: {tpu.ACCEPTED_IN_WORDS}",
        remedy=result.remedy,
        metric="programs_refused",
        value=float(sum(state != "accepted" for state in states.values())),
        formula=_FORMULA,
    )


def _states(entry: Entry) -> dict[tpu.ProgramName, tpu.State]:
    """Return how each program ended, of those that the step compiled."""
    found = {name: find(entry.result, key("tpu_state", program=name)) for name in tpu.PROGRAMS}
    known = {name: str(figure.value) for name, figure in found.items() if figure is not None}
    return {name: state for name, value in known.items() for state in tpu.POINTS if state == value}


plugin = TpuReadiness()
