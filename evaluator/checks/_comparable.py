"""Questions in which the frameworks are measured against each other: the better of the two is the baseline."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import ClassVar

import msgspec

from evaluator.core import metrics
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import more, percent, quantity, significant, times
from evaluator.core.records import FRAMEWORKS, LabelValue
from evaluator.core.scorecard import (
    LEAST_EXACT,
    Comparison,
    Finding,
    Interval,
    comparison_id,
    distinguishable,
    relative_difference,
)
from evaluator.judging.contract import PATHS, Answer, Check, Subject
from evaluator.judging.evidence import Entry, Evidence
from evaluator.measure.statistics import (
    UNSTABLE_ABOVE,
    median_interval,
    ratio_interval,
    stability,
)

BASELINE = "the baseline is the better of the two frameworks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the frameworks are compared: a scenario, a deployment path (None: training) and a device."""

    scenario: str
    path: str | None
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one framework showed: values by round, and the steps they come from (the first one is repeatable)."""

    subject: str
    rounds: tuple[tuple[float, ...], ...]
    entries: tuple[Entry, ...]
    provisional: bool = False

    @property
    def interval(self) -> Interval:
        """Return the median of all values with its interval."""
        return median_interval(tuple(chain.from_iterable(self.rounds)))

    @property
    def settled(self) -> bool:
        """Whether every round was steady from its beginning to its end; what is no sample is."""
        drifts = (stability(samples) for samples in self.rounds)
        return all(drift is None or drift <= UNSTABLE_ABOVE for drift in drifts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Why there is nothing to compare: the subject failed (an answer), or the evidence is missing."""

    subject: str
    state: Outcome
    reason: str
    remedy: str | None = None
    entries: tuple[Entry, ...] = ()


Found = Measurement | Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """How a comparison is put into words; `{who}` wins by `{amount}`, for example "1.8 times".

    Its unit, and which direction is better, are those of the metric in the vocabulary (`core.metrics`).
    """

    question: str
    metric: str
    sentence: str
    labels: Mapping[str, LabelValue] = field(default_factory=dict)  # of the metric, where it has several figures

    @property
    def unit(self) -> str:
        """The unit of both values."""
        return metrics.metric(self.metric).unit

    @property
    def lower_is_better(self) -> bool:
        """Whether the smaller value wins."""
        return metrics.metric(self.metric).better == "lower"


class ComparableCheck(Check):
    """A check whose score is a log-ratio to the better framework, measured in the same run, scenario and place.

    What half as good costs is the policy's. Inside the noise floor, or with an interval that holds 1, both are the
    baseline. Without the counterpart there is none and hence no score, so that missing evidence never helps.
    """

    phrase: ClassVar[Phrase]
    noise: ClassVar[str] = "latency"  # what the A/A pair is compared on: a sample set or metric of the run stage

    @abstractmethod
    def places(self, evidence: Evidence) -> Iterable[Place]:
        """Say where the frameworks are to be compared, also where one of them has no evidence."""

    @abstractmethod
    def measure(self, evidence: Evidence, place: Place, framework: str) -> Found:
        """Return what a framework showed in a place."""

    def floor(self, evidence: Evidence, place: Place) -> float | None:
        """Return the relative difference below which nothing can be told apart; None when it is not known."""
        return evidence.noise_floor(place.scenario, place.device, self.noise)

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Score each framework against the better one."""
        findings = []
        for place in self.places(evidence):
            found = {name: self.measure(evidence, place, name) for name in FRAMEWORKS}
            for name in evidence.frameworks:
                other = _counterpart(name)
                subject = Subject(
                    scenario=place.scenario,
                    candidate=name,
                    text=found[name].subject,
                    path=place.path,
                    device=place.device,
                )
                answer = self._answer(evidence, place, name, found)
                findings.append(self.finding(subject, answer, (*found[name].entries, *found[other].entries)))
        return tuple(findings)

    def compare(self, evidence: Evidence) -> tuple[Comparison, ...]:
        """Set the frameworks side by side in every place."""
        return tuple(
            comparison(
                evidence,
                self.phrase,
                place,
                {name: self.measure(evidence, place, name) for name in FRAMEWORKS},
                self.floor(evidence, place),
            )
            for place in self.places(evidence)
        )

    def _answer(self, evidence: Evidence, place: Place, name: str, found: Mapping[str, Found]) -> Answer:
        """Judge one framework by its own and its counterpart's figures in a place."""
        other_name = _counterpart(name)
        own, other, other_title = found[name], found[other_name], evidence.title(other_name)
        if isinstance(own, Gap):
            score = 0.0 if own.state.is_answer else None
            return Answer(state=own.state, score=score, reason=own.reason, remedy=own.remedy)
        value, unit = own.interval.value, self.phrase.unit
        if isinstance(other, Gap):
            return Answer(
                state=Outcome.UNAVAILABLE,
                score=None,
                reason=f"not comparable: {self.phrase.question} of {other_title} is missing ({other.reason})",
                remedy=other.remedy or f"measure {other_title} too",
                value=value,
                metric=self.phrase.metric,
            )
        ratio = ratio_interval(own.rounds, other.rounds)
        best = min(value, other.interval.value)
        unsure = self._unsure((own, other), ratio)
        if not distinguishable(ratio, self.floor(evidence, place)):
            score, standing = 10.0, f"not distinguishable from {other_title}"
        elif value == best:
            score, standing = 10.0, f"better than {other_title}'s {quantity(other.interval.value, unit)}{unsure}"
        else:
            score = evidence.policy.points(value / best)
            standing = f"{times(value / best)} {other_title}'s {quantity(best, unit)}{unsure}"
        return Answer(
            state=Outcome.PASSED,
            score=score,
            reason=f"{quantity(value, unit)} with {own.subject}: {standing}",
            value=value,
            metric=self.phrase.metric,
            baseline=best,
            formula=f"{evidence.policy.formula('value / baseline')}; {BASELINE}",
        )

    def _unsure(self, both: tuple[Measurement, ...], ratio: Interval) -> str:
        """Say why figures that measured apart show no difference; nothing where they do, or are counted."""
        if metrics.metric(self.phrase.metric).provenance == metrics.COUNTED:
            return ""
        if not all(one.settled for one in both):
            return " (not shown: had not settled)"
        return "" if ratio.low is not None else " (not shown: no interval)"


