"""Which path to take, question by question: the set of the best, and what separates the next. Pure.

Candidates are set against the best of them as in `ranking`: with one error rate over all pairs of a question. What was
proven wrong, or is not proven, takes no part, and is counted with its reason. Where nothing is known of how far two
figures are off, nobody is shown to be worse, and that is said.
"""

from math import log

from evaluator.core import answers
from evaluator.core.quantities import times
from evaluator.core.scorecard import Absent, Candidate, Interval, PathChoice, Reply
from evaluator.judging import candidates
from evaluator.judging.candidates import Path
from evaluator.judging.evidence import Evidence
from evaluator.judging.questions import QUESTIONS, Question
from evaluator.judging.ranking import Standing, Worse, in_turns, like_itself, standing
from evaluator.measure import pairs
from evaluator.measure.pairs import Estimate

STARTS = 0.01  # of the logarithm of a peak of memory, from start to start of one artifact


def choices(evidence: Evidence) -> tuple[PathChoice, ...]:
    """Answer every question in every scenario, on each device on which there is something to say.

    A question that nobody asked is named with what asks it, where others were asked.
    """
    found = [
        (question, scenario, _in(evidence, question, scenario))
        for question in QUESTIONS
        for scenario in evidence.scenarios
    ]
    asked = {scenario for _, scenario, answered in found if answered}
    return tuple(
        choice
        for question, scenario, answered in found
        if scenario in asked
        for choice in answered or (_unasked(evidence, question, scenario),)
    )


def _in(evidence: Evidence, question: Question, scenario: str) -> tuple[PathChoice, ...]:
    """Answer a question on the first device that was asked for, and on others where somebody takes part."""
    choices = []
    for device in evidence.run.devices:
        found = candidates.paths(evidence, question, scenario, device)
        if found and (device == evidence.run.devices[0] or any(each.absent is None for each in found)):
            choices.append(_choice(evidence, question, (scenario, device), found))
    return tuple(choices)


def _unasked(evidence: Evidence, question: Question, scenario: str) -> PathChoice:
    return PathChoice(
        question=question.name,
        title=question.title,
        scenario=scenario,
        device=evidence.run.devices[0],
        metric=question.metric,
        unit=question.unit,
        lower_is_better=question.lower_is_better,
        separates=f"not asked in this run: {question.command}",
        caution=question.caution,
    )


def _choice(evidence: Evidence, question: Question, place: tuple[str, str], found: list[Path]) -> PathChoice:
    scenario, device = place
    taking = [each for each in found if each.absent is None]
    margin = evidence.margin(scenario)
    able = {each.evidence: each for each in taking if _able(question, each)}
    found_out = standing(list(able), _worse(question, able), margin)
    known = found_out.behind or _best_alone(able)
    if not known:
        unranked = [each for each in taking if _disturbed(question, each)]
        best, others = [each for each in taking if not _disturbed(question, each)], []
        best.sort(key=lambda each: _figure(question, each))
    else:
        best = sorted((able[name] for name in found_out.best or known), key=lambda each: known[each.evidence].log)
        others = sorted((able[name] for name in found_out.slower), key=lambda each: known[each.evidence].log)
        unranked = [each for each in taking if each.evidence not in known]
    one = _Writer(evidence, question, found_out, margin)
    return PathChoice(
        question=question.name,
        title=question.title,
        scenario=scenario,
        device=device,
        metric=question.metric,
        unit=question.unit,
        lower_is_better=question.lower_is_better,
        best=tuple(one.written(each, first=number == 0) for number, each in enumerate(best)),
        others=tuple(one.written(each) for each in others),
        unranked=tuple(one.written(each) for each in unranked),
        absent=_absent(found),
        separates=one.separates(best, others, unranked),
        caution=question.caution,
        margin=margin,
        error=1 - pairs.CONFIDENCE,
    )


def _best_alone(able: dict[str, Path]) -> dict[str, Estimate]:
    """Return the only candidate that there is, against itself."""
    return {name: Estimate(log=0.0, error=0.0, pairs=0, rounds=0) for name in able} if len(able) == 1 else {}


def _able(question: Question, path: Path) -> bool:
    """Tell whether a candidate can be compared at all."""
    if question.pairing == "turns":
        return bool(path.blocks) and not _disturbed(question, path)
    return bool(path.by_round) and question.pairing != "none"


