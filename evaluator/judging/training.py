"""Trainings: which of them count, what the planned ones would cost, and from how many steps on the order turns.

A fast training of another model, or to a worse one, says nothing (rigour.md, "Correctness before speed", 1 and 2). What
counts is not compared by the seconds of its few steps, but by what the scenario's plan would take: `measure.training`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import msgspec

from evaluator.core.outcome import Outcome
from evaluator.core.quantities import percent, quantity, seconds, significant
from evaluator.core.records import FRAMEWORKS, NO_PLAN, Cell, TrainPlan
from evaluator.core.scorecard import Interval, Reply, Training, TrainingCost
from evaluator.core.turns import undisturbed
from evaluator.judging import extrapolating
from evaluator.judging.evidence import Entry, Evidence, Gap
from evaluator.measure import pairs
from evaluator.measure.training import Cost, turning_point

FIRST_STEPS = 3  # later on, rounding grows from step to step and the curves part for no reason
STEP = "step"  # the samples of a training's steps
EQUIVALENCE = "equivalence"  # the stage that shows that both take the same step
_LEAST_S = 1e-9  # of a step: less cannot have been measured
_PARTS = ("import_s", "build_s", "time_to_first_step_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """The rounds of one way to train."""

    entries: tuple[Entry, ...]

    @property
    def cost(self) -> Cost:
        """What it costs: the medians of the rounds."""
        costs = [cost(entry) for entry in self.entries]
        return Cost(start_s=median(each.start_s for each in costs), step_s=median(each.step_s for each in costs))

    @property
    def blocks(self) -> pairs.Rounds:
        """What a step took in each quiet block, by round and turn."""
        told = {entry.step.round: {t: s for t, s in entry.medians(STEP).items() if s > 0} for entry in self.entries}
        return {number: blocks for number, blocks in told.items() if blocks}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting(Rounds):
    """A framework's training that counts, with its rounds."""

    subject: str

    @property
    def spoiled(self) -> bool:
        """Whether there would be blocks enough, had others not disturbed them."""
        own = [block.quiet for entry in self.entries for block in entry.blocks.blocks if block.track == STEP]
        return len(own) >= pairs.LEAST_PAIRS and not all(own)

    @property
    def steps(self) -> tuple[tuple[float, ...], ...]:
        """The steps in steady state, round by round."""
        return tuple(steady(entry) for entry in self.entries)


def look(evidence: Evidence, scenario: str, device: str, framework: str) -> Counting | Gap:
    """Return a framework's training, or why it does not count; every round has to."""
    subject = f"training in {evidence.title(framework)}"
    entries = evidence.select("train", scenario=scenario, framework=framework, device=device)
    if not entries:
        return Gap(subject=subject, state=Outcome.UNAVAILABLE, reason="not part of this run")
    unlike = different_steps(evidence, scenario, device)
    if unlike is not None:
        reason, remedy = unlike.result.reason or "", unlike.result.remedy
        return Gap(subject=subject, state=Outcome.FAILED, reason=reason, remedy=remedy, entries=(*entries, unlike))
    for entry in entries:
        found = _refused(evidence, entry, subject)
        if found is not None:
            return found
    return Counting(subject=subject, entries=entries)


def different_steps(evidence: Evidence, scenario: str, device: str) -> Entry | None:
    """Return the step that showed the frameworks to train differently; it says nothing of which of them is right."""
    compared = evidence.select(EQUIVALENCE, scenario=scenario, device=device)
    return next((entry for entry in compared if entry.result.outcome is Outcome.FAILED), None)


def cost(entry: Entry) -> Cost:
    """Return what one round of a training cost; what runs of before did not measure is no part of it."""
    start = sum(entry.number(part) or 0.0 for part in _PARTS)
    return Cost(start_s=start, step_s=entry.number("step_s") or 0.0)


def steady(entry: Entry) -> tuple[float, ...]:
    """Return the seconds of the steps in steady state, of quiet blocks where there are any.

    Runs of before had no blocks, and kept the first step among the others.
    """
    values = entry.values(STEP)
    own = [block for block in entry.blocks.blocks if block.track == STEP]
    if not own:
        return values if entry.number("build_s") is not None else values[1:] or values
    return undisturbed(own, values)


def planned(evidence: Evidence, scenario: str) -> tuple[TrainPlan, int] | None:
    """Return what a scenario plans, and its batch size; None where the run has no batch size on record.

    What is no plan, as in a run from before there were any, counts as not given.
    """
    train: Any = evidence.run.scenarios.get(scenario, {}).get("train")
    try:
        plan = msgspec.convert(train["plan"], TrainPlan)
    except (TypeError, KeyError, msgspec.ValidationError):
        plan = NO_PLAN
    batch_size = int(evidence.setting(scenario, "train", "batch_size", default=0))
    return (plan, batch_size) if batch_size else None


