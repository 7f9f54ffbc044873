"""How good answers are by somebody's own measure, as steps find it out and keep it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluator.core.quality import Quality
from evaluator.core.records import Figure, LabelValue, Metrics
from evaluator.core.tensors import Array, Arrays, read_arrays
from evaluator.measure.quality import Resampling, Undefined, compare, estimate
from evaluator.stages._evidence import LABELS, OUTPUTS, Assignment
from scenarios.own import measures
from scenarios.own.form import Own
from scenarios.own.measures import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person wants to know of a model: a measure, with labels for the rows, and how much may be lost."""

    measure: Measure
    labels: Mapping[str, Array]
    allowed: float | None  # in the measure's unit; None for a share of the origin's
    seed: int

    def of(self, chosen: NDArray[np.int64]) -> "Asked":
        """Return it for these rows only."""
        return replace(self, labels=taken(self.labels, chosen))


def asked_of(about: Assignment, folder: Path) -> Asked | None:
    """Return what is asked of a model whose answers and labels lie in a folder; None where nobody asks for anything."""
    if not about.model.brought or about.settings.quality is None or not (folder / LABELS).is_file():
        return None
    own: Own = about.settings
    measure = measures.find(str(own.quality), higher_is_better=own.higher_is_better)
    return Asked(
        measure=measure.settled(read_arrays(folder / OUTPUTS)),
        labels=read_arrays(folder / LABELS),
        allowed=own.allowed_loss,
        seed=about.seed,
    )


def taken(arrays: Mapping[str, Array], chosen: NDArray[np.int64]) -> Arrays:
    """Return these rows of every array."""
    return {name: array[chosen] for name, array in arrays.items()}


def of_origin(asked: Asked, outputs: Mapping[str, Array]) -> Quality:
    """Return how good a model is; `Undefined` where that has no value."""
    found = estimate(asked.measure, outputs, asked.labels, Resampling(seed=asked.seed))
    return Quality(
        measure=asked.measure.name,
        value=found.quality.value,
        low=found.quality.low,
        high=found.quality.high,
        rows=found.rows,
        doubt=found.why,
    )


def of_artifact(asked: Asked, pair: tuple[Mapping[str, Array], Mapping[str, Array]]) -> Quality | str:
    """Return how good an artifact is beside its origin, from the outputs of both; or why that has no value.

    That is no verdict against the artifact: rows may be too few to hold every class.
    """
    try:
        found = compare(asked.measure, pair, asked.labels, asked.allowed, Resampling(seed=asked.seed))
    except Undefined as error:
        return error.message
    return Quality(
        measure=asked.measure.name,
        value=found.artifact.value,
        low=found.artifact.low,
        high=found.artifact.high,
        origin=found.origin.value,
        loss=found.loss.value,
        loss_low=found.loss.low,
        loss_high=found.loss.high,
        allowed=found.allowed,
        verdict=found.verdict,
        rows=found.rows,
        doubt=found.why,
    )


def stored(found: Quality | str) -> tuple[Metrics, tuple[Figure, ...]]:
    """Return a quality as a step keeps it; of one without a value why it has none."""
    if isinstance(found, str):
        return {"quality_doubt": found}, ()
    labels: dict[str, LabelValue] = {"measure": found.measure}
    kept = (
        ("quality", found.value, found.low, found.high),
        ("origin_quality", found.origin, None, None),
        ("quality_loss", found.loss, found.loss_low, found.loss_high),
        ("allowed_loss", found.allowed, None, None),
    )
    words = {"quality_verdict": found.verdict, "quality_doubt": found.doubt}
    return {"quality_rows": found.rows, **{name: text for name, text in words.items() if text}}, tuple(
        Figure(name=name, value=value, labels=labels, low=low, high=high)
        for name, value, low, high in kept
        if value is not None
    )
