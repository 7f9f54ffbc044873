"""Do both frameworks take the same training step? Else whose step is shorter says nothing."""

from evaluator.core.outcome import Outcome
from evaluator.core.quantities import significant
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Finding, Risk
from evaluator.judging.contract import Answer, Check, Subject, not_asked
from evaluator.judging.evidence import Entry, Evidence
from evaluator.judging.training import EQUIVALENCE, different_steps
from evaluator.measure.parity import PARTS


class TrainingParity(Check):
    """The first steps of both, compared within what rounding does to them."""

    name = "training_parity"
    category = "training"
    risk = Risk.HIGH
    title = "Training parity"
    question = "Do both frameworks take the same training step, as far as rounding goes?"
    stage = EQUIVALENCE

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Answer for each framework; where they differ, for both, as nobody knows which of them is right.

        A step of somebody's own cannot be looked into: nothing was planned for it.
        """
        findings = []
        for scenario in evidence.scenarios:
            for device in evidence.run.devices if evidence.everything(EQUIVALENCE, scenario) else ():
                for framework in evidence.frameworks:
                    entries = evidence.select(EQUIVALENCE, scenario=scenario, device=device, framework=framework)
                    about = Subject(
                        scenario=scenario,
                        candidate=framework,
                        text=f"the training step in {evidence.title(framework)}",
                        device=device,
                    )
                    unlike = different_steps(evidence, scenario, device)
                    answer = _answer(evidence, entries[0] if entries else None, unlike)
                    findings.append(
                        self.finding(about, answer, (*entries, *([unlike] if unlike and unlike not in entries else [])))
                    )
        return tuple(findings)


def _answer(evidence: Evidence, entry: Entry | None, unlike: Entry | None) -> Answer:
    if unlike is not None:
        result = unlike.result
        return Answer(state=Outcome.FAILED, score=0.0, reason=result.reason or "", remedy=result.remedy)
    if entry is None:
        return not_asked("the equivalence of the training steps")
    if not entry.passed:
        outcome, reason = entry.result.outcome, entry.result.reason or entry.result.outcome.value
        return Answer(
            state=outcome, score=0.0 if outcome.is_answer else None, reason=reason, remedy=entry.result.remedy
        )
    worst = max(
        (each for part in PARTS if (each := entry.number(f"{part}_parity", between="frameworks")) is not None),
        default=None,
    )
    others = [
        evidence.title(name) for name in FRAMEWORKS if name != entry.step.framework and name in evidence.frameworks
    ]
    if worst is None:
        told = "its first steps are the same from time to time, as far as rounding goes"
        return Answer(
            state=Outcome.PASSED, score=10.0, reason=f"{told}; {others[0]} is compared with it" if others else told
        )
    return Answer(
        state=Outcome.PASSED,
        score=10.0,
        reason=f"its first steps are those of {others[0]}: the largest difference is {significant(worst)} of what "
        "rounding explains",
    )


plugin = TrainingParity()
