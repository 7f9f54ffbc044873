"""Can the model be served? Bundle, READY, parity through the wire, a clean stop, and nothing left behind.

A stand-in speaks for bundle, protocol and parity, provisionally. Its stop, and what it leaves behind, are its own.
"""

from dataclasses import dataclass

from evaluator.checks._comparable import Phrase, Place, comparison
from evaluator.checks._measured import Found, Gap, Measurement
from evaluator.checks._served import chosen, missing
from evaluator.core import metrics
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import seconds
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Comparison, Finding, Risk
from evaluator.judging.contract import STAND_IN, Answer, Check, Subject
from evaluator.judging.evidence import Entry, Evidence

PROTOCOL = "bundle 1 + ready 3 + parity over REST 2 + parity over gRPC 2"
FORMULA = f"{PROTOCOL} + clean stop 1 + nothing left behind 1"
TOLERANCE = 1e-4  # rigour.md: fp32, relative to the scale of the output; where the step names no other
GRACE_S = 10.0  # what launchers give a server after SIGTERM (serving/launchers); then they kill it
CONTAINER = "container"
WIRES = {
    wire: Phrase(
        question=f"latency over {title}",
        metric="latency_s",
        sentence=f"{{who}} has {{amount}} lower latency over {title}",
        labels={"wire": wire},
    )
    for wire, title in ((name, metrics.wire(name)) for name in ("rest", "grpc"))
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
    questions = tuple(phrase.question for phrase in WIRES.values())

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
        return self.finding(subject, _judge(evidence, entry, risk), (entry,))


def _judge(evidence: Evidence, entry: Entry, risk: Risk) -> Answer:
    """Add up the points; the reason names what was seen to be missing, and how the step ended."""
    asked, formula, label = _points(entry), FORMULA, ""
    if not evidence.speaks_for(entry, "serve"):
        asked = [point for point in asked if not point.of_the_program]
        formula = f"10 / 8 * ({PROTOCOL})"
        label = "; a clean stop, and that nothing is left behind: " + STAND_IN
    elif entry.reference:
        label = " (embedded reference server: provisional)"
    state = entry.result.outcome
    if state is Outcome.PASSED and any(point.earned is None for point in asked):
        lost = ", ".join(point.lacking for point in asked if point.earned is None)
        return Answer(state=Outcome.UNAVAILABLE, score=None, reason=f"its figures are not on record: {lost}", risk=risk)
    lacking = [point.lacking for point in asked if point.earned is False]
    if state is Outcome.PASSED and lacking:
        state = Outcome.FAILED
    told = [said for said in (", ".join(lacking), entry.result.reason) if said]
    ready_s = entry.number("ready_s")
    reason = "; ".join(told) or f"it ended as {state.value.replace('_', ' ')}"
    if state is Outcome.PASSED:
        reason = "; ".join([f"ready in {seconds(ready_s or 0.0)}, all points", *told])
    return Answer(
        state=state,
        score=10 * sum(point.worth for point in asked if point.earned) / sum(point.worth for point in asked),
        reason=reason + label,
        remedy=entry.result.remedy,
        value=ready_s,
        metric="ready_s",
        formula=formula,
        provisional=entry.reference,
        gate=state is Outcome.PASSED or any(not point.earned for point in asked if not point.of_the_program),
        risk=risk,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """One thing that a server must do. `earned` is None where nobody saw whether it did."""

    lacking: str
    worth: int
    earned: bool | None
    of_the_program: bool = False  # a matter of the program, not of the protocol: no stand-in speaks for it


def _points(entry: Entry) -> list[_Point]:
    """Return what is asked of a server, and what was seen of it."""
    return [
        _Point(lacking="no bundle", worth=1, earned=_there(entry, "bundle_s")),
        _Point(lacking="not ready", worth=3, earned=_there(entry, "ready_s")),
        _Point(lacking="no parity over REST", worth=2, earned=_parity(entry, "rest")),
        _Point(lacking="no parity over gRPC", worth=2, earned=_parity(entry, "grpc")),
        _Point(lacking="no clean stop", worth=1, earned=_stopped(entry), of_the_program=True),
        _Point(
            lacking="something left behind",
            worth=1,
            earned=entry.number("leftovers") == 0 if "leftovers" in entry.result.metrics else None,
            of_the_program=True,
        ),
    ]


def _there(entry: Entry, name: str) -> bool | None:
    """Tell whether a metric is a number; None when the step did not come so far as to have it."""
    return entry.number(name) is not None if name in entry.result.metrics else None


def _stopped(entry: Entry) -> bool | None:
    """Tell whether the server ended by itself when it was told to: one that does not is killed after the grace."""
    stop_s = entry.number("stop_s")
    return stop_s < GRACE_S if stop_s is not None else _there(entry, "stop_s")


def _parity(entry: Entry, wire: str) -> bool | None:
    """Tell whether the answers over a wire were those of the runtime in a process, within the step's tolerance.

    None when none were compared.
    """
    if metrics.find(entry.result, metrics.key("max_rel_diff", wire=wire)) is None:
        return None
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
    if not evidence.speaks_for(entry, "serve"):
        return Gap(subject=evidence.server(entry), state=Outcome.UNAVAILABLE, reason=STAND_IN, entries=(entry,))
    if not entry.passed or not entry.values(wire):
        reason = entry.result.reason or "not measured"
        return Gap(subject=subject, state=entry.result.outcome, reason=reason, entries=(entry,))
    subject = evidence.server(entry)
    return Measurement(
        subject=subject, rounds=(entry.values(wire),), entries=(entry,), provisional=entry.reference, track=wire
    )


plugin = ServingReadiness()