def trainings(evidence: Evidence) -> tuple[Training, ...]:
    """Return what each planned training would cost where at least one framework's counts.

    Runs of version 1, which are judged as in their day, planned none.
    """
    found = []
    for scenario in () if evidence.old_rules else evidence.scenarios:
        plan = planned(evidence, scenario)
        for device in evidence.run.devices:
            looked = {name: look(evidence, scenario, device, name) for name in FRAMEWORKS}
            counting = {name: one for name, one in looked.items() if isinstance(one, Counting)}
            if counting and plan is not None:
                found.append(_training(evidence, (scenario, device), plan, counting))
    return tuple(found)


def with_turning_points(cells: Iterable[Cell], found: Iterable[Training]) -> tuple[Cell, ...]:
    """Return the cells, those of trainings with the number of steps from which the order turns, where there is one."""
    points = {(each.scenario, each.device): each.turning_point_steps for each in found}
    return tuple(_with(cell, points.get((cell.scenario, cell.device))) for cell in cells)


def _with(cell: Cell, point: int | None) -> Cell:
    if point is None or cell.stage != "train" or cell.outcome is not Outcome.PASSED or cell.variant:
        return cell
    return msgspec.structs.replace(cell, metrics={**cell.metrics, "turning_point_steps": point})


def step_ratio(evidence: Evidence, counting: Mapping[str, Counting]) -> tuple[Interval | None, Reply | None]:
    """Return how the steps of both compare in the same turns, pytorch / tensorflow, and which answer that is.

    Steps that were not measured in turns have no interval, hence no answer.
    """
    if len(counting) < len(FRAMEWORKS):
        return None, None
    first, second = (counting[name] for name in FRAMEWORKS)
    spoiled = all(one.spoiled for one in (first, second))
    found = pairs.ratio(first.blocks, second.blocks)
    if found is None or found.error is None:
        value = first.cost.step_s / second.cost.step_s
        return Interval(value=value, low=None, high=None), "disturbed" if spoiled else "undecided"
    repeats = [again for one in (first, second) if (again := pairs.repeat(one.blocks)) is not None]
    margin = evidence.margin(first.entries[0].step.scenario)
    interval = found.interval(pairs.CONFIDENCE if found.rounds >= pairs.CARRYING else pairs.LOOKS[-1])
    return interval, pairs.answer(interval, margin, repeats)


def _training(
    evidence: Evidence, place: tuple[str, str], plan: tuple[TrainPlan, int], counting: Mapping[str, Counting]
) -> Training:
    about, batch_size = plan
    steps = about.steps(batch_size)
    ratio, reply = step_ratio(evidence, counting)
    point, told, extrapolated = (None, "", "")
    if ratio is not None:
        costs = {evidence.title(name): counting[name].cost for name in FRAMEWORKS}
        claimed = {evidence.title(name): total for name, total in about.claimed.items()}
        point, told = turning(costs, ratio, reply, steps)
        extrapolated = extrapolating.sentence(costs, claimed, about.claimed_by, reply)
    return Training(
        scenario=place[0],
        device=place[1],
        examples=about.examples,
        epochs=about.epochs,
        batch_size=batch_size,
        source=about.source,
        steps=steps,
        arithmetic=f"{about.examples:,} examples in batches of {batch_size:,} are {steps // about.epochs:,} steps, "
        f"{_times(about.epochs)}: {steps:,} steps",
        costs={name: _cost(one, steps) for name, one in counting.items()},
        step_ratio=ratio,
        turning_point_steps=point,
        turning_point=told,
        extrapolated=extrapolated,
    )


def _cost(one: Counting, steps: int) -> TrainingCost:
    """Write down what a framework's training costs, with its arithmetic as a sentence."""
    parts = {name: _part(one, name) for name in (*_PARTS, "evaluation_s")}
    words = zip(("import", "build", "first step"), (parts[name] for name in _PARTS), strict=True)
    known = ", ".join(f"{word} {seconds(value)}" for word, value in words if value is not None)
    cost = one.cost
    return TrainingCost(
        import_s=parts["import_s"],
        build_s=parts["build_s"],
        first_step_s=parts["time_to_first_step_s"] or 0.0,
        step_s=cost.step_s,
        evaluation_s=parts["evaluation_s"],
        fixed_s=cost.fixed_s,
        planned_s=cost.total_s(steps),
        arithmetic=f"{seconds(cost.fixed_s)} ({known}, less one step) + {steps:,} steps of {seconds(cost.step_s)} = "
        f"{seconds(cost.total_s(steps))}",
    )


def _part(one: Counting, name: str) -> float | None:
    found = [value for entry in one.entries if (value := entry.number(name)) is not None]
    return median(found) if found else None


