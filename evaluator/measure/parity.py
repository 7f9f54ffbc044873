"""Do two take the same training steps? What the first ones computed, compared part by part; tolerances are measured.

A training is traced over its first steps: what the network computes before any, the losses, the gradients of the first
step, and what that step changed. Two traces may differ by what rounding does to them. How much that is, is measured: by
the same training once more, and from weights of which every number is nudged up or down, in 32 bits by eight of its
last digits. Two frameworks add up in different orders, and so do layouts of memory; that is the same kind of change,
and was seen to be up to four times such a nudge in the first steps of ResNet-50, BERT and a small network. `FACTOR`
times is allowed.
D. S. Parker, "Monte Carlo arithmetic", 1997; the idea of a tolerance from a second run is TorchBench's.

In fewer bits a nudge by one digit is as coarse as the numbers, and products are added up in 32 bits all the same:
`COARSE` times is allowed there. Where that is as large as `BLIND`, a comparison could hardly fail: it is left out, and
counted.

Rounding can also turn a unit on or off whose input is next to nothing (ReLU), and that changes gradients of all layers
before it at once, by thousands of times as much: an event that happens or does not. A few nudges may have missed it, so
before two are called different, more are looked at (`noise` of them is joined to the reference's).

Differences are those of whole tensors, as vectors: |a - b| / |a|. What Adam makes of a gradient has nearly the same
size whatever the gradient's, so that one which is nothing but rounding decides a sign: an update is compared where both
have the same gradient to a hundredth, and may differ by as much more as the gradients differ there. (Whether they are
the same is a part of its own; in batch normalizations of ResNet-50 one number of a thousand has another sign in the
other framework.)
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evaluator.core.quantities import percent
from evaluator.core.records import Record
from evaluator.core.tensors import Array, Arrays

Part = Literal["forward", "gradient", "update", "statistics", "curve"]
Floats = NDArray[np.float64]
PARTS: tuple[Part, ...] = ("forward", "gradient", "update", "statistics", "curve")
FACTOR = 10.0  # times what a nudge does, in 32 bits
COARSE = 6.0  # times it in fewer
# Times the rounding of 32 bits are allowed, however quiet the repeats are. Gradients and statistics are sums over a
# batch and its positions, which are added up by methods of different accuracy: channels-last made a gradient of
# ResNet-50 differ by 1,600 units, a running mean by 1,800. A loss is one number, which nudges may happen not to move.
LEAST: Mapping[Part, float] = {
    "forward": 16.0,
    "gradient": 8192.0,
    "update": 16.0,
    "statistics": 8192.0,
    "curve": 1024.0,
}
LEAST_COARSE = 4.0  # times that of fewer
FAR = 1e9  # a difference without end, as a number that JSON has
BLIND = 0.9  # a whole tensor that may differ by so much of itself tells nothing: one of zeros differs by 1
ROUNDING = {"fp32": 2.0**-23, "tf32": 2.0**-10, "float16": 2.0**-10, "bfloat16": 2.0**-7}  # one unit in the last place
NUDGE = {"fp32": 8.0}  # units in the last place; one where there are few
SAME = 0.01  # two gradients that differ by so much of themselves have the same update,
SAME_COARSE = 0.1  # and in fewer bits: there are hardly any that are known better
UNDECIDABLE = 0.3  # two losses of a first step that may differ by so much tell nothing
_VARIANCE = "running_var"  # biased in Keras, unbiased in PyTorch: by 1 / (n - 1) of n values, of which a batch has more
_CORRECTION = 1 - 0.999  # Adam divides by it in the first step: in 32 bits a thousandth is left of a number's digits
_FEW = 4096  # numbers of a tensor that are kept of it
_STEP = "step {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What the first steps of a training computed, by name; of large tensors the chosen numbers only."""

    forward: Arrays  # outputs of the first batch, in evaluation mode, before any step
    curve: Arrays  # "step 1" -> its loss
    gradient: Arrays  # of the first step, as the optimizer took it
    update: Arrays  # what the first step added to what has a gradient,
    statistics: Arrays  # and to what has none, such as running means
    weights: Arrays  # before it

    def part(self, part: Part) -> Arrays:
        """Return one of its parts."""
        found: Arrays = getattr(self, part)
        return found


class Row(Record, frozen=True, kw_only=True):
    """One comparison: by how much two differ, what a nudge does, and what is allowed, all relative."""

    part: Part
    name: str
    difference: float
    noise: float
    allowed: float


class Parity(Record, frozen=True, kw_only=True):
    """What a trace's comparison with another one says; evidence of its step."""

    precision: str = "fp32"
    rows: tuple[Row, ...] = ()
    blind: tuple[str, ...] = ()  # what was not compared, as "part:name": rounding explains any difference of it
    breach: str = ""  # the first thing that is not the same, in words; empty: none

    def worst(self, part: Part) -> float | None:
        """Return the largest difference of a part, in units of what is allowed; None where it has none."""
        found = [row.difference / row.allowed for row in self.rows if row.part == part]
        return max(found, default=None)


