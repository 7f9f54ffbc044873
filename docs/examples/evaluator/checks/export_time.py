"""How long does an export take? One finding for each export that was made."""

from evaluator.core.scorecard import Finding, Risk
from evaluator.evidence import Evidence
from evaluator.judging import Check, Subject, verdict_of


class ExportTime(Check):
    """Ten for an export that ends within its time limit; the seconds are in the reason."""

    name = "export_time"
    category = "portability"
    risk = Risk.LOW
    title = "Export time"
    question = "How long does an export take?"

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Answer for every planned export."""
        findings = []
        for entry in evidence.select("export"):
            step = entry.step
            subject = Subject(scenario=step.scenario, candidate=step.framework, text=evidence.title(step.format))
            answer = verdict_of(entry, f"took {entry.number('export_s') or 0:.3g} s", gate=False)
            findings.append(self.finding(subject, answer, (entry,)))
        return tuple(findings)


plugin = ExportTime()
