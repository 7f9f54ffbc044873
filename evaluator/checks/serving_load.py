"""How many requests per second does the server answer in time? The rate is the scenario's, and so is the time.

The rates were offered in an open loop, with Poisson arrivals and latencies counted from the scheduled time, so that a
stalled server cannot hide its queue. Rates at which the client was the bottleneck do not count.
"""

from evaluator.checks._comparable import Found, Gap, Measurement, Phrase, Place, comparison
from evaluator.checks._served import chosen, missing
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import seconds, significant
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Comparison, Finding, Risk
from evaluator.judging.contract import Answer, Check, Subject
from evaluator.judging.evidence import Entry, Evidence

FORMULA = "10 * rate within the time limit / the scenario's rate, at most 10; over the better wire"
RATE = "in_time_per_s"
WIRES = {"rest": "REST", "grpc": "gRPC"}


class ServingLoad(Check):
    """The share of the scenario's rate that is answered within the scenario's time."""

    name = "serving_load"
    category = "serving"
    risk = Risk.HIGH
    title = "Throughput in time"
    question = "How many requests per second does the server answer in time?"

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Judge the server of each framework by its better wire."""
        findings = []
        for scenario in evidence.scenarios:
            for framework in evidence.frameworks:
                entries = evidence.select("load", scenario=scenario, framework=framework)
                entry = chosen(entries)
                text = f"{evidence.title(framework)} under load" if entry is None else evidence.server(entry)
                answer = missing(entries, "serving under load") if entry is None else _judge(evidence, entry)
                subject = Subject(scenario=scenario, candidate=framework, text=text, path="server")
                findings.append(self.finding(subject, answer, entries if entry is None else (entry,)))
        return tuple(findings)

    def compare(self, evidence: Evidence) -> tuple[Comparison, ...]:
        """Compare the rates within the time limit; provisional where a reference server answered."""
        return tuple(
            comparison(
                evidence,
                Phrase(
                    question=f"throughput in time over {title}",
                    metric=RATE,
                    sentence=f"{{who}} answers {{amount}} more requests in time over {title}",
                    labels={"wire": wire},
                ),
                Place(scenario=scenario, path="server", device=DEVICE),
                {name: _rate(evidence, scenario, name, wire) for name in FRAMEWORKS},
                evidence.noise_floor(scenario, DEVICE, "latency"),
            )
            for scenario in evidence.scenarios
            for wire, title in WIRES.items()
        )


def _judge(evidence: Evidence, entry: Entry) -> Answer:
    """Set the highest rate within the time limit against the scenario's."""
    wanted = evidence.setting(entry.step.scenario, "serve", "rate_per_s", default=10.0)
    limit = evidence.setting(entry.step.scenario, "serve", "slo_s", default=0.1)
    rates = {wire: entry.number(RATE, wire=wire) for wire in WIRES}
    measured = {wire: rate for wire, rate in rates.items() if rate is not None}
    if not entry.passed or not measured:
        reason = entry.result.reason or "no rate was measured"
        state = entry.result.outcome if entry.result.outcome is not Outcome.PASSED else Outcome.FAILED
        score = 0.0 if state.is_answer else None
        return Answer(state=state, score=score, reason=reason, remedy=entry.result.remedy, provisional=entry.reference)
    best = max(measured, key=lambda wire: measured[wire])
    rate, tail = measured[best], entry.result.metrics.get("tail", "p50")
    held = rate >= wanted
    return Answer(
        state=Outcome.PASSED if held else Outcome.FAILED,
        score=min(10.0, 10 * rate / wanted),
        reason=f"{significant(rate)} requests per second with {tail} within {seconds(limit)} over {WIRES[best]}; "
        f"the scenario asks for {wanted:.3g}",
        remedy=None if held else "more workers, batching, a smaller model or more cores",
        value=rate,
        metric=RATE,
        baseline=wanted,
        formula=FORMULA,
        provisional=entry.reference,
    )


def _rate(evidence: Evidence, scenario: str, framework: str, wire: str) -> Found:
    """Return the highest rate within the time limit over one wire."""
    entries = evidence.select("load", scenario=scenario, framework=framework)
    entry = chosen(entries)
    if entry is None:
        reason = missing(entries, "serving under load").reason
        subject = f"{evidence.title(framework)} served"
        return Gap(subject=subject, state=Outcome.UNAVAILABLE, reason=reason, entries=entries)
    rate, subject = entry.number(RATE, wire=wire), evidence.server(entry)
    if not entry.passed or not rate:
        reason = entry.result.reason or "no rate was answered in time"
        return Gap(subject=subject, state=entry.result.outcome, reason=reason, entries=(entry,))
    return Measurement(subject=subject, rounds=((rate,),), entries=(entry,), provisional=entry.reference)


plugin = ServingLoad()
