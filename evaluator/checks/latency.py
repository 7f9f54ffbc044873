"""How long does a user wait for one answer? The median of warm calls with one example, one in flight.

Each deployment path is answered by the fastest runtime that computes the same as the origin. Throughput at the
scenario's larger batch is set side by side too, but not scored: it is the same machine time, seen twice. Neither is the
latency beside deliberately busy neighbours: it is another question, and may have another answer.
"""

from collections.abc import Iterable

from evaluator.checks._comparable import ComparableCheck, Phrase, Place, across, comparison
from evaluator.checks._measured import Found, Gap, Measurement
from evaluator.checks._proven import fastest
from evaluator.core.outcome import Outcome
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Comparison, Risk
from evaluator.judging.evidence import Evidence

THROUGHPUT = Phrase(
    question="throughput", metric="throughput_per_s", sentence="{who} computes {amount} more per second"
)
NEIGHBOUR = Phrase(
    question="latency beside a neighbour",
    metric="neighbour_latency_s",
    sentence="{who} has {amount} lower latency beside a busy neighbour on each core",
)


class Latency(ComparableCheck):
    """Median latency of the fastest proven runtime, per deployment path and device."""

    name = "latency"
    category = "performance"
    risk = Risk.HIGH
    title = "Latency"
    question = "How long does one answer take?"
    questions = ("latency", THROUGHPUT.question, NEIGHBOUR.question)
    phrase = Phrase(question="latency", metric="latency_s", sentence="{who} has {amount} lower latency")
    target = "latency"

    def places(self, evidence: Evidence) -> Iterable[Place]:
        """Return every path on the CPU, and on the GPU where it was asked for."""
        return across(evidence, "run")

    def measure(self, evidence: Evidence, place: Place, framework: str) -> Found:
        """Return the seconds per call."""
        return fastest(evidence, place, framework)

    def compare(self, evidence: Evidence) -> tuple[Comparison, ...]:
        """Compare latency, and the throughput and the latency beside a busy neighbour of the same runtimes."""
        more = tuple(
            comparison(
                evidence,
                phrase,
                place,
                {name: _also(self.measure(evidence, place, name), phrase, track) for name in FRAMEWORKS},
            )
            for phrase, track in ((THROUGHPUT, "throughput"), (NEIGHBOUR, "neighbour"))
            for place in self.places(evidence)
        )
        return (*super().compare(evidence), *(one for one in more if one.values or one.metric != NEIGHBOUR.metric))


def _also(found: Found, phrase: Phrase, track: str) -> Found:
    """Return another figure of the steps that a latency comes from."""
    if isinstance(found, Gap):
        return found
    rounds = tuple(e.values(phrase.metric) for e in found.entries if e.step.stage == "run")
    if not all(rounds):
        return Gap(subject=found.subject, state=Outcome.UNAVAILABLE, reason="not measured", entries=found.entries)
    return Measurement(subject=found.subject, rounds=rounds, entries=found.entries, track=track)


plugin = Latency()
