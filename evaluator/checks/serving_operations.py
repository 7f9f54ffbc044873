"""Does the server survive what operators, clients and networks do to it? One finding for each probe.

The probes themselves are in serving/probes: each was done for real, under load where that is the question.
"""

from evaluator.checks._served import chosen, missing
from evaluator.core import metrics
from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Finding, Risk
from evaluator.judging.contract import Answer, Check, Subject
from evaluator.judging.evidence import Entry, Evidence

_REPLY = ("outcome", "reason", "remedy", "risk")


class ServingOperations(Check):
    """A probe that passed scores 10, one that did not 0; what could not be probed is missing evidence."""

    name = "serving_operations"
    category = "serving"
    risk = Risk.MEDIUM
    title = "Serving operations"
    question = "Does the server survive what operators, clients and networks do to it?"

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Judge every probe of the server that was chosen."""
        findings: list[Finding] = []
        for scenario in evidence.scenarios:
            for framework in evidence.frameworks:
                entries = evidence.select("probe", scenario=scenario, framework=framework)
                entry = chosen(entries)
                if entry is None or not _probes(entry):
                    text = f"{evidence.title(framework)}: operations"
                    subject = Subject(scenario=scenario, candidate=framework, text=text, path="server")
                    findings.append(self.finding(subject, missing(entries, "probing a server"), entries))
                else:
                    findings += [self._finding(evidence, entry, name) for name in _probes(entry)]
        return tuple(findings)

    def _finding(self, evidence: Evidence, entry: Entry, probe: str) -> Finding:
        subject = Subject(
            scenario=entry.step.scenario,
            candidate=entry.step.framework,
            text=f"{evidence.server(entry)}: {evidence.title(probe).lower()}",
            path="server",
            topic=probe,
        )
        return self.finding(subject, _answer(entry, probe), (entry,))


def _probes(entry: Entry) -> list[str]:
    """Return the names of the probes whose endings a step holds."""
    return [str(figure.labels["probe"]) for figure in metrics.select(entry.result.figures, "outcome")]


def _answer(entry: Entry, probe: str) -> Answer:
    """Read the ending of one probe."""
    found = {name: metrics.find(entry.result, metrics.key(name, probe=probe)) for name in _REPLY}
    told = {name: None if figure is None else figure.value for name, figure in found.items()}
    state = Outcome(str(told["outcome"]))
    return Answer(
        state=state,
        score=10.0 if state is Outcome.PASSED else 0.0 if state.is_answer else None,
        reason=str(told["reason"]),
        remedy=None if told["remedy"] is None else str(told["remedy"]),
        provisional=entry.reference,
        risk=Risk(str(told["risk"])),
    )


plugin = ServingOperations()
