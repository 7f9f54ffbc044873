"""Training a model of one's own: by our step for classifiers, or by a step that its person wrote.

`[train]` of its file says how long, `train_inputs` and `train_labels` on what, `train_step` by what:
`make_step(network)` is called once in each framework and returns `step(inputs, labels) -> loss`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.errors import FwevalError, UsageError
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays, rows
from scenarios.contract import Step, TrainSettings
from scenarios.own import calling, examples, sources
from scenarios.own.form import Described, Own

OWN_STEP = "own"  # the optimizer of a training whose step is its person's
_HERE = Path("/")  # paths are absolute by now
_KEYS = ("train_step", "train_inputs", "train_labels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is trained on: inputs by the network's names and in its types, and labels as they were given."""

    inputs: Arrays
    labels: Arrays | None

    @property
    def count(self) -> int:
        """How many examples these are."""
        return len(next(iter(self.inputs.values())))


def contradiction(own: Own, train: TrainSettings | None) -> tuple[str, str, str] | None:
    """Return what of a form and `[train]` does not go together, as (key, what, remedy); None where all does."""
    if train is None:
        key = next((each for each in _KEYS if getattr(own, each) is not None), None)
        return None if key is None else (key, "there is no [train] that it is for", _TABLE)
    if own.train_inputs is None:
        return "train_inputs", "missing: [train] says to train the model, and nothing says on what", _ON_WHAT
    return _by_framework(own) or (_of_their_own(own) if train.optimizer == OWN_STEP else _of_ours(own, train.optimizer))


def _of_ours(own: Own, optimizer: str) -> tuple[str, str, str] | None:
    if own.train_step is not None:
        what = f"a step of one's own has its own optimizer, and [train] says {optimizer}"
        return "train_step", what, f'write optimizer = "{OWN_STEP}", or leave train_step out'
    if own.train_labels is None:
        return "train_labels", "missing: a classifier learns from labels", _ON_WHAT
    return None


def _of_their_own(own: Own) -> tuple[str, str, str] | None:
    if own.train_step is None:
        what = f'missing: optimizer = "{OWN_STEP}" leaves the steps to a function of yours'
        return "train_step", what, "name it, mine.py:make_step, or take sgd or adamw"
    return None


_TABLE = "add one with batch_size, epochs, optimizer and learning_rate, or leave the key out"
_ON_WHAT = "give FILE.npz or FILE.py:FUNCTION"


def _by_framework(own: Own) -> tuple[str, str, str] | None:
    """Return what is wrong with steps, or inputs, that are given by framework."""
    for key in ("train_step", "train_inputs"):
        told = getattr(own, key)
        absent = [name for name in own.frameworks if isinstance(told, Mapping) and name not in told]
        if absent:
            return key, f"there is none for {absent[0]}", f'add {absent[0]} = "…", or give one for both'
    return None


def trainable(source: sources.Source) -> None:
    """Raise `UsageError` for a file that holds what a network computes, and not how it is trained."""
    if source.kind in ("pt2", "torchscript", "savedmodel"):
        raise UsageError(
            f"{source.path.name} holds what the model computes, not how it is trained",
            remedy="give the function that builds it, mine.py:build, or leave [train] out",
        )


def read(own: Own, framework: str, described: Described) -> Given:
    """Return the examples to train on; `UsageError` for inputs that the network does not take, and labels too few."""
    spec = _told(own, "train_inputs", framework)
    arrays, where = examples.read(spec, "train_inputs"), f"train_inputs {Path(spec).name}"
    takes = [each.name for each in described.signature.inputs]
    if len(arrays) == len(takes) == 1:
        keys = {takes[0]: next(iter(arrays))}
    else:
        named = {described.keys.get(name, name): name for name in takes}
        examples.named(arrays, list(named), list(named), where)
        keys = {name: key for key, name in named.items()}
    inputs = {
        each.name: np.ascontiguousarray(arrays[keys[each.name]].astype(each.dtype, copy=False))
        for each in described.signature.inputs
    }
    given = Given(inputs=inputs, labels=None)
    if own.train_labels is None:
        return given
    labels = examples.read(own.train_labels, "train_labels")
    found = len(next(iter(labels.values())))
    if found != given.count:
        remedy = "give one label for each row of train_inputs, in their order"
        what = f"train_labels {Path(own.train_labels).name}: {found} rows for {given.count} of {where}"
        raise UsageError(what, remedy=remedy)
    return Given(inputs=inputs, labels=labels)


