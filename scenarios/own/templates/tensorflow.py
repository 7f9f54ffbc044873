"""The model that `fweval full mine.toml` evaluates. What says STAND-IN is to be replaced.

fweval imports this file in processes of its own, in this folder: what lies beside it is found as ever. Nothing but
definitions at the top, please; what is to run as a script goes below `if __name__ == "__main__":`.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf


def build() -> keras.Model:
    """Return the model with its weights. It is called without arguments; the names of inputs are Keras's."""
    keras.utils.set_random_seed(1)  # STAND-IN: weights by chance, the same each time, in a network that is not yours
    features = keras.Input((8,), name="features")
    hidden = keras.layers.Dense(16, activation="relu")(features)
    model = keras.Model(features, keras.layers.Dense(3, name="scores")(hidden))
    # model.load_weights("mine.weights.h5")
    return model


def examples() -> dict[str, np.ndarray]:
    """Return what the model is asked, in place of holdout.npz: input -> array, whose first axis is examples."""
    return dict(np.load("holdout.npz"))  # STAND-IN: from wherever they are, at least 64 of them


def labels() -> dict[str, np.ndarray]:
    """Return what is true of each example, in their order; needed for a measure of quality, and for training."""
    features = examples()["features"]
    return {"classes": features[:, :3].argmax(axis=1)}  # STAND-IN


def quality(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Return how good outputs are, more is better. Several outputs, or labels, come as a dictionary of arrays."""
    return float((outputs.argmax(axis=1) == labels).mean())  # STAND-IN: what decides for you


def make_step(model: keras.Model) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return a step of training; needed where [train] is there, and for a classifier not even then."""
    optimizer = keras.optimizers.Adam(1e-3)
    right = keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # STAND-IN

    @tf.function
    def step(features: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = right(classes, model(features, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step
