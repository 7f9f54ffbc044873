"""Claimed ratios and amounts, tested on the figures of cells, by the samples and blocks behind them. Pure.

What was measured in the same turns is compared in pairs of blocks (`measure.pairs`); else rounds carry an interval from
three on. Without either a ratio decides nothing. An amount has the interval of its median, or of its percentile: a
printed percentile is what the true one does not exceed with 99 % confidence, and the lower end is found the same way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import product
from math import log
from statistics import median

import msgspec

from evaluator.core import answers, metrics
from evaluator.core.claims import (
    CONTRADICTED,
    NOT_TESTABLE,
    SUPPORTED,
    UNDECIDED,
    UNITS,
    AmountTest,
    Instance,
    RatioTest,
    Verdict,
    Where,
)
from evaluator.core.metrics import Key
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import quantity, significant
from evaluator.core.records import Cell
from evaluator.core.scorecard import Interval, Scorecard
from evaluator.core.turns import undisturbed
from evaluator.judging.choosing import STARTS
from evaluator.judging.evidence import Entry
from evaluator.judging.ranking import like_itself
from evaluator.judging.scoring import OF_A_STAGE
from evaluator.measure import pairs
from evaluator.measure.pairs import Estimate, Rounds
from evaluator.measure.statistics import median_interval, tail

TAIL_CONFIDENCE = 0.99  # of both ends of a percentile
_EXACT = (metrics.COUNTED, metrics.DECLARED)
_INVERSE = ("throughput_per_s", "saturation_per_s", "examples_per_s")  # rates, whose tracks are in seconds
_TRACKS = {
    "throughput_per_s": "throughput",
    "neighbour_latency_s": "neighbour",
    "step_s": "step",
    "examples_per_s": "step",
}
_STAND_IN = "a stand-in answered for {title}, which says nothing of it"
_REAL = "serve it by the real server: fweval doctor says what is lacking here"
ONE_ALONE = "evaluate both frameworks: leave out --framework"
_QUICK = "a profile with three rounds: --profile quick"


@dataclass(frozen=True, slots=True)
class Measured:
    """A scorecard, and what its cells rest on: the folder of a step -> what it left behind."""

    card: Scorecard
    entries: Mapping[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Subject:
    """The rounds of one subject, and the figure that is asked about."""

    cells: tuple[Cell, ...]
    key: Key
    entries: tuple[Entry, ...]  # empty where only the scorecard is known

    @property
    def by_round(self) -> dict[int, float]:
        """The figure of each round, where it is above zero."""
        found = {cell.round: _number(cell, self.key) for cell in self.cells}
        return {number: value for number, value in found.items() if value is not None and value > 0}

    @property
    def track(self) -> str | None:
        """The track whose samples are what the figure is made of; None where none is."""
        return _track(self.cells[0].stage, self.key)

    @property
    def blocks(self) -> Rounds:
        """The medians of quiet blocks, by round and turn."""
        told = {e.step.round: {t: s for t, s in e.medians(self.track or "").items() if s > 0} for e in self.entries}
        return {number: each for number, each in told.items() if each}

    @property
    def spoiled(self) -> bool:
        """Whether others disturbed so many of its blocks that it cannot be ranked."""
        own = [block.quiet for e in self.entries for block in e.blocks.blocks if block.track == self.track]
        return len(own) >= pairs.LEAST_PAIRS > sum(own) or not like_itself(self.blocks)

    @property
    def samples(self) -> tuple[float, ...]:
        """The samples of all rounds that nobody disturbed, in seconds."""
        track = self.track
        if track is None:
            return ()
        found: list[float] = []
        for each in self.entries:
            own = [block for block in each.blocks.blocks if block.track == track]
            found += undisturbed(own, each.samples.get(track, ()))
        return tuple(found)


def ratios(measured: Measured, test: RatioTest) -> tuple[Instance, ...]:
    """Test a claimed ratio wherever both sides were measured and are otherwise the same."""
    key = metrics.key(test.metric, **test.labels)
    of, to = (_subjects(measured, where, key) for where in (test.of, test.to))
    lacking = next((where for where, found in ((test.of, of), (test.to, to)) if not found), None)
    if lacking is not None:
        return (_absent(measured.card, lacking, key),)
    both = [(a, b) for a, b in product(of, to) if a is not b and _alike(a, b, test.same)]
    if not both:
        what = " and ".join(test.same)
        return (Instance(asked=_asked(key), verdict=NOT_TESTABLE, reason=f"no two cells have the same {what}"),)
    confidence = 1 - (1 - pairs.CONFIDENCE) / len(both)
    return tuple(_ratio(measured, test, one, confidence) for one in both)


def amounts(measured: Measured, test: AmountTest) -> tuple[Instance, ...]:
    """Test a claimed amount on every subject that is meant."""
    key = metrics.key(test.metric, **test.labels)
    found = _subjects(measured, test.where, key)
    if not found:
        return (_absent(measured.card, test.where, key),)
    return tuple(_amount(measured.card, test, one) for one in found)


def against(ratio: Interval, *, lower: bool, margin: float) -> Verdict | None:
    """Say whether a ratio is below 1 by more than the margin (`lower`), or above it; None where both are equivalent."""
    answer = pairs.answer(ratio, margin)
    if answer == "equivalent":
        return None
    if answer != "different":
        return UNDECIDED
    return SUPPORTED if (ratio.value < 1) is lower else CONTRADICTED


def _subjects(measured: Measured, where: Where, key: Key) -> tuple[_Subject, ...]:
    """Return what has the figure, subject by subject; no stand-in for a server is one."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in measured.card.cells:
        if _meant(cell, where) and _usable(cell) and metrics.find(cell, key) is not None:
            groups.setdefault(cell.key("stage", "model", "artifact", "place"), []).append(cell)
    known = measured.entries
    return tuple(
        _Subject(
            tuple(cells),
            key,
            tuple(known[c.evidence] for c in cells) if all(c.evidence in known for c in cells) else (),
        )
        for cells in groups.values()
    )


