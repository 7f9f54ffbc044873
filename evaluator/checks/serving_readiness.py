"""Can the model be served? Bundle, READY, parity through the wire, a clean stop, and nothing left behind.

What the embedded reference server shows is provisional: it proves bundle, protocol and parity, not the real server.
"""

from evaluator.checks._comparable import Found, Gap, Measurement, Phrase, Place, comparison
from evaluator.checks._served import chosen, missing
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Comparison, Finding, Risk
from evaluator.judging.contract import Answer, Check, Subject
from evaluator.judging.evidence import Entry, Evidence

FORMULA = "bundle 1 + ready 3 + parity over REST 2 + parity over gRPC 2 + clean stop 1 + nothing left behind 1"
TOLERANCE = 1e-4  # rigour.md: fp32, relative to the scale of the output; where the step names no other
CONTAINER = "container"
WIRES = {
    wire: Phrase(
        question=f"latency over {title}",
        metric="latency_s",
        sentence=f"{{who}} answers {{amount}} faster over {title}",
        labels={"wire": wire},
    )
    for wire, title in (("rest", "REST"), ("grpc", "gRPC"))
}


class ServingReadiness(Check):
    """Points for each thing that a server must do; not ready, or wrong answers through the wire, is a gate.

    Two findings for each framework: served at all, by the launcher that was chosen, and served in a container.
    """

    name = "serving_readiness"
    category = "serving"
    risk = Risk.HIGH
    title = "Serving readiness"
    question = "Can the model be put behind a server, and taken down again?"

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Judge the launcher that was chosen, and the container on its own."""
        findings = []
        for scenario in evidence.scenarios:
            for framework in evidence.frameworks:
                entries = evidence.select("serve", scenario=scenario, framework=framework)
                contained = tuple(entry for entry in entries if entry.step.launcher == CONTAINER)
                findings.append(self._finding(evidence, (scenario, framework), entries, "a server"))
                findings.append(self._finding(evidence, (scenario, framework), contained, "a container"))
        return tuple(findings)

    def compare(self, evidence: Evidence) -> tuple[Comparison, ...]:
        """Compare the latency through each wire; provisional where a reference server answered."""
        return tuple(
            comparison(
                evidence,
                phrase,
                Place(scenario=scenario, path="server", device=DEVICE),
                {name: _latency(evidence, scenario, name, wire) for name in FRAMEWORKS},
                evidence.noise_floor(scenario, DEVICE, "latency"),
            )
            for scenario in evidence.scenarios
            for wire, phrase in WIRES.items()
        )

    def _finding(self, evidence: Evidence, about: tuple[str, str], entries: tuple[Entry, ...], what: str) -> Finding:
        scenario, framework = about
        risk = Risk.MEDIUM if what == "a container" else self.risk
        entry, topic = chosen(entries), what.removeprefix("a ")
        if entry is None:
            text = f"{evidence.title(framework)} in {what}"
            subject = Subject(scenario=scenario, candidate=framework, text=text, path="server", topic=topic)
            return self.finding(subject, missing(entries, f"serving in {what}", risk), entries)
        subject = Subject(
            scenario=scenario,
            candidate=framework,
            text=evidence.server(entry),
            path="server",
            topic=topic,
        )
        return self.finding(subject, _judge(entry, risk), (entry,))


def _judge(entry: Entry, risk: Risk) -> Answer:
    """Add up the points; the reason names what is missing."""
    points: dict[str, tuple[float, bool]] = {
        "no bundle": (1, entry.number("bundle_s") is not None),
        "not ready": (3, entry.number("ready_s") is not None),
        "no parity over REST": (2, _parity(entry, "rest")),
        "no parity over gRPC": (2, _parity(entry, "grpc")),
        "no clean stop": (1, entry.number("stop_s") is not None),
        "something left behind": (1, entry.number("leftovers") == 0),
    }
    lacking = [what for what, (_, there) in points.items() if not there]
    useless = any(what not in ("no clean stop", "something left behind") for what in lacking)
    state = entry.result.outcome
    if state is Outcome.PASSED and lacking:
        state = Outcome.FAILED
    told = f"; {entry.result.reason}" if entry.result.reason else ""
    label = " (embedded reference server: provisional)" if entry.reference else ""
    reason = f"{', '.join(lacking)}{told}" if lacking else f"ready in {entry.number('ready_s'):.3g} s, all points{told}"
    return Answer(
        state=state,
        score=sum(worth for worth, there in points.values() if there),
        reason=reason + label,
        remedy=entry.result.remedy,
        value=entry.number("ready_s"),
        metric="ready_s",
        formula=FORMULA,
        provisional=entry.reference,
        gate=useless or state is Outcome.PASSED,
        risk=risk,
    )


def _parity(entry: Entry, wire: str) -> bool:
    """Tell whether the answers over a wire were those of the runtime in a process, within the step's tolerance."""
    difference, tolerance = entry.number("max_rel_diff", wire=wire), entry.number("tolerance", wire=wire)
    return difference is not None and difference <= (TOLERANCE if tolerance is None else tolerance)


def _latency(evidence: Evidence, scenario: str, framework: str, wire: str) -> Found:
    """Return the seconds per call over a wire, when the answers were right."""
    entries = evidence.select("serve", scenario=scenario, framework=framework)
    entry = chosen(entries)
    subject = f"{evidence.title(framework)} served"
    if entry is None:
        reason = missing(entries, "serving").reason
        return Gap(subject=subject, state=Outcome.UNAVAILABLE, reason=reason, entries=entries)
    if not entry.passed or not entry.values(wire):
        reason = entry.result.reason or "not measured"
        return Gap(subject=subject, state=entry.result.outcome, reason=reason, entries=(entry,))
    subject = evidence.server(entry)
    return Measurement(subject=subject, rounds=(entry.values(wire),), entries=(entry,), provisional=entry.reference)


plugin = ServingReadiness()
