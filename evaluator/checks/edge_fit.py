"""Does the model fit the devices that it is meant for? One finding for each class of devices that must be served.

One artifact that fits is enough, whatever its format. A class is missed only when every artifact was measured and none
fits: one that could not be measured, or that is undecided, might.
"""

from evaluator.core.outcome import Outcome
from evaluator.core.records import DeviceClass
from evaluator.core.scorecard import Finding, Risk
from evaluator.judging import fitting
from evaluator.judging.contract import Answer, Check, Subject, not_asked
from evaluator.judging.evidence import Entry, Evidence


class EdgeFit(Check):
    """Whether some artifact fits the budgets of a class of devices."""

    name = "edge_fit"
    category = "portability"
    risk = Risk.LOW
    title = "Fit for devices"
    question = "Does the model fit the devices that it is meant for?"

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Judge every class of devices that counts, for each framework."""
        return tuple(
            self._device(evidence, scenario, framework, device)
            for scenario in evidence.scenarios
            for framework in evidence.frameworks
            for device in evidence.run.device_classes
            if device.required
        )

    def _device(self, evidence: Evidence, scenario: str, framework: str, device: DeviceClass) -> Finding:
        entries = evidence.select("edge", scenario=scenario, framework=framework)
        verdicts = {entry.folder: fitting.verdict(entry, device) for entry in entries}
        found = fitting.best(verdicts.values())
        subject = Subject(scenario=scenario, candidate=framework, text=device.title, topic=device.name)
        if found is None:
            return self.finding(subject, not_asked("a look at small computers"), ())
        (entry,) = (entry for entry in entries if entry.folder == found.evidence)
        answer = {"fits": _fits, "does not fit": _misses, "undecided": _undecided}[found.verdict]
        about = f"{evidence.title(entry.step.format)} in {evidence.title(entry.step.runtime)}: {found.reason}"
        return self.finding(subject, answer(entry, about), (entry, *(one for one in entries if one is not entry)))


def _fits(_: Entry, reason: str) -> Answer:
    return Answer(state=Outcome.PASSED, score=10.0, reason=reason)


def _misses(_: Entry, reason: str) -> Answer:
    remedy = "a lower precision or a smaller model; `fweval export --matrix` shows what there is"
    return Answer(state=Outcome.FAILED, score=0.0, reason=reason, remedy=remedy)


def _undecided(entry: Entry, reason: str) -> Answer:
    remedy = entry.result.remedy or "measure it on such a device, or name its speed and budgets in a file (--budgets)"
    return Answer(state=Outcome.UNAVAILABLE, score=None, reason=f"undecided: {reason}", remedy=remedy)


plugin = EdgeFit()
