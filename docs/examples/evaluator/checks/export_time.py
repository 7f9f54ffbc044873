"""How long does an export take? One finding for each framework and format."""

from evaluator.core.scorecard import Finding, Risk
from evaluator.judging.contract import Check, Subject, not_asked, verdict_of
from evaluator.judging.evidence import Evidence


class ExportTime(Check):
    """Ten for an export that ends within its time limit; the seconds are in the reason."""

    name = "export_time"
    category = "portability"
    risk = Risk.LOW
    title = "Export time"
    question = "How long does an export take?"

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Judge every format of every framework, also those that this run did not export."""
        return tuple(
            self._format(evidence, scenario, framework, name)
            for scenario in evidence.scenarios
            for framework in evidence.frameworks
            for name in evidence.formats(framework)
        )

    def _format(self, evidence: Evidence, scenario: str, framework: str, name: str) -> Finding:
        subject = Subject(scenario=scenario, candidate=framework, text=evidence.title(name), topic=name)
        entries = evidence.select("export", scenario=scenario, framework=framework, format=name)
        if not entries:
            return self.finding(subject, not_asked(f"{subject.text} export"), ())
        done = f"took {entries[0].number('export_s') or 0:.3g} s"
        return self.finding(subject, verdict_of(entries[0], done, gate=False), entries)


plugin = ExportTime()
