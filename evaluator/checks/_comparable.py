"""Questions of more or less: each framework is scored by the target, and the frameworks are set side by side.

A score never rests on the other framework. Who is ahead is a comparison, and no score.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from evaluator.checks._measured import Found, Gap, Measurement, weigh
from evaluator.core import answers, metrics
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import more
from evaluator.core.records import FRAMEWORKS, LabelValue
from evaluator.core.scorecard import Comparison, Finding, comparison_id
from evaluator.core.targets import Target
from evaluator.core.turns import guests, others_share
from evaluator.judging import targets
from evaluator.judging.contract import PATHS, Answer, Check, Subject
from evaluator.judging.evidence import Evidence


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
    """A check whose score is a figure by its target: where ten points are, and where none, was declared beforehand.

    Where others disturbed too much of the measuring there is no score: missing evidence never helps.
    """

    phrase: ClassVar[Phrase]
    target: ClassVar[str]  # name of what its figures are scored by: a scenario's `[targets.latency]`, a policy's band

    @abstractmethod
    def places(self, evidence: Evidence) -> Iterable[Place]:
        """Say where the frameworks are to be compared, also where one of them has no evidence."""

    @abstractmethod
    def measure(self, evidence: Evidence, place: Place, framework: str) -> Found:
        """Return what a framework showed in a place."""

    def target_in(self, place: Place) -> str:
        """Return the name of the target of a place: the check's own, unless places differ."""
        del place
        return self.target

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Score each framework by the target."""
        findings = []
        for place in self.places(evidence):
            for name in evidence.frameworks:
                found = self.measure(evidence, place, name)
                subject = Subject(
                    scenario=place.scenario,
                    candidate=name,
                    text=found.subject,
                    path=place.path,
                    device=place.device,
                )
                about = (self.target_in(place), place.scenario, name)
                answer = _answer(found, targets.find(evidence, *about), self.phrase, evidence.cores(found.entries))
                resting = (each for each in targets.resting(evidence, *about) if each not in found.entries)
                findings.append(self.finding(subject, answer, (*found.entries, *resting)))
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
        guests=weighed.guests,
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


def _answer(found: Found, target: Target | None, phrase: Phrase, cores: int) -> Answer:
    """Score what a framework showed; what failed has no points, what could not be asked is unmeasured."""
    if isinstance(found, Gap):
        score = 0.0 if found.state.is_answer else None
        return Answer(state=found.state, score=score, reason=found.reason, remedy=found.remedy)
    interval = found.scored
    if interval is None:
        others, there = others_share(found.blocks, cores), guests(found.blocks)
        cause = answers.UNSEEN if answers.unseen(others) else "others had the machine"
        cause = answers.GUESTS if there else cause
        return Answer(
            state=Outcome.UNAVAILABLE,
            score=None,
            reason=f"too disturbed to score: {cause} during most blocks of {found.subject}",
            remedy=answers.ELSEWHERE if answers.unseen(others) and not there else answers.remedy(others, there),
            value=found.interval.value,
            metric=phrase.metric,
        )
    return targets.score(target, phrase.metric, phrase.unit, (interval, found.subject))


def _missing(evidence: Evidence, phrase: Phrase, found: Mapping[str, Found]) -> str:
    gaps = {evidence.title(name): one.reason for name, one in found.items() if isinstance(one, Gap)}
    reasons = "; ".join(dict.fromkeys(gaps.values()))
    return f"not comparable: {phrase.question} of {' and '.join(gaps)} is missing ({reasons})"


def _statement(evidence: Evidence, phrase: Phrase, made: Comparison) -> str:
    """Say what a comparison means: who is ahead only where that is shown."""
    if made.ratio is None or made.answer == "disturbed":
        return answers.told(made)
    ratio = made.ratio.value
    bare = made.answer == "undecided" and answers.says_nothing(made.ratio)  # a figure that nobody may rely on
    better = FRAMEWORKS[0] if (ratio < 1) is made.lower_is_better else FRAMEWORKS[1]
    told = phrase.sentence.format(who=evidence.title(better), amount=more(max(ratio, 1 / ratio)))
    if made.answer == "different":
        return told if made.ahead else f"not shown: {told}, but a stand-in answered for a server"
    measured = "" if made.answer == "equivalent" or ratio == 1 or bare else f" (as measured, {told})"
    return f"{answers.told(made)}{measured}"