def turning(costs: Mapping[str, Cost], ratio: Interval, reply: Reply | None, steps: int) -> tuple[int | None, str]:
    """Return the number of steps from which the order turns, None where there is none to name, and a sentence.

    `costs` by the frameworks' titles, in the order of the ratio. There is a number where the steps are shown to differ,
    and the one with the longer step starts earlier.
    """
    (first, a), (second, b) = costs.items()
    early, late = (first, second) if a.start_s <= b.start_s else (second, first)
    lead = abs(a.start_s - b.start_s)
    starts = f"{early} starts {seconds(lead)} earlier, {_worth(lead / min(a.step_s, b.step_s))}"
    if reply == "equivalent":
        return None, f"none: a step takes both the same time; {starts}"
    if reply != "different":
        why = "the machine was too disturbed to tell" if reply == "disturbed" else "it is undecided"
        return None, f"not known: {why} whose step is shorter; {starts}"
    shorter = first if ratio.value < 1 else second
    point = turning_point(a, b, ratio.value)
    if point is None or shorter == early:
        return None, f"none: {shorter} is ahead at any number of steps, it starts earlier and its steps are shorter"
    ends = [turning_point(a, b, end) for end in (ratio.low, ratio.high) if end is not None]
    between = sorted(end for end in ends if end is not None)
    told = f" ({_steps(between[0])} to {_steps(between[-1])})" if len(between) > 1 else ""
    ahead = f"{early} is ahead below {_steps(point)} steps{told}, {late} above"
    return round(point), f"{ahead}; planned are {steps:,}"


def _worth(steps: float) -> str:
    if steps < 1:
        return "less than a step takes"
    return f"the time of {quantity(steps, 'count')} step{'s' * (round(steps) != 1)}"


def _steps(number: float) -> str:
    """Write a number of steps as it is known: to two digits."""
    return f"{float(f'{number:.2g}'):,.0f}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _refused(evidence: Evidence, entry: Entry, subject: str) -> Gap | None:
    """Say why a round of training does not count, or None when it does."""
    result = entry.result
    if not entry.passed:
        reason = result.reason or result.outcome.value
        return Gap(subject=subject, state=result.outcome, reason=reason, remedy=result.remedy, entries=(entry,))
    paired = evidence.paired(entry.step.scenario)
    start = _start_difference(evidence, entry.step.scenario) if paired else 0.0
    accuracy, target = _learnt(evidence, entry)
    if start is None or accuracy is None or target is None or not _timed(entry):
        return Gap(
            subject=subject,
            state=Outcome.UNAVAILABLE,
            reason="the start parity, the accuracy or the time of the training is missing",
            remedy="evaluate both frameworks in one run",
            entries=(entry,),
        )
    tolerance = evidence.setting(entry.step.scenario, "start_tolerance", default=evidence.policy.start_tolerance)
    if start > tolerance:
        return Gap(
            subject=subject,
            state=Outcome.FAILED,
            reason=f"the two models differ before training: {significant(start)} relative, "
            f"allowed are {significant(tolerance)}",
            remedy="make both definitions of the model compute the same from the same weights",
            entries=(entry,),
        )
    apart = _first_losses_apart(evidence, entry) if paired else 0.0
    if apart > evidence.policy.first_losses_tolerance:
        return Gap(
            subject=subject,
            state=Outcome.FAILED,
            reason=f"the two trainings are not the same: their first {FIRST_STEPS} losses differ by {percent(apart)}",
            remedy="make optimiser, data order and loss compute the same in both frameworks",
            entries=(entry,),
        )
    if accuracy < target:
        return Gap(
            subject=subject,
            state=Outcome.FAILED,
            reason=f"the held-out accuracy of {percent(accuracy)} misses the target of {percent(target)}",
            remedy="train longer (a larger profile), or correct the target in the scenario file",
            entries=(entry,),
        )
    return None


def _learnt(evidence: Evidence, entry: Entry) -> tuple[float | None, float | None]:
    """Return the accuracy and the target; (1, 0) of a model of one's own that has no right answers to be counted."""
    accuracy, target = entry.number("heldout_accuracy"), entry.number("accuracy_target")
    if accuracy is None and target is None and evidence.own(entry.step.scenario):
        return 1.0, 0.0
    return accuracy, target


def _timed(entry: Entry) -> bool:
    """Tell whether the parts are there that a planned training is made of."""
    first, step = entry.number("time_to_first_step_s"), entry.number("step_s")
    return first is not None and step is not None and first >= 0 and step >= _LEAST_S and bool(steady(entry))


def _first_losses_apart(evidence: Evidence, entry: Entry) -> float:
    """Return how far the first losses lie from the other framework's in the same round; 0 when there is no other."""
    step = entry.step
    twins = evidence.select("train", scenario=step.scenario, device=step.device, round=step.round)
    own = entry.values("loss")[:FIRST_STEPS]
    others = [twin.values("loss")[:FIRST_STEPS] for twin in twins if twin.step.framework != step.framework]
    return max((abs(a - b) / abs(a) for other in others for a, b in zip(own, other, strict=False) if a), default=0.0)


def _start_difference(evidence: Evidence, scenario: str) -> float | None:
    """Return how far the two frameworks lay apart before training; either one's record of it proves both."""
    entries = evidence.select("train", scenario=scenario)
    found = [entry.number("max_rel_diff", between="frameworks") for entry in entries]
    return max((difference for difference in found if difference is not None), default=None)
