"""Ways to take a training step, side by side: what each costs, from when on it pays, and which is a framework's best.

The best is chosen by half of the blocks and judged by the other half: whoever picks the fastest of many by the same
figures that he then shows, flatters it. Halves are pairs of turns, whose orders mirror each other. Like is compared
with like: full precision with full precision.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from msgspec.structs import replace

from evaluator.core.outcome import Outcome
from evaluator.core.quantities import seconds as in_seconds
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Interval, Reply, Training, VariantCost
from evaluator.judging import training
from evaluator.judging.evidence import Entry, Evidence
from evaluator.judging.quality_reached import reached
from evaluator.judging.training import planned, steady
from evaluator.measure import pairs
from evaluator.measure.parity import PARTS
from evaluator.measure.statistics import median_interval
from evaluator.measure.training import Cost, turning_point

FULL = "fp32"
_LEAST_BLOCKS = 4  # of the half that chooses


def chooses(turn: int) -> bool:
    """Tell whether the blocks of a turn choose the best; the others judge it."""
    return (turn // 2) % 2 == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way(training.Rounds):
    """A way to take a training step, with its rounds."""

    framework: str
    variant: str | None
    precision: str

    @property
    def passed(self) -> bool:
        """Whether all rounds have figures."""
        return all(entry.passed and steady(entry) for entry in self.entries)

    def choosing_s(self, steps: int) -> float | None:
        """Return what that many steps take by the blocks that choose; None where too few were quiet."""
        found = [seconds for blocks in self.blocks.values() for turn, seconds in blocks.items() if chooses(turn)]
        if len(found) < _LEAST_BLOCKS:
            return None
        return Cost(start_s=self.cost.start_s, step_s=median(found)).total_s(steps)


def ways(evidence: Evidence, scenario: str, device: str) -> tuple[Way, ...]:
    """Return every way that was planned on a device: each framework's default, then its variants."""
    found: dict[tuple[str, str | None], list[Entry]] = {}
    for entry in evidence.everything("train", scenario):
        if entry.step.device == device and not entry.step.control:
            found.setdefault((entry.step.framework, entry.step.variant), []).append(entry)
    ordered = sorted(found, key=lambda key: (FRAMEWORKS.index(key[0]), key[1] is not None, key[1] or ""))
    return tuple(
        Way(
            framework=framework,
            variant=variant,
            precision=evidence.catalogue.precisions.get(variant or "", FULL),
            entries=tuple(found[framework, variant]),
        )
        for framework, variant in ordered
    )


def best(evidence: Evidence, scenario: str, device: str, framework: str, precision: str = FULL) -> Way | None:
    """Return a framework's way that takes least for what is planned, by the blocks that choose; None without figures.

    The default is one of them. One that trained to the target and did not get there is none.
    """
    plan = planned(evidence, scenario)
    known = [
        way for way in ways(evidence, scenario, device) if (way.framework, way.precision) == (framework, precision)
    ]
    return None if plan is None else _quickest(evidence, known, plan[0].steps(plan[1]))


def _quickest(evidence: Evidence, alike: Sequence[Way], steps: int) -> Way | None:
    """Return the best of a framework's ways in one precision; None where what may be it has too few quiet blocks."""
    able = [way for way in alike if way.passed and not _missed(evidence, way)]
    known = {way.variant: (total, way) for way in able if (total := way.choosing_s(steps)) is not None}
    if alike and alike[0].precision == FULL and None not in known:  # others may have had a quiet minute that it had not
        return None
    if not known:
        return None
    quickest = min(known.values(), key=lambda one: one[0])[1]
    unknown = (way for way in able if way.variant not in known)
    may_be_quicker = any(way.cost.total_s(steps) < quickest.cost.total_s(steps) for way in unknown)
    return None if may_be_quicker else quickest


def precisions(evidence: Evidence, scenario: str, device: str) -> tuple[str, ...]:
    """Return the precisions in which the best ways of both frameworks can be asked for.

    In full precision where a variant of either has figures; in another where both frameworks have a way.
    """
    known = [way for way in ways(evidence, scenario, device) if way.passed]
    full = [way for way in known if way.precision == FULL]
    others = sorted({way.precision for way in known} - {FULL})
    both = (each for each in others if {way.framework for way in known if way.precision == each} >= set(FRAMEWORKS))
    return (*([FULL] if any(way.variant for way in full) else []), *both)


def trainings(evidence: Evidence) -> tuple[Training, ...]:
    """Return what each planned training would cost, in every way to take a step."""
    return tuple(
        replace(each, variants=costs(evidence, each.scenario, each.device, each.steps))
        for each in training.trainings(evidence)
    )