Noise = Mapping[Part, Mapping[str, float]]  # by part and name, what rounding does to it, relative


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A trace with what rounding does to it, at one precision."""

    trace: Trace
    noise: Noise


def nudged(weights: Mapping[str, Any], precision: str, seed: int) -> Arrays:
    """Return weights of which each number is nudged up or down by `NUDGE` units in its last place, as the seed says."""
    generator = np.random.default_rng(seed)
    by = ROUNDING[precision] * NUDGE.get(precision, 1.0)
    return {
        name: (np.asarray(array) * (1 + by * generator.choice((-1.0, 1.0), array.shape))).astype(array.dtype)
        if array.dtype.kind == "f"
        else array
        for name, array in weights.items()
    }


def places(gradients: Mapping[str, Array], seed: int) -> dict[str, NDArray[np.int64]]:
    """Choose which numbers of large tensors are kept: half of them the largest, half drawn. Small ones are kept whole.

    Of an embedding, only rows that were used have a gradient: drawn numbers alone would miss them.
    """
    generator = np.random.default_rng(seed)
    chosen = {}
    for name, array in gradients.items():
        if array.size > _FEW:
            flat = np.abs(array.reshape(-1))
            largest = np.argpartition(flat, -_FEW // 2)[-_FEW // 2 :]
            drawn = generator.choice(array.size, _FEW // 2, replace=False)
            chosen[name] = np.union1d(largest, drawn).astype(np.int64)
    return chosen


def kept(arrays: Mapping[str, Array], chosen: Mapping[str, NDArray[np.int64]]) -> Arrays:
    """Return the chosen numbers of each array as a vector; of one that nobody chose from, evenly spread ones."""
    found = {}
    for name, array in arrays.items():
        flat = array.reshape(-1)
        spread = slice(None, None, max(1, flat.size // _FEW))
        found[name] = flat[chosen[name]] if name in chosen else flat[spread]
    return found


def referred(trace: Trace, repeats: Sequence[Trace], precision: str = "fp32") -> Reference:
    """Return a trace with the noise that its repeats show: those that are the same, and those that are nudged."""
    return Reference(trace=trace, noise=noise(trace, repeats, precision))


def noise(trace: Trace, repeats: Iterable[Trace], precision: str = "fp32") -> Noise:
    """Return by how much repeats differ from a trace, the largest of each tensor and loss."""
    found: dict[Part, dict[str, float]] = {part: {} for part in PARTS}
    for again, part in itertools.product(repeats, PARTS):
        for name, difference, _ in _differences(trace, again, part, precision):
            found[part][name] = max(found[part].get(name, 0.0), difference)
    return found


def joined(one: Reference, other: Noise) -> Reference:
    """Return a reference whose noise is the larger one of two: of either framework, or of more repeats."""
    return Reference(
        trace=one.trace, noise={part: _larger(one.noise.get(part, {}), other.get(part, {})) for part in PARTS}
    )


def _larger(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: max(one.get(name, 0.0), other.get(name, 0.0)) for name in {**one, **other}}


def undecidable(reference: Reference) -> str | None:
    """Say what of the same training differs from time to time by too much to compare anything; None: nothing.

    So does a training that draws numbers, as for dropout.
    """
    first = reference.noise.get("curve", {}).get(_STEP.format(1), 0.0)
    if not first * FACTOR <= UNDECIDABLE:
        return f"the first loss of the same training differs by {_share(first)} from time to time"
    gradients = sorted(reference.noise.get("gradient", {}).values())
    usual = gradients[len(gradients) // 2] if gradients else 0.0
    if not usual * FACTOR <= BLIND:
        return f"most first gradients of the same training differ by {_share(usual)} from time to time, or by more"
    return None


def steps(losses: Iterable[float]) -> Arrays:
    """Return losses as a part of a trace."""
    return {_STEP.format(number): np.array([loss]) for number, loss in enumerate(losses, start=1)}


def compare(reference: Reference, found: Trace, *, precision: str = "fp32", batch: int) -> Parity:
    """Compare a trace with a reference of the same precision; the first breach ends the words, not the rows."""
    rows, blind, breach = [], _unlike(reference.trace, found, precision), ""
    for part in PARTS:
        lacking = _lacking(reference.trace.part(part), found.part(part), part)
        breach = breach or lacking
        for name, difference, explained in _differences(reference.trace, found, part, precision):
            noise = reference.noise.get(part, {}).get(name, 0.0)
            allowed = _allowed(part, noise, precision) + _stored(reference.trace, part, name) + explained
            if name.endswith(_VARIANCE):
                allowed = max(allowed, 1 / max(1, batch - 1))
            wrong = _wrong(reference.trace.part(part)[name], found.part(part)[name])
            if allowed >= BLIND and not wrong:
                blind.append(f"{part}:{name}")
                continue
            row = Row(part=part, name=name, difference=difference, noise=noise, allowed=allowed)
            rows.append(row)
            if wrong or difference > allowed:
                breach = breach or _told(row, wrong)
    return Parity(precision=precision, rows=tuple(rows), blind=tuple(blind), breach=breach)


def _unlike(one: Trace, other: Trace, precision: str) -> list[str]:
    """Name the updates of which no gradient is the same in both."""
    alike = ((name, _alike(one, other, name, precision)) for name in one.update)
    return [f"update:{name}" for name, where in alike if where is not None and not where.any()]


def _alike(one: Trace, other: Trace, name: str, precision: str) -> NDArray[np.bool_] | None:
    """Return where two have the same gradient, which is not nothing; None where one does not tell."""
    a, b = one.gradient.get(name), other.gradient.get(name)
    if a is None or b is None or a.size != b.size:
        return None
    near = SAME if precision == "fp32" else SAME_COARSE
    mine, others = _wide(a), _wide(b)
    alike: NDArray[np.bool_] = (np.abs(mine - others) <= near * np.abs(mine)) & (mine != 0)
    return alike


def _allowed(part: Part, noise: float, precision: str) -> float:
    least = LEAST[part] * ROUNDING["fp32"]
    if precision == "fp32":
        return max(FACTOR * noise, least)
    return max(COARSE * noise, LEAST_COARSE * ROUNDING[precision], least)


_WORDS: Mapping[Part, str] = {
    "forward": "what the network computes for '{}' before any step",
    "gradient": "the gradient of '{}' in the first step",
    "update": "what the first step makes of '{}'",
    "statistics": "what the first step makes of '{}', which has no gradient,",
    "curve": "the loss of {}",
}


def _told(row: Row, wrong: str) -> str:
    words = _WORDS[row.part].format(row.name)
    if wrong:
        return f"{words} {wrong}"
    return f"{words} differs by {_share(row.difference)}, rounding explains {_share(row.allowed)}"


def _wrong(expected: Array, found: Array) -> str:
    """Say what is wrong with numbers that cannot be compared; empty: nothing."""
    if found.size != expected.size:
        return f"is {found.size:,} numbers in place of {expected.size:,}"
    return "is not a finite number" if np.isfinite(expected).all() and not np.isfinite(found).all() else ""


def _share(number: float) -> str:
    return percent(number) if 1e-6 <= number < 10 else f"{number:.1e}"


def _lacking(expected: Mapping[str, Array], found: Mapping[str, Array], part: Part) -> str:
    """Name the first thing that only one of two has; empty where both have the same, or one does not tell."""
    if not expected or not found:
        return ""
    for one, other, which in ((expected, found, "only the default"), (found, expected, "only this one")):
        name = next((name for name in one if name not in other), None)
        if name is not None:
            return f"{which} has {_WORDS[part].format(name).rstrip(',')}"
    return ""


def _differences(one: Trace, other: Trace, part: Part, precision: str) -> Iterator[tuple[str, float, float]]:
    """Yield of all that both have of a part: name, relative difference, and how much of it gradients explain."""
    expected, found = one.part(part), other.part(part)
    for name in (name for name in expected if name in found):
        a, b = _wide(expected[name]), _wide(found[name])
        if a.shape != b.shape:
            yield name, FAR, 0.0
            continue
        where = _alike(one, other, name, precision) if part == "update" else None
        if where is None:
            yield name, _relative(a, b), 0.0
        elif where.any():
            explained = _explained(a[where], _wide(one.gradient[name])[where], _wide(other.gradient[name])[where])
            yield name, _relative(a[where], b[where]), explained


def _explained(update: Floats, gradient: Floats, other: Floats) -> float:
    """Return by how much an update differs at most where each number of it follows its gradient's: SGD; Adam less."""
    scale = float(np.linalg.norm(update))
    return float(np.linalg.norm(update * (other / gradient - 1))) / scale if scale else 0.0


def _stored(trace: Trace, part: Part, name: str) -> float:
    """Return what 32 bits do to a change of weights: of a large number a small change is coarse.

    Adam's first step is divided by 1 - 0.999, of which 32 bits leave three digits fewer than of another number.
    """
    if part not in ("update", "statistics"):
        return 0.0
    changed, weights = (
        float(np.linalg.norm(each[name].astype(np.float64))) if name in each else 0.0
        for each in (trace.part(part), trace.weights)
    )
    coarse = ROUNDING["fp32"] * weights / changed if changed else 0.0
    return coarse + (ROUNDING["fp32"] / _CORRECTION if part == "update" else 0.0)


def _relative(a: Floats, b: Floats) -> float:
    """Return |a - b| / |a| of two vectors; 0 for two of zeros, `FAR` where only one is, or one is not finite."""
    apart, scale = float(np.linalg.norm(a - b)), float(np.linalg.norm(a))
    if apart == 0:
        return 0.0
    return min(FAR, apart / scale) if np.isfinite(apart) and scale else FAR


def _wide(array: Array) -> Floats:
    return array.reshape(-1).astype(np.float64)