def first(given: Given, count: int) -> Given:
    """Return the first examples."""
    return Given(
        inputs=rows(given.inputs, 0, count), labels=None if given.labels is None else rows(given.labels, 0, count)
    )


def check(own: Own, framework: str, described: Described, train: TrainSettings) -> None:
    """Raise `UsageError` where a training cannot come to be: read everything and call nothing but what makes data."""
    given = read(own, framework, described)
    if given.count < train.batch_size:
        remedy = "lower batch_size in [train], or give more rows"
        raise UsageError(f"train_inputs: {given.count} rows make no batch of {train.batch_size}", remedy=remedy)
    if train.optimizer == OWN_STEP:
        calling.function(*_place(own, framework))
    else:
        classes(described.signature, given.labels or {})


def classes(signature: Signature, labels: Mapping[str, Array]) -> Array:
    """Return the labels of a classifier as our training takes them; `UsageError` for what is none."""
    outputs = signature.outputs
    width = outputs[0].shape[1] if len(outputs[0].shape) == 2 else None  # examples, classes
    if len(outputs) != 1 or len(outputs[0].shape) != 2:
        shapes = ", ".join(f"'{each.name}' with {len(each.shape)} dimensions" for each in outputs)
        raise UsageError(f"only one output (examples, classes) is trained as a classifier: here {shapes}", remedy=_STEP)
    if len(labels) != 1 or (array := next(iter(labels.values()))).dtype.kind not in "iu":
        held = ", ".join(f"'{name}' holds {array.dtype}" for name, array in labels.items())
        raise UsageError(f"train_labels: a classifier learns from one array of integers: {held}", remedy=_STEP)
    flat = array.reshape(len(array), -1)
    if flat.shape[1] != 1:
        raise UsageError(f"train_labels: {flat.shape[1]} numbers for each example, one is its class", remedy=_STEP)
    lowest, highest = int(flat.min()), int(flat.max())
    if lowest < 0 or (width is not None and highest >= width):
        what = f"train_labels: classes {lowest} to {highest}, the model knows {width}, counted from 0"
        raise UsageError(what, remedy="count classes from 0, and give the model an output for each")
    return flat[:, 0].astype(np.int64)


_STEP = 'write the step yourself: optimizer = "own", train_step = "mine.py:make_step"'


def scores(outputs: Mapping[str, Array]) -> None:
    """Raise `UsageError` for outputs that are probabilities: our loss takes the scores before the softmax."""
    array = np.asarray(next(iter(outputs.values())), dtype=np.float64)
    if array.shape[1] > 1 and (array >= 0).all() and np.allclose(array.sum(axis=1), 1, atol=1e-4):
        raise UsageError(
            "the model gives probabilities, and training as a classifier takes the scores before the softmax",
            remedy=f"leave its last softmax out, or {_STEP}",
        )


def maker(own: Own, framework: str) -> Callable[[Any], Step]:
    """Return the function that makes a step for a network; what goes wrong in it is told in one line."""
    path, name = _place(own, framework)
    make = calling.function(path, name)

    def made(network: Any) -> Step:
        step = make(network)
        if not callable(step):
            remedy = "let it return a function: step(inputs, labels) -> loss"
            raise UsageError(f"{path.name}:{name} returns {type(step).__name__}", remedy=remedy)
        placed = calling.placed(path, f"the step of {name}", step)
        return lambda inputs, labels: _loss(placed(inputs, labels), f"{path.name}:{name}")

    return made


def _place(own: Own, framework: str) -> tuple[Path, str]:
    return sources.function_in(_told(own, "train_step", framework), _HERE)


def _told(own: Own, key: str, framework: str) -> str:
    """Return what a key says of a framework; `UsageError` where it is left out."""
    told: str | Mapping[str, str] = getattr(own, key)
    if isinstance(told, str):
        return told
    if framework not in told:
        raise UsageError(f"{key}: there is none for {framework}", remedy=f'add {framework} = "…", or give one for both')
    return told[framework]


def _loss(found: Any, who: str) -> float:
    """Return a loss as a number; tensors of one are read."""
    array = None if found is None or isinstance(found, str | bool) else examples.as_array(found)
    if array is None or array.size != 1 or array.dtype.kind not in "iuf":
        what = type(found).__name__ if array is None or array.size == 1 else f"{array.size} numbers"
        raise UsageError(f"the step of {who} returns {what}", remedy="return the loss, one number: float(loss)")
    loss = float(array.reshape(-1)[0])
    if not math.isfinite(loss):
        raise FwevalError(f"the loss of {who} is {loss}", remedy="lower the learning rate, and look at the data")
    return loss