def _counterpart(framework: str) -> str:
    return next(name for name in FRAMEWORKS if name != framework)


def comparison(
    evidence: Evidence, phrase: Phrase, place: Place, found: Mapping[str, Found], floor: float | None
) -> Comparison:
    """Put what both frameworks showed side by side, and say in one sentence what it means."""
    measured = {name: one for name, one in found.items() if isinstance(one, Measurement)}
    ratio = None
    if len(measured) == len(FRAMEWORKS):
        first, second = (measured[name] for name in FRAMEWORKS)
        ratio = ratio_interval(first.rounds, second.rounds)
    made = Comparison(
        id=comparison_id(phrase.question, place.scenario, place.path, place.device),
        scenario=place.scenario,
        question=phrase.question,
        path=place.path,
        device=place.device,
        metric=phrase.metric,
        labels=dict(phrase.labels),
        unit=phrase.unit,
        lower_is_better=phrase.lower_is_better,
        subjects={name: one.subject for name, one in found.items()},
        values={name: one.interval for name, one in measured.items()},
        ratio=ratio,
        noise_floor=floor,
        winner=None,
        statement="",
        provisional=any(one.provisional for one in measured.values()),
        rounds=min((len(one.rounds) for one in measured.values()), default=0),
        unsettled=tuple(name for name, one in measured.items() if not one.settled),
    )
    return msgspec.structs.replace(made, winner=made.ahead, statement=_statement(evidence, phrase, found, made))


def across(evidence: Evidence, stage: str) -> tuple[Place, ...]:
    """Return the places of artifacts: every path on the CPU, and on other devices where the plan has such a step."""
    places = []
    for scenario in evidence.scenarios:
        places += [Place(scenario=scenario, path=path, device=DEVICE) for path in PATHS]
        for path in PATHS:
            entries = evidence.select(stage, scenario=scenario, path=path)
            others = dict.fromkeys(entry.step.device for entry in entries if entry.step.device != DEVICE)
            places += [Place(scenario=scenario, path=path, device=device) for device in others]
    return tuple(places)


def _statement(evidence: Evidence, phrase: Phrase, found: Mapping[str, Found], made: Comparison) -> str:
    """Say what a comparison means: who is ahead only where that is shown."""
    ratio, floor = made.ratio, made.noise_floor
    if ratio is None:
        gaps = {evidence.title(name): one.reason for name, one in found.items() if isinstance(one, Gap)}
        reasons = "; ".join(dict.fromkeys(gaps.values()))
        return f"not comparable: {phrase.question} of {' and '.join(gaps)} is missing ({reasons})"
    difference = relative_difference(ratio.value)
    if made.better is not None:
        told = phrase.sentence.format(who=evidence.title(made.better), amount=more(1 + difference))
        if made.slight:
            return f"within {100 * LEAST_EXACT:.0f} %, which decides nothing: {told}"
        return told if made.ahead else f"not shown: {told}, but {_doubt(made)}"
    if floor is not None and difference <= floor:
        inside = f"{percent(difference)} lies inside the noise floor of {percent(floor)}"
        return f"indistinguishable: the difference of {inside}"
    if ratio.low is None or ratio.high is None:
        return "indistinguishable: both are equal"
    ends = f"{significant(ratio.low)} to {significant(ratio.high)}"
    return f"indistinguishable: the interval of the ratio, {ends}, holds 1"


def _doubt(made: Comparison) -> str:
    """Say why a difference is not shown."""
    if made.doubt == "stand-in":
        return "a stand-in answered for a server"
    if made.doubt == "unsettled":
        return "the measurement had not settled"
    return f"{'one round gives' if made.rounds == 1 else f'{made.rounds} rounds give'} no interval"
