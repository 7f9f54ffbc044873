"""The measures that have a name: what a model computed, turned into what scikit-learn measures.

scikit-learn (https://scikit-learn.org/stable/modules/model_evaluation.html) reads classes and probabilities. Outputs
within 0 and 1 are taken for probabilities and decided at 0.5, all others for logits and decided at 0. Which of the two
they are is settled once, by the origin's outputs (`measures.Measure.settled`): an artifact, and rows drawn by chance,
must not be read in another way.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.core.errors import Unavailable
from evaluator.core.tensors import Array
from evaluator.measure.quality import Undefined

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scored:
    """One output of a model beside what is true."""

    scores: Floats  # or values
    truth: Array
    logits: bool  # whether scores are logits, not probabilities


@dataclass(frozen=True, slots=True)
class Named:
    """A measure that has a name here."""

    title: str
    function: Callable[[Scored], float]
    higher_is_better: bool = True
    decides: bool = False  # whether a single column is read as yes or no


def columns(scores: Floats) -> int:
    """Return how many numbers an output has for each thing that is judged."""
    return scores.shape[-1] if scores.ndim > 1 else 1


def available() -> None:
    """Raise `Unavailable` where scikit-learn is not installed; without importing it, which takes seconds."""
    if find_spec("sklearn") is None:
        raise Unavailable(
            "named measures of quality need scikit-learn, which is not installed",
            remedy="pip install 'fweval[quality]', or give a function of your own, FILE.py:FUNCTION",
        )


def _metrics() -> Any:
    """Return scikit-learn's measures."""
    available()
    return importlib.import_module("sklearn.metrics")


def _classes(it: Scored) -> tuple[Classes, Floats]:
    """Return the true class of each thing that is judged, and its scores; labels are classes, or one-hot.

    All axes but the last are things that are judged: rows, the tokens of a text, the pixels of an image.
    """
    truth, width = it.truth, columns(it.scores)
    flat = it.scores.reshape(-1, width)
    if width > 1 and truth.shape == it.scores.shape:
        if not (np.isin(truth, (0, 1)).all() and (truth.sum(axis=-1) == 1).all()):
            raise Undefined("labels of several classes at once", remedy="give a function of your own, FILE.py:FUNCTION")
        truth = truth.argmax(axis=-1)
    if truth.size != len(flat) or len(truth) != len(it.scores):
        raise _misfit(it, "give the class of each row, counted from 0")
    classes, there = truth.reshape(-1).astype(np.int64), max(width, 2)
    if (classes != truth.reshape(-1)).any() or (classes < 0).any() or (classes >= there).any():
        raise Undefined(
            f"there are labels from {truth.min()} to {truth.max()}, and the output tells {there} classes apart",
            remedy=f"give the class of each row as a whole number from 0 to {there - 1}",
        )
    return classes, flat


def _misfit(it: Scored, remedy: str) -> Undefined:
    return Undefined(
        f"an output of the shape {it.scores.shape} and labels of {it.truth.shape} do not fit", remedy=remedy
    )


def _chosen(it: Scored) -> tuple[Classes, Classes]:
    """Return the true class and the one that was chosen."""
    classes, flat = _classes(it)
    if flat.shape[1] > 1:
        return classes, flat.argmax(axis=-1)
    return classes, (flat[:, 0] > (0 if it.logits else 0.5)).astype(np.int64)


def _probabilities(it: Scored) -> tuple[Classes, Floats]:
    """Return the true class, and probabilities of all classes, which add up to 1."""
    classes, flat = _classes(it)
    if flat.shape[1] == 1:
        flat = np.hstack([np.zeros_like(flat) if it.logits else 1 - flat, flat])
    chances = np.exp(flat - flat.max(axis=-1, keepdims=True)) if it.logits else flat.clip(0)
    return classes, chances / np.maximum(chances.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)


def _preferred(it: Scored) -> tuple[Classes, Floats]:
    """Return the true class of two, and by how much the second is preferred: in an order that no rounding changes."""
    classes, flat = _classes(it)
    return classes, flat[:, 0] if flat.shape[1] == 1 else flat[:, 1] - flat[:, 0]


def _values(it: Scored) -> tuple[Floats, Floats]:
    """Return true values and those that were computed, as (rows, columns)."""
    rows = len(it.scores)
    if it.truth.size != it.scores.size or len(it.truth) != rows:
        raise _misfit(it, "give a true value for each number of the output")
    return it.truth.reshape(rows, -1).astype(np.float64), it.scores.reshape(rows, -1)


def _top1(it: Scored) -> float:
    if columns(it.scores) == 1:
        raise Undefined("the output has no classes to choose from", remedy="take accuracy, or auc")
    return float(_metrics().accuracy_score(*_chosen(it)))


def _top5(it: Scored) -> float:
    width = columns(it.scores)
    if width <= 5:
        raise Undefined(f"the output has {width} classes, of which five are nearly all", remedy="take top1")
    return float(_metrics().top_k_accuracy_score(*_classes(it), k=5, labels=np.arange(width)))


def _auc(it: Scored) -> float:
    """Return the area under the ROC curve; of more than two classes the mean of each against the rest."""
    classes, chances = _probabilities(it)
    if len(np.unique(classes)) < chances.shape[1]:
        raise Undefined("not every class is among the labels")
    if chances.shape[1] == 2:
        return float(_metrics().roc_auc_score(*_preferred(it)))
    return float(_metrics().roc_auc_score(classes, chances, multi_class="ovr"))


def _average_precision(it: Scored) -> float:
    if columns(it.scores) > 2:
        raise Undefined(f"the output has {columns(it.scores)} classes, and it is of two", remedy="take auc, or f1")
    classes, preferred = _preferred(it)
    if not classes.any():
        raise Undefined("no label is 1")
    return float(_metrics().average_precision_score(classes, preferred))


def _log_loss(it: Scored) -> float:
    classes, chances = _probabilities(it)
    return float(_metrics().log_loss(classes, chances, labels=np.arange(chances.shape[1])))


def _of_choice(function: str, **options: str) -> Callable[[Scored], float]:
    """Return a measure of the classes that were chosen."""
    return lambda it: float(getattr(_metrics(), function)(*_chosen(it), **options))


def _of_values(function: str) -> Callable[[Scored], float]:
    """Return a measure of values."""
    return lambda it: float(getattr(_metrics(), function)(*_values(it)))


NAMED = {
    "top1": Named("top-1 accuracy", _top1),
    "top5": Named("top-5 accuracy", _top5),
    "accuracy": Named("accuracy", _of_choice("accuracy_score"), decides=True),
    "balanced_accuracy": Named("balanced accuracy", _of_choice("balanced_accuracy_score"), decides=True),
    "f1": Named("F1, mean over the classes", _of_choice("f1_score", average="macro"), decides=True),
    "auc": Named("area under the ROC curve", _auc),
    "average_precision": Named("average precision", _average_precision),
    "log_loss": Named("log loss", _log_loss, higher_is_better=False),
    "mae": Named("mean absolute error", _of_values("mean_absolute_error"), higher_is_better=False),
    "mse": Named("mean squared error", _of_values("mean_squared_error"), higher_is_better=False),
    "rmse": Named("root mean squared error", _of_values("root_mean_squared_error"), higher_is_better=False),
    "r2": Named("R², the share of variance explained", _of_values("r2_score")),
}
