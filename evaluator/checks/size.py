"""How large is what must be shipped? The artifact's bytes against the raw fp32 weights of the model."""

from collections.abc import Iterable

from evaluator.checks._comparable import ComparableCheck, Phrase, Place
from evaluator.checks._measured import Found, Gap, Measurement
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.policy import Policy
from evaluator.core.quantities import quantity, times
from evaluator.core.scorecard import Finding, Risk
from evaluator.judging.contract import PATHS, Answer, Subject
from evaluator.judging.evidence import Entry, Evidence


class Size(ComparableCheck):
    """Bytes of each path's artifact. The baseline is absolute, so no counterpart is needed for a score."""

    name = "size"
    category = "footprint"
    risk = Risk.LOW
    title = "Size"
    question = "How large is the artifact?"
    phrase = Phrase(question="size", metric="size_bytes", sentence="{who} is {amount} smaller")

    def places(self, evidence: Evidence) -> Iterable[Place]:
        """Return every deployment path."""
        return tuple(Place(scenario=name, path=path, device=DEVICE) for name in evidence.scenarios for path in PATHS)

    def measure(self, evidence: Evidence, place: Place, framework: str) -> Found:
        """Return the size of the smallest artifact of a path that passed a proof: a broken one may be tiny."""
        exports = evidence.select("export", scenario=place.scenario, framework=framework, path=place.path)
        found = [_artifact(evidence, entry) for entry in exports]
        measured = [one for one in found if isinstance(one, Measurement)]
        if measured:
            return min(measured, key=lambda one: one.interval.value)
        title = evidence.title(framework)
        nothing = Gap(subject=f"{title} on the {place.path} path", state=Outcome.UNAVAILABLE, reason="not exported")
        return next(iter(found), nothing)

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Score each artifact against the raw weights of its own framework's model."""
        findings = []
        for place in self.places(evidence):
            for name in evidence.frameworks:
                found = self.measure(evidence, place, name)
                subject = Subject(scenario=place.scenario, candidate=name, text=found.subject, path=place.path)
                weights = _weights(evidence, place.scenario, name)
                entries = (*found.entries, *((weights,) if weights else ()))
                findings.append(self.finding(subject, _score(found, weights, evidence.policy), entries))
        return tuple(findings)


def _artifact(evidence: Evidence, entry: Entry) -> Found:
    """Return the size of one exported artifact, or why it does not count."""
    step = entry.step
    subject = evidence.title(step.format)
    size = entry.values("size_bytes")
    if not entry.passed or not size:
        state = entry.result.outcome if not entry.passed else Outcome.UNAVAILABLE
        reason = f"{subject} was not exported: {entry.result.reason or state.value}"
        return Gap(subject=subject, state=state, reason=reason, remedy=entry.result.remedy, entries=(entry,))
    proofs = evidence.sharing(step, "verify", "model", "artifact")
    for proof in proofs:
        if proof.passed:
            return Measurement(subject=subject, rounds=(size,), entries=(entry, proof))
    state = proofs[0].result.outcome if proofs else Outcome.UNAVAILABLE
    reason = f"{subject} was not proven to compute the same in any runtime"
    return Gap(subject=subject, state=state, reason=reason, entries=(entry, *proofs))


def _weights(evidence: Evidence, scenario: str, framework: str) -> Entry | None:
    """Return the training that knows how many bytes the raw weights take."""
    trainings = evidence.select("train", scenario=scenario, framework=framework)
    return next((entry for entry in trainings if entry.passed and entry.number("weights_bytes")), None)


def _score(found: Found, weights: Entry | None, policy: Policy) -> Answer:
    """Score a size by its log-ratio to the raw weights."""
    if isinstance(found, Gap):
        score = 0.0 if found.state.is_answer else None
        return Answer(state=found.state, score=score, reason=found.reason, remedy=found.remedy)
    value, unit = found.interval.value, Size.phrase.unit
    raw = weights.number("weights_bytes") if weights else None
    if raw is None:
        return Answer(
            state=Outcome.UNAVAILABLE,
            score=None,
            reason="not comparable: the size of the raw weights is missing",
            remedy="train the model in the same run",
            value=value,
            metric=Size.phrase.metric,
        )
    return Answer(
        state=Outcome.PASSED,
        score=policy.points(value / raw),
        reason=f"{quantity(value, unit)}, {times(value / raw)} the raw weights of {quantity(raw, unit)}",
        value=value,
        metric=Size.phrase.metric,
        baseline=raw,
        formula=policy.formula("bytes / bytes of the raw fp32 weights"),
    )


plugin = Size()
