"""Can the model be exported at all? One finding for each framework and format; a format that fails is a gate.

All formats that a framework is exported to are required; what is not needed can be left out with `--skip`, and then
counts as missing.
"""

from evaluator.core.quantities import quantity
from evaluator.core.scorecard import Finding, Risk
from evaluator.judging.contract import Check, Subject, not_asked, verdict_of
from evaluator.judging.evidence import Evidence


class ExportSuccess(Check):
    """Did the exporter produce an artifact? Failed, unsupported, crashed and timed out all score 0."""

    name = "export_success"
    category = "portability"
    risk = Risk.HIGH
    title = "Export"
    question = "Can the model leave its framework?"

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Judge every format of every framework, also those that this run did not export."""
        return tuple(
            finding
            for scenario in evidence.scenarios
            for framework in evidence.frameworks
            for name in evidence.formats(framework)
            for finding in self._format(evidence, scenario, framework, name)
        )

    def _format(self, evidence: Evidence, scenario: str, framework: str, name: str) -> list[Finding]:
        title = evidence.title(name)
        path = evidence.paths.get(name)
        entries = evidence.select("export", scenario=scenario, framework=framework, format=name)
        if not entries:
            subject = Subject(scenario=scenario, candidate=framework, text=title, path=path, topic=name)
            return [self.finding(subject, not_asked(f"{title} export"), ())]
        findings = []
        for entry in entries:
            text = title if entry.step.precision in (None, "fp32") else f"{title} ({entry.step.precision})"
            subject = Subject(
                scenario=scenario, candidate=framework, text=text, path=path, topic=f"{name}.{entry.step.precision}"
            )
            seconds = entry.number("export_s")
            done = f"exported in {quantity(seconds, 's')}" if seconds is not None else "exported"
            findings.append(self.finding(subject, verdict_of(entry, done, gate=True), (entry,)))
        return findings


plugin = ExportSuccess()
