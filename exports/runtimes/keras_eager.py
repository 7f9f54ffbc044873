"""Keras on TensorFlow, eager: the origin as it is, called as its users call it.

A model is called directly, as Keras's documentation tells to for small inputs; `predict` adds loops for large data.

Documentation: https://keras.io/api/models/model/
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from exports.contract import Baseline, Session


class KerasEager(Baseline):
    """A functional model from named inputs to named outputs, called with `training=False`."""

    name = "keras_eager"
    title = "Keras (eager)"
    origin = "tensorflow"
    devices = ("cpu", "gpu")
    distributions = ("tensorflow",)
    module = "tensorflow"

    @contextmanager
    def session(self, network: Any, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Yield the call; device and threads are the process's, set when its framework was made ready."""
        import tensorflow as tf

        names = [spec.name for spec in signature.outputs]

        def call(inputs: Mapping[str, Array]) -> Arrays:
            given = network({name: tf.constant(array) for name, array in inputs.items()}, training=False)
            return {name: np.asarray(given[name]) for name in names}

        yield call


plugin = KerasEager()
