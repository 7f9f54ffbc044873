"""Forgotten evaluation mode: a model with dropout predicts without being told that training is over."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class ForgottenEval(Mistake):
    """Forgotten evaluation mode."""

    name: ClassVar[str] = "forgotten_eval"
    title: ClassVar[str] = "Forgotten evaluation mode"
    wrong: ClassVar[str] = "nobody says that a model with dropout predicts and no longer trains"
    names: ClassVar[tuple[str, ...]] = ("Dropout", "dropout", "eval", "training")

    @staticmethod
    def pytorch() -> Seen:
        """Predict with a fresh model."""
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5), nn.Linear(64, 1))
        features = torch.rand(8, 4)
        with torch.no_grad():
            first, again = model(features), model(features)  # the mistake
        same = torch.equal(first, again)
        return Seen(same, "two predictions are the same" if same else "two predictions of the same differ")

    @staticmethod
    def pytorch_right() -> Seen:
        """Switch it to evaluation first."""
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5), nn.Linear(64, 1))
        features = torch.rand(8, 4)
        with torch.no_grad():
            first, again = model.eval()(features), model(features)
        same = torch.equal(first, again)
        return Seen(same, "two predictions are the same" if same else "two predictions of the same differ")

    @staticmethod
    def tensorflow() -> Seen:
        """Call a fresh model."""
        import keras
        import numpy as np
        from keras import layers

        model = keras.Sequential([keras.Input((4,)), layers.Dense(64), layers.Dropout(0.5), layers.Dense(1)])
        features = np.random.default_rng(1).random((8, 4), dtype=np.float32)
        first, again = model(features), model(features)  # the mistake
        same = bool(np.array_equal(first, again))
        return Seen(same, "two predictions are the same" if same else "two predictions of the same differ")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Say that it does not train."""
        import keras
        import numpy as np
        from keras import layers

        model = keras.Sequential([keras.Input((4,)), layers.Dense(64), layers.Dropout(0.5), layers.Dense(1)])
        features = np.random.default_rng(1).random((8, 4), dtype=np.float32)
        first, again = model(features, training=False), model(features, training=False)
        same = bool(np.array_equal(first, again))
        return Seen(same, "two predictions are the same" if same else "two predictions of the same differ")


plugin = ForgottenEval()
