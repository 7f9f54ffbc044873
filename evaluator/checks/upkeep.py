"""Who maintains what a path rests on? One finding for each deployment path, about the best one that is proven.

A path is as good as the weakest component under it, by the register (docs/upkeep.md). What rests on something that its
makers have ended is a gate: it may work today, and nobody will mend it tomorrow. On the way to servers a server is part
of the path, where the run looked at one. Licences, vulnerabilities and adoption are facts beside, and no points.
"""

from evaluator.core.outcome import Outcome
from evaluator.core.policy import PATHS
from evaluator.core.scorecard import Finding, Risk
from evaluator.core.upkeep import MEANINGS, PathUpkeep
from evaluator.judging import upkeep
from evaluator.judging.contract import Answer, Check, Subject
from evaluator.judging.evidence import Entry, Evidence
from evaluator.judging.upkeep import Walk


class Upkeep(Check):
    """The status of the best proven path, in points."""

    name = "upkeep"
    category = "upkeep"
    risk = Risk.MEDIUM
    title = "Upkeep"
    question = "Who maintains what the path rests on?"
    stage = upkeep.STAGE

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Judge every path on which the run has something; nothing in runs from before there was the stage."""
        return tuple(
            finding
            for scenario in evidence.scenarios
            for framework in evidence.frameworks
            for path in PATHS
            if (finding := self._path(evidence, scenario, framework, path)) is not None
        )

    def _path(self, evidence: Evidence, scenario: str, framework: str, path: str) -> Finding | None:
        looked = evidence.select(upkeep.STAGE, scenario=scenario, framework=framework)
        text = f"{evidence.title(framework)}, {path}"
        if not looked:
            return None
        if (scenario, framework) not in evidence.inventories:
            if path not in {evidence.paths.get(name) for name in evidence.formats(framework)}:
                return None
            subject = Subject(scenario=scenario, candidate=framework, text=text, path=path)
            return self.finding(subject, _not_looked(looked[0]), looked)
        walks = [w for w in upkeep.walks(evidence, scenario, framework, standard=True) if w.path == path]
        if not walks:
            return None
        walks = [w for w in walks if w.way.server is not None] or walks
        proven = [(upkeep.assess(evidence, scenario, framework, w), w) for w in walks if w.proven]
        if not proven:
            subject = Subject(scenario=scenario, candidate=framework, text=text, path=path)
            return self.finding(subject, _unproven(walks[0]), (walks[0].entry, *looked))
        best, walk = max(proven, key=lambda each: each[0].points)
        subject = Subject(scenario=scenario, candidate=framework, text=best.title, path=path)
        answer = _answer(evidence, best, _better(evidence, best))
        return self.finding(subject, answer, (looked[0], walk.entry))


def _not_looked(entry: Entry) -> Answer:
    result = entry.result
    reason = result.reason or f"the step ended as {result.outcome.value.replace('_', ' ')}"
    return Answer(state=Outcome.UNAVAILABLE, score=None, reason=reason, remedy=result.remedy)


def _unproven(walk: Walk) -> Answer:
    reason = walk.entry.result.reason or "it is not proven"
    return Answer(
        state=Outcome.UNAVAILABLE,
        score=None,
        reason=f"no path is proven, so none can be relied on: {reason}",
        remedy="go through the proofs: fweval full",
    )


def _answer(evidence: Evidence, best: PathUpkeep, remedy: str | None) -> Answer:
    points = evidence.policy.upkeep
    told = ", ".join(f"{name} {value:g}" for name, value in points.items())
    reason = f"rests on {best.decided_by}: {best.status}, {MEANINGS[best.status]}"
    if best.status == "active":
        reason = f"all of its {len(best.components)} components are active"
    if best.capped:
        reason = best.capped
    return Answer(
        state=Outcome.FAILED if best.capped else Outcome.PASSED,
        score=best.points,
        reason=reason,
        remedy=remedy,
        formula=f"points of the weakest component: {told}",
        gate=bool(best.capped),
    )


def _better(evidence: Evidence, best: PathUpkeep) -> str | None:
    """Name a path that this run proves, too, and that rests on more; else what the makers name, and what it costs."""
    others = [
        upkeep.assess(evidence, best.scenario, best.framework, walk)
        for walk in upkeep.walks(evidence, best.scenario, best.framework, standard=False)
        if walk.proven and walk.path == best.path and walk.way.server is None
    ]
    better = max(others, key=lambda each: each.points, default=None)
    if better is not None and better.points > best.points:
        return f"{better.title} is proven in this run, and is {better.status}"
    found = evidence.inventories[best.scenario, best.framework].register
    heirs = [name for each in best.components for name in found.component(each).replaced_by]
    if not heirs:
        return None
    names = ", ".join(dict.fromkeys(found.component(each).title for each in heirs))
    uses = sum(each.count for each in best.uses)
    cost = f": {uses} place{'' if uses == 1 else 's'} in the code name what is replaced" if uses else ""
    return f"its makers name {names}{cost}"


plugin = Upkeep()
