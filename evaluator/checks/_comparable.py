"""Questions in which the frameworks are measured against each other: the better of the two is the baseline."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from evaluator.checks._measured import Found, Gap, Measurement, weigh
from evaluator.core import answers, metrics
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import more, quantity
from evaluator.core.records import FRAMEWORKS, LabelValue
from evaluator.core.scorecard import Comparison, Finding, Interval, comparison_id
from evaluator.judging.contract import PATHS, Answer, Check, Subject
from evaluator.judging.evidence import Evidence

BASELINE = "the baseline is what the better framework would have in the same turns"
REMEDIES = {  # of an answer that ranks nobody
    "undecided": "measure in more rounds: a longer profile, or one of your own",
    "disturbed": answers.REMEDY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the frameworks are compared: a scenario, a deployment path (None: training) and a device."""

    scenario: str
    path: str | None
    device: str


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
    """A check whose score is a log-ratio to the better framework, measured in the same turns, scenario and place.

    What half as good costs is the policy's. Two that are equivalent are both the baseline; of what is undecided, or was
    too disturbed to tell, there is no score, and without the counterpart there is none either: missing evidence never
    helps.
    """

    phrase: ClassVar[Phrase]

    @abstractmethod
    def places(self, evidence: Evidence) -> Iterable[Place]:
        """Say where the frameworks are to be compared, also where one of them has no evidence."""

    @abstractmethod
    def measure(self, evidence: Evidence, place: Place, framework: str) -> Found:
        """Return what a framework showed in a place."""

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Score each framework against the better one."""
        findings = []
        for place in self.places(evidence):
            found = {name: self.measure(evidence, place, name) for name in FRAMEWORKS}
            made = comparison(evidence, self.phrase, place, found)
            for name in evidence.frameworks:
                subject = Subject(
                    scenario=place.scenario,
                    candidate=name,
                    text=found[name].subject,
                    path=place.path,
                    device=place.device,
                )
                other = found[_counterpart(name)]
                answer = _answer(evidence, name, found, made)
                findings.append(self.finding(subject, answer, (*found[name].entries, *other.entries)))
        return tuple(findings)

    def compare(self, evidence: Evidence) -> tuple[Comparison, ...]:
        """Set the frameworks side by side in every place."""
        return tuple(
            comparison(evidence, self.phrase, place, {name: self.measure(evidence, place, name) for name in FRAMEWORKS})
            for place in self.places(evidence)
        )


def comparison(evidence: Evidence, phrase: Phrase, place: Place, found: Mapping[str, Found]) -> Comparison:
    """Put what both frameworks showed side by side, and say in one sentence what it means."""
    measured = {name: one for name, one in found.items() if isinstance(one, Measurement)}
    weighed = weigh(evidence, phrase.metric, place.scenario, found)
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
        ratio=None,
        winner=None,
        statement="",
        provisional=any(one.provisional for one in measured.values()),
        rounds=min((len(one.rounds) for one in measured.values()), default=0),
    )
    if weighed is None:
        return msgspec.structs.replace(made, statement=_missing(evidence, phrase, found))
    made = msgspec.structs.replace(
        made,
        ratio=weighed.ratio,
        answer=weighed.reply,
        margin=weighed.margin,
        repeats=dict(weighed.repeats),
        pairs=weighed.pairs,
        disturbed=weighed.disturbed,
        others=weighed.others,
        more=weighed.more,
    )
    statement = _statement(evidence, phrase, made)
    return msgspec.structs.replace(made, winner=made.ahead, statement=statement)


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


def _answer(evidence: Evidence, name: str, found: Mapping[str, Found], made: Comparison) -> Answer:
    """Judge one framework by how it stands to its counterpart in a place."""
    own, other, title = found[name], found[_counterpart(name)], evidence.title(_counterpart(name))
    if isinstance(own, Gap):
        score = 0.0 if own.state.is_answer else None
        return Answer(state=own.state, score=score, reason=own.reason, remedy=own.remedy)
    value, remedy = own.interval.value, REMEDIES.get(made.answer or "")
    if isinstance(other, Gap):
        reason = f"not comparable: {made.question} of {title} is missing ({other.reason})"
        remedy = other.remedy or f"measure {title} too"
    else:
        reason = f"{quantity(value, made.unit)} with {own.subject}: {made.statement}"
    if isinstance(other, Gap) or made.ratio is None or made.answer in ("undecided", "disturbed"):
        unknown = Outcome.UNAVAILABLE
        return Answer(state=unknown, score=None, reason=reason, remedy=remedy, value=value, metric=made.metric)
    times_worse = 1.0 if made.answer == "equivalent" else _times_worse(name, made, made.ratio)
    return Answer(
        state=Outcome.PASSED,
        score=evidence.policy.points(times_worse),
        reason=reason,
        value=value,
        metric=made.metric,
        baseline=value / times_worse if made.lower_is_better else value * times_worse,
        formula=f"{evidence.policy.formula('value / baseline')}; {BASELINE}",
    )


def _times_worse(name: str, made: Comparison, ratio: Interval) -> float:
    """Return how many times worse than its counterpart a framework is: 1 where it is better."""
    first = ratio.value if made.lower_is_better else 1 / ratio.value
    return max(1.0, first if name == FRAMEWORKS[0] else 1 / first)


def _counterpart(framework: str) -> str:
    return next(name for name in FRAMEWORKS if name != framework)


def _missing(evidence: Evidence, phrase: Phrase, found: Mapping[str, Found]) -> str:
    gaps = {evidence.title(name): one.reason for name, one in found.items() if isinstance(one, Gap)}
    reasons = "; ".join(dict.fromkeys(gaps.values()))
    return f"not comparable: {phrase.question} of {' and '.join(gaps)} is missing ({reasons})"


def _statement(evidence: Evidence, phrase: Phrase, made: Comparison) -> str:
    """Say what a comparison means: who is ahead only where that is shown."""
    if made.ratio is None or made.answer == "disturbed":
        return answers.told(made)
    ratio = made.ratio.value
    better = FRAMEWORKS[0] if (ratio < 1) is made.lower_is_better else FRAMEWORKS[1]
    told = phrase.sentence.format(who=evidence.title(better), amount=more(max(ratio, 1 / ratio)))
    if made.answer == "different":
        return told if made.ahead else f"not shown: {told}, but a stand-in answered for a server"
    measured = "" if made.answer == "equivalent" or ratio == 1 else f" (as measured, {told})"
    return f"{answers.told(made)}{measured}"
