"""Time to quality: how long a framework trains until the scenario's target on held-out data is reached. Pure.

    time to quality = fixed + steps * step

Steps are counted by the stage `learn`, the median over its seeds; fixed costs and the step are the training's, which
was measured in turns. Evaluation is no part of it. A seed that did not get there takes longer than any other; with more
than one of them a framework has no time to quality (MLPerf Training drops the fastest and the slowest of five runs:
https://github.com/mlcommons/training_policies/blob/master/training_rules.adoc, section 12).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from evaluator.core.learning import Learning, Seed, TimeToQuality
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import percent, seconds
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Curve
from evaluator.judging import training
from evaluator.judging.evidence import Entry, Evidence, Gap
from evaluator.measure import pairs
from evaluator.measure.training import Cost

STAGE = "learn"
ACCURACY = "heldout_accuracy"
MOST_MISSED = 1  # seeds that may not get there
MANY = 5  # seeds, from which on the fastest and the slowest are left out
ENOUGH = 3  # seeds, from which on their order is mentioned
_MISSED = (Outcome.FAILED, Outcome.CRASHED, Outcome.TIMED_OUT)  # of steps: tried, and not got there
_LOSS, _SHARE = "", "share"  # units


def times_to_quality(evidence: Evidence) -> tuple[TimeToQuality, ...]:
    """Return how long each framework takes to the target, of every scenario that was trained until there."""
    found = []
    for scenario in evidence.scenarios:
        for device in evidence.run.devices:
            tried = {name: entries for name in FRAMEWORKS if (entries := _tried(evidence, scenario, device, name))}
            if tried:
                found.append(_time(evidence, (scenario, device), tried))
    return tuple(found)


def reached(entry: Entry) -> bool | None:
    """Tell whether a step got to its target; None where that is not known."""
    if entry.passed:
        return True
    return False if entry.result.outcome in _MISSED else None


def spread(times: Sequence[float]) -> tuple[float, float] | None:
    """Return the least and the most of what seeds took, infinity for one that did not get there.

    Of five or more without the fastest and the slowest. None without any that got there.
    """
    ordered = sorted(times)
    kept = [each for each in (ordered[1:-1] if len(ordered) >= MANY else ordered) if math.isfinite(each)]
    return (kept[0], kept[-1]) if kept else None


def middle(times: Sequence[float]) -> float | None:
    """Return the median of what seeds took; None where more than one did not get there, or that is in the middle."""
    if not times or sum(not math.isfinite(each) for each in times) > MOST_MISSED:
        return None
    found = median(times)
    return found if math.isfinite(found) else None


def curves(evidence: Evidence) -> tuple[Curve, ...]:
    """Return held-out accuracy by step, and loss by second, of the first seed in each framework."""
    return tuple(
        curve
        for entry in evidence.select(STAGE, round=1)
        for curve in (_accuracy(entry), _loss(evidence, entry))
        if curve is not None
    )


def _tried(evidence: Evidence, scenario: str, device: str, framework: str) -> tuple[Entry, ...]:
    found = evidence.select(STAGE, scenario=scenario, device=device, framework=framework)
    return tuple(entry for entry in found if reached(entry) is not None)


def _time(evidence: Evidence, place: tuple[str, str], tried: Mapping[str, Sequence[Entry]]) -> TimeToQuality:
    scenario, device = place
    told = [entry for entries in tried.values() for entry in entries]
    known = {name: _learning(evidence, place, name, entries) for name, entries in tried.items()}
    target = _most(told, "accuracy_target") or 0.0
    return TimeToQuality(
        scenario=scenario,
        device=device,
        target=target,
        every=int(_most(told, "evaluated_every") or 0),
        most_steps=int(_most(told, "most_steps") or 0),
        frameworks=known,
        statement=_statement(target, {evidence.title(name): each for name, each in known.items()}),
    )


def _learning(evidence: Evidence, place: tuple[str, str], name: str, entries: Sequence[Entry]) -> Learning:
    """Return how long one framework takes, with the arithmetic, or why that is not known."""
    seeds = tuple(_seed(entry) for entry in entries)
    counts = [math.inf if each.steps is None else float(each.steps) for each in seeds]
    steps = middle(counts)
    trained = training.look(evidence, *place, name)
    cost = _cost(trained)
    missed = _missed(seeds)
    if steps is None:
        return Learning(seeds=seeds, arithmetic=f"no time to quality: {missed}")
    if isinstance(cost, str):
        return Learning(seeds=seeds, steps=steps, arithmetic=f"no time to quality: {cost}")
    ends = spread(counts)
    total = cost.total_s(steps)
    how = "" if len(seeds) == 1 else f", the median of {len(seeds)} seeds"
    return Learning(
        seeds=seeds,
        steps=steps,
        seconds=total,
        least_s=None if ends is None else cost.total_s(ends[0]),
        most_s=None if ends is None else cost.total_s(ends[1]),
        arithmetic=f"{seconds(cost.fixed_s)} fixed + {steps:,g} steps of {seconds(cost.step_s)} = "
        f"{seconds(total)}{how}{f'; {missed}' if missed else ''}",
    )


def _cost(trained: training.Counting | Gap) -> Cost | str:
    """Return what start and step cost, or why that is not known."""
    if isinstance(trained, Gap):
        return f"the seconds of its steps do not count ({trained.reason})"
    blocks = [block for entry in trained.entries for block in entry.blocks.blocks if block.track == training.STEP]
    if len(blocks) >= pairs.LEAST_PAIRS > sum(block.quiet for block in blocks):
        return "the machine was too disturbed while its steps were timed"
    return trained.cost


def _seed(entry: Entry) -> Seed:
    steps = entry.number("steps_to_target")
    return Seed(
        number=entry.step.round,
        seed=int(entry.number("seed") or 0),
        steps=None if steps is None or not entry.passed else int(steps),
        best_accuracy=entry.number("best_accuracy"),
        loading_share=entry.number("loading_share"),
        reason="" if entry.passed else entry.result.reason or entry.result.outcome.value,
        evidence=entry.folder,
    )


def _missed(seeds: Sequence[Seed]) -> str:
    """Say how many did not get there, and why the first of them did not; nothing where all did."""
    missed = [each for each in seeds if each.steps is None]
    if not missed:
        return ""
    return f"{len(missed)} of {len(seeds)} seed{'s' * (len(seeds) > 1)} did not get there: {missed[0].reason}"


def _statement(target: float, known: Mapping[str, Learning]) -> str:
    """Say in a sentence what each framework takes, and what their seeds say of the order."""
    told = ", ".join(_after(title, each) for title, each in known.items())
    return f"{percent(target)} of the held-out examples are right {told}{_order(known)}"


def _after(title: str, learning: Learning) -> str:
    if learning.steps is None:
        return f"at no time that is known in {title}"
    how_long = "seconds not known" if learning.seconds is None else seconds(learning.seconds)
    return f"after {learning.steps:,g} steps in {title} ({how_long})"


def _order(known: Mapping[str, Learning]) -> str:
    """Say what the seeds say of who is there first. They are no interval: nobody is ahead by them alone."""
    if len(known) < len(FRAMEWORKS) or any(each.seconds is None for each in known.values()):
        return ""
    (first, a), (second, b) = known.items()
    count = min(len(a.seeds), len(b.seeds))
    if count < ENOUGH:
        return f"; {'one seed' if count == 1 else f'{count} seeds'} each: too few to say who is there first"
    if a.least_s is None or b.least_s is None or a.most_s is None or b.most_s is None:
        return ""
    if a.most_s < b.least_s or b.most_s < a.least_s:
        return f"; {first if a.most_s < b.least_s else second} is there first with any of the seeds"
    return "; their seeds overlap: not told apart"


def _accuracy(entry: Entry) -> Curve | None:
    every, steps = entry.number("evaluated_every"), entry.number("steps")
    seen = _points(entry.samples.get(ACCURACY, ()))
    if not seen or not every or not steps:
        return None
    x = tuple(min(every * number, steps) for number, _ in seen)
    return _curve(entry, "held-out accuracy", (_SHARE, "step"), x, tuple(value for _, value in seen))


def _loss(evidence: Evidence, entry: Entry) -> Curve | None:
    """Draw the loss over the seconds that its steps take by the training's figures; they were not timed here."""
    step = entry.step
    cost = _cost(training.look(evidence, step.scenario, step.device, step.framework))
    seen = _points(entry.samples.get("loss", ()))
    if not seen or isinstance(cost, str):
        return None
    x = tuple(cost.total_s(number) for number, _ in seen)
    return _curve(entry, "loss", (_LOSS, "second"), x, tuple(value for _, value in seen))


def _curve(entry: Entry, name: str, units: tuple[str, str], x: tuple[float, ...], y: tuple[float, ...]) -> Curve:
    step, (unit, along) = entry.step, units
    return Curve(
        scenario=step.scenario,
        framework=step.framework,
        device=step.device,
        name=name,
        unit=unit,
        x_name=along,
        x=x,
        y=y,
    )


def _points(values: Sequence[float]) -> list[tuple[int, float]]:
    """Return what is a number, each with its place from 1 on."""
    return [(number, value) for number, value in enumerate(values, start=1) if math.isfinite(value)]


def _most(entries: Sequence[Entry], name: str) -> float | None:
    return max(_known(entries, name), default=None)


def _known(entries: Sequence[Entry], name: str) -> Iterator[float]:
    return (value for entry in entries if (value := entry.number(name)) is not None)