def _usable(cell: Cell) -> bool:
    return cell.outcome is Outcome.PASSED and cell.metrics.get("reference") is not True


def _meant(cell: Cell, where: Where) -> bool:
    """Tell whether a cell is one of a selection."""
    named = {name: value for name, value in msgspec.structs.asdict(where).items() if value is not None}
    if cell.control or (cell.variant is not None and "variant" not in named):
        return False
    if not cell.standard and not named.keys() & {"exporter", "precision", "variant"}:
        return False
    return all(fnmatchcase(_coordinate(cell, name), value) for name, value in named.items())


def _coordinate(cell: Cell, name: str) -> str:
    value = getattr(cell, name)
    return ("fp32" if name == "precision" and cell.format else "") if value is None else str(value)


def _absent(card: Scorecard, where: Where, key: Key) -> Instance:
    """Say why nothing has the figure: what came of an attempt says more than why there was none."""
    meant = [cell for cell in card.cells if _meant(cell, where)]
    asked = _asked(key, ", ".join(str(value) for value in msgspec.structs.asdict(where).values() if value is not None))
    reason, missing = "no step of this run looked at it", _command(card, where)
    stood_in = [cell for cell in meant if cell.metrics.get("reference") is True]
    failed = [cell for cell in meant if cell.outcome is not Outcome.PASSED]
    others = [cell for cell in meant if _usable(cell) and metrics.select(cell.figures, key.name)]
    if others:
        has = ", ".join(
            dict.fromkeys(_labels(each.labels) for c in others for each in metrics.select(c.figures, key.name))
        )
        reason, missing = (
            f"{key.name} was not measured for {_labels(key.labels)} (it has {has})",
            "a longer profile prints higher percentiles",
        )
    elif stood_in:
        reason, missing = _STAND_IN.format(title=card.title("server", str(stood_in[0].server))), _REAL
    elif failed:
        reason = failed[0].reason or f"the step ended as {failed[0].outcome.value.replace('_', ' ')}"
        missing = failed[0].remedy or missing
    evidence = tuple(cell.evidence for cell in (others or stood_in or failed)[:3])
    return Instance(asked=asked, verdict=NOT_TESTABLE, reason=reason, missing=missing, evidence=evidence)


def _command(card: Scorecard, where: Where) -> str:
    scenario = where.scenario or ""
    plain = scenario and not any(sign in scenario for sign in "*?[")
    if plain and scenario not in card.scenarios:
        return f"fweval full {scenario}"
    if where.framework is None and len({score.candidate for score in card.scores}) == 1:
        return ONE_ALONE
    if where.stage in OF_A_STAGE and not any(cell.stage == where.stage for cell in card.cells):
        return f"fweval {where.stage}"
    if where.exporter is not None or where.precision is not None:
        return "every exporter at every precision: fweval export --matrix"
    return "see --only, --skip and --device of the run"


def _labels(labels: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in labels.items()) or "all"


def _asked(key: Key, where: str = "") -> str:
    labels = f" ({_labels(key.labels)})" if key.labels else ""
    return ", ".join(filter(None, (f"{key.name}{labels}", where)))


def _told(card: Scorecard, one: _Subject) -> str:
    cell = one.cells[0]
    about = cell.title(card.names, parts=("artifact", "place"))
    return ", ".join(filter(None, (cell.scenario, answers.NAMES.get(cell.framework, cell.framework), about)))


def _alike(a: _Subject, b: _Subject, same: Iterable[str]) -> bool:
    return a.cells[0].stage == b.cells[0].stage and all(
        getattr(a.cells[0], name) == getattr(b.cells[0], name) for name in same
    )


