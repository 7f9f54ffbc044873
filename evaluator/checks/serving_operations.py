"""Does the server survive what operators, clients and networks do to it? One finding for each probe.

The probes themselves are in serving/probes: each was done for real, under load where that is the question.
"""

from collections.abc import Iterator
from dataclasses import replace

from evaluator.checks._served import chosen, missing
from evaluator.core import metrics
from evaluator.core.outcome import Outcome
from evaluator.core.records import Value
from evaluator.core.scorecard import Finding, Risk
from evaluator.judging.contract import STAND_IN, Answer, Check, Subject, stood_in
from evaluator.judging.evidence import Entry, Evidence

_DAMAGED = "what is on record of this probe is not whole"


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
                refused = next((each for each in entries if each.result.reason == STAND_IN), None)
                if entry is None and refused is not None and evidence.catalogue.probes:
                    findings += [self._finding(evidence, refused, name) for name in evidence.catalogue.probes]
                elif entry is None or not _probes(entry):
                    findings += self._missing(evidence, scenario, framework, entries)
                else:
                    findings += [self._finding(evidence, entry, name) for name in _probes(entry)]
        return tuple(findings)

    def _missing(
        self, evidence: Evidence, scenario: str, framework: str, entries: tuple[Entry, ...]
    ) -> Iterator[Finding]:
        """Yield what is missing where no server was probed: each probe, so that it weighs what asking would have."""
        answer, told = missing(entries, "probing a server"), f"{evidence.title(framework)}: "
        if evidence.old_rules or not evidence.catalogue.probes:
            subject = Subject(scenario=scenario, candidate=framework, text=f"{told}operations", path="server")
            yield self.finding(subject, answer, entries)
            return
        for probe, risk in evidence.catalogue.probes.items():
            text = f"{told}{evidence.title(probe).lower()}"
            subject = Subject(scenario=scenario, candidate=framework, text=text, path="server", topic=probe)
            yield self.finding(subject, replace(answer, risk=_known_risk(risk)), entries)

    def _finding(self, evidence: Evidence, entry: Entry, probe: str) -> Finding:
        subject = Subject(
            scenario=entry.step.scenario,
            candidate=entry.step.framework,
            text=f"{evidence.server(entry)}: {evidence.title(probe).lower()}",
            path="server",
            topic=probe,
        )
        if entry.result.reason == STAND_IN or not evidence.speaks_for(entry, probe):
            risk = _risk(entry, probe) or _known_risk(evidence.catalogue.probes.get(probe))
            return self.finding(subject, stood_in(risk), (entry,))
        return self.finding(subject, _answer(entry, probe), (entry,))


def _probes(entry: Entry) -> tuple[str, ...]:
    """Return the names of the probes whose endings a step holds."""
    endings = metrics.select(entry.result.figures, "outcome")
    return tuple(dict.fromkeys(str(figure.labels["probe"]) for figure in endings if "probe" in figure.labels))


def _answer(entry: Entry, probe: str) -> Answer:
    """Read the ending of one probe; a record that is not whole is missing evidence."""
    state, reason, remedy = (_told(entry, name, probe) for name in ("outcome", "reason", "remedy"))
    if state not in set(Outcome):
        return Answer(state=Outcome.UNAVAILABLE, score=None, reason=_DAMAGED, risk=_risk(entry, probe))
    ending = Outcome(state)
    return Answer(
        state=ending,
        score=10.0 if ending is Outcome.PASSED else 0.0 if ending.is_answer else None,
        reason=str(reason) if reason else _DAMAGED,
        remedy=None if remedy is None else str(remedy),
        provisional=entry.reference,
        risk=_risk(entry, probe),
    )


def _risk(entry: Entry, probe: str) -> Risk | None:
    """Return what a probe weighs; None, the check's own, where that is not on record."""
    return _known_risk(_told(entry, "risk", probe))


def _known_risk(told: Value | None) -> Risk | None:
    return Risk(str(told)) if told in set(Risk) else None


def _told(entry: Entry, name: str, probe: str) -> Value | None:
    found = metrics.find(entry.result, metrics.key(name, probe=probe))
    return None if found is None else found.value


plugin = ServingOperations()
