"""From findings to scores: weights, coverage, bounds, gates, verdict. Pure; the rules are in rigour.md.

What weighs how much is the policy's (`core.policy`). A finding weighs by its risk. What was measured on the embedded
reference server counts in part: it says something, and something is missing. In a category with weights w, measured
shares m (1, the provisional share or 0) and scores s:

    score    = sum(w m s) / sum(w m)
    coverage = sum(w m) / sum(w)
    lower    = score * coverage                       (everything missing scores 0)
    upper    = score * coverage + 10 * (1 - coverage) (everything missing scores 10)

A candidate's overall score is the mean of its categories' scores by category weight; coverage and bounds are the same
means over all categories, so that a category without evidence counts as missing and never drops out.

Sums are `fsum`: the built-in one rounds otherwise since Python 3.12, and a run must score the same on every Python.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import fsum, isfinite
from typing import Literal

import msgspec

from evaluator.core import metrics
from evaluator.core.criteria import Criteria, CriteriaUsed, NamedCriteria
from evaluator.core.outcome import Outcome
from evaluator.core.policy import Policy
from evaluator.core.quantities import percent, quantity
from evaluator.core.records import Cell
from evaluator.core.scorecard import (
    CandidateScore,
    CategoryScore,
    Comparison,
    Curve,
    Finding,
    Interval,
    Scorecard,
)
from evaluator.core.targets import FIGURES, Target
from evaluator.judging import fitting, gates, targets, training, utilisation, variants
from evaluator.judging.evidence import Entry, Evidence
from evaluator.measure import statistics

# Kind of doubt -> what the scorecard says about it, [of one|of several]. `place` is the worst case.
_SENTENCES = {
    "capped": "{count} measurement[|s] ended at the time cap before the profile's minimum of queries, such as {place}: "
    "percentiles that would need more are left out.",
    "reference": "{count} server[ was|s were] the embedded reference server, such as {place}: provisional figures.",
    "old": "{count} container image[ rests|s rest] on a system whose regular security support has ended, such as "
    "{place}.",
    "unstable": "{count} measurement[|s] had not settled; in {place} a third of the samples lies {amount} off. "
    "Close other programs and measure again.",
    "noisy": "{count} measurement[ varies|s vary] by more than 2.5 %, most in {place} ({amount}).",
    "disturbed": "In {count} measurement[|s] others had the machine during some blocks, which are left out of "
    "comparisons; most in {place} ({amount}). Close other programs, or begin with --wait-for-quiet 600.",
    "awake": "{count} candidate[|s] did not sleep while others were asked, above all {place}: a core was busy in "
    "{amount} of that time.",
    "greedy": "{count} candidate[|s] used more cores than given, above all {place} ({amount} of them).",
    "outliers": "{count} measurement[ holds|s hold] outliers, which were kept; the most in {place} ({amount}).",
}
_FORMS = re.compile(r"\[([^|\]]*)\|([^\]]*)\]")
_SHARES = ("unstable", "noisy", "disturbed", "awake", "greedy")  # kinds whose amount is a share
_AWAKE_FROM = 0.01  # of a core, while others are asked: what sleeps takes less
_GREEDY_FROM = 1.1  # times the cores that it was given

OF_A_STAGE = ("upkeep", "ease")  # categories whose findings come from the stage of the same name

Verdict = Literal["ready", "not ready", "insufficient evidence"]


def assemble(
    evidence: Evidence, findings: Sequence[Finding], comparisons: Sequence[Comparison], cells: Sequence[Cell]
) -> Scorecard:
    """Put the scorecard together. It takes its date from the run: scoring again gives the same bytes."""
    policy, judged_by = _policy(evidence)
    weighed = tuple(msgspec.structs.replace(f, risk=policy.risk(f.risk, f.device)) for f in findings)
    scores = score_candidates(weighed, evidence.frameworks, evidence.scenarios, policy)
    trainings = variants.trainings(evidence)
    return Scorecard(
        fweval=evidence.run.fweval,
        run=evidence.run.id,
        created_at=evidence.run.created_at,
        profile=evidence.run.profile.name,
        policy=policy,
        scenarios={name: _summary(evidence, name) for name in evidence.scenarios},
        machine=evidence.run.machine,
        scores=scores,
        comparisons=tuple(comparisons),
        robustness=None,  # `decision` says
        findings=weighed,
        warnings=warnings(evidence),
        curves=curves(evidence),
        cells=utilisation.with_utilisation(training.with_turning_points(cells, trainings)),
        device_classes=evidence.run.device_classes,
        trainings=trainings,
        utilisation=utilisation.utilisations(cells),
        edge=fitting.table(evidence),
        titles=evidence.catalogue.titles,
        archived=evidence.catalogue.archived,
        criteria=judged_by,
    )


def rescored(card: Scorecard, criteria: Criteria, sha256: str = "", *, whole: bool = False) -> Scorecard:
    """Return the scorecard of the same findings under other criteria: points, scores and verdicts.

    Who is to be taken by them, and how firm that is, `decision.decided` says of what this returns.
    Figures that the criteria have no target for keep the points that they have. Comparisons stay as they are, the
    margin with them: they are answered from the samples. Categories that the run was not asked about are left out;
    with `whole`, they are missing.
    """
    unasked = () if whole else _unasked_of(card)
    policy = _without(criteria.policy, unasked)
    policy = msgspec.structs.replace(policy, margin=card.policy.margin, margin_declared=card.policy.margin_declared)
    findings = tuple(retargeted(each, policy.targets) for each in card.findings)
    frameworks = tuple(dict.fromkeys(score.candidate for score in card.scores))
    scores = score_candidates(findings, frameworks, tuple(card.scenarios), policy)
    before = card.criteria
    was = None if before is None else NamedCriteria(name=before.record.name, sha256=before.sha256)
    judged_by = CriteriaUsed(record=criteria, sha256=sha256, fixed=False, before=was, unasked=unasked)
    rescored: Scorecard = msgspec.structs.replace(
        card,
        policy=policy,
        findings=findings,
        scores=scores,
        robustness=None,
        decision=None,
        criteria=judged_by,
    )
    return rescored


def retargeted(found: Finding, declared: Mapping[str, Target]) -> Finding:
    """Return a finding with the points that a figure has by the target that is declared for it, if one is."""
    name = next((name for name in declared if gates.answers(found, name)), None)
    if name is None or found.value is None or found.metric is None or found.unit != FIGURES[name].unit:
        return found
    interval = found.interval or Interval(value=found.value, low=None, high=None)
    subject = found.reason.partition(": ")[0].partition(" with ")[2] or found.subject
    answer = targets.score(declared[name], found.metric, found.unit, (interval, subject))
    held = found.check != "serving_load" or found.value >= declared[name].full
    return msgspec.structs.replace(
        found,
        state=answer.state if held else Outcome.FAILED,
        score=answer.score,
        reason=answer.reason,
        target=answer.target,
        baseline=answer.baseline,
        formula=answer.formula,
    )


def _policy(evidence: Evidence) -> tuple[Policy, CriteriaUsed | None]:
    """Return the policy, without categories that the run was not asked about, and the criteria that it is of."""
    unasked = _unasked(evidence)
    criteria = evidence.criteria
    judged_by = None if criteria is None else msgspec.structs.replace(criteria, unasked=unasked)
    return _without(evidence.policy, unasked), judged_by


def _without(policy: Policy, unasked: Collection[str]) -> Policy:
    """Leave categories out of a policy: nothing is missing there. One of nothing else keeps them, as missing."""
    kept = {name: weight for name, weight in policy.categories.items() if name not in unasked}
    return msgspec.structs.replace(policy, categories=kept) if kept else policy


def _unasked(evidence: Evidence) -> tuple[str, ...]:
    """Return the categories that are no matter of this run: of trainings where nothing is trained, and of stages.

    What --only and --skip left out of a run that could have had it is missing, and lowers the coverage.
    """
    planned = {entry.step.stage for entry in evidence.entries}
    known = evidence.catalogue.titles.get("stage", {}) if evidence.run.only or evidence.run.skip else {}
    trains = any(evidence.trains(name) for name in evidence.scenarios)
    stages = (name for name in OF_A_STAGE if name not in planned and name not in known)
    return (*(() if trains else ("training",)), *stages)


def _unasked_of(card: Scorecard) -> tuple[str, ...]:
    """Return the same of a scorecard; of one without criteria, of what its policy leaves out what nothing is found."""
    if card.criteria is not None:
        return card.criteria.unasked
    found = {finding.category for finding in card.findings}
    stages = (name for name in OF_A_STAGE if name not in found)
    return (*(() if "training" in card.policy.categories else ("training",)), *stages)


def score_candidates(
    findings: Iterable[Finding], frameworks: Sequence[str], scenarios: Sequence[str], policy: Policy
) -> tuple[CandidateScore, ...]:
    """Score each framework in each scenario, then over all of them (`scenario` None)."""
    known: dict[tuple[str, str | None], list[Finding]] = {}
    for finding in findings:
        for place in (finding.scenario, None):
            known.setdefault((finding.candidate, place), []).append(finding)
    return tuple(
        _candidate((framework, scenario), known.get((framework, scenario), ()), scenarios, policy)
        for scenario in (*scenarios, None)
        for framework in frameworks
    )


def curves(evidence: Evidence) -> tuple[Curve, ...]:
    """Return the loss of the first round of every training, and the latency of every server at every rate."""
    trained = ((entry, _finite(entry.samples.get("loss", ()))) for entry in evidence.select("train", round=1))
    losses = (
        Curve(
            scenario=entry.step.scenario,
            framework=entry.step.framework,
            device=entry.step.device,
            name="training loss",
            unit="",
            x_name="step",
            x=tuple(float(step) for step, _ in points),
            y=tuple(loss for _, loss in points),
        )
        for entry, points in trained
        if points
    )
    return (*losses, *(curve for entry in evidence.select("load") for curve in _under_load(evidence, entry)))


def _finite(losses: Sequence[float]) -> list[tuple[int, float]]:
    """Return the steps that have a loss which is a number: of a training that diverged, those before."""
    return [(step, loss) for step, loss in enumerate(losses, start=1) if isfinite(loss)]


def _under_load(evidence: Evidence, entry: Entry) -> Iterator[Curve]:
    """Return the tail latency of one server against the rate that was offered, wire by wire."""
    figures = entry.result.figures
    for wire in ("rest", "grpc"):
        shares = sorted(float(each.labels.get("share", 0)) for each in metrics.select(figures, "rate_per_s", wire=wire))
        for tail in ("p50", str(entry.result.metrics.get("tail", "p50"))):
            points = [
                (
                    entry.number("rate_per_s", wire=wire, share=share),
                    entry.number("latency_s", wire=wire, share=share, statistic=tail),
                )
                for share in shares
            ]
            known = [(rate, latency) for rate, latency in points if rate is not None and latency is not None]
            if known:
                yield Curve(
                    scenario=entry.step.scenario,
                    framework=entry.step.framework,
                    device=entry.step.device,
                    name=f"latency over {metrics.wire(wire)}, {tail}",
                    unit="s",
                    x_name="requests per second",
                    subject=evidence.server(entry),
                    x=tuple(rate for rate, _ in known),
                    y=tuple(latency for _, latency in known),
                )


def warnings(evidence: Evidence) -> tuple[str, ...]:
    """Say what a reader of the figures should know: one sentence for each kind of doubt, naming the worst case."""
    found = []
    profile = evidence.run.profile
    if profile.rounds < 3 and any(entry.passed for entry in evidence.select("run")):
        rounds = f"{profile.rounds} round{'' if profile.rounds == 1 else 's'}"
        guarded = (
            "intervals are of blocks within one start, widened by what two starts of the same artifact differ"
            if any(entry.blocks.blocks for entry in evidence.select("run"))
            else "what is not measured in turns has an interval from three on only, and nothing is decided without"
        )
        found.append(f"Profile {profile.name} measures {rounds}: {guarded}. Profile quick has three.")
    quota = evidence.run.machine.cpu_quota_cores
    if quota is not None:
        found.append(
            f"A limit allowed the time of {quota:.3g} cores: who used it up stood still for the rest of each period, "
            "which lengthens tails. Cores of its own (cpuset) instead of a quota would not."
        )
    doubts = [doubt for entry in evidence.entries if entry.passed for doubt in _doubts(evidence, entry)]
    for kind, sentence in _SENTENCES.items():
        cases = [(amount, place) for which, amount, place in doubts if which == kind]
        if cases:
            amount, place = max(cases)
            told = percent(amount) if kind in _SHARES else quantity(amount, "count")
            worded = _FORMS.sub(r"\1" if len(cases) == 1 else r"\2", sentence)
            found.append(worded.format(count=len(cases), amount=told, place=place))
    return (*found, *_groups(evidence))


def _candidate(
    about: tuple[str, str | None], findings: Sequence[Finding], every: Sequence[str], policy: Policy
) -> CandidateScore:
    """Score one framework, in one scenario or over all of them, from its findings on the paths that are asked about."""
    framework, scenario = about
    scenarios = every if scenario is None else (scenario,)
    findings = [found for found in findings if policy.about(found.path)]
    categories = tuple(_category(name, findings, policy) for name in policy.categories)
    total = fsum(policy.categories.values())
    coverage = fsum(c.weight * c.coverage for c in categories) / total
    measured = [(c.weight, c.score) for c in categories if c.score is not None]
    weighed = fsum(weight for weight, _ in measured)
    overall = fsum(weight * score for weight, score in measured) / weighed if measured else None
    weakest = min((c for c in categories if c.score is not None), key=lambda c: c.score or 0.0, default=None)
    failed = tuple(_gate(f) for f in findings if f.gate and f.state.is_answer and f.state is not Outcome.PASSED)
    asked = gates.judge(policy.gates, findings, scenarios)
    capped = tuple(dict.fromkeys((*failed, *asked.failed)))
    stood_in = () if policy.stand_in_suffices else gates.stood_in(findings)
    unanswered = tuple(dict.fromkeys((*stood_in, *asked.open)))
    return CandidateScore(
        candidate=framework,
        scenario=scenario,
        overall=overall,
        lower=fsum(c.weight * c.lower for c in categories) / total,
        upper=fsum(c.weight * c.upper for c in categories) / total,
        coverage=coverage,
        weakest=weakest.category if weakest else None,
        weakest_score=weakest.score if weakest else None,
        verdict=_verdict(overall, coverage, capped, unanswered, policy),
        gates=capped,
        open_gates=unanswered,
        categories=categories,
    )


def _category(name: str, findings: Iterable[Finding], policy: Policy) -> CategoryScore:
    """Score one category by the formulas at the top of this module."""
    weight = policy.categories[name]
    own = [f for f in findings if f.category == name and f.state is not Outcome.NOT_APPLICABLE]
    applicable = fsum(policy.risks[f.risk] for f in own)
    shares = [(policy.risks[f.risk] * (policy.provisional_share if f.provisional else 1.0), f.score) for f in own]
    measured = fsum(share for share, score in shares if score is not None)
    if not measured:
        return CategoryScore(category=name, weight=weight, score=None, lower=0.0, upper=10.0, coverage=0.0)
    earned = fsum(share * score for share, score in shares if score is not None)
    coverage = measured / applicable
    return CategoryScore(
        category=name,
        weight=weight,
        score=earned / measured,
        lower=earned / applicable,
        upper=min(10.0, earned / applicable + 10 * (1 - coverage)),
        coverage=coverage,
    )


def _verdict(
    overall: float | None, coverage: float, failed: Sequence[str], unanswered: Sequence[str], policy: Policy
) -> Verdict:
    """Decide: a failed gate is an answer, whatever else is missing; else too little evidence decides nothing.

    So does a must-have that nobody could look at: what it would say might cap the verdict.
    """
    if failed:
        return "not ready"
    if overall is None or coverage < policy.least_coverage:
        return "insufficient evidence"
    if overall < policy.least_score:
        return "not ready"
    return "insufficient evidence" if unanswered else "ready"


def _gate(finding: Finding) -> str:
    return f"{finding.scenario}: {finding.check.replace('_', ' ')} of {finding.subject}: {finding.reason}"


def _doubts(evidence: Evidence, entry: Entry) -> list[tuple[str, float, str]]:
    """Return why the figures of one step deserve doubt, as (kind, amount, place)."""
    place = entry.step.title(evidence.titles)
    doubts = []
    if entry.result.metrics.get("capped") is True:
        doubts.append(("capped", 0.0, place))
    if entry.reference and entry.step.stage == "serve":
        doubts.append(("reference", 0.0, place))
    ended = entry.result.metrics.get("image_end_of_life")
    if isinstance(ended, str) and ended < evidence.run.created_at[: len(ended)]:
        doubts.append(("old", 0.0, f"{place} (since {ended})"))
    doubts += [(kind, amount, place) for kind, amount in _manners(entry)]
    for name in ("latency", "rest", "grpc"):
        doubts += [(kind, amount, place) for kind, amount in _unsteady(entry.samples.get(name, ()))]
    return doubts


def _manners(entry: Entry) -> Iterator[tuple[str, float]]:
    """Yield what happened while it was measured in turns, as (kind, amount)."""
    spoiled, idle, own = (entry.number(name) or 0.0 for name in ("disturbed_share", "idle_cores", "own_cores"))
    given = float(entry.step.settings.get("threads", 0))
    if spoiled:
        yield "disturbed", spoiled
    if idle > _AWAKE_FROM:
        yield "awake", idle
    if given and own > _GREEDY_FROM * given:
        yield "greedy", own / given


def _groups(evidence: Evidence) -> Iterator[str]:
    """Say of what was to be compared and was never alive together how it was measured."""
    found: dict[tuple[str, str, str, int], set[frozenset[str]]] = {}
    for entry in evidence.entries:
        if entry.blocks.together:
            step = entry.step
            key = (step.stage, step.scenario, step.device, step.round)
            found.setdefault(key, set()).add(frozenset(entry.blocks.together))
    apart = {key: groups for key, groups in found.items() if len(groups) > 1}
    titles = {entry.step.id: entry.step.title(evidence.titles) for entry in evidence.entries} if apart else {}
    for (stage, scenario, _, number), groups in apart.items():
        shared = sorted(titles.get(each, each) for each in frozenset.intersection(*groups))
        through = f"compared through {', '.join(shared)}" if shared else "which share nothing to compare them through"
        yield (
            f"Candidates of {scenario} ({stage}, round {number}) were measured in {len(groups)} groups, {through}: "
            "they did not fit into memory together, or the run was resumed."
        )


def _unsteady(samples: Sequence[float]) -> list[tuple[str, float]]:
    """Return what is unusual about a series of samples, as (kind, amount)."""
    if not samples:
        return []
    doubts = []
    drift = statistics.stability(samples)
    if drift is not None and drift > statistics.UNSTABLE_ABOVE:
        doubts.append(("unstable", drift))
    variation = statistics.coefficient_of_variation(samples)
    if variation is not None and variation > statistics.NOISY_ABOVE:
        doubts.append(("noisy", variation))
    far = len(statistics.outliers(samples))
    if far:
        doubts.append(("outliers", float(far)))
    return doubts


def _summary(evidence: Evidence, scenario: str) -> str:
    """Return the scenario's one-line summary."""
    return str(evidence.run.scenarios[scenario].get("summary", ""))
