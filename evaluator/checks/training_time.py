"""How long does training take? Total seconds of the same steps on the same data, to the same quality."""

from collections.abc import Iterable

from evaluator.checks._comparable import ComparableCheck, Phrase, Place
from evaluator.checks._measured import Found
from evaluator.checks._training import trained
from evaluator.core.scorecard import Risk
from evaluator.judging.evidence import Evidence


class TrainingTime(ComparableCheck):
    """Seconds of all training steps, per device."""

    name = "training_time"
    category = "training"
    risk = Risk.HIGH
    title = "Training time"
    question = "How long does it take to train the same model to the same quality?"
    phrase = Phrase(question="training time", metric="train_s", sentence="{who} trains {amount} faster")

    def places(self, evidence: Evidence) -> Iterable[Place]:
        """Return every device that was asked for."""
        return tuple(
            Place(scenario=scenario, path=None, device=device)
            for scenario in evidence.scenarios
            for device in evidence.run.devices
        )

    def measure(self, evidence: Evidence, place: Place, framework: str) -> Found:
        """Return the seconds of every round."""
        return trained(evidence, place, framework)


plugin = TrainingTime()
