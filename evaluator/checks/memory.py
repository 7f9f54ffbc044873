"""How much memory does it take? The largest resident memory of the process, in training and in running.

Running is measured in the runtime that the latency comes from: one cannot deploy the fastest and the smallest at once.
"""

from collections.abc import Iterable

from evaluator.checks._comparable import ComparableCheck, Phrase, Place, across
from evaluator.checks._measured import Found, Gap, Measurement
from evaluator.checks._proven import fastest
from evaluator.checks._training import trained
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Risk
from evaluator.judging.evidence import Evidence

PEAK = "peak_rss_bytes"
START_DEVIATION = 0.01  # of the logarithm, from start to start of one artifact: seen in A/A pairs were 0.0 to 0.6 %


class Memory(ComparableCheck):
    """Peak resident memory of training, and of running each path's fastest proven runtime."""

    name = "memory"
    category = "footprint"
    risk = Risk.MEDIUM
    title = "Memory"
    question = "How much memory does it need?"
    questions = ("memory",)
    phrase = Phrase(question="memory", metric=PEAK, sentence="{who} needs {amount} less memory")
    target = "memory"

    def target_in(self, place: Place) -> str:
        """Return another target for training, which keeps gradients and what an optimizer remembers."""
        return "training_memory" if place.path is None else self.target

    def places(self, evidence: Evidence) -> Iterable[Place]:
        """Return the training, and every path on the CPU; the memory of a GPU is not the process's."""
        trained_here = [name for name in evidence.scenarios if evidence.trains(name)]
        training = [Place(scenario=name, path=None, device=DEVICE) for name in trained_here]
        return (*training, *(place for place in across(evidence, "run") if place.device == DEVICE))

    def measure(self, evidence: Evidence, place: Place, framework: str) -> Found:
        """Return the peak of every round."""
        find = trained if place.path is None else fastest
        found = find(evidence, place, framework)
        if isinstance(found, Gap):
            return found
        peaks = tuple(entry.values(PEAK) for entry in found.entries if entry.step.stage in ("train", "run"))
        if not all(peaks):
            return Gap(subject=found.subject, state=Outcome.UNAVAILABLE, reason="not measured", entries=found.entries)
        return Measurement(subject=found.subject, rounds=peaks, entries=found.entries, start=START_DEVIATION)


plugin = Memory()
