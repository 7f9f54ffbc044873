"""Computing many examples in batches, and how many of them come out right: the same for a model and an artifact."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evaluator.core.tensors import Array, Arrays, rows


def in_batches(compute: Callable[[Arrays], Arrays], inputs: Arrays, size: int) -> Arrays:
    """Compute all rows, `size` at a time (the last batch may be shorter), and join the outputs by name."""
    count = len(next(iter(inputs.values())))
    parts = [compute(rows(inputs, start, start + size)) for start in range(0, count, size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def right(outputs: Arrays, labels: Array) -> NDArray[np.bool_]:
    """Tell of each row whether its largest logit is the true label's; of none for outputs of another shape."""
    logits = next(iter(outputs.values()))
    if logits.ndim != 2 or len(logits) != len(labels):
        return np.zeros(len(labels), dtype=bool)
    return np.asarray(logits.argmax(axis=-1) == labels)


def accuracy(outputs: Arrays, labels: Array) -> float:
    """Return the share of rows that are right."""
    return float(np.mean(right(outputs, labels)))
