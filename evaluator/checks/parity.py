"""Does the artifact compute what the trained model computed? One finding for each artifact and runtime; a gate.

The comparison itself is made when the step runs (`evaluator.measure.fidelity`); this check reads its ending.
"""

from evaluator.core import quality
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import percent, significant
from evaluator.core.scorecard import Finding, Risk
from evaluator.judging.contract import Check, Subject, not_asked, verdict_of
from evaluator.judging.evidence import Entry, Evidence


class Parity(Check):
    """Within the tolerance of its precision, and as accurate as the origin on held-out data: 10, else 0."""

    name = "parity"
    category = "portability"
    risk = Risk.CRITICAL
    title = "Parity"
    question = "Does every artifact compute the same as its origin?"

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Judge every artifact in every runtime that reads it, also formats that this run did not verify."""
        findings = []
        for scenario in evidence.scenarios:
            for framework in evidence.frameworks:
                for name in evidence.formats(framework):
                    entries = evidence.select("verify", scenario=scenario, framework=framework, format=name)
                    findings += [self._proof(evidence, entry, entries) for entry in entries]
                    if not entries:
                        title, path = evidence.title(name), evidence.paths.get(name)
                        subject = Subject(scenario=scenario, candidate=framework, text=title, path=path, topic=name)
                        findings.append(self.finding(subject, not_asked(f"parity of {title}"), ()))
        return tuple(findings)

    def _proof(self, evidence: Evidence, entry: Entry, of_format: tuple[Entry, ...]) -> Finding:
        """Judge one artifact in one runtime; a refusal is no gate when another runtime of the format works."""
        step = entry.step
        others_work = any(other.passed for other in of_format if other.step.device == step.device)
        refused = entry.result.outcome is Outcome.UNSUPPORTED and others_work
        subject = Subject(
            scenario=step.scenario,
            candidate=step.framework,
            text=evidence.subject(entry),
            path=evidence.paths.get(step.format or ""),
            device=step.device,
            topic=f"{step.format}.{step.precision}.{step.runtime}",
        )
        return self.finding(subject, verdict_of(entry, _reason(entry), gate=not refused), (entry,))


def _reason(entry: Entry) -> str:
    """Say how close the outputs are, and how good."""
    difference, tolerance = entry.number("max_rel_diff"), entry.number("tolerance")
    if difference is None or tolerance is None:
        return "outputs agree"
    accuracy, cases = entry.number("accuracy"), entry.number("cases")
    asked = "held-out examples" if cases is None else f"{cases:,.0f} held-out examples"
    reached = "" if accuracy is None else f"; right on {percent(accuracy)} of the {asked} it was proven with"
    good = quality.read(entry.result)
    reached = reached if good is None else f"; {good.words}"
    return f"outputs agree to {significant(difference)} of their scale (allowed: {significant(tolerance)}){reached}"


plugin = Parity()
