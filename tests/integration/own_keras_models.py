"""Keras models as people bring them: a file of somebody's own, with a function for each. Nothing here is fweval's."""

from typing import Any

import keras
import numpy as np
from keras import layers

WIDTH, WORDS, LENGTH = 6, 30, 10


def _filled(model: Any) -> Any:
    """Fill all weights, biases too, with the same numbers each time."""
    random = np.random.default_rng(5)
    model.set_weights([random.standard_normal(weight.shape).astype(weight.dtype) for weight in model.get_weights()])
    return model


def one() -> Any:
    x = keras.Input((WIDTH,), name="x")
    return _filled(keras.Model(x, layers.Dense(3, activation="relu")(x)))


def unnamed() -> Any:
    x = keras.Input((WIDTH,))
    return _filled(keras.Model(x, layers.Dense(3)(x)))


def _two() -> tuple[Any, Any, Any]:
    first, second = keras.Input((WIDTH,), name="first"), keras.Input((WIDTH,), name="second")
    return first, second, layers.Dense(3, name="joined")(layers.Subtract()([first, second]))


def listed() -> Any:
    first, second, joined = _two()
    return _filled(keras.Model([second, first], joined))


def dictionary() -> Any:
    first, second, joined = _two()
    return _filled(keras.Model({"second": second, "first": first}, joined))


def several() -> Any:
    x = keras.Input((WIDTH,), name="x")
    outputs = [layers.Dense(3, name="scores")(x), layers.Dense(2, name="boxes")(x)]
    return _filled(keras.Model(x, outputs))


def by_name() -> Any:
    x = keras.Input((WIDTH,), name="x")
    outputs = {"scores": layers.Dense(3, name="a")(x), "boxes": layers.Dense(2, name="b")(x)}
    return _filled(keras.Model(x, outputs))


def sequential() -> Any:
    return _filled(keras.Sequential([keras.Input((WIDTH,), name="x"), layers.Dense(4), layers.Dense(3)]))


def unbuilt() -> Any:
    """Return a sequential model that learns from the examples what it takes."""
    keras.utils.set_random_seed(3)
    return keras.Sequential([layers.Dense(3, bias_initializer="ones")])


class Subclassed(keras.Model):  # type: ignore[misc]  # keras is untyped here
    def __init__(self) -> None:
        super().__init__()
        keras.utils.set_random_seed(3)
        self.inner = layers.Dense(4)
        self.drop = layers.Dropout(0.5)
        self.scores = layers.Dense(3)

    def call(self, x: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002  # Keras's signature
        return {"scores": self.scores(self.drop(self.inner(x), training=training))}


class Arguments(keras.Model):  # type: ignore[misc]  # keras is untyped here
    def __init__(self) -> None:
        super().__init__()
        keras.utils.set_random_seed(3)
        self.dense = layers.Dense(3)

    def call(self, x: Any, mask_of: Any) -> Any:
        return self.dense(x * mask_of)


def subclassed() -> Any:
    return Subclassed()


def arguments() -> Any:
    return Arguments()


def tokens() -> Any:
    words = keras.Input((None,), dtype="int32", name="words")
    seen = layers.Embedding(WORDS, WIDTH)(words)
    outputs = {"vector": layers.GlobalAveragePooling1D()(seen), "tags": layers.Dense(4)(seen)}
    return _filled(keras.Model(words, outputs))


def image() -> Any:
    taken = keras.Input((8, 8, 1), name="image")
    found = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(taken))
    return _filled(keras.Model(taken, {"boxes": layers.Dense(4)(found), "scores": layers.Dense(3)(found)}))


def lambda_layer() -> Any:
    """Return a model with code in it, which a file of Keras cannot be read back with in safe mode."""
    x = keras.Input((WIDTH,), name="x")
    return keras.Model(x, layers.Lambda(lambda each: each * 2)(layers.Dense(3)(x)))


class Double(layers.Layer):  # type: ignore[misc]  # keras is untyped here
    def call(self, x: Any) -> Any:
        return 2 * x


Double.__module__ = "a_package_that_is_not_here"


def custom() -> Any:
    x = keras.Input((WIDTH,), name="x")
    return keras.Model(x, Double()(layers.Dense(3)(x)))


# What cannot be an origin, or not as it is.


def nothing() -> None:
    return None


def layer() -> Any:
    return layers.Dense(3)


def scalar() -> Any:
    x = keras.Input((WIDTH,), name="x")
    return keras.Model(x, keras.ops.mean(x))


def sized(width: int) -> Any:
    return keras.Sequential([layers.Dense(width)])