def _ratio(measured: Measured, test: RatioTest, both: tuple[_Subject, _Subject], confidence: float) -> Instance:
    a, b = both
    card, about = measured.card, metrics.metric(test.metric)
    evidence = tuple(cell.evidence for one in both for cell in one.cells)
    asked = f"{_asked(a.key)}: {_told(card, a)} to {_told(card, b)}"
    estimate = _estimate(measured, a, b)
    if estimate is None:
        return Instance(asked=asked, verdict=NOT_TESTABLE, reason="a figure is missing, or zero", evidence=evidence)
    exact = about.provenance in _EXACT
    found = estimate.interval(confidence)
    spoiled = not exact and estimate.error is None and any(one.spoiled for one in both)
    verdict = UNDECIDED if spoiled else _by_ratio(test, found, card.policy.margin)
    told = f"the ratio is {answers.ends(found) if found.low != found.high else significant(found.value)}"
    reason, missing = told, ""
    if verdict is None:
        verdict, reason = CONTRADICTED, f"equivalent within ±{100 * card.policy.margin:.3g} %: {told}"
    elif spoiled:
        reason, missing = "others disturbed too many of the blocks", answers.REMEDY
    elif verdict == UNDECIDED:
        bare = found.low is None
        reason = f"{told} without an interval" if bare else f"{told}: the interval does not decide it"
        missing = _QUICK if estimate.rounds < pairs.CARRYING else "measure longer: --profile full"
    held = (
        None
        if test.claimed is None or found.low is None or found.high is None
        else found.low <= test.claimed <= found.high
    )
    if held is not None:
        reason += (
            f"; claimed is {significant(test.claimed or 0)}, which lies {'in' if held else 'outside of'} the interval"
        )
    return Instance(
        asked=asked,
        verdict=verdict,
        reason=reason,
        value=found.value,
        low=None if exact else found.low,
        high=None if exact else found.high,
        ratio="the first / the second",
        claimed=test.claimed,
        inside=held,
        evidence=evidence,
        missing=missing,
    )


def _by_ratio(test: RatioTest, found: Interval, margin: float) -> Verdict | None:
    """Set a ratio against what is claimed of it; None where equivalence contradicts a claimed difference."""
    if test.direction is not None:
        return against(found, lower=test.direction == "lower", margin=margin)
    return _beyond(found, test.above, test.below)


def _beyond(found: Interval, above: float | None, below: float | None) -> Verdict:
    """Tell whether an interval lies above or below a number as a whole."""
    low, high = found.low, found.high
    if above is not None:
        yes, no = low is not None and low >= above, high is not None and high < above
    else:
        yes, no = (
            high is not None and below is not None and high <= below,
            low is not None and below is not None and low > below,
        )
    return SUPPORTED if yes else CONTRADICTED if no else UNDECIDED


def _estimate(measured: Measured, a: _Subject, b: _Subject) -> Estimate | None:
    """Return the ratio of a figure, of blocks in the same turns where there are any, else of rounds."""
    first, second = a.by_round, b.by_round
    if metrics.metric(a.key.name).provenance in _EXACT:
        if not first or not second:
            return None
        ratio = log(median(first.values()) / median(second.values()))
        return Estimate(log=ratio, error=0.0, pairs=1, rounds=1)
    if a.track is not None and a.blocks and b.blocks and not (a.spoiled or b.spoiled):
        found = pairs.between(a.blocks, b.blocks, _companions(measured, a))
        if found is not None:
            return found.inverse if a.key.name in _INVERSE else found
    return pairs.once(first, second, STARTS if a.key.name == "peak_rss_bytes" else None)


def _companions(measured: Measured, one: _Subject) -> Iterable[Rounds]:
    """Return the blocks of all that it may have been in turns with."""
    cell, track = one.cells[0], one.track or ""
    found: dict[object, dict[int, Mapping[int, float]]] = {}
    for each in measured.entries.values():
        if each.passed and (each.step.stage, each.step.scenario, each.step.device) == (
            cell.stage,
            cell.scenario,
            cell.device,
        ):
            blocks = {turn: seconds for turn, seconds in each.medians(track).items() if seconds > 0}
            if blocks:
                found.setdefault(msgspec.structs.replace(each.step, round=1).key(), {})[each.step.round] = blocks
    return found.values()