def _disturbed(question: Question, path: Path) -> bool:
    return question.pairing == "turns" and (path.spoiled or not like_itself(path.blocks))


def _worse(question: Question, able: dict[str, Path]) -> Worse:
    """Return what says how many times as bad as a second candidate a first one is."""
    if question.pairing == "turns":
        return in_turns({name: each.blocks for name, each in able.items()})

    def compared(a: str, b: str) -> Estimate | None:
        first, second = able[a].by_round, able[b].by_round
        if question.pairing == "starts":
            return pairs.once(first, second, STARTS)
        ratio = log(next(iter(first.values())) / next(iter(second.values())))
        return Estimate(log=ratio, error=0.0, pairs=1, rounds=1)

    return compared


def _figure(question: Question, path: Path) -> float:
    """Return what candidates are sorted by where nothing is known of who is worse: the best figure first."""
    if path.figure is None:
        return float("inf")
    return path.figure.value if question.lower_is_better else -path.figure.value


def _absent(found: list[Path]) -> tuple[Absent, ...]:
    reasons: dict[str, list[str]] = {}
    for each in found:
        if each.absent is not None:
            reasons.setdefault(each.absent, []).append(each.title)
    return tuple(Absent(why=why, titles=tuple(titles)) for why, titles in reasons.items())


class _Writer:
    """Writes candidates and what separates them down, as far as it is known."""

    def __init__(self, evidence: Evidence, question: Question, found: Standing, margin: float) -> None:
        self._evidence = evidence
        self._question = question
        self._found = found
        self._margin = margin

    def written(self, path: Path, *, first: bool = False) -> Candidate:
        """Return a candidate as it stands in the scorecard."""
        step = path.step
        ratio = Interval(value=1.0, low=1.0, high=1.0) if first else self._ratio(path)
        return Candidate(
            title=path.title,
            framework=step.framework,
            exporter=step.exporter,
            format=step.format,
            precision=step.precision,
            runtime=step.runtime,
            server=step.server,
            launcher=step.launcher,
            variant=step.variant,
            baseline=path.baseline,
            figure=path.figure,
            ratio=ratio,
            answer=None if first else self._reply(path),
            evidence=path.evidence,
        )

    def separates(self, best: list[Path], others: list[Path], unranked: list[Path]) -> str:
        """Say what separates the next: how many times, or why that is not known."""
        if not best:
            if not unranked:
                return "no path was proven and measured"
            known = [each.others for each in unranked if each.others is not None]
            guests = max(each.guests for each in unranked)
            return f"too disturbed to rank: {answers.remedy(max(known, default=None), guests)}"
        told = self._among(best)
        if others:
            near = others[0]
            ratio = self._ratio(near)
            amount = "" if ratio is None else times(ratio.value)
            ends = "" if ratio is None or ratio.low == ratio.high else f" ({answers.ends(ratio)})"
            behind = f"{self._question.behind.format(times=amount)}{ends}"
            return "; ".join(filter(None, (told, f"the next, {near.title}, {behind}")))
        if len(best) == 1 and not told:
            left = "" if not unranked else f"; {len(unranked)} could not be ranked"
            return f"no other path was {'proven' if self._question.browser else 'measured'}{left}"
        return told

    def _among(self, best: list[Path]) -> str:
        """Say how sure it is that several are equally good."""
        if len(best) == 1:
            return ""
        replies = {self._reply(each) for each in best[1:]}
        if replies == {"equivalent"}:
            return f"equivalent within ±{100 * self._margin:.3g} %"
        if self._question.pairing == "none" or not self._found.behind:
            return f"undecided between {len(best)}: too little was measured for an interval"
        return f"undecided between {len(best)}: more rounds would tell"

    def _ratio(self, path: Path) -> Interval | None:
        estimate = self._found.behind.get(path.evidence)
        return None if estimate is None else estimate.interval(self._found.confidence)

    def _reply(self, path: Path) -> Reply:
        """Say how a candidate stands to the first of the best."""
        if path.evidence in self._found.slower:
            return "different"
        ratio = self._ratio(path)
        if ratio is None:
            return "disturbed" if _disturbed(self._question, path) else "undecided"
        told = pairs.answer(ratio, self._margin)
        return "undecided" if told == "different" else told
