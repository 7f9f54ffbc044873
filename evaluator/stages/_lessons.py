"""What a training learns from and is judged on: a built-in model's real data, or what came with somebody's own."""

from collections.abc import Iterator
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

Order = Iterator[NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is learnt, in order, and what it is judged on."""

    batches: list[tuple[Arrays, Any]]  # inputs in the framework's layout, and what the trainer takes as labels
    heldout: Arrays  # in the models' common layout
    labels: Arrays | None = None  # of what is held out
    classes: Array | None = None  # the same, where an answer is right or wrong


def lesson(about: Assignment, work: Work) -> Lesson:
    """Return what the training of a step learns from."""
    return _own(about, work.need("aligned")) if about.model.brought else _built_in(about)


def _built_in(about: Assignment) -> Lesson:
    data = about.model.data(
        about.settings,
        about.packages(),
        train=about.profile.train_samples,
        heldout=about.profile.heldout_samples,
        seed=about.seed,
    )
    train, held = data.train, data.heldout
    batches = [
        (about.model.inputs_for(about.framework.name, taken(train.inputs, chosen)), train.labels[chosen])
        for chosen in order(about, len(train.labels))
    ]
    return Lesson(batches=batches, heldout=held.inputs, labels={"labels": held.labels}, classes=held.labels)


def _own(about: Assignment, origin: Path) -> Lesson:
    """Read what came with a model; what is held out is what its origin was asked about."""
    own: Own = about.settings
    described = own.found[about.framework.name]
    given = training.first(training.read(own, about.framework.name, described), about.profile.train_samples)
    held = read_arrays(origin / INPUTS)
    labels = read_arrays(origin / LABELS) if (origin / LABELS).is_file() else None
    if about.scenario.training.optimizer == training.OWN_STEP:
        batches = [
            (taken(given.inputs, chosen), None if given.labels is None else alone(taken(given.labels, chosen)))
            for chosen in order(about, given.count)
        ]
        return Lesson(batches=batches, heldout=held, labels=labels)
    training.scores(read_arrays(origin / OUTPUTS))
    known = training.classes(described.signature, given.labels or {})
    batches = [(taken(given.inputs, chosen), known[chosen]) for chosen in order(about, given.count)]
    return Lesson(batches=batches, heldout=held, labels=labels, classes=_classes(labels))


def _classes(labels: Arrays | None) -> Array | None:
    """Return held-out labels that are classes, one for each row; None for others, which the person's measure knows."""
    one = list((labels or {}).values())
    if len(one) != 1 or one[0].dtype.kind not in "iu" or one[0].size != len(one[0]):
        return None
    return one[0].reshape(-1)


def order(about: Assignment, count: int) -> Order:
    """Yield the rows of whole batches, reshuffled every epoch by the seed: the same order in every framework."""
    train = about.scenario.training
    generator = np.random.default_rng(about.seed)
    for _ in range(train.epochs):
        shuffled = generator.permutation(count)
        for start in range(0, len(shuffled) - train.batch_size + 1, train.batch_size):
            yield shuffled[start : start + train.batch_size]


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
