"""Detached: scores leave the framework on their way to the loss, so that no gradient comes back."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class DetachedGradient(Mistake):
    """Gradient through a detached tensor."""

    name: ClassVar[str] = "detached_gradient"
    title: ClassVar[str] = "Gradient through a detached tensor"
    wrong: ClassVar[str] = "scores are copied through plain numbers before the loss"
    names: ClassVar[tuple[str, ...]] = ("scores", "tolist", "numpy", "grad", "gradient", "gradients")

    @staticmethod
    def pytorch() -> Seen:
        """Take the scores through a list."""
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        before = model.weight.clone()
        features = torch.rand(8, 4)
        scores = torch.tensor(model(features).tolist())  # the mistake
        loss = ((scores - 1.0) ** 2).mean()
        loss.backward()
        optimizer.step()
        learnt = not torch.equal(before, model.weight)
        return Seen(learnt, "the weights have changed" if learnt else "the weights are what they were")

    @staticmethod
    def pytorch_right() -> Seen:
        """Leave them as they are."""
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        before = model.weight.clone()
        features = torch.rand(8, 4)
        scores = model(features)
        loss = ((scores - 1.0) ** 2).mean()
        loss.backward()
        optimizer.step()
        learnt = not torch.equal(before, model.weight)
        return Seen(learnt, "the weights have changed" if learnt else "the weights are what they were")

    @staticmethod
    def tensorflow() -> Seen:
        """Take the scores through an array."""
        import keras
        import numpy as np
        import tensorflow as tf
        from keras import layers

        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        optimizer = keras.optimizers.SGD(0.1)
        before = model.get_weights()[0]
        features = np.random.default_rng(1).random((8, 4), dtype=np.float32)
        with tf.GradientTape() as tape:
            scores = tf.constant(model(features).numpy())  # the mistake
            loss = tf.reduce_mean((scores - 1.0) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        learnt = not np.array_equal(before, model.get_weights()[0])
        return Seen(learnt, "the weights have changed" if learnt else "the weights are what they were")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Leave them as they are."""
        import keras
        import numpy as np
        import tensorflow as tf
        from keras import layers

        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        optimizer = keras.optimizers.SGD(0.1)
        before = model.get_weights()[0]
        features = np.random.default_rng(1).random((8, 4), dtype=np.float32)
        with tf.GradientTape() as tape:
            scores = model(features)
            loss = tf.reduce_mean((scores - 1.0) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        learnt = not np.array_equal(before, model.get_weights()[0])
        return Seen(learnt, "the weights have changed" if learnt else "the weights are what they were")


plugin = DetachedGradient()
