"""How good outputs are, measured against labels: by a named measure (`named`), or by a function of the user's own."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from evaluator.children.work import attempt
from evaluator.core.errors import FwevalError, Unavailable, UsageError
from evaluator.core.registry import unknown
from evaluator.core.tensors import Array
from evaluator.measure.quality import Compute, Undefined
from scenarios.own import calling, named
from scenarios.own.named import NAMED, Floats, Scored, columns

Load = Callable[[Path, str], Callable[..., object]]  # (file, name of a function) -> the function

_LONGEST = 200  # characters of what a user's function raised or returned
_BEYOND = 1e-3  # how far rounding may carry a probability outside of 0 and 1
# Words in the name of a user's function that tell that less of it is better.
_ERRORS = ("err", "error", "loss", "cost", "distance", "divergence", "deviation", "perplexity")
_SHORT = ("mae", "mape", "mse", "rmse", "rmsle", "nll", "brier", "wer", "cer")
_LOWER = frozenset((*_ERRORS, *_SHORT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A way to say how good outputs are: one finite number, in a unit of its own.

    `compute` raises `Undefined` with one line for a person where there is no such number.
    """

    name: str  # as it was asked for: "top1", "mine.py:price_error"
    title: str
    higher_is_better: bool
    compute: Compute
    settle: Callable[[Mapping[str, Array]], tuple[str, Compute]] | None = None

    def settled(self, outputs: Mapping[str, Array]) -> "Measure":
        """Return it with all decided that is read off outputs as a whole, by these: the origin's."""
        if self.settle is None:
            return self
        title, compute = self.settle(outputs)
        return replace(self, title=title, compute=compute, settle=None)


def names() -> tuple[str, ...]:
    """List the measures that have a name."""
    return tuple(NAMED)


def check(spec: str) -> None:
    """Raise `UsageError` for a measure that is neither a name of one nor that of a function in a file; runs nothing."""
    name, _, _ = spec.partition(":")
    if spec.endswith(".py"):
        raise UsageError(f"'{spec}' names no function", remedy=f"give {spec}:FUNCTION, which takes outputs and labels")
    if not _file(spec) and name not in NAMED:
        raise unknown("measure", name, (*NAMED, "FILE.py:FUNCTION"))


def find(spec: str, load: Load | None = None, *, higher_is_better: bool | None = None) -> Measure:
    """Return the measure that is asked for: `NAME`, `NAME:OUTPUT` of several outputs, or `FILE.py:FUNCTION`.

    Whether more of a user's own is better is told by `higher_is_better`, else by an attribute of that name of the
    function, else by its name: an error, a loss, an `mse` had better be small. Of a named measure it is known. `load`
    gets a function out of its file. Raises `UsageError` for what is not there.
    """
    check(spec)
    if _file(spec):
        path, _, function = spec.rpartition(":")
        load = load or calling.function
        return _own(Path(path), function, load(Path(path), function), told=higher_is_better)
    named.available()
    name, _, output = spec.partition(":")
    settle = partial(_settle, name, output or None)
    return Measure(
        name=spec,
        title=NAMED[name].title,
        higher_is_better=NAMED[name].higher_is_better,
        compute=lambda outputs, labels: settle(outputs)[1](outputs, labels),
        settle=settle,
    )


def _file(spec: str) -> bool:
    path, _, function = spec.rpartition(":")
    return path.endswith(".py") and bool(function)


def _own(file: Path, name: str, function: Callable[..., object], *, told: bool | None) -> Measure:
    """Return a measure that is a user's function."""
    told = getattr(function, "higher_is_better", None) if told is None else told
    higher = not _LOWER.intersection(name.lower().split("_")) if told is None else bool(told)
    called = f"{file.name}:{name}"
    return Measure(
        name=called,
        title=f"{name} of {file.name}",
        higher_is_better=higher,
        compute=lambda outputs, labels: _number(called, attempt(lambda: function(_handed(outputs), _handed(labels)))),
    )


def _handed(arrays: Mapping[str, Array]) -> Array | dict[str, Array]:
    """Return what a user's function gets: the array where there is one, else all by name. It may change them."""
    copies = {name: array.copy() for name, array in arrays.items()}
    return next(iter(copies.values())) if len(copies) == 1 else copies


def _number(called: str, returned: object) -> float:
    """Return what a measure returned as a finite number, or say in one line why it is none."""
    if isinstance(returned, Unavailable | MemoryError):  # the machine's to say, not the function's
        raise returned
    if isinstance(returned, Exception):
        said = returned.message if isinstance(returned, FwevalError) else f"{type(returned).__name__}: {returned}"
        raise Undefined(_short(f"{called}: {said}"), remedy=_remedy(returned)) from returned
    value = returned.item() if isinstance(returned, np.generic | np.ndarray) and returned.ndim == 0 else returned
    if isinstance(value, bool) or not isinstance(value, int | float):
        said = _short(f"{type(returned).__name__} {returned}")
        raise Undefined(f"{called} returned no number: {said}", remedy="it must return one finite number")
    if not np.isfinite(value):
        raise Undefined(f"{called} returned {value}", remedy="it must return one finite number")
    return float(value)


def _remedy(error: Exception) -> str | None:
    return error.remedy if isinstance(error, FwevalError) else "it is called with the outputs and the labels"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _settle(name: str, output: str | None, outputs: Mapping[str, Array]) -> tuple[str, Compute]:
    """Decide by these outputs what they are; return the title that says so, and the function."""
    entry = NAMED[name]
    scores = _one(name, output, outputs)
    logits = bool((scores < -_BEYOND).any() or (scores > 1 + _BEYOND).any())
    title = entry.title
    if entry.decides and columns(scores) == 1:
        title = f"{title}, yes above {'a logit of 0' if logits else '0.5'}"

    def compute(outputs: Mapping[str, Array], labels: Mapping[str, Array]) -> float:
        scores, truth = _one(name, output, outputs), _labels(name, output, labels)
        if not np.isfinite(scores).all():
            raise Undefined(f"{name}: an output is not finite")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes that rows drawn by chance do not have, a thousand times
            return _number(name, attempt(lambda: entry.function(Scored(scores, truth, logits))))

    return title, compute


def _one(name: str, output: str | None, outputs: Mapping[str, Array]) -> Floats:
    """Return the output that a named measure looks at."""
    if output is None and len(outputs) > 1:
        raise UsageError(
            f"{name} looks at one output, the model has {len(outputs)}: {', '.join(outputs)}",
            remedy=f"say which, {name}:{next(iter(outputs))}, or give a function of your own, FILE.py:FUNCTION",
        )
    if output is not None and output not in outputs:
        raise unknown("output", output, outputs)
    return np.asarray(outputs[output or next(iter(outputs))], dtype=np.float64)


def _labels(name: str, output: str | None, labels: Mapping[str, Array]) -> Array:
    """Return the labels of that output: the only ones, or those of its name."""
    key = next(iter(labels)) if len(labels) == 1 else output
    if key is None or key not in labels:
        raise UsageError(
            f"{name} looks at one array of labels, there are {len(labels)}: {', '.join(labels)}",
            remedy="name the labels as the output that they are of, or give a function of your own, FILE.py:FUNCTION",
        )
    truth = labels[key]
    if truth.dtype.kind not in "biuf" or not np.isfinite(truth).all():
        remedy = "give the numbers of classes, counted from 0, or the true values"
        raise UsageError(f"{name}: the labels '{key}' are not all finite numbers", remedy=remedy)
    return truth
