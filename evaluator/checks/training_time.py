"""How long will the training take that is planned? Not the seconds of a few steps: what is paid once, and each step.

Every step that was measured is one estimate of the planned training: start + (planned steps - 1) times what it took.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from evaluator.checks._comparable import ComparableCheck, Phrase, Place, comparison
from evaluator.checks._measured import Found, Gap
from evaluator.checks._training import trained
from evaluator.core.answers import REMEDY
from evaluator.core.outcome import Outcome
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Comparison, Finding, Risk
from evaluator.judging import variants
from evaluator.judging.evidence import Entry, Evidence
from evaluator.judging.training import cost, planned, steady
from evaluator.measure.training import Cost

BEST = "best training time"
_SENTENCE = "{who} trains {amount} faster"


class TrainingTime(ComparableCheck):
    """Seconds of the training that the scenario plans, on each device of this machine."""

    name = "training_time"
    category = "training"
    risk = Risk.HIGH
    title = "Training time"
    question = "How long does the training take that is planned, of the same model and to the same quality?"
    questions = ("training time", BEST)
    phrase = Phrase(question="training time", metric="planned_training_s", sentence=_SENTENCE)
    target = "training"

    def places(self, evidence: Evidence) -> Iterable[Place]:
        """Return every device that was asked for."""
        return tuple(
            Place(scenario=scenario, path=None, device=device)
            for scenario in evidence.scenarios
            if evidence.trains(scenario)
            for device in evidence.run.devices
        )

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Score each framework by the target."""
        return _Total().judge(evidence) if evidence.old_rules else super().judge(evidence)

    def compare(self, evidence: Evidence) -> tuple[Comparison, ...]:
        """Set the frameworks side by side in every place: their defaults, and the best way of either.

        Where a framework has but one way that has figures, best against best would be the same question again.
        """
        if evidence.old_rules:
            return _Total().compare(evidence)
        places = tuple(self.places(evidence))
        return (
            *super().compare(evidence),
            *(
                comparison(
                    evidence,
                    _best_phrase(precision),
                    place,
                    {n: self._best(evidence, place, n, precision) for n in FRAMEWORKS},
                )
                for place in places
                for precision in variants.precisions(evidence, place.scenario, place.device)
            ),
        )

    def measure(self, evidence: Evidence, place: Place, framework: str) -> Found:
        """Return the planned training's seconds by every step that was measured, round by round."""
        return self._planned(evidence, place, trained(evidence, place, framework))

    def _best(self, evidence: Evidence, place: Place, framework: str, precision: str) -> Found:
        """Return the same of a framework's best way, which one half of the blocks chose: the other half counts."""
        default = trained(evidence, place, framework)
        chosen = variants.best(evidence, place.scenario, place.device, framework, precision)
        if isinstance(default, Gap):
            return default
        if chosen is None:
            why = f"the best way to train in {evidence.title(framework)} is not known: too few blocks were undisturbed"
            return Gap(
                subject=default.subject, state=Outcome.UNAVAILABLE, reason=why, remedy=REMEDY, entries=default.entries
            )
        how = f" with {evidence.title(chosen.variant)}" if chosen.variant else ""
        found = replace(
            default,
            subject=f"{default.subject}{how}",
            entries=chosen.entries,
            rounds=tuple(steady(entry) for entry in chosen.entries),
            counts=lambda turn: not variants.chooses(turn),
        )
        return self._planned(evidence, place, found)

    def _planned(self, evidence: Evidence, place: Place, found: Found) -> Found:
        """Return what the planned training takes, by what a step of it took."""
        plan = planned(evidence, place.scenario)
        if isinstance(found, Gap):
            return found
        if plan is None:
            why = "the run has no batch size on record, hence no number of planned steps"
            return Gap(subject=found.subject, state=Outcome.UNAVAILABLE, reason=why, entries=found.entries)
        worth = partial(_total_s, plan[0].steps(plan[1]))
        rounds = zip(found.entries, found.rounds, strict=True)
        return replace(
            found,
            rounds=tuple(tuple(worth(entry, step_s) for step_s in each) for entry, each in rounds),
            worth=worth,
            deviation=max(cost(entry).deviation(plan[0].steps(plan[1])) for entry in found.entries),
        )


def _best_phrase(precision: str) -> Phrase:
    """Return how the best ways of a precision are compared."""
    question = BEST if precision == variants.FULL else f"{BEST} in {precision}"
    return Phrase(question=question, metric="planned_training_s", sentence=f"at best, {_SENTENCE}")


class _Total(TrainingTime):
    """The seconds of a run's own few steps: what runs of version 1 measured, which had no plan."""

    phrase = Phrase(question="training time", metric="train_s", sentence="{who} trains {amount} faster")

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Score each framework by the target."""
        return ComparableCheck.judge(self, evidence)

    def compare(self, evidence: Evidence) -> tuple[Comparison, ...]:
        """Set the frameworks side by side in every place."""
        return ComparableCheck.compare(self, evidence)

    def measure(self, evidence: Evidence, place: Place, framework: str) -> Found:
        """Return the seconds of every round."""
        found = trained(evidence, place, framework)
        if isinstance(found, Gap):
            return found
        return replace(found, rounds=tuple(entry.values("train_s") for entry in found.entries), track=None)


def _total_s(steps: int, entry: Entry, step_s: float) -> float:
    """Return what that many steps take if each is like this one, after the start of this training."""
    return Cost(start_s=cost(entry).start_s, step_s=step_s).total_s(steps)


plugin = TrainingTime()
