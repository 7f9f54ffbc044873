"""How many requests per second does the server answer in time? The rate is the scenario's, and so is the time.

The rates were offered in an open loop, with Poisson arrivals and latencies counted from the scheduled time, so that a
stalled server cannot hide its queue. Rates at which the client was the bottleneck do not count. Each rate is looked at
once, and so has no interval: what two servers sustain at most, measured in turns, is set side by side beside it.
"""

from itertools import product

from evaluator.checks._comparable import Phrase, Place, comparison
from evaluator.checks._measured import Found, Gap, Measurement
from evaluator.checks._served import chosen, missing
from evaluator.core import metrics
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import seconds, significant
from evaluator.core.records import FRAMEWORKS, LabelValue
from evaluator.core.scorecard import Comparison, Finding, Risk
from evaluator.core.targets import FORMULA
from evaluator.judging import targets
from evaluator.judging.contract import STAND_IN, Answer, Check, Subject, stood_in
from evaluator.judging.evidence import Entry, Evidence

RATE = "in_time_per_s"
MOST = "saturation_per_s"
_FASTER = "more workers, batching, a smaller model or more cores"
WIRES = {wire: metrics.wire(wire) for wire in ("rest", "grpc")}


class ServingLoad(Check):
    """The share of the scenario's rate that is answered within the scenario's time."""

    name = "serving_load"
    category = "serving"
    risk = Risk.HIGH
    title = "Throughput in time"
    question = "How many requests per second does the server answer in time?"
    questions = tuple(
        f"{asked} over {title}"
        for asked, ends in (("throughput in time", ("",)), ("requests per second sustained", ("", " with batching")))
        for title in (f"{wire}{end}" for wire in WIRES.values() for end in ends)
    )

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Judge the server of each framework by its better wire."""
        findings = []
        for scenario in evidence.scenarios:
            for framework in evidence.frameworks:
                entries = evidence.select("load", scenario=scenario, framework=framework)
                entry = chosen(entries)
                text = f"{evidence.title(framework)} under load" if entry is None else evidence.server(entry)
                answer = _answer(evidence, entries, entry)
                subject = Subject(scenario=scenario, candidate=framework, text=text, path="server")
                findings.append(self.finding(subject, answer, entries if entry is None else (entry,)))
        return tuple(findings)

    def compare(self, evidence: Evidence) -> tuple[Comparison, ...]:
        """Compare the rates within the time limit, and what both sustain at most where both were measured."""
        in_time = tuple(
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
            )
            for scenario in evidence.scenarios
            for wire, title in WIRES.items()
        )
        ways = tuple(product(WIRES, (False, True)))
        most = (_sustained(evidence, scenario, way) for scenario in evidence.scenarios for way in ways)
        return (*in_time, *(one for one in most if one is not None))


def _sustained(evidence: Evidence, scenario: str, way: tuple[str, bool]) -> Comparison | None:
    """Compare what servers sustain at most over one wire, without or with batching; None unless both were measured."""
    wire, batching = way
    over = f"over {WIRES[wire]}{' with batching' if batching else ''}"
    found = {name: _most(evidence, scenario, name, way) for name in FRAMEWORKS}
    measured = {name: one for name, one in found.items() if one is not None}
    if len(measured) < len(FRAMEWORKS):
        return None
    phrase = Phrase(
        question=f"requests per second sustained {over}",
        metric=MOST,
        sentence=f"{{who}} sustains {{amount}} more requests per second {over}",
        labels={"wire": wire, "batching": batching},
    )
    return comparison(evidence, phrase, Place(scenario=scenario, path="server", device=DEVICE), measured)


def _answer(evidence: Evidence, entries: tuple[Entry, ...], entry: Entry | None) -> Answer:
    if entry is None:
        return missing(entries, "serving under load")
    return _judge(evidence, entry) if evidence.speaks_for(entry, "load") else stood_in()


def _judge(evidence: Evidence, entry: Entry) -> Answer:
    """Set the highest rate within the time limit against the target."""
    limit_s = evidence.setting(entry.step.scenario, "serve", "slo_s", default=targets.LIMIT_S)
    rates = {wire: entry.number(RATE, wire=wire) for wire in WIRES}
    measured = {wire: rate for wire, rate in rates.items() if rate is not None and rate >= 0}
    wanted = targets.find(evidence, "load", entry.step.scenario, entry.step.framework)
    if not entry.passed or not measured or wanted is None:
        return _without_a_rate(evidence, entry, limit_s)
    best = max(measured, key=lambda wire: measured[wire])
    rate, tail = measured[best], entry.result.metrics.get("tail", "p50")
    held = rate >= wanted.full
    return Answer(
        state=Outcome.PASSED if held else Outcome.FAILED,
        score=wanted.points(rate),
        reason=f"{significant(rate)} requests per second with {tail} within {seconds(limit_s)} over {WIRES[best]}: "
        f"full marks at {significant(wanted.full)}, none at {significant(wanted.none)}",
        remedy=None if held else _FASTER,
        value=rate,
        metric=RATE,
        target=wanted,
        baseline=wanted.full,
        formula=FORMULA,
        provisional=entry.reference,
    )


def _without_a_rate(evidence: Evidence, entry: Entry, limit_s: float) -> Answer:
    """Answer where no rate was answered in time: too slow over every wire is a failure, what nobody measured none."""
    if not entry.passed or evidence.old_rules:
        state = Outcome.FAILED if entry.passed else entry.result.outcome
        reason = entry.result.reason or "no rate was measured"
        score = 0.0 if state.is_answer else None
        return Answer(state=state, score=score, reason=reason, remedy=entry.result.remedy, provisional=entry.reference)
    slow = {wire: _too_slow(entry, wire, limit_s) for wire in WIRES}
    reason = "; ".join(told or _unmeasured(entry, wire) for wire, told in slow.items())
    if not all(slow.values()):
        return Answer(state=Outcome.UNAVAILABLE, score=None, reason=reason, remedy="take a longer profile")
    return Answer(
        state=Outcome.FAILED, score=0.0, reason=reason, remedy=_FASTER, formula=FORMULA, provisional=entry.reference
    )


def _too_slow(entry: Entry, wire: str, limit_s: float) -> str | None:
    """Say by its figure and its limit how the lowest rate over a wire failed; None when it was not found to fail."""
    failed_at = entry.number("not_in_time_per_s", wire=wire)
    for share, rate in _offered(entry, wire):
        tail = str(entry.result.metrics.get("tail", "p50"))
        latency_s = entry.number("latency_s", wire=wire, share=share, statistic=tail)
        at = f"at {significant(rate)} requests per second over {WIRES[wire]}"
        if entry.number("errors", wire=wire, share=share):
            return f"{at} {_told(entry, 'invalid', wire, share) or 'calls failed'}"
        if latency_s is not None and latency_s > limit_s:
            return f"{tail} was {seconds(latency_s)} {at}, against a limit of {seconds(limit_s)}"
        if failed_at is not None and rate >= failed_at:
            achieved = entry.number("achieved_per_s", wire=wire, share=share)
            kept = "" if achieved is None else f": it answered {significant(achieved)}"
            return f"the server did not keep up {at}{kept}"
    return None


def _unmeasured(entry: Entry, wire: str) -> str:
    """Say why it is not known whether the rates over a wire were answered in time."""
    for share, rate in _offered(entry, wire):
        why = _told(entry, "invalid", wire, share) or f"too few calls for {entry.result.metrics.get('tail', 'a tail')}"
        return f"over {WIRES[wire]} not measured: {why}, at {significant(rate)} requests per second"
    return f"over {WIRES[wire]} not measured: no rate was offered"


def _offered(entry: Entry, wire: str) -> list[tuple[LabelValue, float]]:
    """Return the shares of the saturation rate at which a wire was loaded, with the rates, the lowest first."""
    found = metrics.select(entry.result.figures, "rate_per_s", wire=wire)
    rates = [(each.labels.get("share", ""), metrics.number(each.value)) for each in found]
    return sorted(((share, rate) for share, rate in rates if rate is not None), key=lambda one: one[1])


def _told(entry: Entry, name: str, wire: str, share: LabelValue) -> str | None:
    found = metrics.find(entry.result, metrics.key(name, wire=wire, share=share))
    return None if found is None else str(found.value)


def _rate(evidence: Evidence, scenario: str, framework: str, wire: str) -> Found:
    """Return the highest rate within the time limit over one wire."""
    entries = evidence.select("load", scenario=scenario, framework=framework)
    entry = chosen(entries)
    if entry is None:
        reason = missing(entries, "serving under load").reason
        subject = f"{evidence.title(framework)} served"
        return Gap(subject=subject, state=Outcome.UNAVAILABLE, reason=reason, entries=entries)
    rate, subject = entry.number(RATE, wire=wire), evidence.server(entry)
    if not evidence.speaks_for(entry, "load"):
        return Gap(subject=subject, state=Outcome.UNAVAILABLE, reason=STAND_IN, entries=(entry,))
    if not entry.passed or not rate:
        reason = entry.result.reason or _no_rate(evidence, entry, wire)
        return Gap(subject=subject, state=entry.result.outcome, reason=reason, entries=(entry,))
    return Measurement(subject=subject, rounds=((rate,),), entries=(entry,), provisional=entry.reference)


def _most(evidence: Evidence, scenario: str, framework: str, way: tuple[str, bool]) -> Measurement | None:
    """Return what a server sustains over one wire, as the stage names its tracks; None for a stand-in, too."""
    wire, batching = way
    entry = chosen(evidence.select("load", scenario=scenario, framework=framework))
    if entry is None or not entry.passed or not evidence.speaks_for(entry, "load"):
        return None
    rate, track = entry.number(MOST, wire=wire, batching=batching), f"{wire}_batched" if batching else wire
    if not rate or not entry.medians(track):
        return None
    return Measurement(subject=evidence.server(entry), rounds=((rate,),), entries=(entry,), track=track)


def _no_rate(evidence: Evidence, entry: Entry, wire: str) -> str:
    if evidence.old_rules:
        return "no rate was answered in time"
    limit_s = evidence.setting(entry.step.scenario, "serve", "slo_s", default=targets.LIMIT_S)
    return _too_slow(entry, wire, limit_s) or _unmeasured(entry, wire)


plugin = ServingLoad()
