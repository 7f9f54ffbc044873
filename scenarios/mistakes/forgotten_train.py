"""Forgotten training mode: a model with dropout is trained in a loop of one's own, in evaluation mode."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class ForgottenTrain(Mistake):
    """Forgotten training mode."""

    name: ClassVar[str] = "forgotten_train"
    title: ClassVar[str] = "Forgotten training mode"
    wrong: ClassVar[str] = "a model with dropout is trained in evaluation mode"
    names: ClassVar[tuple[str, ...]] = ("Dropout", "dropout", "eval", "training")

    @staticmethod
    def pytorch() -> Seen:
        """Go on training after an evaluation."""
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5), nn.Linear(64, 1))
        features, answers = torch.rand(8, 4), torch.rand(8, 1)
        model.eval()
        with torch.no_grad():
            before = nn.functional.mse_loss(model(features), answers)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        optimizer.zero_grad()
        first, again = model(features), model(features)  # the mistake
        nn.functional.mse_loss(first, answers).backward()
        active = not torch.equal(first, again)
        return Seen(active, f"loss {before.item():.3g}; dropout is {'' if active else 'not '}active in training")

    @staticmethod
    def pytorch_right() -> Seen:
        """Switch back to training first."""
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5), nn.Linear(64, 1))
        features, answers = torch.rand(8, 4), torch.rand(8, 1)
        model.eval()
        with torch.no_grad():
            before = nn.functional.mse_loss(model(features), answers)
        optimizer = torch.optim.SGD(model.train().parameters(), lr=0.1)
        optimizer.zero_grad()
        first, again = model(features), model(features)
        nn.functional.mse_loss(first, answers).backward()
        active = not torch.equal(first, again)
        return Seen(active, f"loss {before.item():.3g}; dropout is {'' if active else 'not '}active in training")

    @staticmethod
    def tensorflow() -> Seen:
        """Train in a loop of one's own."""
        import keras
        import numpy as np
        import tensorflow as tf
        from keras import layers

        model = keras.Sequential([keras.Input((4,)), layers.Dense(64), layers.Dropout(0.5), layers.Dense(1)])
        random = np.random.default_rng(1)
        features, answers = random.random((8, 4), dtype=np.float32), random.random((8, 1), dtype=np.float32)
        with tf.GradientTape() as tape:
            first, again = model(features), model(features)  # the mistake
            loss = tf.reduce_mean((first - answers) ** 2)
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        active = not bool(np.array_equal(first, again))
        return Seen(active, f"loss {float(loss):.3g}; dropout is {'' if active else 'not '}active in training")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Say that it trains."""
        import keras
        import numpy as np
        import tensorflow as tf
        from keras import layers

        model = keras.Sequential([keras.Input((4,)), layers.Dense(64), layers.Dropout(0.5), layers.Dense(1)])
        random = np.random.default_rng(1)
        features, answers = random.random((8, 4), dtype=np.float32), random.random((8, 1), dtype=np.float32)
        with tf.GradientTape() as tape:
            first, again = model(features, training=True), model(features, training=True)
            loss = tf.reduce_mean((first - answers) ** 2)
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        active = not bool(np.array_equal(first, again))
        return Seen(active, f"loss {float(loss):.3g}; dropout is {'' if active else 'not '}active in training")


plugin = ForgottenTrain()
