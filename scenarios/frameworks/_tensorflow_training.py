"""A training step of ours in TensorFlow: a `tf.function` with a gradient tape, or as a training variant has it.

Differences to PyTorch that remain, both far below the noise between two seeds:

* Adam's epsilon. Keras adds it to the root of the uncorrected second moment, PyTorch to that of the corrected one: in
  step t, Keras' epsilon weighs 1/sqrt(1 - 0.999^t) times more. It is set so that both are 1e-8 in step 1, where the
  moments are smallest; later, Keras' is the smaller one, down to 3e-10.
* Batch normalisation. Keras accumulates the biased variance of the batch, PyTorch the unbiased one: the running
  variance is smaller here by (n - 1)/n, with n = batch times height times width.

One difference does not remain: TensorFlow's gradient of an embedding is a list of slices, one for each use of a word,
and Keras' optimizers square each slice by itself (keras/src/backend/tensorflow/sparse.py). Adam's second moment is then
not that of the gradient, and a word that is there often moves several times as far. Slices are therefore added up
before they are applied, as PyTorch does. `model.fit` cannot be helped so: it takes another step.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluator.core.errors import Unavailable
from evaluator.core.tensors import Array, Arrays
from scenarios import weights as mapping
from scenarios.contract import TrainSettings

_EPSILON = 1e-8 * (1 - 0.999) ** 0.5  # PyTorch's 1e-8 in step 1
_BETA_1 = 0.9  # of AdamW, the default in both frameworks


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a step is taken; the default is what the documentation's training loop does."""

    jit_compile: bool = False  # `tf.function(jit_compile=True)`: by XLA
    eagerly: bool = False  # no `tf.function` at all
    fit: bool = False  # Keras' own loop
    tf32: bool = False  # on CUDA: products of 32-bit floats with 10 of the mantissa's 23 bits


class KerasTrainer:
    """What every way to train a Keras model has: an optimizer, and how it is looked at."""

    own_seconds: float | None = None  # who calls a step times it

    def __init__(self, network: Any, train: TrainSettings) -> None:
        """Make the optimizer."""
        import keras

        self._network = network
        self._train = train
        if train.optimizer == "sgd":
            self._optimizer: Any = keras.optimizers.SGD(train.learning_rate, momentum=train.momentum)
        else:
            self._optimizer = keras.optimizers.AdamW(
                train.learning_rate, weight_decay=train.weight_decay, epsilon=_EPSILON
            )
        self._optimizer.build(network.trainable_variables)

    def gradients(self) -> Arrays:
        """Return the first moments after the first step, scaled back to gradients; nothing of an SGD without any."""
        moments = [each for each in self._optimizer.variables if each.name.endswith("_momentum")]
        scale = 1 - _BETA_1 if self._train.optimizer == "adamw" else -float(self._train.learning_rate or 1)
        arrays = [np.asarray(each, dtype=np.float32) / np.float32(scale) for each in moments]
        pairs = zip(self._network.trainable_variables, arrays, strict=True) if moments else ()
        return mapping.named(self._network, list(pairs))

    def state_numbers(self) -> int:
        """Count the numbers of the optimizer's tensors; its step count and learning rate are none."""
        return sum(int(np.prod(each.shape)) for each in self._optimizer.variables if len(each.shape))

    def restart(self) -> None:
        """Forget what the optimizer has seen."""
        for each in self._optimizer.variables:
            if each is not self._optimizer._learning_rate:  # noqa: SLF001  # the property hands out its value only
                each.assign(np.zeros(each.shape, dtype=each.dtype))


class TapeTrainer(KerasTrainer):
    """Record a tape, differentiate, apply; one graph for all batches of the same shape, unless it is eager."""

    def __init__(self, network: Any, train: TrainSettings, manner: Manner) -> None:
        """Make the step; it is traced in its first call."""
        import tensorflow as tf

        super().__init__(network, train)
        optimizer = self._optimizer

        def step(inputs: Any, labels: Any) -> Any:
            with tf.GradientTape() as tape:
                (logits,) = network(inputs, training=True).values()
                scores = tf.cast(logits, tf.float32)  # of a network in mixed precision; else it does nothing
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores))
            gradients = tape.gradient(loss, network.trainable_variables)
            summed = [None if each is None else tf.convert_to_tensor(each) for each in gradients]
            optimizer.apply_gradients(zip(summed, network.trainable_variables, strict=True))
            return loss

        self._step = step if manner.eagerly else tf.function(step, jit_compile=manner.jit_compile or None)

    def step(self, inputs: Mapping[str, Array], labels: Array) -> float:
        """Take one step; reading the loss waits for the forward pass, `sync_devices` for the rest."""
        import tensorflow as tf

        loss = self._step(tensors(inputs), tf.constant(labels))
        tf.test.experimental.sync_devices()
        return float(loss.numpy())


class FitTrainer(KerasTrainer):
    """Let Keras do it: `model.fit` over one batch at a time, timed as its callbacks see a batch begin and end.

    What a call of `fit` costs beside its batches is paid once in an epoch, and is no part of a step.
    """

    def __init__(self, network: Any, train: TrainSettings) -> None:
        """Compile the model, as Keras means the word; `Unavailable` for a network that has no `fit`."""
        import keras

        super().__init__(network, train)
        if not isinstance(network, keras.Model) or not isinstance(getattr(network, "output", None), dict):
            raise Unavailable(
                "this network is no functional Keras model: it has no `fit` with a loss by the name of its output",
                remedy="leave the variant out (--skip), or bring the model as a .keras file",
            )
        (output,) = network.output
        network.compile(self._optimizer, loss={output: keras.losses.SparseCategoricalCrossentropy(from_logits=True)})
        self._watch = _watch()

    def step(self, inputs: Mapping[str, Array], labels: Array) -> float:
        """Take one step, which is an epoch of one batch."""
        self._network.fit(
            dict(inputs), labels, batch_size=len(labels), shuffle=False, verbose=0, callbacks=[self._watch]
        )
        self.own_seconds = self._watch.seconds
        return float(self._watch.loss)


def _watch() -> Any:
    """Return a callback that times a batch, and reads its loss, which waits for it; Keras is imported by now."""
    import keras
    import tensorflow as tf

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]  # keras is untyped here
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self._begin = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.loss = float(logs["loss"])
            tf.test.experimental.sync_devices()
            self.seconds = time.perf_counter() - self._begin

    return Watch()


def tensors(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Copy arrays to where TensorFlow computes."""
    import tensorflow as tf

    return {name: tf.constant(array) for name, array in arrays.items()}