def _amount(card: Scorecard, test: AmountTest, one: _Subject) -> Instance:
    unit = metrics.metric(test.metric).unit
    factor = UNITS.get(unit, {}).get(test.unit, 1.0)
    above, below = (None if each is None else each * factor for each in (test.above, test.below))
    found = _interval(one)
    evidence = tuple(cell.evidence for cell in one.cells)
    asked = _asked(one.key, _told(card, one))
    spoiled = bool(one.entries) and one.spoiled
    exact = found.low == found.high == found.value
    verdict = UNDECIDED if spoiled else _beyond(found, above, below)
    told, bound = _written(found, unit), quantity((above if above is not None else below) or 0.0, unit)
    reason, missing = f"{told}; claimed is {'above' if above is not None else 'below'} {bound}", ""
    if spoiled:
        reason, missing = f"{reason}: others disturbed too many of the blocks", answers.REMEDY
    elif verdict == UNDECIDED:
        bare = found.low is None and found.high is None
        reason = f"{reason}: {'measured without an interval' if bare else 'the interval does not decide it'}"
        missing = _QUICK if bare and len(one.cells) < pairs.CARRYING else "measure longer: --profile full"
    told_amount = None if test.claimed is None else test.claimed * factor
    held = None
    if told_amount is not None and found.low is not None and found.high is not None:
        held = found.low <= told_amount <= found.high
        where = "in" if held else "outside of"
        reason = f"{reason}; the claimed {quantity(told_amount, unit)} lies {where} the interval"
    return Instance(
        asked=asked,
        verdict=verdict,
        reason=reason,
        value=found.value,
        low=None if exact else found.low,
        high=None if exact else found.high,
        unit=unit,
        claimed=told_amount,
        inside=held,
        evidence=evidence,
        missing=missing,
    )


def _written(found: Interval, unit: str) -> str:
    """Write a figure with what is known of its interval."""
    value = quantity(found.value, unit)
    if found.low is None and found.high == found.value:
        return f"at most {value}"
    if found.low is None or found.high is None or found.low == found.high:
        return value
    if found.high == found.value:
        return f"{quantity(found.low, unit)} to {value}"
    return f"{value} ({quantity(found.low, unit)} to {quantity(found.high, unit)})"


def _interval(one: _Subject) -> Interval:
    """Return a figure with its interval: of its samples, of its rounds, or as the step has it."""
    name, statistic = one.key.name, str(one.key.labels.get("statistic", ""))
    if statistic not in ("", "median"):
        return _percentile(one, float(statistic.removeprefix("p")) / 100)
    values = one.by_round
    middle = median(values.values()) if values else _plain(one)
    if metrics.metric(name).provenance in _EXACT:
        return Interval(value=middle, low=middle, high=middle)
    samples = one.samples
    if samples:
        return _of_samples(name, samples, middle)
    figure = metrics.find(one.cells[0], one.key)
    if len(one.cells) == 1 and figure is not None and figure.low is not None:
        return Interval(value=middle, low=figure.low, high=figure.high)
    start = STARTS / 2**0.5 if name == "peak_rss_bytes" else None  # of one figure, not of a ratio of two
    estimate = pairs.once(values, dict.fromkeys(values, 1.0), start)
    return Interval(value=middle, low=None, high=None) if estimate is None else estimate.interval()


def _of_samples(name: str, samples: Sequence[float], middle: float) -> Interval:
    """Return the interval of the median of samples; of a rate, whose samples are seconds, the other way round."""
    found = median_interval(samples)
    if name not in _INVERSE:
        return found
    if found.low is None or found.high is None or not found.low > 0:
        return Interval(value=middle, low=None, high=None)
    return Interval(value=middle, low=middle * found.value / found.high, high=middle * found.value / found.low)


def _plain(one: _Subject) -> float:
    return median(value for cell in one.cells if (value := _number(cell, one.key)) is not None)


def _percentile(one: _Subject, p: float) -> Interval:
    """Return a percentile between two order statistics, each end of which holds with 99 % confidence."""
    samples = one.samples
    upper = tail(samples, p, TAIL_CONFIDENCE) if samples else None
    if upper is None:
        value = _plain(one)
        return Interval(value=value, low=None, high=value)  # what is printed is such a bound already
    return Interval(value=upper, low=_least(samples, p), high=upper)


def _least(samples: Sequence[float], p: float) -> float | None:
    """Return what the `p` quantile is not below, with that confidence: so many samples beyond it are no chance."""
    from scipy.special import bdtrc

    ordered = sorted(samples, reverse=True)
    for count, value in enumerate(ordered, start=1):
        if float(bdtrc(count - 1, len(ordered), 1 - p)) <= 1 - TAIL_CONFIDENCE:
            return value
    return None


def _track(stage: str, key: Key) -> str | None:
    """Return the track whose samples a figure is made of, as its stage names it."""
    wire = str(key.labels.get("wire", ""))
    if key.name == "saturation_per_s":
        return f"{wire}_batched" if key.labels.get("batching") is True else wire or None
    if key.name == "latency_s":
        return {"run": "latency", "edge": "latency", "serve": wire or None}.get(stage)
    return _TRACKS.get(key.name)


def _number(cell: Cell, key: Key) -> float | None:
    found = metrics.find(cell, key)
    return None if found is None else metrics.number(found.value)