def _missed(evidence: Evidence, way: Way) -> bool:
    """Tell whether it was shown not to get to the target, or to a good enough model: a fast way to a bad one."""
    if way.variant is None:
        return False
    place = way.entries[0].step
    return reached(evidence, place.scenario, way.framework, place.device, way.variant) is False


def costs(evidence: Evidence, scenario: str, device: str, steps: int) -> tuple[VariantCost, ...]:
    """Return what every way costs on a device; nothing where no variant was planned."""
    known = ways(evidence, scenario, device)
    if all(way.variant is None for way in known):
        return ()
    defaults = {way.framework: way for way in known if way.variant is None}
    chosen = _chosen(evidence, known, steps)
    made = (_cost(evidence, way, defaults.get(way.framework), steps) for way in known)
    return tuple(replace(one, best=(one.framework, one.precision, one.variant) in chosen) for one in made)


def _chosen(evidence: Evidence, known: Sequence[Way], steps: int) -> set[tuple[str, str, str | None]]:
    """Return framework, precision and variant of each best way."""
    kinds: dict[tuple[str, str], list[Way]] = {}
    for way in known:
        kinds.setdefault((way.framework, way.precision), []).append(way)
    found = ((kind, _quickest(evidence, alike, steps)) for kind, alike in kinds.items())
    return {(*kind, one.variant) for kind, one in found if one is not None}


def _cost(evidence: Evidence, way: Way, default: Way | None, steps: int) -> VariantCost:
    made = VariantCost(
        framework=way.framework,
        variant=way.variant,
        precision=way.precision,
        outcome=Outcome.PASSED,
        parity=max(_parities(way), default=None),
        blind=max(entry.number("parity_left_out", between="default") or 0.0 for entry in way.entries),
    )
    broken = next((entry.result for entry in way.entries if not entry.passed), None)
    if broken is not None or not way.passed:
        outcome, reason, remedy = (
            (broken.outcome, broken.reason, broken.remedy)
            if broken is not None
            else (Outcome.UNAVAILABLE, "its steps have no times", None)
        )
        return replace(made, outcome=outcome, reason=reason or outcome.value, remedy=remedy or "")
    made = replace(
        made,
        step_s=median_interval(tuple(value for entry in way.entries for value in steady(entry))),
        fixed_s=way.cost.fixed_s,
        planned_s=way.cost.total_s(steps),
    )
    return (
        made if way.variant is None or default is None or not default.passed else _against(evidence, made, way, default)
    )


def _parities(way: Way) -> Iterator[float]:
    for entry in way.entries:
        for part in PARTS:
            found = entry.number(f"{part}_parity", between="default")
            if found is not None:
                yield found


def _against(evidence: Evidence, made: VariantCost, way: Way, default: Way) -> VariantCost:
    """Compare a variant's step with its default's, and say from how many steps on it pays."""
    found = pairs.ratio(way.blocks, default.blocks)
    if found is None or found.error is None:
        spoiled = any(
            not block.quiet for one in (way, default) for entry in one.entries for block in entry.blocks.blocks
        )
        value = way.cost.step_s / default.cost.step_s
        reply: Reply = "disturbed" if spoiled else "undecided"
        bare = Interval(value=value, low=None, high=None)
        return replace(made, ratio=bare, answer=reply, pays=pays(way.cost, default.cost, bare, reply)[1])
    repeats = [again for one in (way, default) if (again := pairs.repeat(one.blocks)) is not None]
    interval = found.interval(pairs.CONFIDENCE)
    answer = pairs.answer(interval, evidence.margin(way.entries[0].step.scenario), repeats)
    point, told = pays(way.cost, default.cost, interval, answer)
    return replace(made, ratio=interval, answer=answer, pays_from_steps=point, pays=told)


def pays(variant: Cost, default: Cost, ratio: Interval, answer: Reply) -> tuple[int | None, str]:
    """Return from how many steps on a variant takes less than the default, None where there is none, and a sentence."""
    if answer != "different":
        return None, {
            "equivalent": "never: a step takes the same time",
            "disturbed": "not known: the machine was too disturbed",
        }.get(answer, "not known: it is undecided whose step is shorter")
    if ratio.value > 1:
        return None, "never: its step is longer"
    later = variant.start_s - default.start_s
    if later <= 0:
        return 1, "from the first step on"
    point = turning_point(variant, default, ratio.value)
    if point is None:
        return 1, "from the first step on"
    return round(point), f"from {float(f'{point:.2g}'):,.0f} steps on: it starts {in_seconds(later)} later"
