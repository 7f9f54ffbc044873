"""How large is what must be shipped? The artifact's bytes against the raw fp32 weights of the model."""

from collections.abc import Iterable

from evaluator.checks._comparable import ComparableCheck, Phrase, Place
from evaluator.checks._measured import Found, Gap, Measurement
from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Risk
from evaluator.judging.contract import PATHS
from evaluator.judging.evidence import Entry, Evidence


class Size(ComparableCheck):
    """Bytes of each path's artifact."""

    name = "size"
    category = "footprint"
    risk = Risk.LOW
    title = "Size"
    question = "How large is the artifact?"
    questions = ("size",)
    phrase = Phrase(question="size", metric="size_bytes", sentence="{who} is {amount} smaller")
    target = "size"

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


plugin = Size()
