"""What a check is: a question asked of evidence, answered with findings. One file per check, in evaluator/checks.

Checks are pure: the same evidence gives the same findings, and nothing is measured again.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from evaluator.core import metrics
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Comparison, Finding, Interval, Risk
from evaluator.core.targets import Target
from evaluator.judging.evidence import Entry, Evidence

PATHS = ("server", "mobile", "portable")
STAND_IN = "not measured: stand-in (the embedded reference server is not the server that it stands in for)"
NO_STAND_IN = "serve it by the real server: fweval doctor says what its container or process lacks here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a finding is about. `text` names it for people: "TorchScript in torch.jit"."""

    scenario: str
    candidate: str
    text: str
    path: str | None = None
    device: str = DEVICE
    topic: str = ""  # in raw names: what tells it from the check's other findings about the same candidate and place

    def id(self, check: str) -> str:
        """Name a finding by what it is about, so that it has the same name in every run."""
        parts = (check, self.scenario, self.candidate, self.path, self.device, self.topic)
        return "/".join(part.replace(" ", "_") for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a check found out about a subject; `score` is 0 to 10, None when it could not be measured."""

    state: Outcome
    score: float | None
    reason: str
    remedy: str | None = None
    metric: str | None = None  # of the vocabulary, that value and baseline are of
    value: float | None = None
    interval: Interval | None = None  # of the value, where it is no exact one
    target: Target | None = None  # what it was scored against
    baseline: float | None = None  # the target's figure that has full marks
    formula: str | None = None
    provisional: bool = False
    gate: bool = False
    risk: Risk | None = None  # where it differs from the check's


class Check(ABC):
    """A question that a board would ask, and how evidence answers it."""

    name: ClassVar[str]
    category: ClassVar[str]  # one of `CATEGORIES` of `evaluator.core.policy`
    risk: ClassVar[Risk]
    title: ClassVar[str]
    question: ClassVar[str]
    questions: ClassVar[tuple[str, ...]] = ()  # of its comparisons: what claims may name
    # The stage that its question came with: runs that planned no step of it are not asked. Without, every run is.
    stage: ClassVar[str] = ""

    @abstractmethod
    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Answer for every candidate and scenario of the run; what could not be measured is a finding too."""

    def compare(self, evidence: Evidence) -> tuple[Comparison, ...]:
        """Set the frameworks side by side; nothing by default."""
        return ()

    def finding(self, subject: Subject, answer: Answer, entries: tuple[Entry, ...]) -> Finding:
        """Put an answer on record, with the evidence it rests on and the command that repeats it."""
        return Finding(
            id=subject.id(self.name),
            check=self.name,
            category=self.category,
            risk=answer.risk or self.risk,
            candidate=subject.candidate,
            scenario=subject.scenario,
            subject=subject.text,
            path=subject.path,
            device=subject.device,
            state=answer.state,
            score=answer.score,
            reason=answer.reason,
            metric=answer.metric,
            value=answer.value,
            unit=None if answer.metric is None else metrics.metric(answer.metric).unit,
            interval=answer.interval,
            target=answer.target,
            baseline=answer.baseline,
            formula=answer.formula,
            provisional=answer.provisional,
            gate=answer.gate,
            remedy=answer.remedy or _remedy(answer.state, entries),
            reproduce=f"sh {entries[0].folder}/reproduce.sh" if entries else None,
            evidence=tuple(entry.ref for entry in entries),
        )


def verdict_of(entry: Entry, done: str, *, gate: bool) -> Answer:
    """Answer yes or no from how a step ended: 10 when it passed, 0 when the subject failed, unmeasured otherwise.

    `done` is the reason when it passed.
    """
    state, reason = entry.result.outcome, entry.result.reason
    if state is Outcome.PASSED:
        return Answer(state=state, score=10.0, reason=done, gate=gate)
    return Answer(
        state=state,
        score=0.0 if state.is_answer else None,
        reason=reason or f"the step ended as {state.value.replace('_', ' ')}",
        remedy=entry.result.remedy,
        gate=gate,
    )


def stood_in(risk: Risk | None = None) -> Answer:
    """Answer for what a stand-in cannot say of the server that it stands in for, whatever it does itself."""
    return Answer(state=Outcome.UNAVAILABLE, score=None, reason=STAND_IN, remedy=NO_STAND_IN, risk=risk)


def not_asked(what: str, risk: Risk | None = None) -> Answer:
    """Answer for something that no step of this run looked at."""
    return Answer(
        state=Outcome.UNAVAILABLE,
        score=None,
        reason=f"{what} was not part of this run",
        remedy="run again without --only, --skip and --framework",
        risk=risk,
    )


def _remedy(state: Outcome, entries: tuple[Entry, ...]) -> str | None:
    """Say what to do next where nobody closer to the failure did."""
    if state is Outcome.PASSED:
        return None
    remedies = [entry.result.remedy for entry in entries if entry.result.remedy]
    if remedies:
        return remedies[0]
    return f"read {entries[0].folder}/stderr" if entries else "run the missing steps"
