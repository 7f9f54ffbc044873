"""What a training learns from and is judged on: a built-in model's real data, or what came with somebody's own."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.children.work import Work
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Measured, Metrics
from evaluator.core.tensors import Array, Arrays, read_arrays
from evaluator.measure.quality import Undefined
from evaluator.stages._brought import self_noise, unfit
from evaluator.stages._evidence import INPUTS, LABELS, OUTPUTS, Assignment
from evaluator.stages._quality import asked_of, of_origin, stored, taken
from scenarios.contract import alone
from scenarios.own import training
from scenarios.own.form import Own

Rows = NDArray[np.int64]
Order = Iterator[Rows]
Batch = tuple[Arrays, Any]  # inputs in the framework's layout, and what the trainer takes as labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What can be learnt from, example by example, and what it is judged on."""

    count: int  # of the examples
    batch: Callable[[Rows], Batch]  # puts those rows together
    heldout: Arrays  # in the models' common layout
    labels: Arrays | None = None  # of what is held out
    classes: Array | None = None  # the same, where an answer is right or wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is learnt, in order, and what it is judged on."""

    batches: list[Batch]
    heldout: Arrays  # in the models' common layout
    labels: Arrays | None = None  # of what is held out
    classes: Array | None = None  # the same, where an answer is right or wrong


def lesson(about: Assignment, work: Work) -> Lesson:
    """Return what the training of a step learns from, all of its batches made before it begins."""
    found = material(about, work)
    batches = [found.batch(chosen) for chosen in course(about, found.count, about.seed)]
    return Lesson(batches=batches, heldout=found.heldout, labels=found.labels, classes=found.classes)


def material(about: Assignment, work: Work) -> Material:
    """Return what the training of a step can learn from."""
    return _own(about, work.need("aligned")) if about.model.brought else _built_in(about)


def _built_in(about: Assignment) -> Material:
    data = about.model.data(
        about.settings,
        about.packages(),
        train=about.profile.train_samples,
        heldout=about.profile.heldout_samples,
        seed=about.seed,
    )
    train, held = data.train, data.heldout

    def batch(chosen: Rows) -> Batch:
        return about.model.inputs_for(about.framework.name, taken(train.inputs, chosen)), train.labels[chosen]

    labels = {"labels": held.labels}
    return Material(count=len(train.labels), batch=batch, heldout=held.inputs, labels=labels, classes=held.labels)


def _own(about: Assignment, origin: Path) -> Material:
    """Read what came with a model; what is held out is what its origin was asked about."""
    own: Own = about.settings
    described = own.found[about.framework.name]
    given = training.first(training.read(own, about.framework.name, described), about.profile.train_samples)
    held = read_arrays(origin / INPUTS)
    labels = read_arrays(origin / LABELS) if (origin / LABELS).is_file() else None
    if about.scenario.training.optimizer == training.OWN_STEP:

        def handed(chosen: Rows) -> Batch:
            own_labels = None if given.labels is None else alone(taken(given.labels, chosen))
            return taken(given.inputs, chosen), own_labels

        return Material(count=given.count, batch=handed, heldout=held, labels=labels)
    training.scores(read_arrays(origin / OUTPUTS))
    known = training.classes(described.signature, given.labels or {})

    def batch(chosen: Rows) -> Batch:
        return taken(given.inputs, chosen), known[chosen]

    return Material(count=given.count, batch=batch, heldout=held, labels=labels, classes=_classes(labels))


def _classes(labels: Arrays | None) -> Array | None:
    """Return held-out labels that are classes, one for each row; None for others, which the person's measure knows."""
    one = list((labels or {}).values())
    if len(one) != 1 or one[0].dtype.kind not in "iu" or one[0].size != len(one[0]):
        return None
    return one[0].reshape(-1)


def course(about: Assignment, count: int, seed: int) -> Order:
    """Yield the rows of each batch of the course that the scenario declares."""
    return itertools.islice(order(count, about.scenario.training.batch_size, seed), course_steps(about, count))


def course_steps(about: Assignment, count: int) -> int:
    """Return how many steps the course has that the scenario declares, of so many examples."""
    train = about.scenario.training
    steps = count // train.batch_size * train.epochs
    return steps if train.most_steps is None else min(steps, train.most_steps)


def order(count: int, batch_size: int, seed: int) -> Order:
    """Yield the rows of whole batches without end, reshuffled every epoch: the same order in every framework."""
    generator = np.random.default_rng(seed)
    while count >= batch_size:
        shuffled = generator.permutation(count)
        for start in range(0, count - batch_size + 1, batch_size):
            yield shuffled[start : start + batch_size]


def judged(about: Assignment, folder: Path, network: Any) -> Measured:
    """Return what is to be known of somebody's own model after its training: as of one that is brought as it is.

    `folder` holds the examples and what the trained network computes from them.
    """
    inputs, outputs = read_arrays(folder / INPUTS), read_arrays(folder / OUTPUTS)
    noise = self_noise(about, network, inputs, outputs)
    told: Metrics = {} if noise is None else {"self_noise": noise}
    wrong = unfit(outputs, noise)
    if wrong is not None:
        reason, remedy = wrong
        return Measured(outcome=Outcome.FAILED, reason=f"trained, {reason}", remedy=remedy, metrics=told)
    quality, figures = _quality(about, folder, outputs)
    return Measured(metrics={**told, **quality}, figures=figures)


def _quality(about: Assignment, folder: Path, outputs: Arrays) -> tuple[Metrics, tuple[Figure, ...]]:
    asked = asked_of(about, folder)
    if asked is None:
        return {}, ()
    try:
        return stored(of_origin(asked, outputs))
    except Undefined as error:
        return stored(error.message)
